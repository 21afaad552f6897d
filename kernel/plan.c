// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decides whether a payload is lent or copied, and how it lies in the window. It does neither.
 *
 *	scatter list	[..xxx][xxxxx][xxxxx][xx...]	four pages, two of them partial
 *	window		[..XXX][lent ][lent ][XX...]	X: edge page, private, bytes copied
 *	iovec		   ^------------------^		one contiguous run
 *
 * A page that the payload fills only in part is never lent (I2).
 */
#include <linux/minmax.h>

#include "plan.h"

/**
 * zcmu_walk_segment - place the next segment
 * @walk: the walk; all zero at first
 * @offset: where in its first page the segment begins, below ZCMU_PAGE
 * @len: its bytes, not 0
 * @first_page: the window page that its first page goes to
 *
 * Return: true if the segment begins a new run, because it doesn't continue the
 * one before page by page.
 */
bool zcmu_walk_segment(struct zcmu_walk *walk, u32 offset, u32 len, u32 *first_page)
{
	bool new_run = !walk->started || walk->fill || offset;

	if (walk->fill)
		walk->page++;
	*first_page = walk->page;
	walk->page += ((u64)offset + len) / ZCMU_PAGE;
	walk->fill = (offset + len) % ZCMU_PAGE;
	walk->started = true;
	return new_run;
}

void zcmu_plan_init(struct zcmu_plan *plan)
{
	plan->walk = (struct zcmu_walk){};
	plan->nr_runs = 0;
	plan->nr_pages = 0;
	plan->nr_edges = 0;
	plan->edge_bytes = 0;
	plan->bytes = 0;
	plan->too_many_runs = false;
}

/* Add a segment: @len bytes, not 0, that begin @offset bytes into a page. */
void zcmu_plan_add(struct zcmu_plan *plan, u32 offset, u32 len)
{
	u32 count = zcmu_segment_pages(offset, len);
	u32 head, tail, first_page;

	if (zcmu_walk_segment(&plan->walk, offset, len, &first_page)) {
		if (plan->nr_runs == ZCMU_MAX_RUNS) {
			plan->too_many_runs = true;
			return;
		}
		plan->runs[plan->nr_runs++] = (struct zcmu_run){
			.page = first_page, .offset = offset,
		};
	}
	plan->runs[plan->nr_runs - 1].len += len;
	plan->bytes += len;
	plan->nr_pages = first_page + count;

	/* Bytes in the partial first page, and in a partial last one that is another. */
	head = offset || count == 1 ? min(len, ZCMU_PAGE - offset) : 0;
	tail = count > 1 ? (offset + len) % ZCMU_PAGE : 0;
	if (head && zcmu_page_is_edge(offset, len, 0, count)) {
		plan->nr_edges++;
		plan->edge_bytes += head;
	}
	if (tail) {
		plan->nr_edges++;
		plan->edge_bytes += tail;
	}
}

/* Is lending switched on, for a disk that has a window at all? */
static bool policy_allows(const struct zcmu_lend_policy *policy)
{
	return policy->enabled && policy->max_pages;
}

/* Is the payload so small that a copy costs less than a fault and an unmap? */
static bool is_too_small(const struct zcmu_plan *plan, const struct zcmu_lend_policy *policy)
{
	return plan->bytes < policy->min_bytes;
}

/* Is it scattered so finely that its edges would be copied anyway? */
static bool is_too_scattered(const struct zcmu_plan *plan)
{
	return plan->too_many_runs || plan->edge_bytes > plan->bytes / 2;
}

/* Should this payload be lent (true) or copied (false)? */
bool zcmu_plan_should_lend(const struct zcmu_plan *plan, const struct zcmu_lend_policy *policy)
{
	return policy_allows(policy) &&
	       plan->bytes &&
	       !is_too_small(plan, policy) &&
	       !is_too_scattered(plan) &&
	       plan->nr_pages <= policy->max_pages;
}
