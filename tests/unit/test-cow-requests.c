// SPDX-License-Identifier: MIT
/*
 * The layer cow: what it does with requests, and what it has after a process or a machine has died,
 * or what it wrote couldn't be flushed. Whose file the overlay is, is test-cow.c's.
 */
#include "store-driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t data[65536], back[65536];
static char spec[512];

static bool is_written(int i)
{
	return (i >= 512 && i < 1024) || (i >= 4096 && i < 12288);
}

static void cow_leaves_what_is_below_as_it_is(void **state)
{
	struct driver *d = *state;
	FILE *file;
	int i;

	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	memset(data, 0xe1, sizeof(data));
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_false(d->store->read_only);
	expect_bytes_of(d, 0, 65536, 7);
	assert_int_equal(driver_write(d, 512, data, 512, false), ZCMU_OK);
	assert_int_equal(driver_write(d, 4096, data, 8192, true), ZCMU_OK);
	expect_bytes_of(d, 0, 512, 7);
	expect_bytes_of(d, 512, 512, 0xe1);
	expect_bytes_of(d, 1024, 3072, 7);
	/* All in one read, in pieces that are no blocks */
	{
		struct driven r = { .iov = { { back, 700 }, { back + 700, 9000 },
					     { back + 9700, 16384 - 9700 } } };

		driver_start(d, &r, ZCMU_IO_READ, 0, 16384);
		driver_wait(d);
		assert_int_equal(r.status, ZCMU_OK);
		for (i = 0; i < 16384; i++)
			assert_int_equal(back[i], is_written(i) ? 0xe1 : 7);
	}
	driver_close(d);
	file = fopen(d->path, "re");
	for (i = 0; i < 1 << 20; i++)
		assert_int_equal(fgetc(file), 7);
	fclose(file);
	/* It is still there when it is opened again. */
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	expect_bytes_of(d, 512, 512, 0xe1);
	expect_bytes_of(d, 4096, 8192, 0xe1);
	expect_bytes_of(d, 12288, 4096, 7);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 0, true), 0);
	assert_true(d->store->read_only);
}

/* Another process opens the disk, writes to it, and dies. */
static void write_and_die(struct driver *d)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		bool ok = !driver_open(d, spec, 0, false) &&
			  driver_write(d, 512, data, 512, false) == ZCMU_OK &&
			  driver_write(d, 65536 - 512, data, 1024, false) == ZCMU_OK;

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void cow_loses_nothing_with_its_process(void **state)
{
	struct driver *d = *state;

	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	memset(data, 0xe1, sizeof(data));
	write_and_die(d);
	memset(data, 0xe2, sizeof(data));
	write_and_die(d);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	expect_bytes_of(d, 0, 512, 7);
	expect_bytes_of(d, 512, 512, 0xe2);
	expect_bytes_of(d, 65536 - 512, 1024, 0xe2);
	expect_bytes_of(d, 65536 + 512, 512, 7);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

/* The bits that were not flushed may speak of blocks that are gone then. */
static void cow_takes_what_was_flushed_when_the_machine_was_booted_again(void **state)
{
	struct driver *d = *state;
	FILE *overlay;

	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	memset(data, 0xe1, sizeof(data));
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(driver_write(d, 4096, data, 512, true), ZCMU_OK);
	driver_close(d);
	write_and_die(d);
	overlay = fopen(driver_path_of(d, "overlay"), "r+e");
	/* Behind the blocks, a page of bits, and three numbers. */
	assert_int_equal(fseek(overlay, (1 << 20) + 4096 + 24, SEEK_SET), 0);
	assert_int_equal(fputs("another", overlay) < 0, 0);
	assert_int_equal(fclose(overlay), 0);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	expect_bytes_of(d, 512, 512, 7);
	expect_bytes_of(d, 4096, 512, 0xe1);
	/* Nor do they come back with the next process. */
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	expect_bytes_of(d, 512, 512, 7);
	expect_bytes_of(d, 4096, 512, 0xe1);
}

static void cow_refuses_an_overlay_of_something_else(void **state)
{
	struct driver *d = *state;

	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:ram:2M");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	driver_close(d);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), -EINVAL);
	expect_logged(d, "overlay", "not the overlay of a disk of 1048576 bytes");
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/disk.img:ram:1M");
	assert_int_equal(driver_open(d, spec, 0, false), -EINVAL);
}

/*
 * cow calls this one. It fails as told.
 */

static int fdatasync_error;
static unsigned int fdatasyncs_before;	/* it fails after so many that work */

int fdatasync(int fd)
{
	if (!fdatasync_error || fdatasyncs_before) {
		fdatasyncs_before -= !!fdatasyncs_before;
		return (int)syscall(SYS_fdatasync, fd);
	}
	errno = fdatasync_error;
	fdatasync_error = 0;
	return -1;
}

static void open_cow(struct driver *d)
{
	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	memset(data, 0xe1, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
}

static void expect_cow_has_lost(struct driver *d)
{
	fdatasync_error = EIO;
	assert_int_equal(driver_flush(d), ZCMU_WRITE_ERROR);
	expect_logged(d, "/overlay", "every flush fails from now on");
	d->logged[0] = '\0';
	assert_int_equal(driver_flush(d), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_write(d, 8192, data, 4096, true), ZCMU_WRITE_ERROR);
	assert_string_equal(d->logged, "");
	assert_int_equal(driver_write(d, 8192, data, 4096, false), ZCMU_OK);
	driver_close(d);
	expect_logged(d, "/overlay", "what was written last may be lost");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

/* Linux tells it once: the next fdatasync() succeeds, and what was written is gone. */
static void cow_never_forgets_blocks_that_could_not_be_flushed(void **state)
{
	struct driver *d = *state;

	open_cow(d);
	expect_cow_has_lost(d);
}

static void cow_never_forgets_bits_that_could_not_be_flushed(void **state)
{
	struct driver *d = *state;

	open_cow(d);
	fdatasyncs_before = 1;
	expect_cow_has_lost(d);
}

static void cow_flushes_again_when_it_was_interrupted(void **state)
{
	struct driver *d = *state;

	open_cow(d);
	fdatasync_error = EINTR;
	assert_int_equal(driver_flush(d), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

/* An overlay that was cut off has lost its blocks: they are not zeroes, nor those below. */
static void cow_fails_where_its_overlay_was_cut_off(void **state)
{
	struct driver *d = *state;

	open_cow(d);
	assert_int_equal(truncate(driver_path_of(d, "overlay"), 2048), 0);
	assert_int_equal(driver_read(d, 0, back, 4096), ZCMU_READ_ERROR);
	assert_int_equal(truncate(d->path, 65536), 0);
	assert_int_equal(driver_read(d, 65536, back, 4096), ZCMU_READ_ERROR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(cow_leaves_what_is_below_as_it_is),
		STORE_TEST(cow_loses_nothing_with_its_process),
		STORE_TEST(cow_takes_what_was_flushed_when_the_machine_was_booted_again),
		STORE_TEST(cow_refuses_an_overlay_of_something_else),
		STORE_TEST(cow_never_forgets_blocks_that_could_not_be_flushed),
		STORE_TEST(cow_never_forgets_bits_that_could_not_be_flushed),
		STORE_TEST(cow_flushes_again_when_it_was_interrupted),
		STORE_TEST(cow_fails_where_its_overlay_was_cut_off),
	};

	return cmocka_run_group_tests_name("cow-requests", tests, NULL, NULL);
}
