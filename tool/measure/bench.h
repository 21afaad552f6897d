/* SPDX-License-Identifier: MIT */
/* zcmu bench's insides: bench.c measures, bench_show.c tells, fio.c runs the load. */
#ifndef ZCMU_TOOL_MEASURE_BENCH_H
#define ZCMU_TOOL_MEASURE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "measure/fio.h"
#include "measure/scratch.h"
#include "measure/spread.h"

/* How the payload goes between initiator and store */
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
	struct counter counters[COUNTERS_MAX];	/* what those I/Os have added to them */
};

#define NR_ROWS		3

extern const struct row bench_rows[NR_ROWS];
extern const char *const bench_ways[WAYS];

struct bench {
	/* what was asked for */
	const char *folder;		/* of the file store's file */
	const char *beside;		/* what "zcmu bench --json" has printed elsewhere */
	unsigned int rounds, seconds;
	bool json;

	bool is_stock;
	char module[64], fio[64];
	struct scratch scratch;
	struct figures figures[NR_ROWS][WAYS];
	double stock_mib[NR_ROWS];	/* of --beside, or measured; 0: not known */
};

/* bench_show.c */
void bench_print(const struct bench *bench);
void bench_print_as_json(const struct bench *bench);
int bench_read_beside(struct bench *bench);

#endif /* ZCMU_TOOL_MEASURE_BENCH_H */
