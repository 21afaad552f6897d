/* SPDX-License-Identifier: MIT */
/* Summary of many rounds */
#ifndef ZCMU_TOOL_MEASURE_SPREAD_H
#define ZCMU_TOOL_MEASURE_SPREAD_H

#include <stdbool.h>

#define ROUNDS_MAX	99

struct samples {
	double values[ROUNDS_MAX];
	unsigned int count;
};

struct spread {
	double median;
	double low, high;		/* the quartiles: half of the values lie between */
};

void samples_add(struct samples *samples, double value);
struct spread samples_spread(const struct samples *samples);
bool spread_is_below(const struct spread *a, const struct spread *b);

#endif /* ZCMU_TOOL_MEASURE_SPREAD_H */
