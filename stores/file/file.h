/* SPDX-License-Identifier: MIT */
/*
 * The file store's internals.
 *
 * 	open.c		opening, creating, the size
 * 	device.c	what a block device can discard
 * 	file.c		the store: requests
 * 	move.c		requests that the kernel does without this process
 * 	bounce.c	requests past the page cache that it doesn't do
 * 	spot.c		requests that are only a copy, done at once
 * 	queue.c		queues: an io_uring per thread, and what other threads hand over to it
 * 	sync.c		flushes and writes with FUA: which may be answered with success
 * 	aside.c		a thread for long work: trims, zeroes, discards, looking for holes
 * 	loss.c		a file that has lost data (cow's as well)
 * 	identity.c	which file it is
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "loss.h"
#include "zcmu.h"

/* See sync.c. */
struct syncs {
	pthread_mutex_t lock;
	unsigned int epoch;
	unsigned int running[2];	/* begun in this epoch, and in the one before */
	struct zcmu_io *held, *late;	/* that ended without an error */
};

enum transfer {
	TRANSFER_AUTO,
	TRANSFER_ALWAYS,
	TRANSFER_NEVER,
};

struct file_options {
	bool direct;
	uint32_t transfer;	/* enum transfer */
};

struct file {
	int fd;
	bool is_direct;		/* past the page cache */
	atomic_bool moves;	/* the kernel may move payloads */
	char *name;		/* "file:PATH" */
	bool is_device;
	bool can_discard;	/* a device that can discard */
	bool is_limited;	/* ulimit -f: a write beyond it would kill its thread */
	bool is_tmpfs;		/* there is only the page cache, and swap */
	bool is_synchronous;	/* mount -o sync: each write is like one with FUA */
	struct loss loss;
	struct syncs syncs;
	/*
	 * Counts of threads that hold its lock for long, and of short calls that take it: aside.c.
	 */
	atomic_uint holders;
	atomic_uint on_the_spot;
};

static inline struct file *file_of(const struct zcmu_store *store)
{
	return store->data;
}

/* Counts requests that are left to io_uring, because one that was done on the spot had to wait. */
struct detour {
	unsigned int left;
	unsigned int next;	/* how many after the next such one; 0: the minimum */
};

/* Requests, linked by their next; oldest first. */
struct file_list {
	struct zcmu_io *first, **end;
};

/* A thread that does work which would keep a queue's own thread waiting. */
struct aside {
	pthread_t thread;
	bool is_started;
	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t changed;
	struct file_list waiting;
	bool ends;
};

/* A thread's queue */
struct queue {
	struct io_uring ring;
	struct zcmu_store *store;
	struct detour reads;
	struct detour writes;
	struct aside aside;

	/*
	 * Requests that other threads have ended, for this thread to answer. Their results are in
	 * data.
	 */
	pthread_mutex_t lock;	/* handed_over */
	struct file_list handed_over;
	int wake_fd;		/* eventfd */
	bool is_armed;		/* the ring reads it */
	uint64_t wakes;
	struct iovec wakes_iov;
};

static inline void file_list_init(struct file_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void file_list_append(struct file_list *list, struct zcmu_io *io)
{
	io->next = NULL;
	*list->end = io;
	list->end = &io->next;
}

static inline struct zcmu_io *file_list_pop(struct file_list *list)
{
	struct zcmu_io *io = list->first;

	if (io) {
		list->first = io->next;
		if (!list->first)
			list->end = &list->first;
	}
	return io;
}

/* open.c */
int zcmu_file_open(struct zcmu_store *store, const char *path);
void zcmu_file_close(struct zcmu_store *store);
int zcmu_file_resize(struct zcmu_store *store, uint64_t size);

/* identity.c; layers that have a file ask there as well */
int zcmu_file_tell(int fd, const char *path, char *text, size_t size);
int zcmu_file_identity(struct zcmu_store *store, const char *argument, char *text, size_t size);

/* device.c */
int zcmu_file_describe_device(struct zcmu_store *store, struct file *file);

/* queue.c */
int zcmu_file_queue_open(struct zcmu_store *store, void **queue);
void zcmu_file_queue_close(struct zcmu_store *store, void *queue);
int zcmu_file_queue_fd(struct zcmu_store *store, void *queue);
void zcmu_file_queue_submit(struct zcmu_store *store, void *queue);
struct io_uring_sqe *zcmu_file_queue_sqe(struct queue *queue);
void zcmu_file_queue_arm(struct queue *queue);
void zcmu_file_queue_hand_over(struct zcmu_io *io, int error);
bool zcmu_file_queue_woken(struct queue *queue, const void *user_data);

/* move.c */
extern const struct zcmu_option zcmu_file_option_table[];
int zcmu_file_move_open(struct zcmu_store *store, struct file *file, const char *path);
bool zcmu_file_move(struct file *file, struct zcmu_io *io);

/* bounce.c */
struct iovec *zcmu_file_bounce_begin(struct zcmu_io *io, unsigned int epoch);
unsigned int zcmu_file_bounce_end(struct zcmu_io *io, int res);
int zcmu_file_direct_block_size(int fd);

/* file.c */
void zcmu_file_start(struct zcmu_store *store, struct zcmu_io *io);
void zcmu_file_advance(struct zcmu_io *io, size_t bytes);

/* spot.c */
bool zcmu_file_spot_write(struct file *file, struct zcmu_io *io, int *res);
bool zcmu_file_spot_read(const struct file *file, struct zcmu_io *io, int *res);

/* sync.c */
bool zcmu_file_is_sync(const struct zcmu_store *store, const struct zcmu_io *io);
unsigned int zcmu_file_sync_begin(struct file *file);
void zcmu_file_sync_end(struct file *file, unsigned int epoch, int error, struct zcmu_io *io);

/* aside.c */
int zcmu_file_aside_start(struct queue *queue);
void zcmu_file_aside_stop(struct queue *queue);
void zcmu_file_aside(struct zcmu_io *io);
void zcmu_file_lock_begin(struct file *file);
void zcmu_file_lock_end(struct file *file);
bool zcmu_file_spot_begin(struct file *file);
void zcmu_file_spot_end(struct file *file);

/* Does a thread hold the file's lock, perhaps for long? */
static inline bool zcmu_file_is_locked(struct file *file)
{
	return atomic_load(&file->holders);
}

#endif /* STORE_FILE_H */
