// SPDX-License-Identifier: MIT
/*
 * Plug-ins that must not be loaded, one with each set of macros: for test-plugin.c.
 */
#include <stddef.h>

#include "zcmu.h"

#ifdef MISFIT_NO_STORE
extern int zcmu_no_store;
int zcmu_no_store;
#else
static int no_open(struct zcmu_store *store, const char *argument)
{
	store->size = 4096 + (argument != NULL) * 0;
	return 0;
}

static void no_read(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = MISFIT_ABI,
	.size = MISFIT_SIZE,
	.name = MISFIT_NAME,
	.open = no_open,
	.read = no_read,
};
#endif
