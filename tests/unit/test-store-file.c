// SPDX-License-Identifier: MIT
/*
 * The file store (stores/file), by its requests: read, write, FUA, flush, trim, zero,
 * many at a time, and a file that has become shorter. It takes io_uring: where that
 * is switched off, the tests are skipped. Opening is test-store-file-open.c's.
 */
#include "store-driver.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MIB	(1u << 20)

static uint8_t data[MIB];

/* Open the file; with a size, it is created. Skips the test if there is no io_uring. */
static void open_file(struct driver *d, uint64_t size, bool read_only)
{
	int err = driver_open(d, d->spec, size, read_only);

	if (err && strstr(d->logged, "no io_uring")) {
		print_message("skipped: %s\n", d->logged);
		skip();
	}
	assert_int_equal(err, 0);
}

/* A new file of 1 MiB. */
static void create(struct driver *d)
{
	driver_name_file(d, NULL, "disk.img");
	open_file(d, MIB, false);
}

static void fill(struct driver *d, uint8_t byte)
{
	memset(data, byte, MIB);
	assert_int_equal(driver_write(d, 0, data, MIB, false), ZCMU_OK);
}

static void skip_unless(bool can, const char *what)
{
	if (can)
		return;
	print_message("skipped: this file system can't %s\n", what);
	skip();
}

static uint64_t allocated(struct driver *d)
{
	struct stat st;

	assert_int_equal(stat(d->path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static off_t size_of(struct driver *d)
{
	struct stat st;

	assert_int_equal(stat(d->path, &st), 0);
	return st.st_size;
}

static void what_is_written_is_read(void **state)
{
	static uint8_t back[MIB];
	struct driver *d = *state;

	create(d);
	driver_fill(data, MIB);
	assert_int_equal(driver_write(d, 0, data, MIB, false), ZCMU_OK);
	assert_int_equal(driver_read(d, 0, back, MIB), ZCMU_OK);
	assert_memory_equal(back, data, MIB);
}

static void what_is_written_is_in_the_file(void **state)
{
	struct driver *d = *state;
	FILE *file;

	create(d);
	memset(data, 0x21, 512);
	assert_int_equal(driver_write(d, 1024, data, 512, false), ZCMU_OK);
	memset(data, 0, 512);
	file = fopen(d->path, "re");
	assert_non_null(file);
	assert_int_equal(fseek(file, 1024, SEEK_SET), 0);
	assert_int_equal(fread(data, 1, 1024, file), 1024);
	fclose(file);
	assert_int_equal(data[0], 0x21);
	assert_int_equal(data[511], 0x21);
	assert_int_equal(data[512], 0);
}

static void pieces_are_taken_in_order(void **state)
{
	struct driver *d = *state;
	struct driven w = { .iov = { { data + 600, 400 }, { data, 600 }, { data + 1000, 24 } } };
	struct driven r = { .iov = { { data + 4096, 1 }, { data + 8192, 1023 } } };

	create(d);
	memset(data, 0x01, 600);
	memset(data + 600, 0x02, 400);
	memset(data + 1000, 0x03, 24);
	driver_start(d, &w, ZCMU_IO_WRITE, 512, 1024);
	driver_wait(d);
	assert_int_equal(w.status, ZCMU_OK);
	expect_bytes_of(d, 512, 400, 0x02);
	expect_bytes_of(d, 912, 600, 0x01);
	expect_bytes_of(d, 1512, 24, 0x03);
	driver_start(d, &r, ZCMU_IO_READ, 512, 1024);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_OK);
	assert_int_equal(data[4096], 0x02);
	assert_int_equal(data[8192 + 398], 0x02);
	assert_int_equal(data[8192 + 399], 0x01);
	assert_int_equal(data[8192 + 1022], 0x03);
}

static void a_file_that_is_only_read_is_read(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	open_file(d, 0, true);
	expect_bytes_of(d, 4096, 4096, 'x');
}

static void a_write_with_fua_and_a_flush_succeed(void **state)
{
	struct driver *d = *state;

	create(d);
	memset(data, 0x5f, 4096);
	assert_true(d->store->ops->flags & ZCMU_STORE_FUA);
	assert_int_equal(driver_write(d, 8192, data, 4096, true), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	expect_bytes_of(d, 8192, 4096, 0x5f);
}

/* More than fit into a queue of 256, and more than its completion queue has room for. */
static void thousands_of_requests_may_be_out_at_a_time(void **state)
{
	enum { NR = 2048 };
	struct driver *d = *state;
	struct driven *r = calloc(NR, sizeof(*r));
	unsigned int i;

	create(d);
	for (i = 0; i < NR; i++) {
		memset(data + 512 * i, (int)(1 + i % 255), 512);
		r[i].iov[0] = (struct iovec){ data + 512 * i, 512 };
		driver_start(d, &r[i], ZCMU_IO_WRITE, 512 * i, 512);
	}
	driver_wait(d);
	for (i = 0; i < NR; i++) {
		assert_int_equal(r[i].status, ZCMU_OK);
		expect_bytes_of(d, 512 * i, 512, (uint8_t)(1 + i % 255));
	}
	free(r);
}

/*
 * A file that is shorter than it was
 */

static void a_read_behind_the_end_of_a_file_cut_off_is_a_read_error(void **state)
{
	struct driver *d = *state;

	create(d);
	fill(d, 0x11);
	assert_int_equal(truncate(d->path, 65536), 0);
	assert_int_equal(driver_read(d, 65536, data, 4096), ZCMU_READ_ERROR);
	assert_int_equal(driver_read(d, MIB - 512, data, 512), ZCMU_READ_ERROR);
}

static void a_read_across_the_end_of_a_file_cut_off_is_a_read_error(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, 100 }, { data + 200, 8092 } } };

	create(d);
	fill(d, 0x11);
	assert_int_equal(truncate(d->path, 65536), 0);
	assert_int_equal(driver_read(d, 65536 - 4096, data, 8192), ZCMU_READ_ERROR);
	driver_start(d, &r, ZCMU_IO_READ, 65536 - 4096, 8192);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_READ_ERROR);
	expect_bytes_of(d, 65536 - 4096, 4096, 0x11);
}

/* What is missing is no hole, which would read as zeroes; holes in front of it are. */
static void what_a_file_cut_off_has_lost_is_no_hole(void **state)
{
	struct driver *d = *state;
	struct driven r = { 0 };

	create(d);
	memset(data, 0x11, 65536);
	assert_int_equal(driver_write(d, 0, data, 65536, false), ZCMU_OK);
	assert_int_equal(truncate(d->path, 131072 + 100), 0);
	assert_int_equal(driver_map(d, 65536, MIB - 65536, false), 65536);
	driver_start(d, &r, ZCMU_IO_MAP, 131072, MIB - 131072);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_READ_ERROR);
	driver_start(d, &r, ZCMU_IO_MAP, MIB - 512, 512);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_READ_ERROR);
	/* Nor is it data of the file's, where that ends with some. */
	assert_int_equal(truncate(d->path, 32768), 0);
	assert_int_equal(driver_map(d, 0, MIB, true), 32768);
	driver_start(d, &r, ZCMU_IO_MAP, 32768, 512);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_READ_ERROR);
}

/*
 * Space
 */

/* Whoever takes over the process has the ring in hand, and no seccomp filter looks into it. */
static void its_ring_does_nothing_but_serve(void **state)
{
	struct driver *d = *state;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring *ring;

	create(d);
	ring = d->thread.queue;
	sqe = io_uring_get_sqe(ring);
	assert_non_null(sqe);
	io_uring_prep_openat(sqe, AT_FDCWD, "/dev/null", O_RDONLY, 0);
	io_uring_sqe_set_data(sqe, NULL);
	assert_int_equal(io_uring_submit(ring), 1);
	assert_int_equal(io_uring_wait_cqe(ring, &cqe), 0);
	assert_int_equal(cqe->res, -EACCES);
	io_uring_cqe_seen(ring, cqe);
	fill(d, 0x5a);
	expect_bytes_of(d, 0, MIB, 0x5a);
}

static void a_trim_gives_space_back_and_reads_as_zeroes(void **state)
{
	struct driver *d = *state;
	uint64_t before;

	create(d);
	skip_unless(zcmu_store_can(d->store, ZCMU_IO_TRIM), "punch holes");
	fill(d, 0x22);
	/* Where there is delayed allocation, blocks are counted once they are written. */
	assert_int_equal(driver_flush(d), ZCMU_OK);
	before = allocated(d);
	assert_int_equal(driver_trim(d, 262144, 524288), ZCMU_OK);
	assert_true(allocated(d) <= before - 524288);
	expect_bytes_of(d, 0, 262144, 0x22);
	expect_bytes_of(d, 262144, 524288, 0);
	expect_bytes_of(d, 786432, 262144, 0x22);
}

static void a_trim_of_parts_of_blocks_reads_as_zeroes(void **state)
{
	struct driver *d = *state;

	create(d);
	skip_unless(zcmu_store_can(d->store, ZCMU_IO_TRIM), "punch holes");
	assert_true(d->store->ops->flags & ZCMU_STORE_TRIM_ZEROES);
	fill(d, 0x33);
	assert_int_equal(driver_trim(d, 512, 512), ZCMU_OK);
	assert_int_equal(driver_trim(d, 3584 + 4096, 8192), ZCMU_OK);
	expect_bytes_of(d, 0, 512, 0x33);
	expect_bytes_of(d, 512, 512, 0);
	expect_bytes_of(d, 1024, 6656, 0x33);
	expect_bytes_of(d, 7680, 8192, 0);
	expect_bytes_of(d, 15872, 4096, 0x33);
}

static void holes_and_data_are_told_apart(void **state)
{
	struct driver *d = *state;

	create(d);
	skip_unless(zcmu_store_can(d->store, ZCMU_IO_TRIM), "punch holes");
	fill(d, 0x44);
	assert_int_equal(driver_map(d, 512, MIB - 512, true), MIB - 512);
	assert_int_equal(driver_trim(d, 262144, 524288), ZCMU_OK);
	assert_int_equal(driver_map(d, 512, MIB - 512, true), 262144 - 512);
	assert_int_equal(driver_map(d, 512, 1024, true), 1024);
	assert_int_equal(driver_map(d, 262144, MIB - 262144, false), 524288);
	assert_int_equal(driver_map(d, 262144 + 512, 512, false), 512);
	assert_int_equal(driver_map(d, 786432, 512, true), 512);
	assert_int_equal(driver_trim(d, 786432, 262144), ZCMU_OK);
	assert_int_equal(driver_map(d, 300032, MIB - 300032, false), MIB - 300032);
}

static void a_trim_of_the_end_leaves_the_file_as_long_as_it_is(void **state)
{
	struct driver *d = *state;

	create(d);
	skip_unless(zcmu_store_can(d->store, ZCMU_IO_TRIM), "punch holes");
	assert_int_equal(driver_trim(d, MIB / 2, MIB / 2), ZCMU_OK);
	assert_int_equal(size_of(d), MIB);
	assert_int_equal(driver_zero(d, MIB / 2, MIB / 2, false), ZCMU_OK);
	assert_int_equal(size_of(d), MIB);
}

static void opening_a_file_leaves_it_as_long_as_it_is(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(size_of(d), MIB);
}

static void zero(struct driver *d, bool may_trim)
{
	skip_unless(zcmu_store_can(d->store, ZCMU_IO_ZERO), "zero");
	fill(d, 0x44);
	assert_int_equal(driver_zero(d, 4096 + 512, 65536, may_trim), ZCMU_OK);
	expect_bytes_of(d, 0, 4096 + 512, 0x44);
	expect_bytes_of(d, 4096 + 512, 65536, 0);
	expect_bytes_of(d, 4096 + 512 + 65536, 4096, 0x44);
}

static void a_zeroed_range_reads_as_zeroes(void **state)
{
	create(*state);
	zero(*state, false);
}

static void a_zeroed_range_that_may_be_trimmed_reads_as_zeroes(void **state)
{
	create(*state);
	zero(*state, true);
}

static bool can_zero_in_place(struct driver *d)
{
	int fd = open(d->path, O_RDWR | O_CLOEXEC);
	bool can = !fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096);

	close(fd);
	return can;
}

static void a_zeroed_range_that_may_not_be_trimmed_keeps_its_space(void **state)
{
	struct driver *d = *state;
	uint64_t before;

	create(d);
	skip_unless(can_zero_in_place(d), "zero and keep the space");
	fill(d, 0x55);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	before = allocated(d);
	assert_int_equal(driver_zero(d, 0, MIB, false), ZCMU_OK);
	assert_true(allocated(d) >= before - before / 8);
}

/* tmpfs can punch holes, but not zero: a second try must help. */
static void a_file_system_that_can_only_trim_zeroes_as_well(void **state)
{
	struct driver *d = *state;
	struct statfs fs;

	if (statfs("/dev/shm", &fs) || fs.f_type != 0x01021994 || access("/dev/shm", W_OK)) {
		print_message("skipped: /dev/shm is no tmpfs that may be written\n");
		skip();
	}
	driver_name_file(d, "/dev/shm", "disk.img");
	open_file(d, MIB, false);
	zero(d, false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(what_is_written_is_read),
		STORE_TEST(what_is_written_is_in_the_file),
		STORE_TEST(pieces_are_taken_in_order),
		STORE_TEST(a_file_that_is_only_read_is_read),
		STORE_TEST(a_write_with_fua_and_a_flush_succeed),
		STORE_TEST(thousands_of_requests_may_be_out_at_a_time),
		STORE_TEST(a_read_behind_the_end_of_a_file_cut_off_is_a_read_error),
		STORE_TEST(a_read_across_the_end_of_a_file_cut_off_is_a_read_error),
		STORE_TEST(what_a_file_cut_off_has_lost_is_no_hole),
		STORE_TEST(its_ring_does_nothing_but_serve),
		STORE_TEST(a_trim_gives_space_back_and_reads_as_zeroes),
		STORE_TEST(a_trim_of_parts_of_blocks_reads_as_zeroes),
		STORE_TEST(holes_and_data_are_told_apart),
		STORE_TEST(a_trim_of_the_end_leaves_the_file_as_long_as_it_is),
		STORE_TEST(opening_a_file_leaves_it_as_long_as_it_is),
		STORE_TEST(a_zeroed_range_reads_as_zeroes),
		STORE_TEST(a_zeroed_range_that_may_be_trimmed_reads_as_zeroes),
		STORE_TEST(a_zeroed_range_that_may_not_be_trimmed_keeps_its_space),
		STORE_TEST(a_file_system_that_can_only_trim_zeroes_as_well),
	};

	return cmocka_run_group_tests_name("store-file", tests, NULL, NULL);
}
