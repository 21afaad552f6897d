// SPDX-License-Identifier: MIT
/*
 * The window's slots (kernel/window.c): who gets which, in which order, and who has
 * a page. Pages are not mapped here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "prng.h"
#include "window.h"

#define SLOTS	16u
#define PAGES	ZCMU_SLOT_PAGES

struct fixture {
	struct zcmu_window window;
	char owners[SLOTS];	/* their addresses are what owns */
	void **table;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->table = calloc(SLOTS, sizeof(*f->table));
	zcmu_window_init(&f->window, f->table, SLOTS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->table);
	free(f);
	return 0;
}

static u32 take(struct fixture *f, u32 count)
{
	return zcmu_window_take(&f->window, count, &f->owners[0]);
}

static void a_slot_is_needed_for_each_64_kib_begun(void **state)
{
	(void)state;
	assert_int_equal(zcmu_window_slots(0), 0);
	assert_int_equal(zcmu_window_slots(1), 1);
	assert_int_equal(zcmu_window_slots(PAGES), 1);
	assert_int_equal(zcmu_window_slots(PAGES + 1), 2);
}

static void commands_in_a_row_lie_side_by_side(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, 3), 0);
	assert_int_equal(take(f, 1), 3);
	assert_int_equal(take(f, 5), 4);
	assert_int_equal(f->window.free, SLOTS - 9);
}

static void the_search_goes_on_where_the_last_one_ended(void **state)
{
	struct fixture *f = *state;

	take(f, 4);
	zcmu_window_give_back(&f->window, 0, 4);
	assert_int_equal(take(f, 4), 4);
}

static void the_whole_window_can_be_one_command_s(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, SLOTS), 0);
	assert_int_equal(f->window.free, 0);
	zcmu_window_give_back(&f->window, 0, SLOTS);
	assert_int_equal(take(f, SLOTS), 0);
}

static void a_full_window_has_no_slot(void **state)
{
	struct fixture *f = *state;

	take(f, SLOTS);
	assert_int_equal(take(f, 1), ZCMU_NO_SLOT);
}

static void more_than_the_window_has_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, SLOTS + 1), ZCMU_NO_SLOT);
	assert_int_equal(take(f, UINT32_MAX), ZCMU_NO_SLOT);
	assert_int_equal(f->window.free, SLOTS);
}

static void no_slots_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, 0), ZCMU_NO_SLOT);
}

static void a_refused_command_changes_nothing(void **state)
{
	struct fixture *f = *state;

	take(f, 8);
	take(f, 4);
	zcmu_window_give_back(&f->window, 0, 4);
	assert_int_equal(take(f, 5), ZCMU_NO_SLOT);
	assert_int_equal(f->window.free, 8);
	assert_null(zcmu_window_owner(&f->window, 0));
	/* And the search goes on from where it would have. */
	assert_int_equal(take(f, 4), 12);
}

static void slots_never_wrap_around_the_end(void **state)
{
	struct fixture *f = *state;

	take(f, 14);
	zcmu_window_give_back(&f->window, 0, 14);
	/* Two are free at the end and many at the start: four must be adjacent. */
	assert_int_equal(take(f, 4), 0);
}

static void the_last_slot_is_used(void **state)
{
	struct fixture *f = *state;

	take(f, SLOTS - 1);
	assert_int_equal(take(f, 1), SLOTS - 1);
}

static void a_gap_across_the_cursor_is_found(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, 6), 0);
	assert_int_equal(take(f, 2), 6);
	assert_int_equal(take(f, 4), 8);
	zcmu_window_give_back(&f->window, 0, 12);
	assert_int_equal(take(f, 4), 12);
	zcmu_window_give_back(&f->window, 12, 4);
	assert_int_equal(take(f, 2), 0);
	/* The cursor is at 2; [2, 16) is free and so is found in the first search. */
	assert_int_equal(take(f, 14), 2);
	zcmu_window_give_back(&f->window, 0, SLOTS);
	assert_int_equal(take(f, 5), 0);
	zcmu_window_give_back(&f->window, 0, 5);
	/* The cursor is at 5, and only [0, 16) will do: it begins before and ends behind. */
	assert_int_equal(take(f, SLOTS), 0);
}

static void holes_that_are_too_small_are_passed_over(void **state)
{
	struct fixture *f = *state;

	take(f, SLOTS);
	zcmu_window_give_back(&f->window, 1, 2);
	zcmu_window_give_back(&f->window, 4, 1);
	zcmu_window_give_back(&f->window, 7, 3);
	assert_int_equal(take(f, 4), ZCMU_NO_SLOT);
	assert_int_equal(take(f, 3), 7);
	assert_int_equal(take(f, 2), 1);
	assert_int_equal(take(f, 1), 4);
	assert_int_equal(f->window.free, 0);
}

static void each_page_of_a_slot_has_its_owner(void **state)
{
	struct fixture *f = *state;

	zcmu_window_take(&f->window, 1, &f->owners[1]);
	zcmu_window_take(&f->window, 2, &f->owners[2]);
	assert_ptr_equal(zcmu_window_owner(&f->window, 0), &f->owners[1]);
	assert_ptr_equal(zcmu_window_owner(&f->window, PAGES - 1), &f->owners[1]);
	assert_ptr_equal(zcmu_window_owner(&f->window, PAGES), &f->owners[2]);
	assert_ptr_equal(zcmu_window_owner(&f->window, 3 * PAGES - 1), &f->owners[2]);
	assert_null(zcmu_window_owner(&f->window, 3 * PAGES));
}

static void what_was_given_back_is_nobody_s(void **state)
{
	struct fixture *f = *state;

	zcmu_window_take(&f->window, 1, &f->owners[1]);
	zcmu_window_take(&f->window, 1, &f->owners[2]);
	zcmu_window_give_back(&f->window, 0, 1);
	assert_null(zcmu_window_owner(&f->window, 0));
	assert_ptr_equal(zcmu_window_owner(&f->window, PAGES), &f->owners[2]);
}

static void a_page_beyond_the_window_is_nobody_s(void **state)
{
	struct fixture *f = *state;

	zcmu_window_take(&f->window, SLOTS, &f->owners[1]);
	assert_ptr_equal(zcmu_window_owner(&f->window, PAGES * SLOTS - 1), &f->owners[1]);
	assert_null(zcmu_window_owner(&f->window, PAGES * SLOTS));
	assert_null(zcmu_window_owner(&f->window, UINT32_MAX));
}

static void a_window_of_no_slots_has_none_to_give(void **state)
{
	struct zcmu_window window;

	(void)state;
	zcmu_window_init(&window, NULL, 0);
	assert_int_equal(zcmu_window_take(&window, 1, &window), ZCMU_NO_SLOT);
	assert_null(zcmu_window_owner(&window, 0));
}

/*
 * Random takes and returns against a model that is a mere array
 */

struct loan {
	u32 first, count;
};

/* The first gap that will do, beginning at @from. */
static u32 first_gap(const bool *taken, u32 from, u32 count)
{
	u32 first, i;

	for (first = from; first + count <= SLOTS; first++) {
		for (i = 0; i < count && !taken[first + i]; i++)
			;
		if (i == count)
			return first;
	}
	return ZCMU_NO_SLOT;
}

static void check_owners(struct fixture *f, const bool *taken)
{
	u32 i, free = 0;

	for (i = 0; i < SLOTS; i++) {
		assert_int_equal(!!zcmu_window_owner(&f->window, PAGES * i), taken[i]);
		free += !taken[i];
	}
	assert_int_equal(f->window.free, free);
}

static void a_gap_is_found_if_there_is_one_and_it_is_the_next(void **state)
{
	struct fixture *f = *state;
	struct prng prng = { 1 };
	struct loan loans[SLOTS];
	bool taken[SLOTS] = { false };
	u32 nr = 0, step, cursor = 0;

	for (step = 0; step < 50000; step++) {
		u32 count = 1 + prng_below(&prng, prng_one_in(&prng, 4) ? SLOTS : 4);
		u32 expected = first_gap(taken, cursor, count);

		if (nr && prng_one_in(&prng, 2)) {
			u32 i = prng_below(&prng, nr);
			struct loan loan = loans[i];

			zcmu_window_give_back(&f->window, loan.first, loan.count);
			memset(taken + loan.first, false, loan.count);
			loans[i] = loans[--nr];
		} else {
			if (expected == ZCMU_NO_SLOT)
				expected = first_gap(taken, 0, count);
			assert_int_equal(zcmu_window_take(&f->window, count, f), expected);
			if (expected != ZCMU_NO_SLOT) {
				memset(taken + expected, true, count);
				loans[nr++] = (struct loan){ expected, count };
				cursor = expected + count;
			}
		}
		check_owners(f, taken);
	}
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_slot_is_needed_for_each_64_kib_begun),
		TEST(commands_in_a_row_lie_side_by_side),
		TEST(the_search_goes_on_where_the_last_one_ended),
		TEST(the_whole_window_can_be_one_command_s),
		TEST(a_full_window_has_no_slot),
		TEST(more_than_the_window_has_is_refused),
		TEST(no_slots_are_refused),
		TEST(a_refused_command_changes_nothing),
		TEST(slots_never_wrap_around_the_end),
		TEST(the_last_slot_is_used),
		TEST(a_gap_across_the_cursor_is_found),
		TEST(holes_that_are_too_small_are_passed_over),
		TEST(each_page_of_a_slot_has_its_owner),
		TEST(what_was_given_back_is_nobody_s),
		TEST(a_page_beyond_the_window_is_nobody_s),
		TEST(a_window_of_no_slots_has_none_to_give),
		TEST(a_gap_is_found_if_there_is_one_and_it_is_the_next),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
