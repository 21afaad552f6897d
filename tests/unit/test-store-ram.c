// SPDX-License-Identifier: MIT
/*
 * The ram store (stores/ram): what is written is read, and what is trimmed is given
 * back to the kernel and reads as zeroes, down to the byte.
 */
#include "store-driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	(1u << 20)

static uint8_t data[SIZE];

static void open_ram(struct driver *d)
{
	assert_int_equal(driver_open(d, "ram:1M", 0, false), 0);
}

/* Write to the whole disk, so that all of its pages exist. */
static void fill(struct driver *d, uint8_t byte)
{
	memset(data, byte, SIZE);
	assert_int_equal(driver_write(d, 0, data, SIZE, false), ZCMU_OK);
}

/* How many pages of the disk exist. */
static unsigned int pages(struct driver *d)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
	unsigned char *map = calloc(1, SIZE / page);
	unsigned int n = 0;

	assert_int_equal(mincore(*(void **)d->store->data, SIZE, map), 0);
	for (i = 0; i < SIZE / page; i++)
		n += map[i] & 1;
	free(map);
	return n;
}

static void a_new_disk_reads_as_zeroes(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	expect_bytes_of(d, 0, SIZE, 0);
}

static void what_is_written_is_read(void **state)
{
	static uint8_t back[SIZE];
	struct driver *d = *state;

	open_ram(d);
	driver_fill(data, SIZE);
	assert_int_equal(driver_write(d, 0, data, SIZE, false), ZCMU_OK);
	assert_int_equal(driver_read(d, 0, back, SIZE), ZCMU_OK);
	assert_memory_equal(back, data, SIZE);
}

static void a_write_changes_its_range_alone(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	fill(d, 0x11);
	memset(data, 0x22, 1024);
	assert_int_equal(driver_write(d, 1536, data, 1024, false), ZCMU_OK);
	expect_bytes_of(d, 0, 1536, 0x11);
	expect_bytes_of(d, 1536, 1024, 0x22);
	expect_bytes_of(d, 2560, SIZE - 2560, 0x11);
}

static void pieces_are_taken_in_order(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data + 600, 400 }, { data, 600 }, { data + 1000, 24 } } };

	open_ram(d);
	memset(data, 0x01, 600);
	memset(data + 600, 0x02, 400);
	memset(data + 1000, 0x03, 24);
	driver_start(d, &r, ZCMU_IO_WRITE, 512, 1024);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_OK);
	expect_bytes_of(d, 512, 400, 0x02);
	expect_bytes_of(d, 912, 600, 0x01);
	expect_bytes_of(d, 1512, 24, 0x03);
}

static void trimmed_whole_pages_are_given_back(void **state)
{
	struct driver *d = *state;
	unsigned int all;

	open_ram(d);
	fill(d, 0x33);
	all = pages(d);
	assert_int_equal(all, SIZE / (size_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(driver_trim(d, 0, SIZE / 2), ZCMU_OK);
	assert_int_equal(pages(d), all / 2);
}

static void what_is_trimmed_reads_as_zeroes(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	fill(d, 0x33);
	assert_int_equal(driver_trim(d, 65536, 131072), ZCMU_OK);
	expect_bytes_of(d, 0, 65536, 0x33);
	expect_bytes_of(d, 65536, 131072, 0);
	expect_bytes_of(d, 65536 + 131072, SIZE - 65536 - 131072, 0x33);
}

/* A range that neither begins nor ends at a page, given or taken a page in between. */
static void trim_and_check(struct driver *d, uint64_t offset, uint64_t length)
{
	fill(d, 0x44);
	assert_int_equal(driver_trim(d, offset, length), ZCMU_OK);
	expect_bytes_of(d, 0, offset, 0x44);
	expect_bytes_of(d, offset, length, 0);
	expect_bytes_of(d, offset + length, SIZE - offset - length, 0x44);
}

static void trimmed_parts_of_pages_read_as_zeroes_and_no_byte_more(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	trim_and_check(d, 512, 512);		/* inside a page */
	trim_and_check(d, 3584, 1024);		/* across two, neither whole */
	trim_and_check(d, 512, 3584);		/* up to a page's end */
	trim_and_check(d, 4096, 512);		/* from a page's start */
	trim_and_check(d, 3584, 8192);		/* one whole, and parts around it */
	trim_and_check(d, 4096, 4096);		/* one whole */
	trim_and_check(d, 512, SIZE - 1024);
}

static void what_is_trimmed_can_be_written_again(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	fill(d, 0x55);
	assert_int_equal(driver_trim(d, 0, SIZE), ZCMU_OK);
	fill(d, 0x66);
	expect_bytes_of(d, 0, SIZE, 0x66);
}

static void zeroing_reads_as_zeroes_whether_it_may_trim_or_not(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	fill(d, 0x77);
	assert_int_equal(driver_zero(d, 512, 8192, false), ZCMU_OK);
	assert_int_equal(driver_zero(d, 65024, 8192, true), ZCMU_OK);
	expect_bytes_of(d, 0, 512, 0x77);
	expect_bytes_of(d, 512, 8192, 0);
	expect_bytes_of(d, 8704, 65024 - 8704, 0x77);
	expect_bytes_of(d, 65024, 8192, 0);
	expect_bytes_of(d, 73216, 4096, 0x77);
}

static void holes_and_data_are_told_apart(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	fill(d, 0x44);
	assert_int_equal(driver_map(d, 512, SIZE - 512, true), SIZE - 512);
	assert_int_equal(driver_trim(d, 262144, 524288), ZCMU_OK);
	assert_int_equal(driver_map(d, 512, SIZE - 512, true), 262144 - 512);
	assert_int_equal(driver_map(d, 512, 1024, true), 1024);
	assert_int_equal(driver_map(d, 262144, SIZE - 262144, false), 524288);
	assert_int_equal(driver_map(d, 262144 + 512, 512, false), 512);
	assert_int_equal(driver_map(d, 786432, 512, true), 512);
	assert_int_equal(driver_trim(d, 786432, 262144), ZCMU_OK);
	assert_int_equal(driver_map(d, 300032, SIZE - 300032, false), SIZE - 300032);
}

static void it_says_what_it_can(void **state)
{
	struct driver *d = *state;

	open_ram(d);
	assert_true(zcmu_store_can(d->store, ZCMU_IO_TRIM));
	assert_true(zcmu_store_can(d->store, ZCMU_IO_ZERO));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_FLUSH));
	assert_true(d->store->ops->flags & ZCMU_STORE_TRIM_ZEROES);
	assert_int_equal(d->store->trim_granularity, sysconf(_SC_PAGESIZE));
}

static bool overcommit_is_off(void)
{
	FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
	int mode = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return mode == '2';
}

static void memory_is_not_needed_before_it_is_written(void **state)
{
	struct driver *d = *state;

	if (overcommit_is_off()) {
		print_message("skipped: sysctl vm.overcommit_memory=2 reserves all memory\n");
		skip();
	}
	/* More than any machine of ours has. */
	assert_int_equal(driver_open(d, "ram:1T", 0, false), 0);
	memset(data, 0x88, 4096);
	assert_int_equal(driver_write(d, (1ull << 40) - 4096, data, 4096, false), ZCMU_OK);
	expect_bytes_of(d, (1ull << 40) - 4096, 4096, 0x88);
}

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages;
}

/* A trim is never a write: it would take what it is to give back. */
static void a_trim_of_parts_of_pages_takes_no_memory(void **state)
{
	enum { PAGES = 16384 };
	struct driver *d = *state;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), i;
	long before, after;

	assert_int_equal(driver_open(d, "ram:1G", 0, false), 0);
	before = resident_pages();
	for (i = 0; i < PAGES; i++)
		assert_int_equal(driver_trim(d, i * page + 512, 512), ZCMU_OK);
	after = resident_pages();
	if (after - before >= PAGES / 2)
		fail_msg("expected at most %d pages of memory more, got %ld", PAGES / 2,
			 after - before);
}

static void the_size_may_be_given_as_an_option(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "ram:", 2 * SIZE, false), 0);
	assert_int_equal(d->store->size, 2 * SIZE);
	driver_close(d);
	assert_int_equal(driver_open(d, "ram", SIZE, false), 0);
	assert_int_equal(d->store->size, SIZE);
}

static void without_a_size_it_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "ram:", 0, false), -EINVAL);
	expect_logged(d, "ram:", "size");
	assert_int_equal(driver_open(d, "ram:0", 0, false), -EINVAL);
	assert_int_equal(driver_open(d, "ram:big", SIZE, false), -EINVAL);
	expect_logged(d, "ram:big", "size");
}

static void a_size_that_is_no_multiple_of_a_block_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "ram:1000", 0, false), -EINVAL);
	expect_logged(d, "ram:1000", "512");
}

static void more_than_there_are_addresses_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "ram:8192P", 0, false), -ENOMEM);
	expect_logged(d, "ram:8192P", "memory");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_new_disk_reads_as_zeroes),
		STORE_TEST(what_is_written_is_read),
		STORE_TEST(a_write_changes_its_range_alone),
		STORE_TEST(pieces_are_taken_in_order),
		STORE_TEST(trimmed_whole_pages_are_given_back),
		STORE_TEST(what_is_trimmed_reads_as_zeroes),
		STORE_TEST(trimmed_parts_of_pages_read_as_zeroes_and_no_byte_more),
		STORE_TEST(what_is_trimmed_can_be_written_again),
		STORE_TEST(zeroing_reads_as_zeroes_whether_it_may_trim_or_not),
		STORE_TEST(holes_and_data_are_told_apart),
		STORE_TEST(it_says_what_it_can),
		STORE_TEST(memory_is_not_needed_before_it_is_written),
		STORE_TEST(a_trim_of_parts_of_pages_takes_no_memory),
		STORE_TEST(the_size_may_be_given_as_an_option),
		STORE_TEST(without_a_size_it_is_refused),
		STORE_TEST(a_size_that_is_no_multiple_of_a_block_is_refused),
		STORE_TEST(more_than_there_are_addresses_is_refused),
	};

	return cmocka_run_group_tests_name("store-ram", tests, NULL, NULL);
}
