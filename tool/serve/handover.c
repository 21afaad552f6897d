// SPDX-License-Identifier: MIT
/*
 * A process hands its disk to its successor, which it starts: another zcmu serve, perhaps of
 * another version, with the same options. Both ends are here; serving itself is in serve.c.
 *
 * 	the old process				the new one
 * 	starts it, and serves on
 * 						"prepared": it runs, and knows the disk
 * 	answers what it has begun, lets
 * 	go of disk and store
 * 	"go"
 * 						opens both, serves
 * 						"serving"
 * 	goes
 *
 * If the new one ends anywhere before "serving", the old one goes on. They talk in packets, whose
 * first letter is the type. Messages for the client that requested the upgrade go this way, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "serve/handover.h"
#include "signals.h"
#include "subcommand.h"
#include "zcmu.h"

#define PREPARE_SECONDS	60	/* meanwhile the disk is served */
#define SERVE_SECONDS	20	/* meanwhile it is not */

enum packet {
	PACKET_MESSAGE = 'm',
	PACKET_PREPARED = 'p',
	PACKET_GO = 'g',
	PACKET_SERVING = 's',	/* and the version */
	PACKET_NOT_RUN = 'n',	/* and errno's text */
};

static int send_packet(int fd, enum packet packet, const char *text)
{
	char buffer[1024];
	int n = snprintf(buffer, sizeof(buffer), "%c%s", packet, text);

	if (n >= (int)sizeof(buffer))
		n = sizeof(buffer) - 1;
	return send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}

static long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / (1000 * 1000);
}

/*
 * The old process
 */

/* Give it and its descendants these descriptors, and no others. Runs between fork() and exec. */
static void keep_open(const int *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (fds[i] >= 0)
			fcntl(fds[i], F_SETFD, 0);
	}
}

/*
 * Its arguments: its own, and ours after them. It ignores those that are only for making the disk.
 */
static char **make_words(const struct heir *heir, const char *fds)
{
	char **words = calloc((size_t)heir->argc + 7, sizeof(*words));
	/* Ours may begin with the same four. */
	bool is_heir = heir->argc > 5 && !strcmp(heir->argv[1], "--hand-over");
	size_t n = 0;
	int i;

	if (!words)
		return NULL;
	words[n++] = (char *)heir->program;
	words[n++] = (char *)"serve";
	words[n++] = (char *)"--hand-over";
	words[n++] = (char *)fds;
	words[n++] = (char *)"--name";
	words[n++] = (char *)heir->name;
	for (i = is_heir ? 5 : 1; i < heir->argc; i++)
		words[n++] = heir->argv[i];
	return words;
}

static int start(struct heir *heir, const int *fds, char **words)
{
	heir->pid = fork();
	if (heir->pid < 0)
		return -errno;
	if (heir->pid)
		return 0;
	keep_open(fds, 4);
	execv(heir->program, words);
	send_packet(fds[0], PACKET_NOT_RUN, strerror(errno));
	_exit(127);
}

/*
 * The next packet that is not a message; messages are passed on. Return: its type, with its text;
 * 0: the process has ended; -ETIMEDOUT.
 */
static int next_packet(const struct heir *heir, long deadline, char *text, size_t size)
{
	struct pollfd fd = { .fd = heir->socket, .events = POLLIN };
	long left;
	ssize_t n;

	for (;;) {
		left = deadline - ms_now();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&fd, 1, (int)left) <= 0)
			continue;
		n = recv(heir->socket, text, size - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		text[n] = '\0';
		if (text[0] != PACKET_MESSAGE)
			return text[0];
		zcmu_error("%s", text + 1);
	}
}

/* The process may have closed the socket, and live. */
static int put_an_end(struct heir *heir)
{
	int status = 0;

	kill(heir->pid, SIGKILL);
	while (waitpid(heir->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(heir->socket);
	heir->socket = -1;
	return status;
}

/*
 * The successor shall not have the disk: make sure that it releases it, and report how it has
 * ended.
 */
static void end_it(struct heir *heir, int got, const char *text)
{
	int status = put_an_end(heir);

	if (got == PACKET_NOT_RUN)
		zcmu_error("%s: can't run %s: %s", heir->name, heir->program, text + 1);
	else if (got == -ETIMEDOUT)
		zcmu_error("%s: %s was not ready in time", heir->name, heir->program);
	else if (got)
		zcmu_error("%s: %s has another protocol", heir->name, heir->program);
	else if (WIFSIGNALED(status))
		zcmu_error("%s: %s was killed by signal %d", heir->name, heir->program,
			   WTERMSIG(status));
	else
		zcmu_error("%s: %s has ended, with status %d", heir->name, heir->program,
			   WEXITSTATUS(status));
}

/* Wait for @wanted. Return: 0, or a negative errno, and then the process has ended. */
static int wait_for(struct heir *heir, enum packet wanted, int seconds, char *text, size_t size)
{
	int got = next_packet(heir, ms_now() + seconds * 1000L, text, size);

	if (got == (int)wanted)
		return 0;
	end_it(heir, got, text);
	return -EIO;
}

/* Start heir->program, and wait until it is prepared. The disk is served all the time. */
int heir_start(struct heir *heir)
{
	int sockets[2], fds[4], err;
	char text[64], packet[1024];
	char **words;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		err = -errno;
		zcmu_error("%s: can't talk to a new process: %s", heir->name, strerror(-err));
		return err;
	}
	fds[0] = sockets[1];
	fds[1] = heir->runfile_fd;
	fds[2] = heir->control_fd;
	fds[3] = heir->lifeline_fd;
	snprintf(text, sizeof(text), "%d,%d,%d,%d", fds[0], fds[1], fds[2], fds[3]);
	words = make_words(heir, text);
	err = words ? start(heir, fds, words) : -ENOMEM;
	free(words);
	close(sockets[1]);
	heir->socket = sockets[0];
	if (err) {
		zcmu_error("%s: can't start a new process: %s", heir->name, strerror(-err));
		close(heir->socket);
		return err;
	}
	return wait_for(heir, PACKET_PREPARED, PREPARE_SECONDS, packet, sizeof(packet));
}

/* The successor is not needed any more, and was told nothing yet. */
void heir_dismiss(struct heir *heir)
{
	put_an_end(heir);
}

/* Its own child has died with it, or dies now, and has been our child since then. */
static void wait_for_its_own(const struct heir *heir)
{
	while (heir->has_own && (waitpid(-1, NULL, 0) > 0 || errno == EINTR))
		;
}

/*
 * The disk and its store are free: let the successor go on with them. If that fails, they are free
 * again when this returns.
 */
int heir_succeed(struct heir *heir)
{
	char text[1024];
	int err;

	if (heir->has_own)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* Even an ended process is waited for. */
	send_packet(heir->socket, PACKET_GO, "");
	err = wait_for(heir, PACKET_SERVING, SERVE_SECONDS, text, sizeof(text));
	if (err) {
		wait_for_its_own(heir);
		return err;
	}
	snprintf(heir->version, sizeof(heir->version), "%.31s", text + 1);
	close(heir->socket);
	return 0;
}

/*
 * In the foreground somebody waits for this process. It stays until its successors have ended, and
 * passes signals on. If a successor's parent ends, the kernel makes this process the parent. The
 * successors end as soon as the other end of @lifeline_fd is closed: if this process is killed, so
 * are they.
 */
int heir_make_lifeline(int *read_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return -errno;
	*read_end = fds[0];	/* the write end stays open as long as the process lives */
	return 0;
}

/* Signals that end a disk are blocked, and may have come during the hand-over. */
void heir_pass_signals(pid_t pid)
{
	sigset_t set, pending;
	int number;

	signals_heeded(&set);
	if (sigpending(&pending))
		return;
	for (number = 1; number < NSIG; number++) {
		if (sigismember(&set, number) && sigismember(&pending, number))
			kill(pid, number);
	}
}

static void pass_on(const char *name, int number)
{
	pid_t pid;
	int fd = control_server_pidfd(name, &pid);

	if (fd < 0)
		return;
	if (pid != getpid())
		pidfd_send_signal(fd, number, NULL, 0);
	close(fd);
}

int heir_wait(const char *name)
{
	int number, status, last = 0;
	sigset_t set;
	pid_t pid;

	signals_heeded(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			last = status;
		if (pid < 0)
			return WIFEXITED(last) ? WEXITSTATUS(last) : EXIT_FAILED;
		if (!sigwait(&set, &number) && number != SIGCHLD)
			pass_on(name, number);
	}
}

/*
 * The new process
 */

static int old_process = -1;

/* "SOCKET,RUNFILE,CONTROL,LIFELINE" */
int handover_parse(const char *text, struct handover *ret)
{
	char rest;
	int fds[4];
	size_t i;

	if (sscanf(text, "%d,%d,%d,%d%c", &fds[0], &fds[1], &fds[2], &fds[3], &rest) != 4)
		return -EINVAL;
	for (i = 0; i < 4; i++) {
		if (i == 3 && fds[i] < 0)
			continue;
		/* Printed text must not go there. */
		if (fds[i] <= STDERR_FILENO || fcntl(fds[i], F_SETFD, FD_CLOEXEC))
			return -EBADF;
	}
	*ret = (struct handover){ .socket = fds[0], .runfile_fd = fds[1], .control_fd = fds[2],
				  .lifeline_fd = fds[3] };
	old_process = ret->socket;
	return 0;
}

/* A zcmu_log_function: errors are sent to the old process. */
void handover_log(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	send_packet(old_process, PACKET_MESSAGE, message);
}

int handover_wait(const struct handover *handover)
{
	char packet[16];

	if (send_packet(handover->socket, PACKET_PREPARED, "") ||
	    recv(handover->socket, packet, sizeof(packet), 0) <= 0 || packet[0] != PACKET_GO)
		return -ECONNRESET;	/* the old process serves on, or is gone */
	return 0;
}

/* From here on the disk belongs to this process. */
int handover_end(struct handover *handover)
{
	int err = send_packet(handover->socket, PACKET_SERVING, zcmu_version());

	close(handover->socket);
	handover->socket = -1;
	return err;
}
