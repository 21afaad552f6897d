// SPDX-License-Identifier: MIT
/*
 * Whether a disk that goes on with another process goes on with its contents. Asked of a store by
 * its name (serve/takeover.c), and again when it is open, in the process that has it.
 */
#include <errno.h>
#include <stdint.h>

#include "contents.h"
#include "zcmu.h"

/* The bytes of a volatile store are gone with the process. @flags: the store's */
int contents_check_outlive(const char *name, uint32_t flags)
{
	if (!(flags & ZCMU_STORE_VOLATILE))
		return 0;
	zcmu_error("%s: a disk of that name was left behind by a process that died, and its contents with it; \"zcmu stop %s\" cleans it up",
		   name, name);
	return -ENODATA;
}
