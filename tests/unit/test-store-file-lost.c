// SPDX-License-Identifier: MIT
/*
 * The file store, when Linux says that what was written could not be made stable: it says so
 * once. What the kernel answers is changed in the completion queue, between it and the store.
 */
#include "store-driver.h"

#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include "fake-kernel.h"

#define MIB	(1u << 20)

static uint8_t data[8192];

/* A new file of 1 MiB. */
static void create(struct driver *d)
{
	int err;

	driver_name_file(d, NULL, "disk.img");
	err = driver_open(d, d->spec, MIB, false);
	if (err && strstr(d->logged, "no io_uring")) {
		print_message("skipped: %s\n", d->logged);
		skip();
	}
	assert_int_equal(err, 0);
}

static struct io_uring *ring_of(void *queue)
{
	return queue;		/* its first member */
}

/* Wait until so many answers of the kernel's are in a queue. */
static void wait_for_answers(void *queue, unsigned int n)
{
	struct __kernel_timespec patience = { .tv_sec = FAKE_PATIENCE_SECONDS };
	struct io_uring *ring = ring_of(queue);
	struct io_uring_cqe *cqe;

	assert_int_equal(io_uring_wait_cqes(ring, &cqe, n, &patience, NULL), 0);
	assert_int_equal(io_uring_cq_ready(ring), n);
}

/* Change what the kernel has answered: the results of what is there, in its order. */
static void change_answers(void *queue, const int *results, unsigned int n)
{
	struct io_uring *ring = ring_of(queue);
	struct io_uring_cqe *cqe;
	unsigned int head, i = 0;

	io_uring_for_each_cqe(ring, head, cqe) {
		if (i < n)
			cqe->res = results[i];
		i++;
	}
	assert_int_equal(i, n);
}

/* One request, to which the kernel is made to answer @result. */
static enum zcmu_status ask(struct driver *d, enum zcmu_io_op op, bool fua, int result)
{
	struct driven r = { .fua = fua };

	if (op == ZCMU_IO_WRITE)
		r.iov[0] = (struct iovec){ data, sizeof(data) };
	driver_start(d, &r, op, 0, op == ZCMU_IO_WRITE ? sizeof(data) : 0);
	d->store->ops->queue_submit(d->store, d->thread.queue);
	wait_for_answers(d->thread.queue, 1);
	change_answers(d->thread.queue, &result, 1);
	driver_wait(d);
	return r.status;
}

/* Nothing is vouched for any more; the rest goes on. */
static void expect_lost(struct driver *d)
{
	expect_logged(d, d->path, "every flush fails from now on");
	d->logged[0] = '\0';
	assert_int_equal(driver_flush(d), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), true), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_flush(d), ZCMU_WRITE_ERROR);
	assert_string_equal(d->logged, "");
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_read(d, 0, data, sizeof(data)), ZCMU_OK);
}

static void a_flush_that_failed_is_never_forgotten(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_FLUSH, false, -EIO), ZCMU_WRITE_ERROR);
	expect_lost(d);
}

static void a_flush_that_found_no_space_is_never_forgotten(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_FLUSH, false, -ENOSPC), ZCMU_NO_SPACE);
	expect_lost(d);
}

static void a_write_with_fua_that_failed_is_never_forgotten(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_WRITE, true, -EIO), ZCMU_WRITE_ERROR);
	expect_lost(d);
}

/* io_uring: what came behind the part that was written has failed, and nobody hears of it. */
static void a_write_with_fua_that_ended_short_has_failed(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_WRITE, true, 4096), ZCMU_WRITE_ERROR);
	expect_lost(d);
}

static void a_plain_write_that_failed_says_nothing_of_others(void **state)
{
	struct driver *d = *state;
	struct driven r = { .iov = { { data, 512 } } };
	const int result = -EIO;

	create(d);
	/* No whole page: io_uring does it. */
	driver_start(d, &r, ZCMU_IO_WRITE, 512, 512);
	d->store->ops->queue_submit(d->store, d->thread.queue);
	wait_for_answers(d->thread.queue, 1);
	change_answers(d->thread.queue, &result, 1);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_WRITE_ERROR);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

static void a_payload_that_is_gone_says_nothing_of_the_file(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_WRITE, true, -EFAULT), ZCMU_HARDWARE_ERROR);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

static void a_flush_that_was_interrupted_is_done_again(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_FLUSH, false, -EINTR), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

static void a_file_that_is_opened_anew_can_be_flushed(void **state)
{
	struct driver *d = *state;

	create(d);
	assert_int_equal(ask(d, ZCMU_IO_FLUSH, false, -EIO), ZCMU_WRITE_ERROR);
	driver_close(d);
	assert_int_equal(driver_open(d, d->spec, 0, false), 0);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), true), ZCMU_OK);
}

/* One of them has had the error; that the other one comes to light first helps nobody. */
static void a_flush_waits_for_others_under_way(void **state)
{
	static const int results[] = { 0, -EIO };
	struct driver *d = *state;
	struct driven a = { 0 }, b = { .iov = { { data, sizeof(data) } }, .fua = true };

	create(d);
	driver_start(d, &a, ZCMU_IO_FLUSH, 0, 0);
	driver_start(d, &b, ZCMU_IO_WRITE, 0, sizeof(data));
	d->store->ops->queue_submit(d->store, d->thread.queue);
	wait_for_answers(d->thread.queue, 2);
	change_answers(d->thread.queue, results, 2);
	driver_wait(d);
	assert_int_equal(a.status, ZCMU_WRITE_ERROR);
	assert_int_equal(b.status, ZCMU_WRITE_ERROR);
	expect_lost(d);
}

/*
 * The same, in two queues
 */

struct flush {
	struct zcmu_io io;
	bool is_answered;
	int error;
};

static void answered(struct zcmu_io *io, int error)
{
	struct flush *flush = (struct flush *)io;

	assert_false(flush->is_answered);
	flush->is_answered = true;
	flush->error = error;
}

static void start(struct driver *d, struct flush *flush, void *queue)
{
	*flush = (struct flush){
		.io = { .struct_size = sizeof(flush->io), .op = ZCMU_IO_FLUSH, .queue = queue,
			.done = answered },
	};
	zcmu_store_ask(d->store, &flush->io);
	d->store->ops->queue_submit(d->store, queue);
}

static void reap(struct driver *d, void *queue)
{
	d->store->ops->queue_reap(d->store, queue);
	d->store->ops->queue_submit(d->store, queue);
}

/* The first queue's flush ends with @error, after that of the second one has come to light. */
static void flush_both(struct driver *d, int error)
{
	struct flush first, second, third;
	void *queue = d->thread.queue, *other;
	struct pollfd fd = { .events = POLLIN };

	assert_int_equal(d->store->ops->queue_open(d->store, &other), 0);
	start(d, &first, queue);
	start(d, &second, other);
	wait_for_answers(queue, 1);
	wait_for_answers(other, 1);
	change_answers(queue, &error, 1);
	reap(d, other);
	assert_false(second.is_answered);
	/* One that comes later waits for the first as well. */
	start(d, &third, other);
	wait_for_answers(other, 1);
	reap(d, other);
	assert_false(third.is_answered);
	reap(d, queue);
	assert_true(first.is_answered);
	assert_int_equal(first.error, error);
	/* They are answered by their own queue, which is woken. */
	assert_false(second.is_answered);
	fd.fd = d->store->ops->queue_fd(d->store, other);
	while (!second.is_answered || !third.is_answered) {
		assert_int_equal(poll(&fd, 1, FAKE_PATIENCE_SECONDS * 1000), 1);
		reap(d, other);
	}
	assert_int_equal(second.error, error ? -EIO : 0);
	assert_int_equal(third.error, error ? -EIO : 0);
	d->store->ops->queue_close(d->store, other);
}

static void a_flush_waits_for_those_of_other_threads(void **state)
{
	struct driver *d = *state;

	create(d);
	flush_both(d, -EIO);
	expect_lost(d);
}

static void flushes_of_several_threads_succeed(void **state)
{
	struct driver *d = *state;

	create(d);
	flush_both(d, 0);
	flush_both(d, 0);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_flush_that_failed_is_never_forgotten),
		STORE_TEST(a_flush_that_found_no_space_is_never_forgotten),
		STORE_TEST(a_write_with_fua_that_failed_is_never_forgotten),
		STORE_TEST(a_write_with_fua_that_ended_short_has_failed),
		STORE_TEST(a_plain_write_that_failed_says_nothing_of_others),
		STORE_TEST(a_payload_that_is_gone_says_nothing_of_the_file),
		STORE_TEST(a_flush_that_was_interrupted_is_done_again),
		STORE_TEST(a_file_that_is_opened_anew_can_be_flushed),
		STORE_TEST(a_flush_waits_for_others_under_way),
		STORE_TEST(a_flush_waits_for_those_of_other_threads),
		STORE_TEST(flushes_of_several_threads_succeed),
	};

	return cmocka_run_group_tests_name("store-file-lost", tests, NULL, NULL);
}
