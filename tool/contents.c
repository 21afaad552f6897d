// SPDX-License-Identifier: MIT
/*
 * Does a disk keep its contents when another process continues to serve it? This is checked by the
 * store's name (serve/takeover.c), and again when the store is open, in the process that has it.
 */
#include <errno.h>
#include <stdint.h>

#include "contents.h"
#include "zcmu.h"

/* The data of a volatile store is lost when the process ends. @flags: the store's */
int contents_check_outlive(const char *name, uint32_t flags)
{
	if (!(flags & ZCMU_STORE_VOLATILE))
		return 0;
	zcmu_error("%s: a disk of that name was left behind by a process that died, and its contents with it; \"zcmu stop %s\" cleans it up",
		   name, name);
	return -ENODATA;
}
