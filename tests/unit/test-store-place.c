// SPDX-License-Identifier: MIT
/*
 * Where a READ or WRITE has failed: what stores and layers tell of it (zcmu_io.failed_at). What
 * becomes of that is test-scsi-place.c's.
 */
#include "store-driver.h"

#include <liburing.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fake-kernel.h"

#define NO_PLACE	UINT64_MAX

static uint8_t data[8192];
static char spec[512];

/*
 * Files fail at this byte, as those of Linux do: what is in front of it is moved, and the next call
 * fails. The linker puts these in place of the real ones (meson.build).
 */
static uint64_t bad_at = UINT64_MAX;

typedef ssize_t (*call_function)(int fd, const struct iovec *iov, int n, off_t at);

static ssize_t up_to_the_place(call_function call, int fd, const struct iovec *iov, int n, off_t at)
{
	struct iovec front[8];

	if ((uint64_t)at >= bad_at) {
		errno = EIO;
		return -1;
	}
	assert_true(n <= 8);
	n = zcmu_iov_cut(iov, n, 0, bad_at - (uint64_t)at, front);
	return call(fd, front, n, at);
}

ssize_t __real_preadv64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __real_pwritev64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t at);

ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
	return up_to_the_place(__real_preadv64, fd, iov, n, at);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	return up_to_the_place(__real_pwritev64, fd, iov, n, at);
}

/* @format has one %s, for the test's folder, or two. */
static void open_store(struct driver *d, const char *format, uint64_t size)
{
	int err;

	if (!d->directory[0])
		driver_name_file(d, NULL, "disk.img");
	snprintf(spec, sizeof(spec), format, d->directory, d->directory);
	err = driver_open(d, spec, size, false);
	if (err && strstr(d->logged, "no io_uring")) {
		print_message("skipped: %s\n", d->logged);
		skip();
	}
	assert_int_equal(err, 0);
}

static void expect_failure(const struct driven *r, enum zcmu_status status, uint64_t place)
{
	assert_true(r->answered);
	assert_int_equal(r->status, status);
	assert_int_equal(r->cmd.io.failed_at, place);
}

/* The kernel's only answer in the queue becomes another one. */
static void change_answer(struct driver *d, int result)
{
	struct __kernel_timespec patience = { .tv_sec = FAKE_PATIENCE_SECONDS };
	struct io_uring *ring = d->thread.queue;	/* its first member */
	struct io_uring_cqe *cqe;

	d->store->ops->queue_submit(d->store, d->thread.queue);
	assert_int_equal(io_uring_wait_cqes(ring, &cqe, 1, &patience, NULL), 0);
	assert_int_equal(io_uring_cq_ready(ring), 1);
	cqe->res = result;
}

/*
 * file
 */

static void a_file_that_was_cut_off_ends_there(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, 3000 }, { data + 3000, sizeof(data) - 3000 } } };

	open_store(d, "file:%s/disk.img", 1 << 20);
	memset(data, 0x31, sizeof(data));
	assert_int_equal(truncate(d->path, 6000), 0);
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 6000);
	assert_int_equal(data[6000 - 1024 - 1], 0);
	/* Nothing of it is there. */
	driver_start(d, &r, ZCMU_IO_READ, 8192, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 8192);
}

static void a_write_to_a_file_has_failed_behind_what_was_written(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	open_store(d, "file:%s/disk.img", 1 << 20);
	memset(data, 0x31, sizeof(data));
	/* Part of it on the spot, and the rest is the kernel's to fail. */
	bad_at = 4096 + 5000;
	driver_start(d, &r, ZCMU_IO_WRITE, 4096, sizeof(data));
	bad_at = UINT64_MAX;
	change_answer(d, -EIO);
	driver_wait(d);
	expect_failure(&r, ZCMU_WRITE_ERROR, 4096 + 5000);
	expect_bytes_of(d, 4096, 4608, 0x31);
	/* All of it by the kernel */
	driver_start(d, &r, ZCMU_IO_WRITE, 512, sizeof(data));
	change_answer(d, -EIO);
	driver_wait(d);
	expect_failure(&r, ZCMU_WRITE_ERROR, 512);
}

/* It may be about what was written long before, and elsewhere. */
static void a_write_with_fua_has_no_place(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } }, .fua = true };

	open_store(d, "file:%s/disk.img", 1 << 20);
	driver_start(d, &r, ZCMU_IO_WRITE, 4096, sizeof(data));
	change_answer(d, -EIO);
	driver_wait(d);
	expect_failure(&r, ZCMU_WRITE_ERROR, NO_PLACE);
}

static void other_errors_have_no_place(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	open_store(d, "file:%s/disk.img", 1 << 20);
	driver_start(d, &r, ZCMU_IO_WRITE, 512, sizeof(data));
	change_answer(d, -ENOSPC);
	driver_wait(d);
	expect_failure(&r, ZCMU_NO_SPACE, NO_PLACE);
}

/*
 * Layers
 */

static void layers_pass_the_place_up(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	open_store(d, "log,file=%s/log:limit,rate=1G:readonly:fault,error=EIO,at=5000:ram:1M", 0);
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 5000);
	driver_close(d);
	open_store(d, "log,file=%s/log:file:%s/disk.img", 1 << 20);
	assert_int_equal(truncate(d->path, 6000), 0);
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 6000);
}

static void cow_tells_where_its_overlay_has_failed(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	open_store(d, "cow,overlay=%s/overlay:ram:1M", 0);
	memset(data, 0x31, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	bad_at = 5000;
	driver_start(d, &r, ZCMU_IO_READ, 1024, 6144);
	driver_wait(d);
	bad_at = UINT64_MAX;
	expect_failure(&r, ZCMU_READ_ERROR, 5000);
}

static void what_cow_has_written_in_front_of_the_place_counts(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	open_store(d, "cow,overlay=%s/overlay:ram:1M", 0);
	memset(data, 0x31, sizeof(data));
	bad_at = 1024 + 5000;
	driver_start(d, &r, ZCMU_IO_WRITE, 1024, sizeof(data));
	driver_wait(d);
	bad_at = UINT64_MAX;
	expect_failure(&r, ZCMU_WRITE_ERROR, 1024 + 5000);
	expect_bytes_of(d, 1024, 4608, 0x31);
	expect_bytes_of(d, 1024 + 4608, 4096, 0);
}

static void of_a_cow_s_parts_the_first_that_has_failed_counts(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, sizeof(data) } } };

	/* [2048, 3072) is in the overlay, and what is below fails behind that. */
	open_store(d, "cow,overlay=%s/overlay:fault,error=EIO,at=5000:ram:1M", 0);
	assert_int_equal(driver_write(d, 2048, data, 1024, false), ZCMU_OK);
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 5000);
	/* The overlay fails, in front of it. */
	bad_at = 2560;
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	bad_at = UINT64_MAX;
	expect_failure(&r, ZCMU_READ_ERROR, 2560);
	driver_close(d);
	/* What is below is late, and fails in front of it; and doesn't know where. */
	open_store(d, "cow,overlay=%s/overlay:fault,error=EIO,delay=20,at=1100:ram:1M", 0);
	bad_at = 2560;
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	expect_failure(&r, ZCMU_READ_ERROR, 1100);
	driver_close(d);
	bad_at = UINT64_MAX;
	open_store(d, "cow,overlay=%s/overlay:fault,error=ENODEV,delay=20,on=read:ram:1M", 0);
	bad_at = 2560;
	driver_start(d, &r, ZCMU_IO_READ, 1024, sizeof(data));
	driver_wait(d);
	bad_at = UINT64_MAX;
	expect_failure(&r, ZCMU_NOT_READY, NO_PLACE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_file_that_was_cut_off_ends_there),
		STORE_TEST(a_write_to_a_file_has_failed_behind_what_was_written),
		STORE_TEST(a_write_with_fua_has_no_place),
		STORE_TEST(other_errors_have_no_place),
		STORE_TEST(layers_pass_the_place_up),
		STORE_TEST(cow_tells_where_its_overlay_has_failed),
		STORE_TEST(what_cow_has_written_in_front_of_the_place_counts),
		STORE_TEST(of_a_cow_s_parts_the_first_that_has_failed_counts),
	};

	return cmocka_run_group_tests_name("store-place", tests, NULL, NULL);
}
