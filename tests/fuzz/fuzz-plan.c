// SPDX-License-Identifier: MIT
/*
 * Plans for payloads of any shape (kernel/plan.c), and places for them in a window
 * (kernel/window.c): no page that is lent has a byte outside of the payload, no two
 * payloads have a slot in common.
 */
#include "plan.h"
#include "window.h"

#include "input.h"

#define SLOTS	64u

struct taken {
	u32 first, count;
};

static void check_runs(const struct zcmu_plan *plan)
{
	u64 bytes = 0;
	u32 i;

	must(plan->nr_runs <= ZCMU_MAX_RUNS);
	for (i = 0; i < plan->nr_runs; i++) {
		const struct zcmu_run *run = &plan->runs[i];
		u32 end = run->page + zcmu_segment_pages(run->offset, run->len);

		must(run->offset < ZCMU_PAGE);
		must(end <= plan->nr_pages);
		must(i + 1 == plan->nr_runs || end <= plan->runs[i + 1].page);
		bytes += run->len;
	}
	must(bytes == plan->bytes);
	must(plan->edge_bytes <= plan->bytes);
	must(plan->nr_edges <= plan->nr_pages);
	/* Pages that are no edges are full. */
	must(plan->bytes - plan->edge_bytes ==
	     (u64)(plan->nr_pages - plan->nr_edges) * ZCMU_PAGE);
}

static void make_plan(struct input *in, struct zcmu_plan *plan)
{
	u32 i, segments = 1 + input_number(in, 1) % 20;

	zcmu_plan_init(plan);
	for (i = 0; i < segments && !plan->too_many_runs; i++) {
		u32 offset = input_number(in, 1) % 8 * 512;
		u32 len = 1 + input_number(in, 2);

		/* Mostly what initiators do: whole pages in the middle. */
		if (len % 4)
			len = (len % 16 + 1) * ZCMU_PAGE - (len & 16 ? offset : 0);
		zcmu_plan_add(plan, offset, len);
	}
	if (!plan->too_many_runs)
		check_runs(plan);
}

static void check_owners(const struct zcmu_window *window, const struct taken *all)
{
	u32 slot, i, used = 0;

	for (slot = 0; slot < SLOTS; slot++) {
		void *owner = zcmu_window_owner(window, slot * ZCMU_SLOT_PAGES);
		const void *expected = NULL;

		for (i = 0; i < SLOTS; i++) {
			if (slot >= all[i].first && slot < all[i].first + all[i].count)
				expected = &all[i];
		}
		must(owner == expected);
		used += expected != NULL;
	}
	must(window->free == SLOTS - used);
	must(!zcmu_window_owner(window, SLOTS * ZCMU_SLOT_PAGES));
}

static void place(struct zcmu_window *window, struct taken *mine, u32 pages)
{
	u32 count = zcmu_window_slots(pages), first;

	if (mine->count) {
		zcmu_window_give_back(window, mine->first, mine->count);
		mine->count = 0;
		return;
	}
	first = zcmu_window_take(window, count, mine);
	if (first == ZCMU_NO_SLOT)
		return;
	must(count && first + count <= SLOTS);
	*mine = (struct taken){ first, count };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zcmu_lend_policy policy = { true, 4096, SLOTS * ZCMU_SLOT_PAGES };
	struct taken all[SLOTS] = { { 0, 0 } };
	struct input in = { data, size };
	struct zcmu_window window;
	void *owners[SLOTS] = { NULL };

	zcmu_window_init(&window, owners, SLOTS);
	while (in.size) {
		struct taken *mine = &all[input_number(&in, 1) % SLOTS];
		struct zcmu_plan plan;

		make_plan(&in, &plan);
		if (mine->count || zcmu_plan_should_lend(&plan, &policy))
			place(&window, mine, plan.nr_pages);
		check_owners(&window, all);
	}
	return 0;
}
