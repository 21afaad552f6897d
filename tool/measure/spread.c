// SPDX-License-Identifier: MIT
/* Medians, and the spread of the rounds behind them. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "measure/spread.h"

void samples_add(struct samples *samples, double value)
{
	if (samples->count < ROUNDS_MAX)
		samples->values[samples->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The quantile of a share; a mean if it is between two values. */
static double quantile(const double *sorted, unsigned int count, double share)
{
	double at = share * (count - 1);
	unsigned int i = (unsigned int)at;

	if (i + 1 >= count)
		return sorted[count - 1];
	return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
}

struct spread samples_spread(const struct samples *samples)
{
	double sorted[ROUNDS_MAX];
	unsigned int n = samples->count;

	if (!n)
		return (struct spread){ 0 };
	memcpy(sorted, samples->values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return (struct spread){
		.median = quantile(sorted, n, 0.5),
		.low = quantile(sorted, n, 0.25),
		.high = quantile(sorted, n, 0.75),
	};
}

/* Is @a less than @b, by more than the spread of either? */
bool spread_is_below(const struct spread *a, const struct spread *b)
{
	return a->high < b->low;
}
