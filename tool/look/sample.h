/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a disk at one moment */
#ifndef ZCMU_TOOL_LOOK_SAMPLE_H
#define ZCMU_TOOL_LOOK_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backstore.h"
#include "counters.h"
#include "look/histogram.h"

/* kernel/stats.h has what they are */
enum phase {
	PHASE_TOTAL,
	PHASE_ROOM,
	PHASE_HANDLER,
	PHASE_TAKE_BACK,
	NR_PHASES
};

struct sample {
	struct backstore backstore;
	uint64_t taken;			/* ns, CLOCK_MONOTONIC */
	bool is_counted;		/* by our module; else nothing of what follows is there */
	struct counter counters[COUNTERS_MAX];
	size_t nr_counters;
	struct counter errors[COUNTERS_MAX];
	size_t nr_errors;
	struct counter state[COUNTERS_MAX];
	size_t nr_state;
	struct histogram phases[NR_PHASES];
};

const char *phase_name(enum phase phase);	/* as the kernel's attribute: "take_back" */
const char *phase_title(enum phase phase);	/* for people */
int sample_take(const struct backstore *backstore, struct sample *ret);
int sample_take_wanted(const char *name, struct sample **ret, size_t *count);
uint64_t sample_counter(const struct sample *sample, const char *name);
int64_t sample_state(const struct sample *sample, const char *name);	/* -1: unknown */
uint64_t sample_errors(const struct sample *sample);	/* all of them */
uint64_t sample_under_way(const struct sample *sample);	/* commands, that are waited for */
void sample_subtract(struct sample *now, const struct sample *before);
const struct sample *sample_find(const struct sample *samples, size_t count, const char *name);

#endif /* ZCMU_TOOL_LOOK_SAMPLE_H */
