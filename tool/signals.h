/* SPDX-License-Identifier: MIT */
/* Which signals a command heeds */
#ifndef ZCMU_TOOL_SIGNALS_H
#define ZCMU_TOOL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

void signals_heeded(sigset_t *set);	/* signals that end something, without ignored ones */
void signals_catch(void (*function)(int number));
void signals_want_children(void);
bool signals_hang_up(void);
bool signals_end(int signal_fd, bool hang_up_ends);

#endif /* ZCMU_TOOL_SIGNALS_H */
