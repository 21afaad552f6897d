/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a payload would look in the window, and whether lending it pays. Pure arithmetic over the
 * segments of a scatter-gather list; compiled into the unit tests as well. loan.c handles the pages
 * themselves.
 */
#ifndef ZCMU_PLAN_H
#define ZCMU_PLAN_H

#include <linux/types.h>

#include "page.h"

/* Payloads of more runs would need too large an entry: they are copied. */
#define ZCMU_MAX_RUNS		16

/* A piece of the payload that is contiguous in the window: one iovec. */
struct zcmu_run {
	u32 page;	/* window page it begins in, counted from the loan's first */
	u32 offset;	/* bytes into that page */
	u32 len;	/* bytes */
};

/*
 * Walks segments and says which window page each page of a segment goes to.
 * Planning and mapping both walk with it, so they can't disagree.
 */
struct zcmu_walk {
	u32 page;	/* window page that the next byte goes to */
	u32 fill;	/* bytes of that page taken already; 0 at a page boundary */
	bool started;
};

struct zcmu_plan {
	struct zcmu_walk walk;
	struct zcmu_run runs[ZCMU_MAX_RUNS];
	u32 nr_runs;
	u32 nr_pages;		/* window pages, edge pages included */
	u32 nr_edges;		/* pages that are lent in part: private ones take their place */
	u32 edge_bytes;		/* payload bytes in them */
	u32 bytes;		/* payload bytes in all */
	bool too_many_runs;
};

/* What the owner of the disk has configured. */
struct zcmu_lend_policy {
	bool enabled;
	u32 min_bytes;
	u32 max_pages;		/* the whole window */
};

bool zcmu_walk_segment(struct zcmu_walk *walk, u32 offset, u32 len, u32 *first_page);

/* Is page @index of @count of a segment only partly the payload's? */
static inline bool zcmu_page_is_edge(u32 offset, u32 len, u32 index, u32 count)
{
	return (index == 0 && offset) ||
	       (index == count - 1 && (offset + len) % ZCMU_PAGE);
}

static inline u32 zcmu_segment_pages(u32 offset, u32 len)
{
	return ((u64)offset + len + ZCMU_PAGE - 1) / ZCMU_PAGE;
}

void zcmu_plan_init(struct zcmu_plan *plan);
void zcmu_plan_add(struct zcmu_plan *plan, u32 offset, u32 len);
bool zcmu_plan_should_lend(const struct zcmu_plan *plan, const struct zcmu_lend_policy *policy);

#endif /* ZCMU_PLAN_H */
