// SPDX-License-Identifier: MIT
/*
 * Which signals a command heeds. Signals that were ignored when it was started (nohup, or & in a
 * shell without job control) stay ignored. Handling the others is in serve/daemon.c,
 * serve/handover.c and measure/interrupt.c.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signals.h"
#include "zcmu.h"

static const int heeded[] = { SIGTERM, SIGINT, SIGHUP };

/* A blocked signal becomes pending even if it is ignored, so it must not be waited for. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

void signals_heeded(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(heeded) / sizeof(heeded[0]); i++) {
		if (!is_ignored(heeded[i]))
			sigaddset(set, heeded[i]);
	}
}

void signals_catch(void (*function)(int number))
{
	struct sigaction action = { .sa_handler = function };
	sigset_t set;
	size_t i;

	signals_heeded(&set);
	for (i = 0; i < sizeof(heeded) / sizeof(heeded[0]); i++) {
		if (sigismember(&set, heeded[i]))
			sigaction(heeded[i], &action, NULL);
	}
}

/* If this one is ignored, children have no status, and we wait for them. */
void signals_want_children(void)
{
	if (is_ignored(SIGCHLD))
		signal(SIGCHLD, SIG_DFL);
}

/* Does SIGHUP mean that a terminal is closed? If not, it means: reopen the logs (logrotate(8)). */
bool signals_hang_up(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A signal came. Return: does it end the current work? If not, it was for the logs. */
bool signals_end(int signal_fd, bool hang_up_ends)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGHUP || hang_up_ends)
		return true;
	zcmu_reopen_logs();
	return false;
}
