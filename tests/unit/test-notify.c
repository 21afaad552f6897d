// SPDX-License-Identifier: MIT
/* What a service manager is told (tool/serve/notify.c), at the socket that it has named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/notify.h"

static char folder[] = "/tmp/zcmu-notify.XXXXXX";

/* A manager that listens there; "@" stands for the zero that begins a name without a file. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(len < sizeof(address.sun_path));
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	else
		len++;
	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect_told(int fd, const char *expected)
{
	char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, expected);
}

static void tell_all(const char *name)
{
	int fd = listen_at(name);
	char expected[256];

	assert_true(notify_is_wanted());
	assert_int_equal(notify_ready("data", "/dev/sdb"), 0);
	snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%d\nSTATUS=data is /dev/sdb",
		 (int)getpid());
	expect_told(fd, expected);
	assert_int_equal(notify_main(4711), 0);
	expect_told(fd, "MAINPID=4711");
	assert_int_equal(notify_stopping(), 0);
	expect_told(fd, "STOPPING=1");
	expect_told(fd, "");
	close(fd);
}

static void a_manager_with_a_file_is_told(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "%s/notify", folder);
	tell_all(name);
	/* It is gone: that is an error, and nothing else. */
	assert_int_equal(notify_main(4711), -ECONNREFUSED);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(notify_main(4711), -ENOENT);
}

static void a_manager_without_a_file_is_told(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@%s/notify", folder);
	tell_all(name);
}

static void nobody_is_told_who_does_not_listen(void **state)
{
	static const char *const names[] = { "", "@", "/", "notify", "./notify" };
	char longest[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	size_t i;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_is_wanted());
	assert_int_equal(notify_stopping(), -ENOENT);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		if (notify_is_wanted())
			fail_msg("expected \"%s\" to be no address, got one", names[i]);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
	assert_false(notify_is_wanted());
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manager_with_a_file_is_told),
		cmocka_unit_test(a_manager_without_a_file_is_told),
		cmocka_unit_test(nobody_is_told_who_does_not_listen),
	};

	return cmocka_run_group_tests_name("notify", tests, set_up, tear_down);
}
