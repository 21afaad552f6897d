/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The size of a page, for the parts that are compiled into the unit tests as well: the
 * kernel's own there, and here each that a kernel has (4, 16 and 64 KiB), which the tests say.
 */
#ifndef ZCMU_PAGE_H
#define ZCMU_PAGE_H

#ifdef __KERNEL__
#include <asm/page.h>

#define ZCMU_PAGE	((u32)PAGE_SIZE)
#elif !defined(ZCMU_PAGE)
#error "a unit test has to say for which size of pages"
#endif

#endif /* ZCMU_PAGE_H */
