// SPDX-License-Identifier: MIT
/*
 * The store nbd (stores/nbd) with servers that can't be reached, go away, come back, come
 * back as somebody else, fall silent, or talk nonsense.
 */
#include "nbd-server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WRITES		64u
#define WRITE_BYTES	32768u
#define BYTES		(WRITES * WRITE_BYTES)

static uint8_t data[BYTES];
static struct driven writes[WRITES];

static void serve_file(struct nbd_server *s, const char *filters)
{
	char arguments[512];

	snprintf(arguments, sizeof(arguments), "%s file %s", filters, s->driver->path);
	nbdkit_start(s, arguments);
}

static void start_writes(struct nbd_server *s, uint8_t byte)
{
	unsigned int i;

	memset(data, byte, sizeof(data));
	for (i = 0; i < WRITES; i++) {
		writes[i] = (struct driven){
			.iov = { { data + i * WRITE_BYTES, WRITE_BYTES } },
		};
		driver_start(s->driver, &writes[i], ZCMU_IO_WRITE, (uint64_t)i * WRITE_BYTES,
			     WRITE_BYTES);
	}
}

static void expect_writes(enum zcmu_status status)
{
	unsigned int i;

	for (i = 0; i < WRITES; i++)
		assert_int_equal(writes[i].status, status);
}

static void commands_survive_a_server_that_is_killed(void **state)
{
	struct nbd_server *s = *state;
	unsigned int round;

	driver_make_file(s->driver, BYTES, 0);
	serve_file(s, "");
	assert_int_equal(nbd_server_open(s, ""), 0);
	for (round = 1; round <= 5; round++) {
		start_writes(s, (uint8_t)round);
		driver_wait_for(s->driver, &writes[round * 3]);
		nbd_server_kill(s);
		serve_file(s, "");
		driver_wait(s->driver);
		expect_writes(ZCMU_OK);
		expect_bytes_of(s->driver, 0, BYTES, (uint8_t)round);
	}
}

/* Then they fail at once, until the server is back. */
static void without_a_server_commands_fail_after_give_up(void **state)
{
	struct nbd_server *s = *state;

	driver_make_file(s->driver, BYTES, 0);
	serve_file(s, "");
	assert_int_equal(nbd_server_open(s, ",give-up=1"), 0);
	nbd_server_kill(s);
	start_writes(s, 1);
	driver_wait(s->driver);
	expect_writes(ZCMU_NOT_READY);
	expect_logged(s->driver, s->socket, "gone");
	assert_int_equal(driver_flush(s->driver), ZCMU_NOT_READY);
	serve_file(s, "");
	nbd_server_wait_for_flush(s);
	start_writes(s, 2);
	driver_wait(s->driver);
	expect_writes(ZCMU_OK);
	expect_bytes_of(s->driver, 0, BYTES, 2);
}

/*
 * nbdkit with one thread: of several that find the connection closed when they want to
 * answer, one closes the socket and the next fails an assertion of nbdkit's (1.32).
 */
static void a_server_that_falls_silent_is_given_up(void **state)
{
	struct nbd_server *s = *state;

	driver_make_file(s->driver, BYTES, 0);
	serve_file(s, "-t 1");
	assert_int_equal(nbd_server_open(s, ",give-up=1"), 0);
	nbd_server_stop(s);
	start_writes(s, 1);
	driver_wait(s->driver);
	expect_writes(ZCMU_NOT_READY);
	expect_logged(s->driver, s->socket, "not answered");
	kill(s->pid, SIGCONT);
	nbd_server_wait_for_flush(s);
	expect_logged(s->driver, s->socket, "back");
}

static void a_server_that_has_shrunk_is_not_taken(void **state)
{
	struct nbd_server *s = *state;

	driver_make_file(s->driver, BYTES, 0);
	serve_file(s, "");
	assert_int_equal(nbd_server_open(s, ",give-up=2"), 0);
	nbd_server_kill(s);
	assert_int_equal(truncate(s->driver->path, BYTES / 2), 0);
	serve_file(s, "");
	start_writes(s, 1);
	driver_wait(s->driver);
	expect_writes(ZCMU_NOT_READY);
	assert_int_equal(truncate(s->driver->path, BYTES), 0);
	nbd_server_wait_for_flush(s);
}

static void a_server_that_is_not_there_is_told_of(void **state)
{
	struct nbd_server *s = *state;

	assert_int_equal(nbd_server_open(s, ""), -ENOENT);
	expect_logged(s->driver, s->socket, "No such file");
	assert_true(driver_open(s->driver, "nbd://localhost:1/disk", 0, false) < 0);
	expect_logged(s->driver, "nbd://localhost:1/disk", "does the server run");
}

static void an_export_that_is_not_there_is_told_of(void **state)
{
	struct nbd_server *s = *state;

	nbd_server_start(s, "nbdkit -f -U @ --filter=exportname memory 1M exportname=there"
			 " exportname-strict=true");
	snprintf(s->uri, sizeof(s->uri), "nbd+unix:///gone?socket=%s", s->socket);
	assert_true(nbd_server_open(s, "") < 0);
	expect_logged(s->driver, "gone", "can't connect");
	snprintf(s->uri, sizeof(s->uri), "nbd+unix:///there?socket=%s", s->socket);
	assert_int_equal(nbd_server_open(s, ""), 0);
}

/* Somebody else's socket, in the server's place. */
static int listen_at(struct nbd_server *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void who_is_no_nbd_server_is_told_of(void **state)
{
	struct nbd_server *s = *state;
	int fd = listen_at(s), child;

	child = fork();
	if (!child) {
		char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
		int peer = accept(fd, NULL, NULL);

		if (write(peer, text, sizeof(text)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	s->pid = child;
	assert_true(nbd_server_open(s, "") < 0);
	expect_logged(s->driver, s->socket, "is that an NBD server");
	close(fd);
}

static void who_never_answers_is_told_of(void **state)
{
	struct nbd_server *s = *state;
	int fd = listen_at(s);

	assert_int_equal(nbd_server_open(s, ",give-up=1"), -ETIMEDOUT);
	expect_logged(s->driver, s->socket, "not answered for 1 s");
	close(fd);
}

static void a_uri_is_asked_for(void **state)
{
	struct nbd_server *s = *state;

	assert_int_equal(driver_open(s->driver, "nbd:localhost", 0, false), -EINVAL);
	expect_logged(s->driver, "nbd:localhost", "nbd://HOST/EXPORT");
	assert_int_equal(nbd_server_open(s, ",give-up=soon"), -EINVAL);
	expect_logged(s->driver, "give-up", "\"soon\"");
	assert_int_equal(nbd_server_open(s, ",give-up=-1"), -EINVAL);
	assert_int_equal(nbd_server_open(s, ",give-up="), -EINVAL);
	assert_int_equal(nbd_server_open(s, ",give-up=86401"), -EINVAL);
}

/* libnbd knows it as little as any other, and would say nothing. */
static void an_option_in_the_uri_is_refused(void **state)
{
	struct nbd_server *s = *state;

	assert_int_equal(driver_open(s->driver, "nbd://localhost/?give-up=60", 0, false), -EINVAL);
	expect_logged(s->driver, "nbd,give-up=SECONDS:URI", "come first");
	assert_int_equal(driver_open(s->driver, "nbd://localhost/?a=b&give-up=60#c", 0, false),
			 -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(commands_survive_a_server_that_is_killed),
		NBD_TEST(without_a_server_commands_fail_after_give_up),
		NBD_TEST(a_server_that_falls_silent_is_given_up),
		NBD_TEST(a_server_that_has_shrunk_is_not_taken),
		NBD_TEST(a_server_that_is_not_there_is_told_of),
		NBD_TEST(an_export_that_is_not_there_is_told_of),
		NBD_TEST(who_is_no_nbd_server_is_told_of),
		NBD_TEST(who_never_answers_is_told_of),
		NBD_TEST(a_uri_is_asked_for),
		NBD_TEST(an_option_in_the_uri_is_refused),
	};

	return cmocka_run_group_tests_name("store-nbd-lost", tests, NULL, NULL);
}
