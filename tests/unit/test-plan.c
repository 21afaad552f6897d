// SPDX-License-Identifier: MIT
/*
 * How a payload lies in the window, and whether it is lent (kernel/plan.c). Pages
 * are not touched here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "plan.h"

#define PAGE	ZCMU_PAGE

struct segment {
	u32 offset, len;
};

static void plan(struct zcmu_plan *p, const struct segment *segments, unsigned int nr)
{
	unsigned int i;

	/* What was there before must not matter. */
	memset(p, 0xa5, sizeof(*p));
	zcmu_plan_init(p);
	for (i = 0; i < nr; i++)
		zcmu_plan_add(p, segments[i].offset, segments[i].len);
}

#define PLAN(p, ...) \
	plan(p, (const struct segment[]){ __VA_ARGS__ }, \
	     sizeof((const struct segment[]){ __VA_ARGS__ }) / sizeof(struct segment))

static void assert_run(const struct zcmu_run *run, u32 page, u32 offset, u32 len)
{
	assert_int_equal(run->page, page);
	assert_int_equal(run->offset, offset);
	assert_int_equal(run->len, len);
}

static void assert_pages(const struct zcmu_plan *p, u32 pages, u32 edges, u32 edge_bytes)
{
	assert_int_equal(p->nr_pages, pages);
	assert_int_equal(p->nr_edges, edges);
	assert_int_equal(p->edge_bytes, edge_bytes);
}

static void a_segment_that_ends_behind_4_gib_has_all_its_pages(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 1, 0xffffffffu });
	assert_pages(&p, UINT32_MAX / PAGE + 1, 1, PAGE - 1);
	PLAN(&p, { PAGE - 1, 0xffffffffu });
	assert_pages(&p, UINT32_MAX / PAGE + 2, 2, 1 + PAGE - 2);
}

static void whole_pages_are_one_run_without_edges(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 4 * PAGE });
	assert_int_equal(p.nr_runs, 1);
	assert_run(&p.runs[0], 0, 0, 4 * PAGE);
	assert_pages(&p, 4, 0, 0);
	assert_int_equal(p.bytes, 4 * PAGE);
}

static void a_single_whole_page_is_no_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, PAGE });
	assert_pages(&p, 1, 0, 0);
}

static void a_partial_first_page_is_an_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 512, 2 * PAGE - 512 });
	assert_int_equal(p.nr_runs, 1);
	assert_run(&p.runs[0], 0, 512, 2 * PAGE - 512);
	assert_pages(&p, 2, 1, PAGE - 512);
}

static void a_partial_last_page_is_an_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 2 * PAGE + 512 });
	assert_run(&p.runs[0], 0, 0, 2 * PAGE + 512);
	assert_pages(&p, 3, 1, 512);
}

static void partial_pages_at_both_ends_are_two_edges(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 1024, 3 * PAGE });
	assert_run(&p.runs[0], 0, 1024, 3 * PAGE);
	assert_pages(&p, 4, 2, PAGE);
}

static void a_piece_in_the_middle_of_a_page_is_one_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 1024, 512 });
	assert_run(&p.runs[0], 0, 1024, 512);
	assert_pages(&p, 1, 1, 512);
}

static void a_piece_at_the_start_of_a_page_is_one_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 512 });
	assert_pages(&p, 1, 1, 512);
}

static void a_piece_at_the_end_of_a_page_is_one_edge(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 1024, PAGE - 1024 });
	assert_pages(&p, 1, 1, PAGE - 1024);
}

static void two_partial_pages_and_nothing_between_are_two_edges(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { PAGE - 1, 2 });
	assert_pages(&p, 2, 2, 2);
}

static void segments_that_continue_page_by_page_are_one_run(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 512, PAGE - 512 }, { 0, PAGE }, { 0, 2 * PAGE }, { 0, 1024 });
	assert_int_equal(p.nr_runs, 1);
	assert_run(&p.runs[0], 0, 512, 4 * PAGE + 512);
	assert_pages(&p, 5, 2, PAGE - 512 + 1024);
}

static void a_segment_that_begins_inside_a_page_begins_a_run(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, PAGE }, { 512, PAGE - 512 }, { 0, PAGE });
	assert_int_equal(p.nr_runs, 2);
	assert_run(&p.runs[0], 0, 0, PAGE);
	assert_run(&p.runs[1], 1, 512, 2 * PAGE - 512);
	assert_pages(&p, 3, 1, PAGE - 512);
}

static void a_segment_behind_a_partial_page_begins_a_run(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, PAGE + 512 }, { 0, PAGE });
	assert_int_equal(p.nr_runs, 2);
	assert_run(&p.runs[0], 0, 0, PAGE + 512);
	assert_run(&p.runs[1], 2, 0, PAGE);
	assert_pages(&p, 3, 1, 512);
}

static void two_pieces_of_one_page_get_a_page_each(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 512 }, { 512, 512 });
	assert_int_equal(p.nr_runs, 2);
	assert_run(&p.runs[0], 0, 0, 512);
	assert_run(&p.runs[1], 1, 512, 512);
	assert_pages(&p, 2, 2, 1024);
}

static void plan_runs(struct zcmu_plan *p, unsigned int nr)
{
	zcmu_plan_init(p);
	while (nr--)
		zcmu_plan_add(p, 512, 2 * PAGE - 512);
}

static void sixteen_runs_are_not_too_many(void **state)
{
	struct zcmu_plan p;

	(void)state;
	plan_runs(&p, ZCMU_MAX_RUNS);
	assert_false(p.too_many_runs);
	assert_int_equal(p.nr_runs, ZCMU_MAX_RUNS);
	assert_run(&p.runs[15], 30, 512, 2 * PAGE - 512);
}

static void seventeen_runs_are_too_many(void **state)
{
	struct zcmu_plan p;

	(void)state;
	plan_runs(&p, ZCMU_MAX_RUNS + 1);
	assert_true(p.too_many_runs);
	assert_int_equal(p.nr_runs, ZCMU_MAX_RUNS);
}

/*
 * The decision, one question at a time
 */

static const struct zcmu_lend_policy yes = { .enabled = true, .min_bytes = PAGE, .max_pages = 64 };

static void whole_pages_are_lent(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 4 * PAGE });
	assert_true(zcmu_plan_should_lend(&p, &yes));
}

static void nothing_is_lent_if_it_is_switched_off(void **state)
{
	struct zcmu_lend_policy policy = yes;
	struct zcmu_plan p;

	(void)state;
	policy.enabled = false;
	PLAN(&p, { 0, 4 * PAGE });
	assert_false(zcmu_plan_should_lend(&p, &policy));
}

static void nothing_is_lent_without_a_window(void **state)
{
	struct zcmu_lend_policy policy = yes;
	struct zcmu_plan p;

	(void)state;
	policy.max_pages = 0;
	PLAN(&p, { 0, 4 * PAGE });
	assert_false(zcmu_plan_should_lend(&p, &policy));
}

static void a_payload_of_nothing_is_not_lent(void **state)
{
	struct zcmu_lend_policy policy = yes;
	struct zcmu_plan p;

	(void)state;
	policy.min_bytes = 0;
	zcmu_plan_init(&p);
	assert_false(zcmu_plan_should_lend(&p, &policy));
}

static void a_payload_below_the_minimum_is_copied(void **state)
{
	struct zcmu_lend_policy policy = yes;
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 4 * PAGE });
	policy.min_bytes = 4 * PAGE;
	assert_true(zcmu_plan_should_lend(&p, &policy));
	policy.min_bytes = 4 * PAGE + 1;
	assert_false(zcmu_plan_should_lend(&p, &policy));
}

static void a_payload_larger_than_the_window_is_copied(void **state)
{
	struct zcmu_plan p;

	(void)state;
	PLAN(&p, { 0, 64 * PAGE });
	assert_true(zcmu_plan_should_lend(&p, &yes));
	PLAN(&p, { 0, 64 * PAGE + 1 });
	assert_false(zcmu_plan_should_lend(&p, &yes));
}

static void a_payload_that_is_edges_by_more_than_half_is_copied(void **state)
{
	struct zcmu_plan p;

	(void)state;
	/* PAGE bytes in edges, of twice that */
	PLAN(&p, { PAGE / 2, 2 * PAGE });
	assert_int_equal(p.edge_bytes, PAGE);
	assert_true(zcmu_plan_should_lend(&p, &yes));
	PLAN(&p, { PAGE / 2, 2 * PAGE }, { 0, 1 });
	assert_false(zcmu_plan_should_lend(&p, &yes));
}

static void a_payload_of_too_many_runs_is_copied(void **state)
{
	struct zcmu_lend_policy policy = yes;
	struct zcmu_plan p;

	(void)state;
	policy.max_pages = UINT32_MAX;
	zcmu_plan_init(&p);
	while (p.nr_runs < ZCMU_MAX_RUNS)
		zcmu_plan_add(&p, 512, 8 * PAGE - 512);
	assert_true(zcmu_plan_should_lend(&p, &policy));
	zcmu_plan_add(&p, 512, 8 * PAGE - 512);
	assert_false(zcmu_plan_should_lend(&p, &policy));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_that_ends_behind_4_gib_has_all_its_pages),
		cmocka_unit_test(whole_pages_are_one_run_without_edges),
		cmocka_unit_test(a_single_whole_page_is_no_edge),
		cmocka_unit_test(a_partial_first_page_is_an_edge),
		cmocka_unit_test(a_partial_last_page_is_an_edge),
		cmocka_unit_test(partial_pages_at_both_ends_are_two_edges),
		cmocka_unit_test(a_piece_in_the_middle_of_a_page_is_one_edge),
		cmocka_unit_test(a_piece_at_the_start_of_a_page_is_one_edge),
		cmocka_unit_test(a_piece_at_the_end_of_a_page_is_one_edge),
		cmocka_unit_test(two_partial_pages_and_nothing_between_are_two_edges),
		cmocka_unit_test(segments_that_continue_page_by_page_are_one_run),
		cmocka_unit_test(a_segment_that_begins_inside_a_page_begins_a_run),
		cmocka_unit_test(a_segment_behind_a_partial_page_begins_a_run),
		cmocka_unit_test(two_pieces_of_one_page_get_a_page_each),
		cmocka_unit_test(sixteen_runs_are_not_too_many),
		cmocka_unit_test(seventeen_runs_are_too_many),
		cmocka_unit_test(whole_pages_are_lent),
		cmocka_unit_test(nothing_is_lent_if_it_is_switched_off),
		cmocka_unit_test(nothing_is_lent_without_a_window),
		cmocka_unit_test(a_payload_of_nothing_is_not_lent),
		cmocka_unit_test(a_payload_below_the_minimum_is_copied),
		cmocka_unit_test(a_payload_larger_than_the_window_is_copied),
		cmocka_unit_test(a_payload_that_is_edges_by_more_than_half_is_copied),
		cmocka_unit_test(a_payload_of_too_many_runs_is_copied),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
