/* SPDX-License-Identifier: MIT */
/* attrib/counters of a disk */
#ifndef ZCMU_TOOL_COUNTERS_H
#define ZCMU_TOOL_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

struct backstore;

struct counter {
	char name[32];
	uint64_t value;
};

#define COUNTERS_MAX	48

int counters_read(const struct backstore *backstore, struct counter *counters,
		  size_t *count);	/* -EOPNOTSUPP, quiet: the stock module has none */
int counters_read_from(const struct backstore *backstore, const char *attribute,
		       struct counter *counters, size_t *count);	/* quiet */
uint64_t counters_get(const struct counter *counters, size_t count, const char *name);

#endif /* ZCMU_TOOL_COUNTERS_H */
