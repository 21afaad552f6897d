// SPDX-License-Identifier: MIT
/*
 * The store nbd (stores/nbd/stable.c): what the server has answered and not flushed is
 * spoken of by the next flush, if the connection, or the server, was lost meanwhile.
 */
#include "nbd-server.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES	(1u << 20)

static uint8_t data[8192];

/* Writes stay in the server's memory until they are flushed. */
static void serve_with_cache(struct nbd_server *s)
{
	char arguments[512];

	snprintf(arguments, sizeof(arguments),
		 "--filter=cache --filter=fua file %s cache=writeback fuamode=native", s->driver->path);
	nbdkit_start(s, arguments);
}

static void restart(struct nbd_server *s)
{
	nbd_server_kill(s);
	serve_with_cache(s);
}

static void open_with_cache(struct nbd_server *s)
{
	memset(data, 0x5a, sizeof(data));
	driver_make_file(s->driver, BYTES, 0);
	serve_with_cache(s);
	assert_int_equal(nbd_server_open(s, ""), 0);
}

/* For good: whoever asks second must not be told that it is stable. */
static void expect_flushes_to_fail(struct nbd_server *s)
{
	assert_int_equal(driver_flush(s->driver), ZCMU_WRITE_ERROR);
	expect_logged(s->driver, s->socket, "stop and serve it again");
	assert_int_equal(driver_write(s->driver, 65536, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_flush(s->driver), ZCMU_WRITE_ERROR);
}

static void changes_that_were_not_flushed_fail_the_flush_after_a_loss(void **state)
{
	struct nbd_server *s = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		open_with_cache(s);
		if (i == 0)
			assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
		else if (i == 1)
			assert_int_equal(driver_zero(s->driver, 0, 4096, true), ZCMU_OK);
		else
			assert_int_equal(driver_trim(s->driver, 0, 4096), ZCMU_OK);
		restart(s);
		expect_flushes_to_fail(s);
		driver_close(s->driver);
		nbd_server_kill(s);
	}
}

/* Something else may be what the new connection is for. */
static void reads_writes_and_fua_in_between_change_nothing(void **state)
{
	struct nbd_server *s = *state;

	open_with_cache(s);
	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
	restart(s);
	expect_bytes_of(s->driver, 0, 4096, 0);
	assert_int_equal(driver_write(s->driver, 8192, data, 4096, true), ZCMU_OK);
	expect_flushes_to_fail(s);
}

static void what_was_flushed_or_has_fua_is_not_missed(void **state)
{
	struct nbd_server *s = *state;

	open_with_cache(s);
	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
	restart(s);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
	assert_int_equal(driver_write(s->driver, 4096, data, 4096, true), ZCMU_OK);
	restart(s);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
	expect_bytes_of(s->driver, 0, 8192, 0x5a);
}

/* Once it is opened anew nothing is known, and nothing held against it. */
static void a_flush_that_was_under_way_fails_after_a_loss(void **state)
{
	struct nbd_server *s = *state;
	struct driven flush = { 0 };

	open_with_cache(s);
	driver_start(s->driver, &flush, ZCMU_IO_FLUSH, 0, 0);
	nbd_server_stop(s);
	s->driver->store->ops->queue_submit(s->driver->store, s->driver->thread.queue);
	restart(s);
	driver_wait(s->driver);
	assert_int_equal(flush.status, ZCMU_OK);

	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
	driver_start(s->driver, &flush, ZCMU_IO_FLUSH, 0, 0);
	nbd_server_stop(s);
	s->driver->store->ops->queue_submit(s->driver->store, s->driver->thread.queue);
	restart(s);
	driver_wait(s->driver);
	assert_int_equal(flush.status, ZCMU_WRITE_ERROR);
	driver_close(s->driver);
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
}

static void make_script(struct nbd_server *s, const char *name, const char *text)
{
	FILE *file = fopen(nbd_server_path(s, name), "we");

	fprintf(file, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fclose(file), 0);
	chmod(nbd_server_path(s, name), 0700);
}

static void serve_script(struct nbd_server *s)
{
	char arguments[1024];

	snprintf(arguments, sizeof(arguments),
		 "eval thread_model=echo\tparallel get_size=echo\t1M can_write=exit\t0 can_flush=exit\t0"
		 " can_multi_conn=exit\t0 pread=dd\tif=/dev/zero\tcount=$3\tiflag=count_bytes"
		 " pwrite=cat\t>\t/dev/null flush=exec\t%s", nbd_server_path(s, "flush"));
	nbdkit_start(s, arguments);
}

static void a_write_answered_during_a_flush_is_not_of_it(void **state)
{
	struct nbd_server *s = *state;
	struct driven flush = { 0 }, write = { .iov = { { data, 4096 } } };
	char text[512];

	snprintf(text, sizeof(text), "touch %s/flushing\nexec sleep 1000",
		 s->driver->directory);
	make_script(s, "flush", text);
	serve_script(s);
	assert_int_equal(nbd_server_open(s, ""), 0);
	driver_start(s->driver, &flush, ZCMU_IO_FLUSH, 0, 0);
	s->driver->store->ops->queue_submit(s->driver->store, s->driver->thread.queue);
	while (access(nbd_server_path(s, "flushing"), F_OK))
		driver_idle(s->driver);
	driver_start(s->driver, &write, ZCMU_IO_WRITE, 0, 4096);
	driver_wait_for(s->driver, &write);
	assert_int_equal(write.status, ZCMU_OK);
	nbd_server_kill(s);
	make_script(s, "flush", "exit 0");
	serve_script(s);
	driver_wait(s->driver);
	assert_int_equal(driver_flush(s->driver), ZCMU_WRITE_ERROR);
}

/* As the kernel does, a server tells once what it could not write back. */
static void a_flush_that_the_server_has_failed_is_not_forgotten(void **state)
{
	struct nbd_server *s = *state;
	char text[512];

	snprintf(text, sizeof(text), "rm %s/bad 2> /dev/null || exit 0\necho EIO >&2\nexit 1",
		 s->driver->directory);
	make_script(s, "flush", text);
	make_script(s, "bad", "");
	serve_script(s);
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
	expect_flushes_to_fail(s);
}

static void what_was_answered_is_flushed_when_a_connection_is_closed(void **state)
{
	struct nbd_server *s = *state;

	open_with_cache(s);
	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_OK);
	driver_close(s->driver);
	restart(s);
	assert_int_equal(nbd_server_open(s, ""), 0);
	expect_bytes_of(s->driver, 0, 4096, 0x5a);
}

/* Then the connection is made anew, with the consent of both ends. */
static void a_disk_that_grows_has_lost_nothing(void **state)
{
	struct nbd_server *s = *state;
	struct driver *d = s->driver;
	char arguments[512];

	driver_make_file(d, BYTES, 0);
	snprintf(arguments, sizeof(arguments), "file %s", d->path);
	nbdkit_start(s, arguments);
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
	assert_int_equal(truncate(d->path, 2 * BYTES), 0);
	assert_int_equal(d->store->ops->resize(d->store, 2 * BYTES), 0);
	d->store->size = 2 * BYTES;
	assert_int_equal(driver_write(d, BYTES, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

/*
 * Several connections
 */

/* The sockets of this process, as bits. */
static uint64_t sockets(void)
{
	struct stat st;
	uint64_t set = 0;
	int fd;

	for (fd = 0; fd < 64; fd++) {
		if (!fstat(fd, &st) && S_ISSOCK(st.st_mode))
			set |= UINT64_C(1) << fd;
	}
	return set;
}

struct pair {
	struct driver *one, two;	/* two connections of the same store */
	int socket;			/* of the second */
};

static void open_pair(struct nbd_server *s, struct pair *p)
{
	struct driver *d = s->driver;
	uint64_t before = sockets(), more;

	p->one = d;
	p->two = *d;
	assert_int_equal(d->store->ops->queue_open(d->store, &p->two.thread.queue), 0);
	p->two.thread.disk = &p->two.disk;
	more = sockets() & ~before;
	assert_true(more && !(more & (more - 1)));
	p->socket = __builtin_ctzll(more);
}

static void close_pair(struct pair *p)
{
	p->one->store->ops->queue_close(p->one->store, p->two.thread.queue);
}

/* Ask for a flush at one, while both have their threads. */
static enum zcmu_status flush_pair(struct pair *p, struct driver *at)
{
	const struct zcmu_store_ops *ops = at->store->ops;
	struct driven flush = { 0 };
	struct pollfd fds[2] = {
		{ .fd = ops->queue_fd(at->store, p->one->thread.queue), .events = POLLIN },
		{ .fd = ops->queue_fd(at->store, p->two.thread.queue), .events = POLLIN },
	};

	driver_start(at, &flush, ZCMU_IO_FLUSH, 0, 0);
	ops->queue_submit(at->store, at->thread.queue);
	while (!flush.answered) {
		if (poll(fds, 2, (int)at->patience * 1000) <= 0)
			fail_msg("expected an answer to the flush, got none");
		if (fds[0].revents)
			ops->queue_reap(at->store, p->one->thread.queue);
		if (fds[1].revents)
			ops->queue_reap(at->store, p->two.thread.queue);
	}
	return flush.status;
}

/* The other's thread doesn't know yet that its connection is lost. */
static void another_connection_s_writes_are_missed_too(void **state)
{
	struct nbd_server *s = *state;
	struct pair p;

	open_with_cache(s);
	open_pair(s, &p);
	assert_int_equal(driver_write(p.one, 0, data, 4096, false), ZCMU_OK);
	restart(s);
	assert_int_equal(driver_write(&p.two, 4096, data, 4096, true), ZCMU_OK);
	assert_int_equal(flush_pair(&p, &p.two), ZCMU_WRITE_ERROR);
	assert_int_equal(flush_pair(&p, p.one), ZCMU_WRITE_ERROR);
	close_pair(&p);
}

/* The server is the same: the other one is asked, or the other's flush is for it. */
static void a_connection_that_is_lost_alone_loses_nothing(void **state)
{
	struct nbd_server *s = *state;
	struct pair p;

	open_with_cache(s);
	open_pair(s, &p);
	assert_int_equal(driver_write(p.one, 0, data, 4096, false), ZCMU_OK);
	shutdown(p.socket, SHUT_RDWR);
	assert_int_equal(flush_pair(&p, &p.two), ZCMU_OK);
	close_pair(&p);

	open_pair(s, &p);
	assert_int_equal(driver_write(&p.two, 4096, data, 4096, false), ZCMU_OK);
	shutdown(p.socket, SHUT_RDWR);
	assert_int_equal(flush_pair(&p, p.one), ZCMU_OK);
	assert_int_equal(flush_pair(&p, &p.two), ZCMU_OK);
	close_pair(&p);
	restart(s);
	expect_bytes_of(p.one, 0, 8192, 0x5a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(changes_that_were_not_flushed_fail_the_flush_after_a_loss),
		NBD_TEST(reads_writes_and_fua_in_between_change_nothing),
		NBD_TEST(what_was_flushed_or_has_fua_is_not_missed),
		NBD_TEST(a_flush_that_was_under_way_fails_after_a_loss),
		NBD_TEST(a_write_answered_during_a_flush_is_not_of_it),
		NBD_TEST(a_flush_that_the_server_has_failed_is_not_forgotten),
		NBD_TEST(what_was_answered_is_flushed_when_a_connection_is_closed),
		NBD_TEST(a_disk_that_grows_has_lost_nothing),
		NBD_TEST(another_connection_s_writes_are_missed_too),
		NBD_TEST(a_connection_that_is_lost_alone_loses_nothing),
	};

	return cmocka_run_group_tests_name("store-nbd-stable", tests, NULL, NULL);
}
