/* SPDX-License-Identifier: MIT */
/* Two processes, one of which hands its disk to the other */
#ifndef ZCMU_TOOL_SERVE_HANDOVER_H
#define ZCMU_TOOL_SERVE_HANDOVER_H

#include <stdbool.h>
#include <sys/types.h>

/* The process that shall go on with a disk, as the owner of the disk sees it */
struct heir {
	const char *name;
	const char *program;
	int argc;			/* of "zcmu serve" as it was called here */
	char **argv;
	int runfile_fd;
	int control_fd;
	int lifeline_fd;		/* or -1 */
	bool has_own;			/* it has a separate process for the store */

	pid_t pid;
	int socket;
	char version[32];
};

int heir_start(struct heir *heir);
int heir_succeed(struct heir *heir);
void heir_dismiss(struct heir *heir);
int heir_make_lifeline(int *read_end);	/* quiet */
void heir_pass_signals(pid_t pid);	/* signals that have come too late for us */
int heir_wait(const char *name);	/* an exit status */

/* the other side: --hand-over */
struct handover {
	int socket;
	int runfile_fd;
	int control_fd;
	int lifeline_fd;		/* or -1 */
};

int handover_parse(const char *text, struct handover *ret);	/* quiet */
void handover_log(int level, const char *message, void *argument);
int handover_wait(const struct handover *handover);		/* quiet */
int handover_end(struct handover *handover);			/* quiet */

#endif /* ZCMU_TOOL_SERVE_HANDOVER_H */
