// SPDX-License-Identifier: MIT
/*
 * Copies between payloads and plain memory (lib/serve/iov.c): pieces, what is passed over,
 * and not a byte too much.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "prng.h"
#include "zcmu-store.h"

/* A payload of pieces of 3, 0, 5 and 2 bytes: "abc" "" "defgh" "ij". */
struct fixture {
	char memory[4][8];
	struct iovec iov[4];
};

static void make(struct fixture *f)
{
	static const struct {
		const char *text;
		size_t len;
	} pieces[4] = {
		{ "abc.....", 3 }, { "........", 0 }, { "defgh...", 5 }, { "ij......", 2 },
	};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		memcpy(f->memory[i], pieces[i].text, 8);
		f->iov[i] = (struct iovec){ f->memory[i], pieces[i].len };
	}
}

static void expect_pieces(const struct fixture *f, const char *first, const char *third,
			  const char *fourth)
{
	assert_memory_equal(f->memory[0], first, 8);
	assert_memory_equal(f->memory[1], "........", 8);
	assert_memory_equal(f->memory[2], third, 8);
	assert_memory_equal(f->memory[3], fourth, 8);
}

static void a_payload_is_got_across_its_pieces(void **state)
{
	struct fixture f;
	char to[11] = "";

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_get(f.iov, 4, 0, to, 10), 10);
	assert_string_equal(to, "abcdefghij");
}

static void bytes_are_passed_over_across_pieces(void **state)
{
	struct fixture f;
	char to[11] = "";

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_get(f.iov, 4, 4, to, 5), 5);
	assert_string_equal(to, "efghi");
	memset(to, 0, sizeof(to));
	assert_int_equal(zcmu_iov_get(f.iov, 4, 3, to, 1), 1);
	assert_string_equal(to, "d");
	assert_int_equal(zcmu_iov_get(f.iov, 4, 9, to, 1), 1);
	assert_string_equal(to, "j");
}

static void no_more_is_got_than_there_is(void **state)
{
	struct fixture f;
	char to[20];

	(void)state;
	make(&f);
	memset(to, '#', sizeof(to));
	assert_int_equal(zcmu_iov_get(f.iov, 4, 8, to, sizeof(to)), 2);
	assert_memory_equal(to, "ij##", 4);
	assert_int_equal(zcmu_iov_get(f.iov, 4, 10, to, sizeof(to)), 0);
	assert_int_equal(zcmu_iov_get(f.iov, 4, 1000, to, sizeof(to)), 0);
	assert_int_equal(zcmu_iov_get(f.iov, 0, 0, to, sizeof(to)), 0);
	assert_int_equal(zcmu_iov_get(NULL, 0, 0, to, sizeof(to)), 0);
	assert_memory_equal(to, "ij##", 4);
}

static void nothing_is_got_of_nothing(void **state)
{
	struct fixture f;
	char to[4] = "###";

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_get(f.iov, 4, 2, to, 0), 0);
	assert_string_equal(to, "###");
}

static void bytes_are_put_across_pieces_and_nowhere_else(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_put(f.iov, 4, 2, "1234567", 7), 7);
	expect_pieces(&f, "ab1.....", "23456...", "7j......");
}

static void no_more_is_put_than_there_is_room_for(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_put(f.iov, 4, 7, "123456789", 9), 3);
	expect_pieces(&f, "abc.....", "defg1...", "23......");
	assert_int_equal(zcmu_iov_put(f.iov, 4, 10, "1", 1), 0);
	expect_pieces(&f, "abc.....", "defg1...", "23......");
}

static void bytes_are_zeroed_across_pieces_and_nowhere_else(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(zcmu_iov_zero(f.iov, 4, 1, 8), 8);
	expect_pieces(&f, "a\0\0.....", "\0\0\0\0\0...", "\0j......");
	assert_int_equal(zcmu_iov_zero(f.iov, 4, 0, 1000), 10);
	expect_pieces(&f, "\0\0\0.....", "\0\0\0\0\0...", "\0\0......");
}

/* Random pieces, against a copy of the payload in one piece. */
static void any_part_of_any_payload_is_the_same_as_in_one_piece(void **state)
{
	struct prng prng = { 7 };
	uint8_t payload[256], whole[256], from[256];
	struct iovec iov[16];
	unsigned int i, j, step;
	int n;

	(void)state;
	for (step = 0; step < 20000; step++) {
		size_t skip_bytes = prng_below(&prng, 300), len = prng_below(&prng, 256);
		size_t at = 0, expected;

		for (i = 0; i < 16; i++) {
			iov[i].iov_base = payload + at;
			iov[i].iov_len = prng_below(&prng, 17);
			at += iov[i].iov_len;
		}
		for (j = 0; j < sizeof(payload); j++) {
			payload[j] = whole[j] = (uint8_t)prng_next(&prng);
			from[j] = (uint8_t)prng_next(&prng);
		}
		expected = skip_bytes >= at ? 0 : at - skip_bytes < len ? at - skip_bytes : len;
		memcpy(whole + (expected ? skip_bytes : 0), from, expected);
		assert_int_equal(zcmu_iov_put(iov, 16, skip_bytes, from, len), expected);
		assert_memory_equal(payload, whole, sizeof(payload));
		memset(from, 0, sizeof(from));
		assert_int_equal(zcmu_iov_get(iov, 16, skip_bytes, from, len), expected);
		assert_memory_equal(from, whole + (expected ? skip_bytes : 0), expected);
		/* The part that is cut out is that part, and it may be cut in place. */
		n = zcmu_iov_cut(iov, 16, skip_bytes, len, iov);
		assert_int_equal(zcmu_iov_get(iov, n, 0, from, sizeof(from)), expected);
		assert_memory_equal(from, whole + (expected ? skip_bytes : 0), expected);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_payload_is_got_across_its_pieces),
		cmocka_unit_test(bytes_are_passed_over_across_pieces),
		cmocka_unit_test(no_more_is_got_than_there_is),
		cmocka_unit_test(nothing_is_got_of_nothing),
		cmocka_unit_test(bytes_are_put_across_pieces_and_nowhere_else),
		cmocka_unit_test(no_more_is_put_than_there_is_room_for),
		cmocka_unit_test(bytes_are_zeroed_across_pieces_and_nowhere_else),
		cmocka_unit_test(any_part_of_any_payload_is_the_same_as_in_one_piece),
	};

	return cmocka_run_group_tests_name("iov", tests, NULL, NULL);
}
