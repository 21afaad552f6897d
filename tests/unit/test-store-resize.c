// SPDX-License-Identifier: MIT
/*
 * What the built-in stores do when their size changes: what stays keeps its contents, what
 * is new reads as zeroes, also where something was before.
 */
#include "store-driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB	(1u << 20)

static uint8_t data[MIB];

/* As the library does it: the size changes before the store shrinks, after it has grown. */
static int change(struct driver *d, uint64_t size)
{
	uint64_t old = d->store->size;
	int err;

	if (size < old)
		d->store->size = size;
	err = d->store->ops->resize(d->store, size);
	d->store->size = err ? old : size;
	return err;
}

static void grow_shrink_and_grow(struct driver *d)
{
	/* An odd size: what is cut off begins inside a page. */
	const size_t half = MIB / 2 + 512;

	memset(data, 0xa5, MIB);
	assert_int_equal(driver_write(d, 0, data, MIB, false), ZCMU_OK);
	assert_int_equal(change(d, 2 * MIB), 0);
	expect_bytes_of(d, 0, MIB, 0xa5);
	expect_bytes_of(d, MIB, MIB, 0);
	assert_int_equal(driver_write(d, MIB, data, MIB, false), ZCMU_OK);
	assert_int_equal(change(d, half), 0);
	expect_bytes_of(d, 0, half, 0xa5);
	assert_int_equal(change(d, 2 * MIB), 0);
	expect_bytes_of(d, 0, half, 0xa5);
	expect_bytes_of(d, half, 2 * MIB - half, 0);
}

static void memory_grows_and_shrinks(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "ram:1M", 0, false), 0);
	grow_shrink_and_grow(d);
}

static void memory_grows_where_it_is(void **state)
{
	struct driver *d = *state;
	void *memory;

	assert_int_equal(driver_open(d, "ram:1M", 0, false), 0);
	memory = *(void **)d->store->data;
	/* Requests that are under way have its address. */
	assert_int_equal(change(d, 1ull << 30), 0);
	assert_ptr_equal(*(void **)d->store->data, memory);
	expect_bytes_of(d, (1ull << 30) - MIB, MIB, 0);
	assert_int_equal(change(d, 1ull << 60), -ENOMEM);
	assert_int_equal(d->store->size, 1ull << 30);
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void a_file_grows_and_shrinks(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(driver_open(d, d->spec, MIB, false), 0);
	grow_shrink_and_grow(d);
	assert_int_equal(size_of(d->path), 2 * MIB);
	assert_int_equal(change(d, MIB), 0);
	assert_int_equal(size_of(d->path), MIB);
}

static void a_file_that_has_grown_already_is_not_cut_off(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(driver_open(d, d->spec, MIB, false), 0);
	assert_int_equal(truncate(d->path, 4 * MIB), 0);
	assert_int_equal(change(d, 2 * MIB), 0);
	assert_int_equal(size_of(d->path), 4 * MIB);
}

/* A disk that is taken over shows as much as before of a store that has grown meanwhile. */
static void a_file_that_has_more_than_its_disk_is_not_cut_off(void **state)
{
	static const char *const layers[] = { "", "limit,iops=1000000:", "log,file=/dev/null:limit,rate=1G:" };
	struct driver *d = *state;
	char spec[512];
	size_t i;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 4 * MIB, 1);
	for (i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		snprintf(spec, sizeof(spec), "%s%s", layers[i], d->spec);
		assert_int_equal(driver_open(d, spec, 0, false), 0);
		d->store->size = MIB;
		assert_int_equal(change(d, 2 * MIB), 0);
		if (size_of(d->path) != 4 * MIB)
			fail_msg("expected %s to leave %u bytes, got %lu", spec, 4 * MIB,
				 (unsigned long)size_of(d->path));
		assert_int_equal(change(d, 3 * MIB), 0);
		assert_int_equal(size_of(d->path), 4 * MIB);
		driver_close(d);
	}
}

static void a_file_that_is_only_read_does_not_grow(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, MIB, 1);
	assert_int_equal(driver_open(d, d->spec, 0, true), 0);
	assert_true(change(d, 2 * MIB) < 0);
	expect_logged(d, "2097152", "opened for reading only");
	assert_int_equal(size_of(d->path), MIB);
}

static void nothing_has_any_size(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "null:1M", 0, false), 0);
	assert_int_equal(change(d, 1ull << 50), 0);
	expect_bytes_of(d, (1ull << 50) - MIB, MIB, 0);
	assert_int_equal(change(d, 512), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(memory_grows_and_shrinks),
		STORE_TEST(memory_grows_where_it_is),
		STORE_TEST(a_file_grows_and_shrinks),
		STORE_TEST(a_file_that_has_grown_already_is_not_cut_off),
		STORE_TEST(a_file_that_has_more_than_its_disk_is_not_cut_off),
		STORE_TEST(a_file_that_is_only_read_does_not_grow),
		STORE_TEST(nothing_has_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
