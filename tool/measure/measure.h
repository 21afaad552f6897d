/* SPDX-License-Identifier: MIT */
/* What zcmu tune and zcmu bench share: a disk of their own, load, and medians. */
#ifndef ZCMU_MEASURE_H
#define ZCMU_MEASURE_H

#include <liburing.h>

#include "tool.h"

/*
 * scratch.c: a disk that exists while it is measured, served by a child. However the
 * measuring process ends, the child takes the disk away and ends, too.
 */
struct scratch {
	char name[NAME_MAX_LEN + 1];
	char device[32];		/* "/dev/sdX" */
	struct backstore backstore;
	pid_t pid;			/* 0: none */
	int said_fd;			/* what the child says */
};

int scratch_open(const char *purpose, const char *spec, unsigned int threads,
		 struct scratch *ret);
int scratch_close(struct scratch *scratch);
int scratch_set(const struct scratch *scratch, const char *attribute, unsigned int value);

/* interrupt.c: ^C and its like end what is measured, not the process at once */
void interrupt_catch(void);
bool interrupt_came(void);

/* load.c: commands of one size, so many at a time, on a block device */
#define LOAD_DEPTH_MAX	128u

struct load {
	struct io_uring ring;
	int fd;
	char *memory;			/* a buffer for each that is under way */
	size_t memory_size;
	unsigned int depth;
	uint32_t max_bytes;
	uint64_t size, offset;		/* the disk's; of the next command */
};

int load_open(const char *device, uint64_t size, unsigned int depth, uint32_t max_bytes,
	      struct load *ret);
void load_close(struct load *load);
int load_run(struct load *load, bool write, uint32_t bytes, unsigned int commands, double *us);

/* spread.c: what many rounds have in common */
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

#endif /* ZCMU_MEASURE_H */
