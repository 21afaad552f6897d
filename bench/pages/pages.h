/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What measure.c asks of the module zcmu_pages. A contract between these two
 * alone: both come from one tree.
 */
#ifndef ZCMU_PAGES_H
#define ZCMU_PAGES_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PAGES_MAX	1024

/* Each has a mapping of its own: PAGES_MAX pages, at the method's multiple of PAGES_MAX. */
enum pages_method {
	PAGES_CLOCK,		/* nothing: what looking at the clock adds to the others */
	PAGES_FAULT,		/* PAGES_SPECIAL by the fault of the first touch; ns is not that */
	PAGES_SPECIAL,		/* special PTEs, a page table at a time, as in kernel/fault.c */
	PAGES_REMAP_PFN,
	PAGES_INSERT_PFN,
	PAGES_INSERT_MIXED,
	PAGES_INSERT_PAGES,	/* ordinary PTEs, and references to the pages */
	PAGES_MEMCPY,		/* to other pages of the kernel's */
	PAGES_METHODS,
};

struct pages_request {
	__u32 method;
	__u32 nr;		/* pages, from the mapping's first */
	__u64 address;		/* of the mapping */
	__u64 ns;		/* out: what it took */
};

/* In turns: one method is mapped at a time. */
#define PAGES_MAP	_IOWR('Z', 1, struct pages_request)
#define PAGES_UNMAP	_IOWR('Z', 2, struct pages_request)

#endif /* ZCMU_PAGES_H */
