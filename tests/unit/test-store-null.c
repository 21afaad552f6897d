// SPDX-License-Identifier: MIT
/*
 * The null store (stores/null): it reads as zeroes and forgets, at any size.
 */
#include "store-driver.h"

static uint8_t data[8192];

static void its_size_is_what_it_says(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:3G", 0, false), 0);
	assert_int_equal(d->store->size, 3ull << 30);
	assert_int_equal(d->store->block_size, 512);
	assert_false(d->store->read_only);
}

static void it_may_be_larger_than_any_memory(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:4096P", 0, false), 0);
	expect_bytes_of(d, (4096ull << 50) - 8192, 8192, 0);
}

static void it_reads_as_zeroes_in_every_piece(void **state)
{
	static const uint8_t zeroes[4096];
	struct driver *d = *state;
	struct driven r = { .iov = { { data, 100 }, { data + 200, 3000 }, { data + 4000, 996 } } };

	memset(data, 0xff, sizeof(data));
	assert_int_equal(driver_open(d, "null:1M", 0, false), 0);
	driver_start(d, &r, ZCMU_IO_READ, 0, 4096);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_OK);
	assert_memory_equal(data, zeroes, 100);
	assert_memory_equal(data + 200, zeroes, 3000);
	assert_memory_equal(data + 4000, zeroes, 996);
	assert_int_equal(data[100], 0xff);
	assert_int_equal(data[3200], 0xff);
	assert_int_equal(data[4996], 0xff);
}

static void it_forgets_what_is_written(void **state)
{
	struct driver *d = *state;

	memset(data, 0xee, sizeof(data));
	assert_int_equal(driver_open(d, "null:1M", 0, false), 0);
	assert_int_equal(driver_write(d, 4096, data, 4096, false), ZCMU_OK);
	expect_bytes_of(d, 4096, 4096, 0);
}

static void with_touch_0_the_payload_is_left_as_it_is(void **state)
{
	struct driver *d = *state;

	memset(data, 0xee, sizeof(data));
	assert_int_equal(driver_open(d, "null:1M,touch=0", 0, false), 0);
	assert_int_equal(d->store->size, 1 << 20);
	assert_int_equal(driver_read(d, 0, data, 4096), ZCMU_OK);
	assert_int_equal(data[0], 0xee);
	assert_int_equal(data[4095], 0xee);
}

static void it_can_neither_flush_nor_trim_nor_zero(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:1M", 0, false), 0);
	assert_true(zcmu_store_can(d->store, ZCMU_IO_READ));
	assert_true(zcmu_store_can(d->store, ZCMU_IO_WRITE));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_FLUSH));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_TRIM));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_ZERO));
}

static void it_can_be_read_only(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:1M", 0, true), 0);
	assert_false(zcmu_store_can(d->store, ZCMU_IO_WRITE));
	expect_bytes_of(d, 0, 4096, 0);
}

static void without_a_size_it_is_refused(void **state)
{
	static const char *const specs[] = {
		"null", "null:", "null:much", "null:,touch=0", "null:-1", "null:1M ",
		"null:00000000000000000000000000000001",
	};
	struct driver *d = *state;
	size_t i;

	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		d->logged[0] = '\0';
		assert_int_equal(driver_open(d, specs[i], 0, false), -EINVAL);
		expect_logged(d, "null:", "size");
	}
}

static void a_size_that_is_no_multiple_of_a_block_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:1000", 0, false), -EINVAL);
	expect_logged(d, "null:1000", "512");
	assert_int_equal(driver_open(d, "null:0", 0, false), -EINVAL);
}

static void an_option_it_doesn_t_know_is_refused_by_name(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:1M,tuch=1", 0, false), -EINVAL);
	expect_logged(d, "null: there is no option \"tuch\"", "touch=0|1");
	assert_int_equal(driver_open(d, "null:1M,", 0, false), -EINVAL);
	assert_int_equal(driver_open(d, "null:1M,touch=0,touch=0", 0, false), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(its_size_is_what_it_says),
		STORE_TEST(it_may_be_larger_than_any_memory),
		STORE_TEST(it_reads_as_zeroes_in_every_piece),
		STORE_TEST(it_forgets_what_is_written),
		STORE_TEST(with_touch_0_the_payload_is_left_as_it_is),
		STORE_TEST(it_can_neither_flush_nor_trim_nor_zero),
		STORE_TEST(it_can_be_read_only),
		STORE_TEST(without_a_size_it_is_refused),
		STORE_TEST(a_size_that_is_no_multiple_of_a_block_is_refused),
		STORE_TEST(an_option_it_doesn_t_know_is_refused_by_name),
	};

	return cmocka_run_group_tests_name("store-null", tests, NULL, NULL);
}
