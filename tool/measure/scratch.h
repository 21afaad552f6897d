/* SPDX-License-Identifier: MIT */
/*
 * A disk that exists while it is measured, served by a child. However the measuring process ends,
 * the child removes the disk and ends, too.
 */
#ifndef ZCMU_TOOL_MEASURE_SCRATCH_H
#define ZCMU_TOOL_MEASURE_SCRATCH_H

#include <limits.h>
#include <sys/types.h>

#include "backstore.h"

struct scratch {
	char name[NAME_MAX_LEN + 1];
	char device[32];		/* "/dev/sdX" */
	struct backstore backstore;
	pid_t pid;			/* 0: none */
	int said_fd;			/* the child's output */
};

int scratch_open(const char *purpose, const char *spec, unsigned int threads,
		 struct scratch *ret);
int scratch_close(struct scratch *scratch);
int scratch_set(const struct scratch *scratch, const char *attribute, unsigned int value);

#endif /* ZCMU_TOOL_MEASURE_SCRATCH_H */
