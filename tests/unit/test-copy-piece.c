// SPDX-License-Identifier: MIT
/*
 * Which piece is copied next (tool/copy/piece.c), and the bar (tool/copy/progress.c), without a
 * store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "copy/copy.h"

#define MIB	(1ull << 20)

static struct zcmu_store source;
static struct copy copy;

static void begin(uint64_t size)
{
	source = (struct zcmu_store){ .size = size, .block_size = 512 };
	copy = (struct copy){ .threads = 1, .source = &source, .lock = PTHREAD_MUTEX_INITIALIZER };
	assert_int_equal(copy_pieces_init(&copy, 0), 0);
}

static void expect_piece(unsigned int slot, uint64_t first, uint64_t end)
{
	struct piece *piece = &copy.pieces[slot];

	if (!copy_piece_take(&copy, piece))
		fail_msg("expected a piece, got none");
	if (piece->begin != first || piece->end != end)
		fail_msg("expected %ju..%ju, got %ju..%ju", (uintmax_t)first, (uintmax_t)end,
			 (uintmax_t)piece->begin, (uintmax_t)piece->end);
}

static void nobody_runs_far_ahead_of_the_oldest(void **state)
{
	unsigned int n = 1;

	(void)state;
	begin(1024 * MIB);
	expect_piece(0, 0, MIB);
	while (copy_piece_take(&copy, &copy.pieces[1])) {
		assert_int_equal(copy_prefix(&copy), 0);
		copy_piece_done(&copy, &copy.pieces[1]);
		n++;
	}
	if (n != 64)
		fail_msg("expected 64 pieces at most while the first is not done, got %u", n);
	/* Whoever waits for it is told. */
	assert_true(copy_piece_done(&copy, &copy.pieces[0]));
	assert_int_equal(copy_prefix(&copy), 64 * MIB);
	expect_piece(0, 64 * MIB, 65 * MIB);
	assert_false(copy_piece_done(&copy, &copy.pieces[0]));
	copy_pieces_deinit(&copy);
}

static void what_is_known_is_taken_in_large_pieces(void **state)
{
	(void)state;
	begin(3000 * MIB);
	expect_piece(0, 0, MIB);
	expect_piece(1, MIB, 2 * MIB);
	copy_piece_learn(&copy, 3 * MIB + 4096, true);
	expect_piece(2, 2 * MIB, 3 * MIB);
	assert_int_equal(copy.pieces[2].kind, PIECE_DATA);
	expect_piece(3, 3 * MIB, 3 * MIB + 4096);
	/* Nobody knows what comes: to the end of the chunk. */
	expect_piece(4, 3 * MIB + 4096, 4 * MIB);
	assert_int_equal(copy.pieces[4].kind, PIECE_UNKNOWN);
	copy_piece_learn(&copy, 2900 * MIB, false);
	expect_piece(5, 4 * MIB, 1028 * MIB);
	assert_int_equal(copy.pieces[5].kind, PIECE_HOLE);
	expect_piece(6, 1028 * MIB, 2052 * MIB);
	expect_piece(7, 2052 * MIB, 2900 * MIB);
	/* Known before */
	copy_piece_learn(&copy, 2000 * MIB, true);
	expect_piece(8, 2900 * MIB, 2901 * MIB);
	assert_int_equal(copy.pieces[8].kind, PIECE_UNKNOWN);
	copy_pieces_deinit(&copy);
}

static void expect_line(unsigned int width, const char *expected)
{
	char line[256];
	int len = copy_progress_line(&copy, 4, width, line, sizeof(line));

	if (strcmp(line, expected) || len != (int)strlen(expected))
		fail_msg("expected \"%s\" in %u columns, got \"%s\" (%d)", expected, width, line, len);
}

static void a_bar_shows_rate_and_time_left_in_any_width(void **state)
{
	(void)state;
	begin(1024 * MIB);
	copy.progress.samples = 1;
	copy_piece_learn(&copy, 1024 * MIB, false);
	atomic_store(&copy.done, 256 * MIB);
	expect_line(80, "[##########..............................]  25 % of 1 GiB, 64 MiB/s, 0:12 left");
	expect_line(200, "[##########..............................]  25 % of 1 GiB, 64 MiB/s, 0:12 left");
	expect_line(60, "[#####................]  25 % of 1 GiB, 64 MiB/s, 0:12 left");
	expect_line(40, " 25 % of 1 GiB, 64 MiB/s, 0:12 left");
	expect_line(20, " 25 % of 1 GiB, 64 ");
	expect_line(1, "");
	expect_line(0, "");
	atomic_store(&copy.done, 0);
	expect_line(40, "  0 % of 1 GiB, 0 B/s, -:-- left");
	copy_pieces_deinit(&copy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_runs_far_ahead_of_the_oldest),
		cmocka_unit_test(what_is_known_is_taken_in_large_pieces),
		cmocka_unit_test(a_bar_shows_rate_and_time_left_in_any_width),
	};

	return cmocka_run_group_tests_name("copy-piece", tests, NULL, NULL);
}
