/* SPDX-License-Identifier: MIT */
/* Runs fio, which zcmu bench measures with */
#ifndef ZCMU_TOOL_MEASURE_FIO_H
#define ZCMU_TOOL_MEASURE_FIO_H

#include <stddef.h>
#include <stdint.h>

struct fio_job {
	const char *rw;			/* "read", "write" */
	uint32_t bytes;			/* of each request */
	unsigned int jobs, depth, seconds;
};

struct fio_result {
	double mib;			/* MiB/s of all jobs */
	uint64_t ios;
};

int fio_version(char *version, size_t size);
int fio_run(const struct fio_job *job, const char *device, struct fio_result *ret);

#endif /* ZCMU_TOOL_MEASURE_FIO_H */
