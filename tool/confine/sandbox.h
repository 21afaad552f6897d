/* SPDX-License-Identifier: MIT */
/* What a process can reach, layer by layer */
#ifndef ZCMU_TOOL_CONFINE_SANDBOX_H
#define ZCMU_TOOL_CONFINE_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

int sandbox_unshare(bool needs_network);	/* as root, in the process itself */
int sandbox_take_pid_namespace(int *old);	/* the next fork() begins a new one */
void sandbox_leave_pid_namespace(int old);
int sandbox_empty_root(pid_t pid);		/* as root, from outside */
int sandbox_is_empty(void);			/* in the process, as are the next */
int sandbox_forbid_files(void);			/* before it has threads */
int sandbox_forbid_calls(uint32_t store_flags, bool all_threads);

#endif /* ZCMU_TOOL_CONFINE_SANDBOX_H */
