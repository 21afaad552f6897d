/* SPDX-License-Identifier: MIT */
/*
 * zcmu copy's internals: copy.c has the command, piece.c decides which part of the store comes
 * next, work.c has the threads that copy or compare it, worker.c has their data, note.c has the
 * notes from which an interrupted copy continues, and progress.c prints progress.
 */
#ifndef ZCMU_TOOL_COPY_COPY_H
#define ZCMU_TOOL_COPY_COPY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

#include "created.h"
#include "zcmu.h"

#define COPY_CHUNK		(1u << 20)	/* bytes read and written at a time */
#define COPY_HOLE		(1u << 30)	/* bytes zeroed at a time */
#define COPY_MAP		(1ull << 40)	/* bytes searched for holes at a time */
#define COPY_DEPTH		16u		/* pieces under way in each thread */

struct worker;

/* A part of the store, the work of one slot. */
struct piece {
	bool is_taken;
	uint64_t number;		/* in the order of the store */
	uint64_t begin, end;		/* bytes */
	enum { PIECE_UNKNOWN, PIECE_DATA, PIECE_HOLE } kind;
};

/* The progress, now and some seconds ago */
struct progress {
	struct timespec begun;
	bool line_is_open;		/* the cursor is behind a bar */
	struct {
		double at;		/* seconds since the beginning */
		uint64_t done;
	} past[64];			/* a ring */
	unsigned int samples;
	double told;			/* --json: time of the last object */
};

struct copy {
	const char *from, *to, *resume;
	bool create, quiet, json, verify;
	bool is_verifying;		/* the copy is done, and both are being compared */
	unsigned int threads;
	unsigned int depth;		/* slots that each thread uses */
	struct zcmu_store *source, *target;
	struct created created;		/* the target */
	uint64_t first;			/* bytes that were copied earlier */

	/* The next piece; see piece.c. */
	pthread_mutex_t lock;
	pthread_cond_t ended;		/* is_over */
	uint64_t at;			/* end of the pieces that were taken */
	uint64_t known_end;		/* end of the known run, ... */
	bool known_mapped;		/* ... and its kind */
	uint64_t number;		/* of the next piece */
	struct piece *pieces;		/* for each slot of each worker */
	bool somebody_waits;		/* for the oldest piece to be done */

	atomic_uint_fast64_t done;	/* bytes, with the holes */
	atomic_uint_fast64_t data;	/* bytes that were read and written */
	atomic_int error;		/* the first; negative */
	atomic_bool is_wrong;		/* a comparison found a difference */
	atomic_bool is_over;		/* the last flush was answered */
	struct worker *workers;
	struct progress progress;
};

enum step { STEP_FREE, STEP_MAP, STEP_READ, STEP_WRITE, STEP_MAP_TARGET, STEP_READ_TARGET };

struct slot {
	struct zcmu_io io;		/* must be first: a request leads back to its slot */
	struct worker *worker;
	struct slot *ready;		/* the next that was answered */
	enum step step;
	struct piece *piece;
	uint64_t offset, length;	/* bytes: the current part of the piece */
	int error;
	char *buffer;
	char *compared;			/* the target's data; NULL if not verifying */
	struct iovec iov;
};

struct worker {
	struct copy *copy;
	pthread_t handle;
	void *source, *target;		/* queues */
	int wake_fd;
	pthread_mutex_t lock;		/* ready */
	struct slot *ready, **last_ready;
	unsigned int active;
	struct slot slots[COPY_DEPTH];
	/* the first worker's: a flush of the prefix that it found done */
	struct slot flush;
	bool flushing, flush_failed, ended;
	uint64_t prefix;
	time_t checked;
};

static inline uint64_t at_most(uint64_t length, uint64_t max)
{
	return length < max ? length : max;
}

/* worker.c */
int copy_worker_init(struct worker *worker, struct copy *copy);
void copy_worker_deinit(struct worker *worker);

/* work.c */
void *copy_work(void *worker);
bool copy_is_done(const struct copy *copy);
void copy_end_early(struct copy *copy);

/* piece.c */
int copy_pieces_init(struct copy *copy, uint64_t first);
void copy_pieces_deinit(struct copy *copy);
bool copy_piece_take(struct copy *copy, struct piece *piece);
bool copy_piece_done(struct copy *copy, struct piece *piece);
void copy_piece_learn(struct copy *copy, uint64_t end, bool mapped);
uint64_t copy_prefix(struct copy *copy);

/* note.c */
int copy_read_note(struct copy *copy);
int copy_remove_note(const struct copy *copy);
int copy_check_note_before_creating(const struct copy *copy);
void copy_write_note(const struct copy *copy, uint64_t bytes);

/* progress.c */
void copy_progress_begin(struct copy *copy);
void copy_progress_show(struct copy *copy);
void copy_progress_end(struct copy *copy);
void copy_progress_conclude(struct copy *copy, bool is_complete);
int copy_progress_line(const struct copy *copy, double seconds, unsigned int width, char *line,
		       size_t size);

#endif /* ZCMU_TOOL_COPY_COPY_H */
