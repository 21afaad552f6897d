/* SPDX-License-Identifier: MIT */
/* Is a disk well? */
#ifndef ZCMU_TOOL_LOOK_JUDGE_H
#define ZCMU_TOOL_LOOK_JUDGE_H

#include <stddef.h>

struct sample;

/* The values are exit statuses of monitoring, as Nagios has them. */
enum verdict {
	VERDICT_SERVED = 0,
	VERDICT_DEGRADED = 1,
	VERDICT_DEAD = 2,
	VERDICT_UNKNOWN = 3,
};

struct limits {
	unsigned int slow;		/* s: a command that is out for longer is a bad sign */
	unsigned int lately;		/* s: a failure that is as old is one still */
};

#define JUDGE_SLOW	10
#define JUDGE_LATELY	300

const char *verdict_name(enum verdict verdict);
enum verdict judge(const struct sample *sample, const struct limits *limits, char *why,
		   size_t size);

#endif /* ZCMU_TOOL_LOOK_JUDGE_H */
