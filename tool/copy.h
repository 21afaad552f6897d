/* SPDX-License-Identifier: MIT */
/*
 * zcmu copy's insides: copy.c has the command, copy_work.c the threads that do it,
 * copy_note.c what one that was broken off goes on from.
 */
#ifndef ZCMU_COPY_H
#define ZCMU_COPY_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "tool.h"

#define COPY_CHUNK		(1u << 20)	/* bytes */
#define COPY_DEPTH		16u		/* chunks under way in each thread */

struct worker;

struct copy {
	const char *from, *to, *resume;
	bool create, quiet;
	unsigned int threads;
	struct zcmu_store *source, *target;
	uint64_t chunks, first;		/* of the whole; where it begins */
	atomic_uint_fast64_t next;	/* to be taken */
	atomic_uint_fast64_t done;
	atomic_bool *is_done;		/* each chunk */
	atomic_int error;		/* the first; negative */
	atomic_bool is_over;		/* the last flush was answered */
	struct worker *workers;
};

enum step { STEP_FREE, STEP_MAP, STEP_READ, STEP_WRITE };

struct slot {
	struct zcmu_io io;		/* first: a request leads back to its slot */
	struct worker *worker;
	struct slot *ready;		/* the next that was answered */
	enum step step;
	uint64_t chunk, offset, length;	/* bytes: the chunk's part that is at hand */
	uint64_t end;
	int error;
	char *buffer;
	struct iovec iov;
};

struct worker {
	struct copy *copy;
	pthread_t handle;
	void *source, *target;		/* queues */
	int wake_fd;
	pthread_mutex_t lock;		/* ready */
	struct slot *ready;
	unsigned int active;
	struct slot slots[COPY_DEPTH];
	/* the first one's: a flush of what it found to be done */
	struct slot flush;
	bool flushing, flush_failed, ended;
	uint64_t prefix;
	time_t checked;
};

int copy_worker_init(struct worker *worker, struct copy *copy);
void copy_worker_deinit(struct worker *worker);
void *copy_work(void *worker);
bool copy_is_done(const struct copy *copy);

/* copy_note.c */
int copy_read_note(struct copy *copy);
int copy_remove_note(const struct copy *copy);
int copy_check_note_before_creating(const struct copy *copy);
void copy_write_note(const struct copy *copy, uint64_t chunks);

#endif /* ZCMU_COPY_H */
