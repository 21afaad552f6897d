/* SPDX-License-Identifier: MIT */
/* What zcmu stat shows, in a file for each way to show it */
#ifndef ZCMU_TOOL_LOOK_STAT_H
#define ZCMU_TOOL_LOOK_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_object;
struct sample;

/* stat_show.c: once */
int stat_show_one(const struct sample *sample);
int stat_show_one_json(const struct sample *sample);
void stat_show_table(const struct sample *samples, size_t count);
void stat_show_json(const struct sample *samples, size_t count);
void stat_show_histograms(const struct sample *samples, size_t count);
void stat_add_json(struct json_object *object, const struct sample *sample);

/* stat_watch.c: again and again */
struct watching {
	const char *name;		/* NULL: all disks */
	unsigned int interval;		/* s */
	unsigned int count;		/* reports; 0: without end */
	bool json, histograms;
};

int stat_watch(const struct watching *watching);
void stat_print_rates(const struct sample *delta, double seconds, int name_width);
void stat_print_rates_header(int name_width);

/* openmetrics.c; the old one: what Prometheus had before */
void openmetrics_write_old(const struct sample *samples, size_t count, FILE *file);
void openmetrics_write(const struct sample *samples, size_t count, FILE *file);

#endif /* ZCMU_TOOL_LOOK_STAT_H */
