/* SPDX-License-Identifier: MIT */
/* How long commands have taken: attrib/latency_... of a disk */
#ifndef ZCMU_TOOL_LOOK_HISTOGRAM_H
#define ZCMU_TOOL_LOOK_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* More than the kernel has; see kernel/latency.h */
#define HISTOGRAM_MAX	128

struct bucket {
	uint64_t begin;			/* ns */
	uint64_t count;
};

struct histogram {
	uint64_t count, sum_ns;
	size_t nr;
	struct bucket buckets[HISTOGRAM_MAX];	/* by their begin; none is empty */
};

bool histogram_parse(const char *text, struct histogram *ret);
uint64_t histogram_end(uint64_t begin);			/* ns; UINT64_MAX: none */
void histogram_subtract(struct histogram *now, const struct histogram *before);
uint64_t histogram_quantile(const struct histogram *histogram, double share);	/* ns */
uint64_t histogram_mean(const struct histogram *histogram);			/* ns */
uint64_t histogram_below(const struct histogram *histogram, uint64_t ns);
void histogram_draw(const struct histogram *histogram, const char *title, int columns,
		    FILE *file);

#endif /* ZCMU_TOOL_LOOK_HISTOGRAM_H */
