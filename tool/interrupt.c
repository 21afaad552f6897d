// SPDX-License-Identifier: MIT
/* Signals that end a measurement: they are noted, so that what was made can be removed. */
#include <signal.h>
#include <stddef.h>

#include "measure.h"

static volatile sig_atomic_t came;

static void note(int signal)
{
	(void)signal;
	came = 1;
}

/* System calls that wait return EINTR. */
void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = note };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool interrupt_came(void)
{
	return came;
}
