/* SPDX-License-Identifier: MIT */
/* A process in the background, and where its messages go */
#ifndef ZCMU_TOOL_SERVE_DAEMON_H
#define ZCMU_TOOL_SERVE_DAEMON_H

int daemon_fork(int *report_fd);
void daemon_let_go(void);
int daemon_block_signals(void);
void daemon_log_to_stderr(int level, const char *message, void *argument);

#endif /* ZCMU_TOOL_SERVE_DAEMON_H */
