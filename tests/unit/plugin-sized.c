// SPDX-License-Identifier: MIT
/*
 * Plug-ins that were built with another header than the library, one with each set of macros: for
 * test-sized.c. SIZED_OPS: what the callbacks have behind those that are known here. SIZED_STORE:
 * what open() asks for of struct zcmu_store, where the same goes on.
 */
#include <stddef.h>
#include <string.h>

#include "zcmu.h"

struct newer_store {
	struct zcmu_store known;
	uint64_t later;
};

static int sized_open(struct zcmu_store *store, const char *argument)
{
	(void)argument;
	store->size = 4096;
	/* Only where there is room for it: an older library has none if nobody asks. */
	if (store->struct_size >= sizeof(struct newer_store))
		((struct newer_store *)store)->later = SIZED_STORE;
	else
		store->size = 8192;
	return 0;
}

static void sized_read(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	zcmu_io_done(io, 0);
}

struct newer_ops {
	struct zcmu_store_ops known;
	void (*later[4])(void);
};

/* Under the name that the header has for less. */
extern const struct newer_ops plugin __asm__("zcmu_store_plugin");

const struct newer_ops plugin = {
	.known = {
		.abi = ZCMU_STORE_ABI,
		.size = sizeof(plugin),
		.store_size = sizeof(struct newer_store),
		.name = SIZED_NAME,
		.open = sized_open,
		.read = sized_read,
	},
	.later = { NULL, NULL, NULL, (void (*)(void))(uintptr_t)SIZED_OPS },
};
