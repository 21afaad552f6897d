// SPDX-License-Identifier: MIT
/*
 * zcmu copy: the threads. Each has its own queues of both stores, and takes chunks in
 * turn; a chunk is asked for holes, read, and written or zeroed. Progress that was made
 * stable is noted in a file, to go on from there.
 */
#include "copy.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHECKPOINT	5		/* seconds */

/*
 * One slot's way
 */

static void wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t ignored = write(worker->wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* Has all been done, or something failed? */
bool copy_is_done(const struct copy *copy)
{
	return atomic_load(&copy->error) ||
	       copy->first + atomic_load(&copy->done) >= copy->chunks;
}

/* An answer, in whatever thread. */
static void answered(struct zcmu_io *io, int error)
{
	struct slot *slot = (struct slot *)io;
	struct worker *worker = slot->worker;

	slot->error = error;
	pthread_mutex_lock(&worker->lock);
	slot->ready = worker->ready;
	worker->ready = slot;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static void ask(struct slot *slot, bool target, enum zcmu_io_op op)
{
	struct worker *worker = slot->worker;
	bool moves = op == ZCMU_IO_READ || op == ZCMU_IO_WRITE;

	slot->iov = (struct iovec){ slot->buffer, slot->length };
	slot->io = (struct zcmu_io){
		.struct_size = sizeof(slot->io), .op = op, .offset = slot->offset, .length = slot->length, .mapped = true,
		.may_trim = true, .iov = &slot->iov, .iovcnt = moves,
		.queue = target ? worker->target : worker->source, .done = answered,
	};
	zcmu_store_ask(target ? worker->copy->target : worker->copy->source, &slot->io);
}

static bool is_zero(const char *bytes, size_t len)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

/* Have the target read as zeroes where the slot is. */
static void write_zeroes(struct slot *slot)
{
	slot->step = STEP_WRITE;
	if (zcmu_store_can(slot->worker->copy->target, ZCMU_IO_ZERO)) {
		ask(slot, true, ZCMU_IO_ZERO);
	} else {
		memset(slot->buffer, 0, slot->length);
		ask(slot, true, ZCMU_IO_WRITE);
	}
}

/* Go on where the last part ended: what comes, a hole or data? */
static void next_part(struct slot *slot)
{
	slot->length = slot->end - slot->offset;
	slot->step = STEP_MAP;
	if (zcmu_store_can(slot->worker->copy->source, ZCMU_IO_MAP)) {
		ask(slot, false, ZCMU_IO_MAP);
	} else {
		slot->step = STEP_READ;
		ask(slot, false, ZCMU_IO_READ);
	}
}

static void take_chunk(struct slot *slot)
{
	struct worker *worker = slot->worker;
	struct copy *copy = worker->copy;
	uint64_t chunk = copy->chunks;

	if (!atomic_load(&copy->error))
		chunk = atomic_fetch_add(&copy->next, 1);

	slot->step = STEP_FREE;
	if (chunk >= copy->chunks)
		return;
	slot->chunk = chunk;
	slot->offset = chunk * COPY_CHUNK;
	slot->end = slot->offset + COPY_CHUNK < copy->source->size ? slot->offset + COPY_CHUNK :
		    copy->source->size;
	worker->active++;
	next_part(slot);
}

/*
 * What the source says of a hole counts in its own blocks. The target may have larger ones:
 * one that is data in part is data.
 */
static void fit_to_target(struct slot *slot)
{
	uint64_t block = slot->worker->copy->target->block_size;
	uint64_t length = slot->io.length / block * block;

	if (slot->io.mapped || !length) {
		slot->io.mapped = true;
		length = (slot->io.length + block - 1) / block * block;
	}
	/* The source ends with a block of the target's. */
	assert(slot->offset % block == 0 && length <= slot->end - slot->offset);
	slot->length = length;
}

static void fail(struct slot *slot)
{
	struct copy *copy = slot->worker->copy;
	bool reads = slot->step != STEP_WRITE;
	int none = 0;

	if (atomic_compare_exchange_strong(&copy->error, &none, slot->error))
		zcmu_error("%s: can't %s at byte %" PRIu64 ": %s", reads ? copy->from : copy->to,
			   reads ? "read" : "write", slot->offset, strerror(-slot->error));
	wake(copy->workers);
}

static void advance(struct slot *slot)
{
	struct worker *worker = slot->worker;

	if (slot->error) {
		fail(slot);
	} else if (slot->step == STEP_MAP) {
		fit_to_target(slot);
		if (!slot->io.mapped) {
			write_zeroes(slot);
			return;
		}
		slot->step = STEP_READ;
		ask(slot, false, ZCMU_IO_READ);
		return;
	} else if (slot->step == STEP_READ) {
		if (is_zero(slot->buffer, slot->length)) {
			write_zeroes(slot);
			return;
		}
		slot->step = STEP_WRITE;
		ask(slot, true, ZCMU_IO_WRITE);
		return;
	} else {
		slot->offset += slot->length;
		if (slot->offset < slot->end) {
			next_part(slot);
			return;
		}
		atomic_store(&worker->copy->is_done[slot->chunk], true);
		atomic_fetch_add(&worker->copy->done, 1);
		if (copy_is_done(worker->copy))
			wake(worker->copy->workers);
	}
	worker->active--;
	take_chunk(slot);
}

/*
 * Checkpoints: what was flushed is noted, in this order
 */

/* Flush what is done from the start on, and note it then. */
static void checkpoint(struct worker *worker, bool now)
{
	struct copy *copy = worker->copy;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	/* A flush that has failed says it once: one that succeeds afterwards is for nothing. */
	if (worker->flushing || worker->flush_failed ||
	    (!now && t.tv_sec < worker->checked + CHECKPOINT))
		return;
	worker->checked = t.tv_sec;
	while (worker->prefix < copy->chunks && atomic_load(&copy->is_done[worker->prefix]))
		worker->prefix++;
	worker->flush.length = 0;
	worker->flush.offset = 0;
	worker->flush.step = STEP_WRITE;
	if (!zcmu_store_can(copy->target, ZCMU_IO_FLUSH)) {
		if (copy->resume)
			copy_write_note(copy, worker->prefix);
		return;
	}
	worker->flushing = true;
	ask(&worker->flush, true, ZCMU_IO_FLUSH);
}

static void flushed(struct worker *worker)
{
	worker->flushing = false;
	worker->flush_failed = worker->flush.error;
	if (worker->flush_failed)
		fail(&worker->flush);
	else if (worker->copy->resume)
		copy_write_note(worker->copy, worker->prefix);
}

/*
 * Threads
 */

static void submit(struct worker *worker)
{
	struct copy *copy = worker->copy;

	if (copy->source->ops->queue_submit)
		copy->source->ops->queue_submit(copy->source, worker->source);
	if (copy->target->ops->queue_submit)
		copy->target->ops->queue_submit(copy->target, worker->target);
}

/* Return: was there anything? */
static bool take_answers(struct worker *worker)
{
	struct slot *slot, *next;

	pthread_mutex_lock(&worker->lock);
	slot = worker->ready;
	worker->ready = NULL;
	pthread_mutex_unlock(&worker->lock);
	if (!slot)
		return false;
	for (; slot; slot = next) {
		next = slot->ready;
		if (slot == &worker->flush)
			flushed(worker);
		else
			advance(slot);
	}
	return true;
}

static void wait_for_answers(struct worker *worker)
{
	struct copy *copy = worker->copy;
	struct pollfd fds[3] = {
		{ .fd = worker->wake_fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	uint64_t count;
	ssize_t ignored;

	if (worker->source)
		fds[1].fd = copy->source->ops->queue_fd(copy->source, worker->source);
	if (worker->target)
		fds[2].fd = copy->target->ops->queue_fd(copy->target, worker->target);
	if (poll(fds, 3, 1000) <= 0)
		return;
	if (fds[0].revents)
		ignored = read(worker->wake_fd, &count, sizeof(count));
	(void)ignored;
	if (fds[1].revents)
		copy->source->ops->queue_reap(copy->source, worker->source);
	if (fds[2].revents)
		copy->target->ops->queue_reap(copy->target, worker->target);
}

/* The end: what is told to be copied is stable. Return: false if that is under way. */
static bool end(struct worker *first)
{
	struct copy *copy = first->copy;
	unsigned int i;

	if (!first->ended) {
		first->ended = true;
		checkpoint(first, true);
	}
	if (first->flushing)
		return false;
	atomic_store(&copy->is_over, true);
	for (i = 1; i < copy->threads; i++)
		wake(&copy->workers[i]);
	return true;
}

/*
 * The first one flushes at the end. The others go on until then: a flush on one connection may
 * take something on another.
 */
static bool goes_on(struct worker *worker)
{
	struct copy *copy = worker->copy;

	if (worker->active || worker->flushing)
		return true;
	if (worker != copy->workers)
		return !atomic_load(&copy->is_over);
	return !copy_is_done(copy) || !end(worker);
}

void *copy_work(void *argument)
{
	struct worker *worker = argument;
	unsigned int i;

	for (i = 0; i < COPY_DEPTH; i++)
		take_chunk(&worker->slots[i]);
	while (goes_on(worker)) {
		submit(worker);
		wait_for_answers(worker);
		while (take_answers(worker))
			;
		if (worker == worker->copy->workers && worker->copy->resume && worker->active)
			checkpoint(worker, false);
	}
	return NULL;
}

static int open_queue(struct zcmu_store *store, void **queue)
{
	return store->ops->queue_open ? store->ops->queue_open(store, queue) : 0;
}

int copy_worker_init(struct worker *worker, struct copy *copy)
{
	unsigned int i;
	int err;

	worker->copy = copy;
	pthread_mutex_init(&worker->lock, NULL);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		return -errno;
	worker->flush.worker = worker;
	worker->prefix = copy->first;
	for (i = 0; i < COPY_DEPTH; i++) {
		worker->slots[i].worker = worker;
		if (posix_memalign((void **)&worker->slots[i].buffer, 4096, COPY_CHUNK))
			return -ENOMEM;
	}
	err = open_queue(copy->source, &worker->source);
	return err ? err : open_queue(copy->target, &worker->target);
}

void copy_worker_deinit(struct worker *worker)
{
	struct copy *copy = worker->copy;
	unsigned int i;

	if (worker->source)
		copy->source->ops->queue_close(copy->source, worker->source);
	if (worker->target)
		copy->target->ops->queue_close(copy->target, worker->target);
	for (i = 0; i < COPY_DEPTH; i++)
		free(worker->slots[i].buffer);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_mutex_destroy(&worker->lock);
}
