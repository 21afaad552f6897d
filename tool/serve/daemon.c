// SPDX-License-Identifier: MIT
/*
 * A background process, whose parent waits for its result; and where the messages of a serving
 * process go.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "control.h"
#include "serve/daemon.h"
#include "signals.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

/* Messages about a client's request go to that client alone. */
void daemon_log_to_stderr(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	if (!control_takes(message))
		fprintf(stderr, "zcmu: %s\n", message);
}

static void to_syslog(int level, const char *message, void *argument)
{
	(void)argument;
	if (!control_takes(message))
		syslog(level, "%s", message);
}

/* In the child: stdin, stdout and stderr are not used from here on. */
void daemon_let_go(void)
{
	int null = open("/dev/null", O_RDWR);

	openlog("zcmu", LOG_PID, LOG_DAEMON);
	zcmu_set_log(to_syslog, NULL);
	standard_close_output();
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

/*
 * Fork. The parent returns the exit status once the child is ready or dead; the child's messages
 * have gone to our stderr directly. The child returns -1.
 */
int daemon_fork(int *report_fd)
{
	int fds[2], status;
	char ready;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
		zcmu_error("can't make a process for the background: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (pid) {
		close(fds[1]);
		if (read(fds[0], &ready, 1) == 1)
			return EXIT_OK;
		/* The child has ended, and has said why. */
		return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
		       WEXITSTATUS(status) : EXIT_FAILED;
	}
	close(fds[0]);
	setsid();
	*report_fd = fds[1];
	return -1;
}

/* Signals that end a disk arrive at a descriptor, in place of every thread. */
int daemon_block_signals(void)
{
	sigset_t set;

	signals_heeded(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}
