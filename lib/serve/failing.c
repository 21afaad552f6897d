// SPDX-License-Identifier: MIT
/*
 * Tells of a store that fails: of the first request of a kind that does, and when requests of that
 * kind go well again. A store that can do nothing any more must not fill the log, nor one that
 * fails now and then: what goes well counts as the end only some time after the last failure.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "serve/disk.h"

#define QUIET_SECONDS	10

static const char *const kinds[ZCMU_FAILING_OPS] = {
	[ZCMU_IO_READ] = "read", [ZCMU_IO_WRITE] = "write", [ZCMU_IO_FLUSH] = "flush",
	[ZCMU_IO_TRIM] = "trim", [ZCMU_IO_ZERO] = "zero", [ZCMU_IO_MAP] = "map",
};

/* Is it a failure of the store? Else it asks to come again, or nobody waits for the request. */
static bool is_failure(enum zcmu_io_op op, int error)
{
	switch (zcmu_status_of_error(op, error)) {
	case ZCMU_READ_ERROR:
	case ZCMU_WRITE_ERROR:
	case ZCMU_NO_SPACE:
	case ZCMU_NOT_READY:
	case ZCMU_HARDWARE_ERROR:
		return true;
	default:
		return false;
	}
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return time.tv_sec;
}

/* A request of a command has failed. */
void zcmu_failing_note(struct zcmu_disk *disk, enum zcmu_io_op op, int error)
{
	struct zcmu_failing *failing = &disk->failing;
	bool is_first;

	if (op >= ZCMU_FAILING_OPS || !is_failure(op, error))
		return;
	pthread_mutex_lock(&failing->lock);
	is_first = !failing->of[op].count++;
	failing->of[op].last = now();
	if (is_first)
		failing->of[op].first = failing->of[op].last;
	atomic_fetch_or(&failing->ops, 1u << op);
	pthread_mutex_unlock(&failing->lock);
	if (is_first)
		zcmu_error("%s: its store fails to %s: %s; how many such requests do is told when that has ended",
			   disk->name, kinds[op], strerror(-error));
}

/* One of a kind that has failed before went well. */
void zcmu_failing_note_well(struct zcmu_disk *disk, enum zcmu_io_op op)
{
	struct zcmu_failing *failing = &disk->failing;
	uint64_t count = 0;
	int64_t seconds = 0;

	pthread_mutex_lock(&failing->lock);
	if (failing->of[op].count && now() - failing->of[op].last >= QUIET_SECONDS) {
		count = failing->of[op].count;
		seconds = failing->of[op].last - failing->of[op].first;
		failing->of[op].count = 0;
		atomic_fetch_and(&failing->ops, ~(1u << op));
	}
	pthread_mutex_unlock(&failing->lock);
	if (count)
		zcmu_warning("%s: its store does not fail to %s any more; %" PRIu64 " requests had failed, within %" PRId64 " s",
			     disk->name, kinds[op], count, seconds);
}
