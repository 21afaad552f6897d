// SPDX-License-Identifier: MIT
/*
 * What people type, and what stores hand in: sizes, specs, and stores that are none
 * or that fill in nonsense (lib/store.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "zcmu.h"

static char logged[1024];
static int logged_level;

static void keep_log(int level, const char *message, void *argument)
{
	(void)argument;
	logged_level = level;
	strncpy(logged, message, sizeof(logged) - 1);
}

static int setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	zcmu_set_log(keep_log, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	zcmu_set_log(NULL, NULL);
	return 0;
}

static void expect_logged(const char *word)
{
	if (!strstr(logged, word))
		fail_msg("expected a message of \"%s\", got \"%s\"", word, logged);
}

/*
 * Sizes
 */

static void assert_size(const char *text, uint64_t expected)
{
	uint64_t size = 77;

	assert_int_equal(zcmu_parse_size(text, &size), 0);
	assert_int_equal(size, expected);
}

static void assert_no_size(const char *text, int err)
{
	uint64_t size = 77;

	assert_int_equal(zcmu_parse_size(text, &size), err);
	/* A function that fails leaves nothing behind. */
	assert_int_equal(size, 77);
}

static void digits_alone_are_bytes(void **state)
{
	(void)state;
	assert_size("0", 0);
	assert_size("512", 512);
	assert_size("18446744073709551615", UINT64_MAX);
}

static void units_are_powers_of_1024(void **state)
{
	(void)state;
	assert_size("3K", 3ull << 10);
	assert_size("3M", 3ull << 20);
	assert_size("3G", 3ull << 30);
	assert_size("3T", 3ull << 40);
	assert_size("3P", 3ull << 50);
}

static void units_may_be_small_letters(void **state)
{
	(void)state;
	assert_size("3k", 3ull << 10);
	assert_size("3m", 3ull << 20);
	assert_size("3g", 3ull << 30);
	assert_size("3t", 3ull << 40);
	assert_size("3p", 3ull << 50);
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "K", "x", "-1", "+1", " 1", "0x10K", "1.5G", "1 G", "1G ", "1GB", "1GiB", "1E",
		"1,", "1\n", "1\xe9", ".",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_no_size(texts[i], -EINVAL);
}

static void a_size_of_more_than_64_bits_is_refused(void **state)
{
	(void)state;
	assert_no_size("18446744073709551616", -ERANGE);
	assert_no_size("99999999999999999999999", -ERANGE);
	assert_size("16383P", 16383ull << 50);
	assert_no_size("16384P", -ERANGE);
	assert_no_size("18014398509481984K", -ERANGE);
	assert_size("18014398509481983K", 18014398509481983ull << 10);
}

/* zcmu.h promises it of every function. */
static void errno_is_left_alone(void **state)
{
	uint64_t size;

	(void)state;
	errno = EDOM;
	zcmu_parse_size("1G", &size);
	assert_int_equal(errno, EDOM);
	zcmu_parse_size("99999999999999999999999", &size);
	assert_int_equal(errno, EDOM);
}

/*
 * Specs
 */

/* What is behind them is test-plugin.c's. */
static void the_built_in_stores_are_listed_first(void **state)
{
	const struct zcmu_store_ops *const *list = zcmu_store_list();

	(void)state;
	assert_string_equal(list[0]->name, "file");
	assert_string_equal(list[1]->name, "ram");
	assert_string_equal(list[2]->name, "null");
}

static void a_store_that_isn_t_there_is_refused_by_name(void **state)
{
	struct zcmu_store *store = NULL;

	(void)state;
	assert_int_equal(zcmu_store_open("floppy:a", NULL, &store), -ENOENT);
	expect_logged("\"floppy\"");
	assert_null(store);
}

static void a_name_is_matched_as_a_whole(void **state)
{
	static const char *const specs[] = {
		"nul:1M", "null2:1M", ":1M", "", "NULL:1M", " null:1M",
	};
	struct zcmu_store *store = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		assert_int_equal(zcmu_store_open(specs[i], NULL, &store), -ENOENT);
}

/*
 * Stores of one's own
 */

static struct zcmu_store answer;	/* what open() fills in */
static char argument_seen[32];
static int open_error, closed;

static int fill_in(struct zcmu_store *store, const char *argument)
{
	strncpy(argument_seen, argument, sizeof(argument_seen) - 1);
	if (open_error)
		return open_error;
	store->size = answer.size;
	store->block_size = answer.block_size ? answer.block_size : store->block_size;
	store->physical_block_size = answer.physical_block_size;
	store->can_fua = answer.can_fua;
	store->can_flush = answer.can_flush;
	store->can_trim = answer.can_trim;
	store->can_zero = answer.can_zero;
	store->max_compare = answer.max_compare;
	store->min_io_size = answer.min_io_size;
	memcpy(store->reserved_zoned, answer.reserved_zoned, sizeof(store->reserved_zoned));
	return 0;
}

static void close_it(struct zcmu_store *store)
{
	(void)store;
	closed++;
}

static void nothing(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	(void)io;
}

static const struct zcmu_store_ops own = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(own), .name = "own",
	.open = fill_in, .close = close_it, .read = nothing, .write = nothing,
};

/* Open it; if that succeeds, close it again. */
static int open_own(const struct zcmu_store_ops *ops, uint64_t size, uint32_t block_size)
{
	struct zcmu_store *store = NULL;
	int err;

	answer = (struct zcmu_store){ .size = size, .block_size = block_size };
	closed = 0;
	err = zcmu_store_open_ops(ops, "thing", NULL, &store);
	zcmu_store_close(store);
	return err;
}

static void a_store_of_one_s_own_is_opened_with_its_argument(void **state)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .size = 4096, .read_only = true,
	};
	struct zcmu_store *store;

	(void)state;
	open_error = 0;
	answer = (struct zcmu_store){ .size = 8192 };
	assert_int_equal(zcmu_store_open_ops(&own, "a:b", &options, &store), 0);
	assert_string_equal(argument_seen, "a:b");
	assert_ptr_equal(store->ops->open, fill_in);
	assert_true(store->read_only);
	assert_int_equal(store->create_size, 4096);
	assert_int_equal(store->size, 8192);
	assert_int_equal(store->block_size, 512);
	assert_int_equal(store->physical_block_size, 512);
	zcmu_store_close(store);
}

static void a_store_without_write_is_read_only(void **state)
{
	struct zcmu_store_ops ops = own;
	struct zcmu_store *store;

	(void)state;
	ops.write = NULL;
	answer = (struct zcmu_store){ .size = 8192 };
	assert_int_equal(zcmu_store_open_ops(&ops, "", NULL, &store), 0);
	assert_true(store->read_only);
	zcmu_store_close(store);
}

static void a_store_for_another_abi_is_refused(void **state)
{
	struct zcmu_store_ops ops = own;

	(void)state;
	ops.abi = ZCMU_STORE_ABI + 1;
	assert_int_equal(open_own(&ops, 8192, 512), -ENOEXEC);
	expect_logged("own");
	ops.abi = ZCMU_STORE_ABI;
	ops.size = 4;
	assert_int_equal(open_own(&ops, 8192, 512), -ENOEXEC);
}

static void a_store_that_contradicts_itself_is_refused_and_closed(void **state)
{
	static const struct zcmu_store wrong[] = {
		{ .size = 512, .can_flush = ZCMU_CAN_NATIVE },
		{ .size = 512, .can_flush = ZCMU_CAN_EMULATED, .can_fua = ZCMU_CAN_NONE },
		{ .size = 512, .can_fua = ZCMU_CAN_EMULATED },
		{ .size = 512, .can_trim = ZCMU_CAN_NATIVE },
		{ .size = 512, .can_trim = ZCMU_CAN_EMULATED },
		{ .size = 512, .can_zero = ZCMU_CAN_NATIVE },
		{ .size = 512, .max_compare = 100 },
		{ .size = 512, .min_io_size = 100 },
		{ .size = 512, .reserved_zoned = { 0, 0, 0, 1 } },
	};
	struct zcmu_store *store = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		answer = wrong[i];
		closed = 0;
		assert_int_equal(zcmu_store_open_ops(&own, "thing", NULL, &store), -EINVAL);
		assert_int_equal(closed, 1);
		expect_logged("contradicts");
	}
}

static void a_store_needs_open_and_read(void **state)
{
	struct zcmu_store_ops ops = own;

	(void)state;
	ops.read = NULL;
	assert_int_equal(open_own(&ops, 8192, 512), -EINVAL);
	ops = own;
	ops.open = NULL;
	assert_int_equal(open_own(&ops, 8192, 512), -EINVAL);
	ops = own;
	ops.close = NULL;
	assert_int_equal(open_own(&ops, 8192, 512), 0);
}

static void the_error_of_open_is_passed_on_and_nothing_is_closed(void **state)
{
	(void)state;
	open_error = -EXDEV;
	assert_int_equal(open_own(&own, 8192, 512), -EXDEV);
	assert_int_equal(closed, 0);
	open_error = 0;
}

static void block_sizes_from_512_to_4096_are_served(void **state)
{
	uint32_t size;

	(void)state;
	for (size = 512; size <= 4096; size *= 2)
		assert_int_equal(open_own(&own, 8192, size), 0);
}

static void any_other_block_size_is_refused_and_the_store_closed(void **state)
{
	static const uint32_t sizes[] = { 1, 256, 520, 3072, 8192, 1u << 31, UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(open_own(&own, 1ull << 40, sizes[i]), -EINVAL);
		expect_logged("own:thing");
		assert_int_equal(closed, 1);
	}
}

static void a_size_that_is_no_multiple_of_a_block_is_refused_and_the_store_closed(void **state)
{
	(void)state;
	assert_int_equal(open_own(&own, 8192 + 512, 4096), -EINVAL);
	expect_logged("own:thing");
	expect_logged("8704");
	assert_int_equal(closed, 1);
	assert_int_equal(open_own(&own, 0, 512), -EINVAL);
	assert_int_equal(closed, 1);
}

static void closing_nothing_is_allowed(void **state)
{
	(void)state;
	zcmu_store_close(NULL);
}

static void messages_keep_errno(void **state)
{
	(void)state;
	errno = EDOM;
	zcmu_error("%s", "one");
	assert_int_equal(errno, EDOM);
	assert_int_equal(logged_level, 3);	/* LOG_ERR */
	zcmu_warning("%s", "two");
	assert_int_equal(errno, EDOM);
	assert_int_equal(logged_level, 4);	/* LOG_WARNING */
	assert_string_equal(logged, "two");
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(digits_alone_are_bytes),
		TEST(units_are_powers_of_1024),
		TEST(units_may_be_small_letters),
		TEST(what_is_no_number_is_refused),
		TEST(a_size_of_more_than_64_bits_is_refused),
		TEST(errno_is_left_alone),
		TEST(the_built_in_stores_are_listed_first),
		TEST(a_store_that_isn_t_there_is_refused_by_name),
		TEST(a_name_is_matched_as_a_whole),
		TEST(a_store_of_one_s_own_is_opened_with_its_argument),
		TEST(a_store_without_write_is_read_only),
		TEST(a_store_for_another_abi_is_refused),
		TEST(a_store_that_contradicts_itself_is_refused_and_closed),
		TEST(a_store_needs_open_and_read),
		TEST(the_error_of_open_is_passed_on_and_nothing_is_closed),
		TEST(block_sizes_from_512_to_4096_are_served),
		TEST(any_other_block_size_is_refused_and_the_store_closed),
		TEST(a_size_that_is_no_multiple_of_a_block_is_refused_and_the_store_closed),
		TEST(closing_nothing_is_allowed),
		TEST(messages_keep_errno),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
