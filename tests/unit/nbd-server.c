// SPDX-License-Identifier: MIT
/*
 * NBD servers of Debian. See nbd-server.h.
 */
#include "nbd-server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake-kernel.h"

#define MAX_WORDS	64

int nbd_server_setup(void **state)
{
	struct nbd_server *s = calloc(1, sizeof(*s));
	void *driver;

	driver_setup(&driver);
	s->driver = driver;
	driver_name_file(s->driver, NULL, "disk.img");
	snprintf(s->socket, sizeof(s->socket), "%.99s/socket", s->driver->directory);
	snprintf(s->uri, sizeof(s->uri), "nbd+unix:///?socket=%s", s->socket);
	*state = s;
	return 0;
}

int nbd_server_teardown(void **state)
{
	struct nbd_server *s = *state;
	void *driver = s->driver;

	driver_close(s->driver);
	nbd_server_kill(s);
	driver_teardown(&driver);
	free(s);
	return 0;
}

static bool listens(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	yes = !connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return yes;
}

/* @listening: a socket that it gets the way systemd has it, as descriptor 3; or -1 */
static void run(char **words, int listening)
{
	int null = open("/dev/null", O_RDWR);
	char pid[16];

	/* It must not outlive a test that crashed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (listening >= 0) {
		dup2(listening, 3);
		fcntl(3, F_SETFD, 0);
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
	}
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	unsetenv("LD_PRELOAD");
	execvp(words[0], words);
	_exit(127);
}

/* Has it ended? That is told here; who waits for it goes on waiting otherwise. */
static void expect_alive(struct nbd_server *s, const char *what_for)
{
	int status;

	if (waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	s->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		printf("skipped: %s is not installed\n", s->program);
		skip();
	}
	if (WIFSIGNALED(status))
		fail_msg("expected %s to %s, but signal %d has ended it", s->program, what_for,
			 WTERMSIG(status));
	fail_msg("expected %s to %s, but it has ended with %d", s->program, what_for,
		 WEXITSTATUS(status));
}

static void split_and_start(struct nbd_server *s, char *command, int listening)
{
	char *words[MAX_WORDS + 1];
	int n = 0;

	snprintf(s->program, sizeof(s->program), "%.*s", (int)strcspn(command, " "), command);
	while (n < MAX_WORDS && (words[n] = strsep(&command, " "))) {
		if (!strcmp(words[n], "@"))
			words[n] = s->socket;
		n += !!*words[n];
	}
	words[n] = NULL;
	unlink(s->socket);
	s->pid = fork();
	if (!s->pid)
		run(words, listening);
}

static void wait_for_socket(struct nbd_server *s)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned int tries = FAKE_PATIENCE_SECONDS * 100;

	while (!listens(s->socket)) {
		expect_alive(s, "listen");
		if (!--tries)
			fail_msg("expected %s to listen, got nothing", s->program);
		nanosleep(&pause, NULL);
	}
}

void nbd_server_start(struct nbd_server *s, const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s", command);
	split_and_start(s, text, -1);
	wait_for_socket(s);
}

void nbdkit_start(struct nbd_server *s, const char *arguments)
{
	char text[2048];

	snprintf(text, sizeof(text), "nbdkit -f -U @ %s", arguments);
	nbd_server_start(s, text);
}

/* The kernel takes connections at once; the server is there when it greets. */
static bool is_greeted(struct nbd_server *s, const struct sockaddr_in *address)
{
	struct pollfd pollfd = { .events = POLLIN };
	char greeting[8] = "";
	int i;

	pollfd.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!connect(pollfd.fd, (const struct sockaddr *)address, sizeof(*address))) {
		for (i = 0; i < FAKE_PATIENCE_SECONDS * 10 && poll(&pollfd, 1, 100) <= 0; i++)
			expect_alive(s, "listen");
		if (read(pollfd.fd, greeting, 8) != 8)
			greeting[0] = '\0';
	}
	close(pollfd.fd);
	return !memcmp(greeting, "NBDMAGIC", 8);
}

static void wait_for_greeting(struct nbd_server *s, const struct sockaddr_in *address)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned int tries = FAKE_PATIENCE_SECONDS * 100;

	if (is_greeted(s, address))
		return;
	/* The socket is closed before the process has ended, which tells why. */
	while (tries--) {
		expect_alive(s, "listen");
		nanosleep(&pause, NULL);
	}
	fail_msg("expected a greeting of nbdkit, got none");
}

void nbdkit_start_tcp(struct nbd_server *s, const char *arguments)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	char text[2048];

	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 16), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	s->port = ntohs(address.sin_port);
	snprintf(text, sizeof(text), "nbdkit -f %s", arguments);
	split_and_start(s, text, listening);
	close(listening);
	wait_for_greeting(s, &address);
}

void nbd_server_kill(struct nbd_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void nbd_server_stop(struct nbd_server *s)
{
	int status;

	assert_int_equal(kill(s->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
	assert_true(WIFSTOPPED(status));
}

void nbd_server_wait_for_flush(struct nbd_server *s)
{
	time_t end = time(NULL) + FAKE_PATIENCE_SECONDS;

	while (driver_flush(s->driver) != ZCMU_OK) {
		expect_alive(s, "answer");
		if (time(NULL) > end)
			fail_msg("expected %s to answer, got nothing", s->program);
		driver_idle(s->driver);
	}
}

const char *nbd_server_path(struct nbd_server *s, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", s->driver->directory, name);
	return path;
}

int nbd_server_open(struct nbd_server *s, const char *options)
{
	char spec[512];

	snprintf(spec, sizeof(spec), "nbd%s:%s", options, s->uri);
	return driver_open(s->driver, spec, 0, false);
}
