// SPDX-License-Identifier: MIT
/* Signals that end a measurement. They are noted, so that the disks can be removed. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "measure/interrupt.h"
#include "signals.h"

static volatile sig_atomic_t came;

static void note(int signal)
{
	(void)signal;
	came = 1;
}

/* System calls that wait return EINTR. */
void interrupt_catch(void)
{
	signals_catch(note);
	signal(SIGPIPE, SIG_IGN);
}

bool interrupt_came(void)
{
	return came;
}
