// SPDX-License-Identifier: MIT
/*
 * The store rbd: one process writes an image at a time, and who had it before can't any
 * more, whatever it has under way. A second process is this program again, as "writer".
 */
#include "ceph-image.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITES		16u
#define WRITE_BYTES	16384u
#define BYTES		(WRITES * WRITE_BYTES)

static uint8_t data[BYTES];

/*
 * The other process: writes until a write fails, with as many under way as can be. Its exit
 * status is what the last one has come to, and what a read has come to then.
 */

static enum zcmu_status write_until_one_fails(struct driver *d, int ready_fd)
{
	static struct driven writes[WRITES];
	unsigned int i, round = 0;

	for (;;) {
		for (i = 0; i < WRITES; i++) {
			writes[i] = (struct driven){
				.iov = { { data + i * WRITE_BYTES, WRITE_BYTES } },
			};
			driver_start(d, &writes[i], ZCMU_IO_WRITE, (uint64_t)i * WRITE_BYTES,
				     WRITE_BYTES);
		}
		driver_wait(d);
		for (i = 0; i < WRITES; i++) {
			if (writes[i].status != ZCMU_OK)
				return writes[i].status;
		}
		if (!round++ && write(ready_fd, "r", 1) != 1)
			_exit(99);
	}
}

static int writer_main(const char *spec, int ready_fd)
{
	enum zcmu_status status;
	struct driver *d;
	void *driver;

	driver_setup(&driver);
	d = driver;
	d->patience = CEPH_PATIENCE;
	memset(data, 0x11, sizeof(data));
	if (driver_open(d, spec, 0, false)) {
		fprintf(stderr, "writer: %s\n", d->logged);
		_exit(98);
	}
	status = write_until_one_fails(d, ready_fd);
	if (driver_read(d, 0, data, 4096) != status || !strstr(d->logged, "taken the image over"))
		_exit(97);
	_exit(status);
}

struct writer {
	pid_t pid;
	int ready_fd;
};

/* It has written everything once when this returns, and goes on. */
static struct writer start_writer(struct ceph_image *c, const char *more)
{
	struct writer w;
	char spec[1024], fd[16], ready;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	snprintf(spec, sizeof(spec), "%s%s", c->spec, more);
	snprintf(fd, sizeof(fd), "%d", fds[1]);
	w.pid = fork();
	if (!w.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", "test-store-rbd-lock", "writer", spec, fd, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	w.ready_fd = fds[0];
	if (read(w.ready_fd, &ready, 1) != 1)
		fail_msg("expected the writer to write, but it has ended");
	return w;
}

/* The image is ours, and has nothing but @byte until the writer has seen that, and after. */
static void expect_end(struct ceph_image *c, struct writer *w, enum zcmu_status expected,
		       uint8_t byte)
{
	int status;

	while (!waitpid(w->pid, &status, WNOHANG))
		expect_bytes_of(c->driver, 0, BYTES, byte);
	expect_bytes_of(c->driver, 0, BYTES, byte);
	close(w->ready_fd);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)expected)
		fail_msg("expected the writer to end with %d, got wait status %x", (int)expected,
			 (unsigned int)status);
}

static void kill_writer(struct writer *w)
{
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	close(w->ready_fd);
}

/*
 * The tests
 */

static void a_second_writer_is_refused(void **state)
{
	struct ceph_image *c = *state;
	struct writer w = start_writer(c, "");
	char pid[32];

	snprintf(pid, sizeof(pid), "process %d", (int)w.pid);
	assert_int_equal(ceph_open(c, ""), -EBUSY);
	expect_logged(c->driver, pid, "lock=steal");
	kill_writer(&w);
}

static void a_reader_is_not(void **state)
{
	struct ceph_image *c = *state;
	struct writer w = start_writer(c, "");

	assert_int_equal(driver_open(c->driver, c->spec, 0, true), 0);
	expect_bytes_of(c->driver, 0, 4096, 0x11);
	kill_writer(&w);
}

/* Nothing has to be waited for: the image is free. */
static void who_has_closed_the_image_leaves_it_to_the_next(void **state)
{
	struct ceph_image *c = *state;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(ceph_open(c, ""), 0);
		memset(data, i + 1, sizeof(data));
		assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
		driver_close(c->driver);
	}
}

/* The cluster would take 30 s to see that it is dead: on its own machine it is known at once. */
static void who_was_killed_is_followed_at_once(void **state)
{
	struct ceph_image *c = *state;
	struct writer w = start_writer(c, "");

	kill_writer(&w);
	assert_int_equal(ceph_open(c, ""), 0);
	memset(data, 0x22, sizeof(data));
	assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
	expect_bytes_of(c->driver, 0, BYTES, 0x22);
}

static void whose_image_is_stolen_gets_errors(void **state)
{
	struct ceph_image *c = *state;
	struct writer w = start_writer(c, "");

	assert_int_equal(ceph_open(c, ",lock=steal"), 0);
	memset(data, 0x22, sizeof(data));
	assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
	expect_end(c, &w, ZCMU_NOT_READY, 0x22);
}

/*
 * The OSDs are stopped, and so the old process has writes under way that they have in their
 * sockets or that wait to be sent. Then it is stopped as well, and is overtaken.
 */
static void a_write_in_flight_can_t_land_after_the_next_owner_s(void **state)
{
	struct ceph_image *c = *state;
	struct writer w = start_writer(c, "");
	unsigned int i;

	ceph_signal("osd.0", SIGSTOP);
	ceph_signal("osd.1", SIGSTOP);
	kill(w.pid, SIGSTOP);
	ceph_signal("osd.0", SIGCONT);
	ceph_signal("osd.1", SIGCONT);
	assert_int_equal(ceph_open(c, ",lock=steal"), 0);
	for (i = 1; i <= 20; i++) {
		memset(data, 0x80 + (int)i, sizeof(data));
		assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
		if (i == 10)
			kill(w.pid, SIGCONT);
		expect_bytes_of(c->driver, 0, BYTES, (uint8_t)(0x80 + i));
	}
	expect_end(c, &w, ZCMU_NOT_READY, 0x80 + 20);
}

/* QEMU, krbd, "rbd bench": they hand the lock over when they are asked, and would be cut off. */
static void a_client_that_is_no_zcmu_is_not_asked_to_leave(void **state)
{
	struct ceph_image *c = *state;
	rbd_image_t other;

	assert_int_equal(rbd_open(c->pool, c->name, &other, NULL), 0);
	assert_int_equal(rbd_write(other, 0, 4096, (const char *)data), 4096);
	assert_int_equal(ceph_open(c, ""), -EBUSY);
	expect_logged(c->driver, "another client", "127.0.0.1");
	assert_int_equal(rbd_write(other, 0, 4096, (const char *)data), 4096);
	assert_int_equal(rbd_close(other), 0);
	assert_int_equal(ceph_open(c, ""), 0);
}

static void a_client_that_comes_later_is_refused(void **state)
{
	struct ceph_image *c = *state;
	rbd_image_t other;

	assert_int_equal(ceph_open(c, ""), 0);
	assert_int_equal(rbd_open(c->pool, c->name, &other, NULL), 0);
	assert_int_equal(rbd_write(other, 0, 4096, (const char *)data), -EROFS);
	assert_int_equal(rbd_close(other), 0);
	memset(data, 0x33, 4096);
	assert_int_equal(driver_write(c->driver, 0, data, 4096, false), ZCMU_OK);
}

static void an_image_that_can_t_be_locked_is_refused(void **state)
{
	struct ceph_image *c = *state;
	const uint64_t features = RBD_FEATURE_EXCLUSIVE_LOCK | RBD_FEATURE_OBJECT_MAP |
				  RBD_FEATURE_FAST_DIFF;
	rbd_image_t image;

	assert_int_equal(rbd_open(c->pool, c->name, &image, NULL), 0);
	assert_int_equal(rbd_update_features(image, features, false), 0);
	rbd_close(image);
	assert_int_equal(ceph_open(c, ""), -EOPNOTSUPP);
	expect_logged(c->driver, "rbd feature enable", "exclusive-lock");
	assert_int_equal(driver_open(c->driver, c->spec, 0, true), 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CEPH_TEST(a_second_writer_is_refused),
		CEPH_TEST(a_reader_is_not),
		CEPH_TEST(who_has_closed_the_image_leaves_it_to_the_next),
		CEPH_TEST(who_was_killed_is_followed_at_once),
		CEPH_TEST(whose_image_is_stolen_gets_errors),
		CEPH_TEST(a_write_in_flight_can_t_land_after_the_next_owner_s),
		CEPH_TEST(a_client_that_is_no_zcmu_is_not_asked_to_leave),
		CEPH_TEST(a_client_that_comes_later_is_refused),
		CEPH_TEST(an_image_that_can_t_be_locked_is_refused),
	};

	if (argc == 4 && !strcmp(argv[1], "writer"))
		return writer_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests_name("store-rbd-lock", tests, NULL, NULL);
}
