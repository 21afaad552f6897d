// SPDX-License-Identifier: MIT
/*
 * NBD servers of Debian. See nbd-server.h.
 */
#include "nbd-server.h"

#include <fcntl.h>
#include <signal.h>
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

static void run(char **words)
{
	int null = open("/dev/null", O_RDWR);

	/* It must not outlive a test that crashed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	unsetenv("LD_PRELOAD");
	execvp(words[0], words);
	_exit(127);
}

static void split_and_start(struct nbd_server *s, char *command)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned int tries = FAKE_PATIENCE_SECONDS * 100;
	char *words[MAX_WORDS + 1];
	int n = 0, status;

	while (n < MAX_WORDS && (words[n] = strsep(&command, " "))) {
		if (!strcmp(words[n], "@"))
			words[n] = s->socket;
		n += !!*words[n];
	}
	words[n] = NULL;
	unlink(s->socket);
	s->pid = fork();
	if (!s->pid)
		run(words);
	while (!listens(s->socket)) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
				printf("skipped: %s is not installed\n", words[0]);
				skip();
			}
			fail_msg("expected %s to listen, but it has ended", words[0]);
		}
		if (!--tries)
			fail_msg("expected %s to listen, got nothing", words[0]);
		nanosleep(&pause, NULL);
	}
}

void nbd_server_start(struct nbd_server *s, const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s", command);
	split_and_start(s, text);
}

void nbdkit_start(struct nbd_server *s, const char *arguments)
{
	char text[2048];

	snprintf(text, sizeof(text), "nbdkit -f -U @ %s", arguments);
	split_and_start(s, text);
}

void nbd_server_kill(struct nbd_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

const char *nbd_server_path(struct nbd_server *s, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", s->driver->directory, name);
	return path;
}

int nbd_server_open(struct nbd_server *s, const char *more)
{
	char spec[512];

	snprintf(spec, sizeof(spec), "%s%s", s->uri, more);
	return driver_open(s->driver, spec, 0, false);
}
