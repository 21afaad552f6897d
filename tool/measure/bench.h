/* SPDX-License-Identifier: MIT */
/* zcmu bench's internals: bench.c measures, bench_show.c prints, fio.c runs the load. */
#ifndef ZCMU_TOOL_MEASURE_BENCH_H
#define ZCMU_TOOL_MEASURE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "measure/fio.h"
#include "measure/scratch.h"
#include "measure/spread.h"

/* How the payload moves between initiator and store */
enum way {
	WAY_LENT,
	WAY_COPIED,			/* zcmu's module with zero_copy=0 */
	WAY_STOCK,
	WAYS
};

struct row {
	const char *store;		/* "ram", "file" */
	unsigned int threads;
	struct fio_job job;
};

struct figures {
	struct samples samples;		/* MiB/s */
	struct spread spread;
	uint64_t ios;
	size_t counted;			/* counters; 0: the module has none */
	struct counter counters[COUNTERS_MAX];	/* counts of those I/Os */
};

#define NR_ROWS		3

extern const struct row bench_rows[NR_ROWS];
extern const char *const bench_ways[WAYS];

struct bench {
	/* options */
	const char *folder;		/* of the file store's file */
	const char *beside;		/* output of another "zcmu bench --json" */
	unsigned int rounds, seconds;
	bool json;

	bool is_stock;
	char module[64], fio[64];
	struct scratch scratch;
	struct figures figures[NR_ROWS][WAYS];
	double stock_mib[NR_ROWS];	/* from --beside, or measured; 0: not known */
};

/* bench_show.c */
void bench_print(const struct bench *bench);
void bench_print_as_json(const struct bench *bench);
int bench_read_beside(struct bench *bench);

#endif /* ZCMU_TOOL_MEASURE_BENCH_H */
