// SPDX-License-Identifier: MIT
/*
 * The stores exec, nbdkit and qcow2 (stores/exec, lib/program): a server that is started for the
 * store, dies, is started again, and ends with it.
 */
#include "nbd-server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES	(1u << 20)

static uint8_t data[65536];

static int open_spec(struct driver *d, const char *text, bool read_only)
{
	char spec[1024];

	driver_make_spec(d, spec, sizeof(spec), text);
	return driver_open(d, spec, 0, read_only);
}

/* The number that a program has written to a file */
static pid_t pid_in(const struct driver *d, const char *name)
{
	FILE *file = fopen(driver_path_of(d, name), "re");
	int pid = 0;

	if (file) {
		if (fscanf(file, "%d", &pid) != 1)
			pid = 0;
		fclose(file);
	}
	return pid;
}

static bool is_alive(pid_t pid)
{
	return pid > 0 && !kill(pid, 0);
}

static void wait_for_death(pid_t pid, const char *what)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	for (i = 0; i < 2000 && is_alive(pid); i++)
		nanosleep(&pause, NULL);
	if (is_alive(pid))
		fail_msg("expected %s to end, got a living process %d", what, (int)pid);
}

/* A file of a store, and a program that serves it and notes its own number. */
static struct driver *prepare(struct nbd_server *s)
{
	driver_make_file(s->driver, BYTES, 1);
	return s->driver;
}

static void a_program_is_a_store(void **state)
{
	struct driver *d = prepare(*state);
	pid_t pid;

	assert_int_equal(open_spec(d, "exec:nbdkit -P @/pid file @/disk.img", false), 0);
	pid = pid_in(d, "pid");
	assert_true(is_alive(pid));
	assert_int_equal(d->store->size, BYTES);
	expect_bytes_of(d, 0, BYTES, 1);
	memset(data, 2, sizeof(data));
	assert_int_equal(driver_write(d, 65536, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	expect_bytes_of(d, 65536, 65536, 2);
	driver_close(d);
	assert_false(is_alive(pid));
}

static void a_program_that_died_is_started_again(void **state)
{
	struct driver *d = prepare(*state);
	pid_t pid;

	assert_int_equal(open_spec(d, "exec:nbdkit -P @/pid file @/disk.img", false), 0);
	pid = pid_in(d, "pid");
	assert_int_equal(driver_flush(d), ZCMU_OK);
	kill(pid, SIGKILL);
	expect_bytes_of(d, 0, BYTES, 1);
	assert_int_not_equal(pid_in(d, "pid"), pid);
	assert_false(is_alive(pid));
	/* Nothing was lost: all was flushed. */
	assert_int_equal(driver_flush(d), ZCMU_OK);
}

static void what_was_answered_and_not_flushed_is_missed(void **state)
{
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "exec:nbdkit -P @/pid file @/disk.img", false), 0);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	kill(pid_in(d, "pid"), SIGKILL);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_not_equal(driver_flush(d), ZCMU_OK);
	assert_int_not_equal(driver_flush(d), ZCMU_OK);
}

/* It has a session of its own, and its parent has gone. */
static void what_a_program_has_started_ends_before_the_next(void **state)
{
	struct driver *d = prepare(*state);
	pid_t child;

	assert_int_equal(open_spec(d, "exec:sh -c '(setsid sleep 1000 & echo $! > @/child);"
				   " exec nbdkit -P @/pid file @/disk.img'", false), 0);
	child = pid_in(d, "child");
	assert_true(is_alive(child));
	kill(pid_in(d, "pid"), SIGKILL);
	expect_bytes_of(d, 0, 4096, 1);
	assert_int_not_equal(pid_in(d, "child"), child);
	assert_false(is_alive(child));
	child = pid_in(d, "child");
	driver_close(d);
	assert_false(is_alive(child));
}

/* Which can't do anything about it */
static void a_program_ends_when_its_store_is_killed(void **state)
{
	struct driver *d = prepare(*state);
	char spec[1024], target[512];
	pid_t copy, pid = 0;
	int i;

	driver_make_spec(d, spec, sizeof(spec),
			 "exec:nbdkit -P @/pid --filter=delay file @/disk.img rdelay=60");
	driver_make_spec(d, target, sizeof(target), "file:@/copy.img");
	copy = fork();
	if (!copy) {
		execl(ZCMU_COMMAND, "zcmu", "copy", "--create", "--quiet", spec, target, NULL);
		_exit(127);
	}
	for (i = 0; i < 2000 && !pid; i++) {
		const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

		nanosleep(&pause, NULL);
		pid = pid_in(d, "pid");
	}
	assert_true(is_alive(pid));
	kill(copy, SIGKILL);
	waitpid(copy, NULL, 0);
	wait_for_death(pid, "nbdkit");
}

/* It has never answered either. */
static void a_program_that_ignores_sigterm_is_killed(void **state)
{
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "exec,give-up=1:sh -c 'trap \"\" TERM; echo $$ > @/pid;"
				   " while :; do sleep 1; done'", false), -ETIMEDOUT);
	expect_logged(d, "not answered for 1 s", "LISTEN_FDS");
	assert_false(is_alive(pid_in(d, "pid")));
}

static void a_program_that_was_stopped_ends(void **state)
{
	struct driver *d = prepare(*state);
	pid_t pid;

	assert_int_equal(open_spec(d, "exec:nbdkit -P @/pid file @/disk.img", false), 0);
	pid = pid_in(d, "pid");
	kill(pid, SIGSTOP);
	driver_close(d);
	assert_false(is_alive(pid));
}

/* The words are taken apart as by a shell, and nothing is replaced. */
static void words_are_quoted_as_in_a_shell(void **state)
{
	struct driver *d = prepare(*state);
	char text[256];
	FILE *file;
	size_t n;

	assert_true(open_spec(d, "exec: sh -c 'for w; do printf \"<%s>\" \"$w\"; done > @/words' x  'a b'\tc\\ d \"e'\\\"f\" '' g''h '\\i' \"$HOME\" *",
			      false) < 0);
	file = fopen(driver_path_of(d, "words"), "re");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_string_equal(text, "<a b><c d><e'\"f><><gh><\\i><$HOME><*>");
	assert_int_equal(open_spec(d, "exec:nbdkit 'file", false), -EINVAL);
	expect_logged(d, "exec", "quote is not closed");
	assert_int_equal(open_spec(d, "exec: ", false), -EINVAL);
	expect_logged(d, "which program", "exec:COMMAND");
}

static void a_program_that_is_not_there_is_told_of(void **state)
{
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "exec:no-such-program -x", false), -ENOENT);
	expect_logged(d, "no-such-program", "PATH");
	assert_int_equal(open_spec(d, "exec:@/disk.img -x", false), -EACCES);
	expect_logged(d, "disk.img", "Permission denied");
}

static void a_program_that_ends_at_the_start_is_told_of(void **state)
{
	struct driver *d = prepare(*state);

	assert_true(open_spec(d, "exec:sh -c 'echo it is too late >&2; exit 3'", false) < 0);
	expect_logged(d, "exit status 3", "it is too late");
	assert_true(open_spec(d, "exec:sh -c 'kill -9 $$'", false) < 0);
	expect_logged(d, "can't connect", "signal 9");
	assert_true(open_spec(d, "exec:nbdkit file @/no.img", false) < 0);
	expect_logged(d, "no.img", "No such file");
}

static void who_is_no_server_is_told_of(void **state)
{
	struct driver *d = prepare(*state);

	/* An answer of HTTP's, from the socket that it was given. */
	assert_true(open_spec(d, "exec:perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new_from_fd(3, q(r+)); my $c = $s->accept; print $c q(HTTP/1.1 400 Bad Request) x 9; sleep 9'",
			      false) < 0);
	expect_logged(d, "can't connect", "is it an NBD server");
}

/* Its data is gone with it. An empty disk in its place would be worse than none. */
static void memory_is_not_started_again(void **state)
{
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "nbdkit,give-up=1:memory 1M -P @/pid", false), 0);
	assert_true(d->store->ops->flags & ZCMU_STORE_VOLATILE);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	kill(pid_in(d, "pid"), SIGKILL);
	assert_int_equal(driver_read(d, 0, data, sizeof(data)), ZCMU_NOT_READY);
	driver_close(d);
	assert_int_equal(open_spec(d, "exec:nbdkit memory 1M", false), 0);
	assert_false(d->store->ops->flags & ZCMU_STORE_VOLATILE);
	driver_close(d);
	assert_int_equal(open_spec(d, "exec,once:nbdkit memory 1M", false), 0);
	assert_true(d->store->ops->flags & ZCMU_STORE_VOLATILE);
}

static bool is_volatile(struct driver *d, const char *spec)
{
	bool ret;

	assert_int_equal(open_spec(d, spec, false), 0);
	ret = d->store->ops->flags & ZCMU_STORE_VOLATILE;
	driver_close(d);
	return ret;
}

static void nbdkits_words_tell_what_is_kept(void **state)
{
	struct driver *d = prepare(*state);

	assert_true(is_volatile(d, "nbdkit:--filter cow file @/disk.img"));
	assert_true(is_volatile(d, "nbdkit:--filt=cow file @/disk.img"));
	assert_true(is_volatile(d, "nbdkit:--filter=cache file @/disk.img cache=unsafe"));
	assert_true(is_volatile(d, "nbdkit:-t 2 data data= size=1M"));
	assert_false(is_volatile(d, "nbdkit:--filter cache file @/disk.img"));
	assert_false(is_volatile(d, "nbdkit:-e memory file @/disk.img"));
	/* Its connections are no one's disk together. */
	assert_int_equal(open_spec(d, "nbdkit:tmpdisk 1M", false), -EINVAL);
	expect_logged(d, "tmpdisk", "disk of its own");
}

static void identify(struct driver *d, const char *text, char *identity)
{
	char spec[1024];

	driver_make_spec(d, spec, sizeof(spec), text);
	assert_int_equal(zcmu_store_identify(spec, identity, ZCMU_STORE_IDENTITY_MAX), 0);
}

/* In another folder, the same words may lead to other files. */
static void a_command_is_the_same_in_its_folder_alone(void **state)
{
	char here[ZCMU_STORE_IDENTITY_MAX], again[sizeof(here)], other[sizeof(here)];
	struct driver *d = prepare(*state);
	int folder = open(".", O_PATH | O_CLOEXEC);

	identify(d, "exec:nbdkit file disk.img", here);
	identify(d, "exec:nbdkit file disk.img", again);
	assert_string_equal(here, again);
	identify(d, "exec:nbdkit file disk2.img", other);
	assert_string_not_equal(here, other);
	assert_int_equal(chdir("/"), 0);
	identify(d, "exec:nbdkit file disk.img", other);
	assert_int_equal(fchdir(folder), 0);
	close(folder);
	assert_string_not_equal(here, other);
}

static void several_connections_are_made_if_the_server_allows_it(void **state)
{
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "exec:nbdkit file @/disk.img", false), 0);
	assert_int_equal(d->store->max_threads, 0);
	driver_close(d);
	assert_int_equal(open_spec(d, "exec:nbdkit --filter=multi-conn file @/disk.img multi-conn-mode=disable",
				   false), 0);
	assert_int_equal(d->store->max_threads, 1);
}

static int create(struct driver *d, const char *text, uint64_t size)
{
	char spec[512];

	driver_make_spec(d, spec, sizeof(spec), text);
	return driver_open(d, spec, size, false);
}

static void an_image_of_qemus_is_created(void **state)
{
	char identity[ZCMU_STORE_IDENTITY_MAX], other[ZCMU_STORE_IDENTITY_MAX];
	struct driver *d = prepare(*state);

	assert_int_equal(open_spec(d, "qcow2:@/a.qcow2", false), -ENOENT);
	expect_logged(d, "a.qcow2", "--size SIZE");
	assert_int_equal(create(d, "qcow2:@/a.qcow2", 64 << 20), 0);
	assert_int_equal(d->store->size, 64 << 20);
	assert_int_equal(d->store->max_threads, 0);
	memset(data, 3, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	assert_int_equal(driver_map(d, 0, 1 << 20, true), 65536);
	assert_int_equal(driver_trim(d, 0, 65536), ZCMU_OK);
	expect_bytes_of(d, 0, 65536, 0);
	assert_int_equal(driver_map(d, 0, 1 << 20, false), 1 << 20);
	memset(data, 4, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	driver_close(d);

	/* On top of another one, which doesn't change. */
	assert_int_equal(open_spec(d, "qcow2,backing=@/a.qcow2:@/b.qcow2", false), 0);
	expect_bytes_of(d, 0, 65536, 4);
	memset(data, 5, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	driver_close(d);
	assert_int_equal(open_spec(d, "qcow2:@/a.qcow2", true), 0);
	assert_true(d->store->read_only);
	expect_bytes_of(d, 0, 65536, 4);
	driver_close(d);
	/* Once more, as a process does that comes after the first one */
	assert_int_equal(open_spec(d, "qcow2,backing=@/a.qcow2:@/b.qcow2", false), 0);
	expect_bytes_of(d, 0, 65536, 5);
	driver_close(d);
	assert_int_equal(open_spec(d, "qcow2,backing=@/c.qcow2:@/b.qcow2", false), -EEXIST);
	expect_logged(d, "c.qcow2", "isn't its backing file");
	assert_int_equal(open_spec(d, "qcow2,backing=@/b.qcow2:@/a.qcow2", false), -EEXIST);
	identify(d, "qcow2:@/a.qcow2", identity);
	identify(d, "qcow2:@/b.qcow2", other);
	assert_string_not_equal(identity, other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(a_program_is_a_store),
		NBD_TEST(a_program_that_died_is_started_again),
		NBD_TEST(what_was_answered_and_not_flushed_is_missed),
		NBD_TEST(what_a_program_has_started_ends_before_the_next),
		NBD_TEST(a_program_ends_when_its_store_is_killed),
		NBD_TEST(a_program_that_ignores_sigterm_is_killed),
		NBD_TEST(a_program_that_was_stopped_ends),
		NBD_TEST(words_are_quoted_as_in_a_shell),
		NBD_TEST(a_program_that_is_not_there_is_told_of),
		NBD_TEST(a_program_that_ends_at_the_start_is_told_of),
		NBD_TEST(who_is_no_server_is_told_of),
		NBD_TEST(memory_is_not_started_again),
		NBD_TEST(nbdkits_words_tell_what_is_kept),
		NBD_TEST(a_command_is_the_same_in_its_folder_alone),
		NBD_TEST(several_connections_are_made_if_the_server_allows_it),
		NBD_TEST(an_image_of_qemus_is_created),
	};

	return cmocka_run_group_tests_name("store-exec", tests, NULL, NULL);
}
