/* SPDX-License-Identifier: MIT */
/* Commands of one size, with a fixed number under way, on a block device */
#ifndef ZCMU_TOOL_MEASURE_LOAD_H
#define ZCMU_TOOL_MEASURE_LOAD_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_DEPTH_MAX	128u

struct load {
	struct io_uring ring;
	int fd;
	char *memory;			/* a buffer for each command under way */
	size_t memory_size;
	unsigned int depth;
	uint32_t max_bytes;
	uint64_t size, offset;		/* of the disk; of the next command */
};

int load_open(const char *device, uint64_t size, unsigned int depth, uint32_t max_bytes,
	      struct load *ret);
void load_close(struct load *load);
int load_run(struct load *load, bool write, uint32_t bytes, unsigned int commands, double *us);

#endif /* ZCMU_TOOL_MEASURE_LOAD_H */
