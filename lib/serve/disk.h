/* SPDX-License-Identifier: MIT */
/*
 * The library's internals: a disk that is served, its threads, its commands. Prototypes are grouped
 * by the file that has them.
 *
 * A command's path: the leading thread takes a request off the ring (serve.c), makes it a struct
 * zcmu_cmd (command.c), and interprets it (scsi/). Either that ends the command with
 * zcmu_cmd_finish(), or the command waits for older commands of the same blocks (range_lock.c) and
 * then asks the store in any free thread (zcmu_cmd_start()). The store's zcmu_io_done() leads to
 * the next step or to the end. The answer goes to the ring, and the kernel is kicked (serve.c).
 */
#ifndef ZCMU_DISK_H
#define ZCMU_DISK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "scsi/sense.h"
#include "serve/hring.h"
#include "serve/range_tree.h"
#include "store/store.h"
#include "zcmu.h"

#define ZCMU_INLINE_IOVECS	16

#define ZCMU_ABORT_BUCKETS	256

struct zcmu_cmd;
struct zcmu_disk;
struct zcmu_thread;

/* Commands under way by their ids, for stores that want to know of aborted ones. */
struct zcmu_aborts {
	bool is_on;			/* if not, nothing here is used */
	pthread_mutex_t lock;		/* all below, abort.c's fields in commands and threads */
	struct zcmu_cmd *by_id[ZCMU_ABORT_BUCKETS];
};

/* Where commands write, and where those read that have to wait for it; see range_lock.c. */
struct zcmu_ranges {
	pthread_mutex_t lock;		/* all below, and the commands' in_the_way */
	struct zcmu_range_tree tree;
	uint64_t arrivals;		/* commands that have come */
	unsigned int waiting;		/* commands that wait for others */
	atomic_int writes;		/* ranges in the tree that are written to */
};

/* Commands whose payloads the kernel moves; see moving.c. */
struct zcmu_moving {
	atomic_bool is_on;		/* payloads may be handed over */
	atomic_int count;		/* commands that were, and aren't over */
	struct zcmu_cmd *_Atomic *by_id;	/* which ones */
	pthread_mutex_t lock;		/* awaited, and what the kernel is told of it */
	unsigned int awaited;		/* how many wait for commands */
};

/* What a store wants to be moved, and where. */
struct zcmu_move {
	int fd;
	bool is_stream;
	uint64_t offset;		/* of a file */
	const void *header;		/* to a stream, in front of the payload */
	size_t header_bytes;
	unsigned int flags;		/* ZCMU_MOVE_ */
	void (*back)(struct zcmu_io *io, int error, uint64_t bytes);
};

/* Requests of commands that the store has failed, by what they were; see failing.c. */
#define ZCMU_FAILING_OPS	(ZCMU_IO_MAP + 1)

struct zcmu_failing {
	atomic_uint ops;		/* bits: which have; if none has, no more is looked at */
	pthread_mutex_t lock;		/* the rest */
	struct {
		uint64_t count;		/* since the first one was told */
		int64_t first, last;	/* s */
	} of[ZCMU_FAILING_OPS];
};

struct zcmu_cmd {
	struct zcmu_io io;		/* the request to the store; rebuilt for each step */
	struct zcmu_disk *disk;
	struct zcmu_thread *thread;	/* the one that took it */
	struct zcmu_cmd *next;		/* free list, backlog, or list of those that may go on */
	struct zcmu_hreq req;
	uint64_t capacity;		/* bytes the disk had when it was taken */
	unsigned int epoch;		/* index of disk->inflight */
	struct iovec *payload;		/* req.iov, as the kernel gave it */
	struct iovec inline_payload[ZCMU_INLINE_IOVECS];
	struct iovec *scratch;		/* io.iov: the store may change it */
	struct iovec inline_scratch[ZCMU_INLINE_IOVECS];
	/*
	 * What the command reads and writes, which decides what it waits for. The ranges are range,
	 * or in its buffer; there are none while nobody has to know of them.
	 */
	struct zcmu_range *ranges, range;
	unsigned int nr_ranges;
	unsigned int in_the_way;	/* overlaps with ranges that older commands write to */
	uint64_t arrival;		/* tells which of two is older */
	void (*go_on)(struct zcmu_cmd *cmd);	/* called when it is its turn */

	/* abort.c's */
	struct zcmu_cmd *next_of_ids;
	struct zcmu_thread *asks_in;	/* whose queue was used to ask the store; NULL: none */
	bool is_aborted;		/* nobody waits for it */
	bool is_to_be_told;		/* the store has a request of it, and must be told */

	bool was_told;			/* the store was */

	/* moving.c's */
	struct zcmu_call call;
	struct zcmu_io *moved_io;	/* io, or what layers have made of it */
	struct zcmu_move move;		/* without the header, which is on its way */
	bool move_tells;		/* it comes back in any case */
	int moved_error;
	uint64_t moved_bytes;

	/*
	 * Steps. NULL if one request to the store is all. A step asks the store once (true), or
	 * finishes the command (false). It begins by looking at status.
	 */
	bool (*step)(struct zcmu_cmd *cmd);
	atomic_int step_refs;		/* the step itself, and its request to the store */
	uint64_t begin;			/* bytes: where the command's range begins */
	uint64_t offset;		/* bytes: where the next step begins */
	uint64_t left;			/* bytes, or another unit that the steps count down */
	uint32_t chunk;			/* bytes the last step has asked for */
	unsigned int phase;		/* state of the steps, if they differ; from 0 */
	bool may_trim;			/* ZERO may give the space back */
	bool one_block;			/* the payload is one block, meant for each of the range */
	void *buffer;			/* the steps' memory; freed at the end */
	bool flush_after;		/* FUA by a store that has only flush */
	bool wants_copy;		/* it failed because its payload is lent */

	/* the answer */
	enum zcmu_status status;
	uint32_t field;			/* byte at fault, or ZCMU_NO_FIELD */
	uint64_t information;		/* UINT64_MAX: none */
	uint32_t data_len;		/* Data-In bytes, if less than the payload */
	uint32_t part;			/* Data-In bytes of a READ that fails after them; 0: none */
	bool has_residual;		/* the payload's length isn't the CDB's, cdb_bytes */
	uint32_t cdb_bytes;
};

/*
 * Thread 0 leads: it alone takes requests off the ring and interprets them. If it is the only
 * thread, it also asks the store. Otherwise it shares the commands out, and runs those that are
 * left unless the store's callbacks may sleep.
 */
struct zcmu_thread {
	struct zcmu_disk *disk;
	pthread_t handle;
	void *queue;			/* the store's, for this thread */
	int epoll_fd;
	int wake_fd;			/* eventfd: there is work, or something has ended */
	bool has_queue;
	bool is_idle;			/* on disk->idle */
	unsigned int shared;		/* the leader's: commands to wake a thread for */
	struct zcmu_thread *next_idle;
	/* answers that the kernel has not been told of */
	unsigned int unkicked;
	uint64_t unkicked_bytes;
	bool has_handed_over;		/* one of them has a payload moved */
	unsigned int unlooked;		/* commands since it last looked for events */
	bool unsubmitted;		/* requests that queue_submit() was not told of */
	struct zcmu_call *calls, **calls_end;	/* to be run; their lock is in queue.c */
	bool has_aborted;		/* has commands that the store must be told of; abort.c's */
};

/* struct zcmu_statistics, counted without a lock */
struct zcmu_counts {
	atomic_uint_fast64_t commands, errors, bytes_read, bytes_written;
	atomic_uint_fast64_t bytes_in_place, bytes_copied, kicks, sleeps;
};

struct zcmu_disk {
	struct zcmu_hring ring;
	int (*kick)(struct zcmu_disk *disk);	/* tell the kernel; a test has its own function */
	int uio_fd;
	char *name;
	char serial[64];
	char product[17];
	uint32_t max_blocks;		/* per command; 0: no limit told */
	struct zcmu_store *store;

	int stop_fd;			/* eventfd: somebody wants zcmu_disk_serve() to end */
	int end_fd;			/* eventfd: everything is answered, threads may go */
	atomic_bool stopping;		/* no more requests are taken */
	atomic_bool must_stop;		/* zcmu_disk_stop(): even if the flush at the end fails */
	pthread_mutex_t end_lock;	/* the four below */
	pthread_cond_t handed;		/* hands_over has changed */
	bool is_served;
	bool hands_over;		/* somebody waits in zcmu_disk_hand_over() */
	bool is_flushed;		/* the flush at the end was answered, */
	int flush_error;		/* with this error */
	bool gone;			/* the backstore was removed; the leader's */
	bool is_to_stop;		/* when nothing is moved any more; the same */
	uint32_t ring_events;		/* the leader's */
	/*
	 * Commands taken and not answered. When the disk shrinks, the epoch changes. Commands of
	 * the other epoch may know the old size, and are waited for.
	 */
	atomic_int inflight[2];
	atomic_uint epoch;		/* its last bit: where new commands are counted */
	pthread_mutex_t resize_lock;	/* keeps the store; one change at a time */
	atomic_int kicking;		/* 0: no thread kicks, 1: one does, 2: it must once more */

	pthread_mutex_t work_lock;	/* backlog, idle */
	struct zcmu_cmd *backlog;	/* taken, for any free thread; oldest first */
	struct zcmu_cmd **backlog_end;
	unsigned int backlog_len;
	struct zcmu_thread *idle;	/* threads that wait for work */
	unsigned int nr_idle;

	struct zcmu_ranges ranges;	/* ranges that are being written to */
	struct zcmu_aborts aborts;
	struct zcmu_moving moving;
	struct zcmu_failing failing;

	pthread_mutex_t pool_lock;
	struct zcmu_cmd *pool;		/* commands to be used again */

	unsigned int nr_threads;
	unsigned int max_busy;		/* most threads that are busy at once */
	struct zcmu_thread *threads;
	struct zcmu_counts counts;
};

/* disk.c */
int zcmu_disk_init(struct zcmu_disk *disk, void *map, size_t map_size);
void zcmu_disk_deinit(struct zcmu_disk *disk);
void zcmu_disk_identify(struct zcmu_disk *disk, const struct zcmu_serve_options *options);

/* end.c: how serving ends */
int zcmu_end_flush(struct zcmu_thread *leader);
bool zcmu_end_is_over(struct zcmu_disk *disk, int flush_error);
void zcmu_end_begin(struct zcmu_disk *disk);
void zcmu_end_finish(struct zcmu_disk *disk, int error);

/* abort.c */
void zcmu_abort_begin(struct zcmu_disk *disk);
void zcmu_abort_note_taken(struct zcmu_cmd *cmd);
void zcmu_abort_forget(struct zcmu_cmd *cmd);
bool zcmu_abort_lets_ask(struct zcmu_cmd *cmd);
void zcmu_abort_note_answer(struct zcmu_cmd *cmd);
void zcmu_abort_note_return(struct zcmu_cmd *cmd);
void zcmu_abort_note(struct zcmu_hring *ring, uint16_t id);
void zcmu_abort_tell(struct zcmu_thread *thread);

/* failing.c */
void zcmu_failing_note(struct zcmu_disk *disk, enum zcmu_io_op op, int error);
void zcmu_failing_note_well(struct zcmu_disk *disk, enum zcmu_io_op op);

/* moving.c */
void zcmu_moving_begin(struct zcmu_disk *disk);
void zcmu_moving_end(struct zcmu_disk *disk);
void zcmu_moving_abandon(struct zcmu_disk *disk);
void zcmu_moving_await(struct zcmu_disk *disk);
void zcmu_moving_await_end(struct zcmu_disk *disk);
bool zcmu_moving_stops(struct zcmu_disk *disk);
void zcmu_moving_resumes(struct zcmu_disk *disk);
/* moving_here.c */
void zcmu_moving_do_here(const struct zcmu_move *move, struct zcmu_io *io);

/* backlog.c */
void zcmu_backlog_add(struct zcmu_disk *disk, struct zcmu_cmd *cmd);
void zcmu_backlog_wake(struct zcmu_disk *disk, unsigned int commands);
struct zcmu_cmd *zcmu_backlog_find(struct zcmu_thread *thread, bool *more);
void zcmu_backlog_run(struct zcmu_thread *leader);

/* serve.c */
void zcmu_serve_wait(struct zcmu_thread *thread);
void zcmu_serve_put_answer(struct zcmu_disk *disk, const struct zcmu_hanswer *answer,
			   uint64_t bytes, unsigned int epoch);
int zcmu_serve_hand_over(struct zcmu_disk *disk, const struct zcmu_hanswer *answer,
			 uint64_t bytes);
void zcmu_serve_leave(struct zcmu_disk *disk, unsigned int epoch);
bool zcmu_serve_share(struct zcmu_cmd *cmd);
void zcmu_serve_later(struct zcmu_cmd *cmd);
void zcmu_serve_note_request(void);
void zcmu_serve_was_long(void);
bool zcmu_serve_is_in(const struct zcmu_thread *thread);
struct zcmu_thread *zcmu_serve_current(const struct zcmu_disk *disk);
void zcmu_serve_kick(struct zcmu_thread *thread);
void zcmu_serve_kick_if_due(struct zcmu_thread *thread);

/* events.c: what a thread waits for */
int zcmu_events_init(struct zcmu_thread *thread, struct zcmu_disk *disk);
void zcmu_events_deinit(struct zcmu_thread *thread);
bool zcmu_events_wait(struct zcmu_thread *thread);
void zcmu_events_look(struct zcmu_thread *thread);
void zcmu_events_take_again(struct zcmu_thread *leader);
void zcmu_events_stop_if_due(struct zcmu_thread *leader);

/* queue.c */
int zcmu_queue_open(struct zcmu_store *store, void **queue);
int zcmu_queue_open_for(struct zcmu_thread *thread);
struct zcmu_thread *zcmu_queue_opens_for(void);
void zcmu_queue_close(struct zcmu_store *store, void *queue);
void zcmu_queue_run_calls(struct zcmu_thread *thread);

/* resize.c */
unsigned int zcmu_epoch_enter(struct zcmu_disk *disk);
bool zcmu_epoch_leave(struct zcmu_disk *disk, unsigned int epoch);
bool zcmu_disk_is_idle(const struct zcmu_disk *disk);

/* command.c */
struct zcmu_cmd *zcmu_cmd_take(struct zcmu_disk *disk, struct zcmu_thread *thread);
void zcmu_cmd_free(struct zcmu_cmd *cmd);
void zcmu_cmd_finish(struct zcmu_cmd *cmd, enum zcmu_status status);
void zcmu_cmd_end_moved(struct zcmu_cmd *cmd);
struct zcmu_cmd *zcmu_cmd_of_io(struct zcmu_io *io);
void zcmu_cmd_bad_field(struct zcmu_cmd *cmd, uint32_t byte);
void zcmu_cmd_reply(struct zcmu_cmd *cmd, const void *data, uint32_t len, uint32_t allocation);
void zcmu_cmd_ask_store(struct zcmu_cmd *cmd, enum zcmu_io_op op, uint64_t offset, uint64_t length,
			bool fua);
void zcmu_cmd_write_part(struct zcmu_cmd *cmd, uint64_t skip, uint64_t offset, uint64_t length,
			 bool fua);
void zcmu_cmd_ask_store_buffer(struct zcmu_cmd *cmd, enum zcmu_io_op op, uint64_t offset,
			       void *buffer, size_t length, bool fua);
void zcmu_cmd_start(struct zcmu_cmd *cmd, void (*go_on)(struct zcmu_cmd *cmd));
void zcmu_cmd_run_steps(struct zcmu_cmd *cmd, bool (*step)(struct zcmu_cmd *cmd));

/* log.c */
unsigned int zcmu_log_told(void);

/* range_lock.c */
void zcmu_range_lock_all(struct zcmu_cmd *cmd, struct zcmu_range *ranges, unsigned int nr,
			 void (*go_on)(struct zcmu_cmd *cmd));
void zcmu_range_lock(struct zcmu_cmd *cmd, uint64_t offset, uint64_t length,
		     void (*go_on)(struct zcmu_cmd *cmd));
void zcmu_range_wait(struct zcmu_cmd *cmd, uint64_t offset, uint64_t length,
		     void (*go_on)(struct zcmu_cmd *cmd));
void zcmu_range_unlock(struct zcmu_cmd *cmd);

static inline bool zcmu_thread_is_leader(const struct zcmu_thread *thread)
{
	return thread == thread->disk->threads;
}

/* An eventfd accepts this unless its counter is full; then it is readable already. */
static inline void zcmu_signal_fd(int fd)
{
	const uint64_t one = 1;
	ssize_t ignored = write(fd, &one, sizeof(one));

	(void)ignored;
}

/* Big-endian fields of CDBs, pages and parameter lists */
static inline uint16_t zcmu_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t zcmu_get32(const uint8_t *p)
{
	return (uint32_t)zcmu_get16(p) << 16 | zcmu_get16(p + 2);
}

static inline uint64_t zcmu_get64(const uint8_t *p)
{
	return (uint64_t)zcmu_get32(p) << 32 | zcmu_get32(p + 4);
}

static inline void zcmu_put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void zcmu_put32(uint8_t *p, uint32_t value)
{
	zcmu_put16(p, (uint16_t)(value >> 16));
	zcmu_put16(p + 2, (uint16_t)value);
}

static inline void zcmu_put64(uint8_t *p, uint64_t value)
{
	zcmu_put32(p, (uint32_t)(value >> 32));
	zcmu_put32(p + 4, (uint32_t)value);
}

#endif /* ZCMU_DISK_H */
