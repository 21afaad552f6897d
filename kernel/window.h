/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The window's addresses: which slots belong to which loan. Pure bookkeeping: loan.c and fault.c
 * map and unmap memory. Compiled into the unit tests as well.
 */
#ifndef ZCMU_WINDOW_H
#define ZCMU_WINDOW_H

#include <linux/limits.h>
#include <linux/types.h>

#include "page.h"

/*
 * A slot is 64 KiB, whatever the size of a page: payloads that are worth lending are
 * about that size or larger, and the owner table stays small.
 */
#define ZCMU_SLOT_PAGES	(65536 / ZCMU_PAGE)

struct zcmu_window {
	void **owner;	/* nr_slots entries, NULL is free */
	u32 nr_slots;
	u32 free;
	u32 cursor;	/* where the next search begins: slots follow ring order */
};

#define ZCMU_NO_SLOT	U32_MAX

static inline u32 zcmu_window_slots(u32 pages)
{
	return (pages + ZCMU_SLOT_PAGES - 1) / ZCMU_SLOT_PAGES;
}

void zcmu_window_init(struct zcmu_window *window, void **owner, u32 nr_slots);
u32 zcmu_window_take(struct zcmu_window *window, u32 count, void *owner);
void zcmu_window_give_back(struct zcmu_window *window, u32 first, u32 count);
void *zcmu_window_owner(const struct zcmu_window *window, u32 page);

#endif /* ZCMU_WINDOW_H */
