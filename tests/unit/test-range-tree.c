// SPDX-License-Identifier: MIT
/*
 * The tree of ranges (lib/serve/range_tree.c) against a list that is searched from end to end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "prng.h"
#include "serve/range_tree.h"

#define RANGES	300u
#define ROUNDS	20000u

struct listed {
	struct zcmu_range range;
	bool is_in, was_found;
};

static struct listed list[RANGES];
static uint64_t last_begin;

static void found(struct zcmu_range *range, void *argument)
{
	struct listed *listed = (struct listed *)range;		/* its first member */

	assert_null(argument);
	assert_true(listed->is_in);
	assert_false(listed->was_found);
	listed->was_found = true;
	assert_true(range->begin >= last_begin);
	last_begin = range->begin;
}

static void look(const struct zcmu_range_tree *tree, uint64_t begin, uint64_t end)
{
	unsigned int i;

	last_begin = 0;
	for (i = 0; i < RANGES; i++)
		list[i].was_found = false;
	zcmu_range_tree_overlaps(tree, begin, end, found, NULL);
	for (i = 0; i < RANGES; i++) {
		const struct zcmu_range *r = &list[i].range;
		bool overlaps = list[i].is_in && r->begin < end && begin < r->end;

		if (list[i].was_found != overlaps)
			fail_msg("expected %llu..%llu to %s %llu..%llu, got the contrary",
				 (unsigned long long)begin, (unsigned long long)end,
				 overlaps ? "overlap" : "miss", (unsigned long long)r->begin,
				 (unsigned long long)r->end);
	}
}

static unsigned int depth(const struct zcmu_range *node)
{
	unsigned int before, after;

	if (!node)
		return 0;
	before = depth(node->before);
	after = depth(node->after);
	return 1 + (before > after ? before : after);
}

/* Short and long, many that are equal or touch, and some up to the greatest number there is */
static void all_that_overlap_are_found_and_no_others(void **state)
{
	struct zcmu_range_tree tree = { 0 };
	struct prng prng = { 3 };
	unsigned int n;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		struct listed *listed = &list[prng_below(&prng, RANGES)];
		uint32_t space = prng_one_in(&prng, 2) ? 40 : 4000;
		uint64_t begin = prng_below(&prng, space), end = begin + 1 + prng_below(&prng, 9);

		if (prng_one_in(&prng, 20)) {
			begin = UINT64_MAX - 1 - prng_below(&prng, space);
			end = UINT64_MAX;
		}
		if (listed->is_in) {
			zcmu_range_tree_remove(&tree, &listed->range);
			listed->is_in = false;
		} else {
			listed->range = (struct zcmu_range){ .begin = begin, .end = end };
			zcmu_range_tree_add(&tree, &listed->range);
			listed->is_in = true;
		}
		look(&tree, begin, end);
		look(&tree, prng_below(&prng, space), space);
	}
	for (n = 0; n < RANGES; n++) {
		if (list[n].is_in)
			zcmu_range_tree_remove(&tree, &list[n].range);
	}
	assert_null(tree.root);
}

/* In order, as those of a disk that is written to from end to end */
static void ranges_in_order_make_no_deep_tree(void **state)
{
	static struct zcmu_range ranges[4096];
	struct zcmu_range_tree tree = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 4096; i++) {
		ranges[i] = (struct zcmu_range){ .begin = i, .end = i + 1 };
		zcmu_range_tree_add(&tree, &ranges[i]);
	}
	/* 12 is the least; chance has no part in it. */
	if (depth(tree.root) > 40)
		fail_msg("expected at most 40 nodes one below the other, got %u", depth(tree.root));
	for (i = 0; i < 4096; i++)
		zcmu_range_tree_remove(&tree, &ranges[i]);
	assert_null(tree.root);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_overlap_are_found_and_no_others),
		cmocka_unit_test(ranges_in_order_make_no_deep_tree),
	};

	return cmocka_run_group_tests_name("range-tree", tests, NULL, NULL);
}
