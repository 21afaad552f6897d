// SPDX-License-Identifier: MIT
/*
 * zcmu copy: the threads. Each has its own queues of both stores, and takes pieces in turn
 * (piece.c). It searches a piece for holes, reads it, and writes or zeroes it. To verify, it reads
 * the piece on both sides and compares. Progress that was made stable is noted in a file, so that a
 * later copy can continue there.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "copy/copy.h"
#include "zcmu.h"

#define CHECKPOINT	5		/* seconds */

/* The path of one slot */

static void wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t ignored = write(worker->wake_fd, &one, sizeof(one));

	(void)ignored;
}

static void wake_all(struct copy *copy)
{
	unsigned int i;

	for (i = 0; i < copy->threads; i++)
		wake(&copy->workers[i]);
}

/* Is everything done, or has something failed? */
bool copy_is_done(const struct copy *copy)
{
	return atomic_load(&copy->error) || atomic_load(&copy->done) >= copy->source->size;
}

/* An answer, in any thread. Answers are handled in the order of their arrival. */
static void answered(struct zcmu_io *io, int error)
{
	struct slot *slot = (struct slot *)io;
	struct worker *worker = slot->worker;

	slot->error = error;
	slot->ready = NULL;
	pthread_mutex_lock(&worker->lock);
	*worker->last_ready = slot;
	worker->last_ready = &slot->ready;
	pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

static bool is_about_target(enum step step)
{
	return step == STEP_WRITE || step == STEP_MAP_TARGET || step == STEP_READ_TARGET;
}

static void ask(struct slot *slot, enum step step, enum zcmu_io_op op, uint64_t length)
{
	struct worker *worker = slot->worker;
	bool moves = op == ZCMU_IO_READ || op == ZCMU_IO_WRITE;
	bool target = is_about_target(step);

	slot->step = step;
	slot->iov = (struct iovec){
		step == STEP_READ_TARGET ? slot->compared : slot->buffer, length,
	};
	slot->io = (struct zcmu_io){
		.struct_size = sizeof(slot->io), .op = op, .offset = slot->offset, .length = length,
		.mapped = true,
		.may_trim = true, .iov = &slot->iov, .iovcnt = moves,
		.queue = target ? worker->target : worker->source, .done = answered,
	};
	zcmu_store_ask(target ? worker->copy->target : worker->copy->source, &slot->io);
}

static bool is_zero(const char *bytes, size_t len)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

static uint64_t left_of(const struct slot *slot)
{
	return slot->piece->end - slot->offset;
}

static void read_part(struct slot *slot)
{
	slot->length = at_most(slot->length, COPY_CHUNK);
	ask(slot, STEP_READ, ZCMU_IO_READ, slot->length);
}

/* Make the target read as zeroes where the slot is. */
static void write_zeroes(struct slot *slot)
{
	if (zcmu_store_can(slot->worker->copy->target, ZCMU_IO_ZERO)) {
		ask(slot, STEP_WRITE, ZCMU_IO_ZERO, slot->length);
		return;
	}
	slot->length = at_most(slot->length, COPY_CHUNK);
	memset(slot->buffer, 0, slot->length);
	ask(slot, STEP_WRITE, ZCMU_IO_WRITE, slot->length);
}

/* The source has a hole here, and the target may have data: is it zeroes? */
static void compare_with_zeroes(struct slot *slot)
{
	slot->length = at_most(slot->length, COPY_CHUNK);
	memset(slot->buffer, 0, slot->length);
	ask(slot, STEP_READ_TARGET, ZCMU_IO_READ, slot->length);
}

/* The source has a hole here: what does the target have? */
static void compare_hole(struct slot *slot)
{
	if (zcmu_store_can(slot->worker->copy->target, ZCMU_IO_MAP))
		ask(slot, STEP_MAP_TARGET, ZCMU_IO_MAP, slot->length);
	else
		compare_with_zeroes(slot);
}

static void do_hole(struct slot *slot)
{
	if (slot->worker->copy->is_verifying)
		compare_hole(slot);
	else
		write_zeroes(slot);
}

/* Go on where the last part ended: is a hole or data next? */
static void next_part(struct slot *slot)
{
	const struct copy *copy = slot->worker->copy;

	slot->length = left_of(slot);
	if (slot->piece->kind == PIECE_HOLE)
		do_hole(slot);
	else if (slot->piece->kind == PIECE_DATA || !zcmu_store_can(copy->source, ZCMU_IO_MAP))
		read_part(slot);
	else
		ask(slot, STEP_MAP, ZCMU_IO_MAP,
		    at_most(copy->source->size - slot->offset, COPY_MAP));
}

static void take_piece(struct slot *slot)
{
	struct worker *worker = slot->worker;

	if (slot->step != STEP_FREE || !copy_piece_take(worker->copy, slot->piece))
		return;
	slot->offset = slot->piece->begin;
	worker->active++;
	next_part(slot);
}

/*
 * The source reports holes in its own blocks. The target may have larger ones: a block that is
 * partly data counts as data. The request covers more than this slot's piece; other slots use the
 * rest.
 */
static void fit_to_target(struct slot *slot)
{
	struct copy *copy = slot->worker->copy;
	uint64_t block = copy->target->block_size;
	uint64_t length = slot->io.length / block * block;

	if (slot->io.mapped || !length) {
		slot->io.mapped = true;
		length = (slot->io.length + block - 1) / block * block;
	}
	/* The source ends with a block of the target's, and so do pieces. */
	assert(slot->offset % block == 0 && length <= copy->source->size - slot->offset);
	copy_piece_learn(copy, slot->offset + length, slot->io.mapped);
	slot->length = at_most(length, left_of(slot));
}

/*
 * The target reports holes in its own blocks, and the source may have larger ones. The target is
 * asked in whole blocks of the source: a block that is partly data counts as data. They end with
 * the slot's piece, or behind it.
 */
static void fit_to_source(struct slot *slot)
{
	uint64_t block = slot->worker->copy->source->block_size;
	uint64_t length = slot->io.length / block * block;

	if (!length) {
		slot->io.mapped = true;
		length = block;
	}
	slot->length = at_most(length, left_of(slot));
}

static bool is_first_error(struct copy *copy, int error)
{
	int none = 0;
	bool is_first = atomic_compare_exchange_strong(&copy->error, &none, error);

	wake_all(copy);
	return is_first;
}

/*
 * A signal came. Started requests are finished, which may take as long as a store likes, and noted.
 */
void copy_end_early(struct copy *copy)
{
	if (is_first_error(copy, -EINTR))
		zcmu_warning("%s: interrupted; what was begun is completed first; another signal ends it at once, and leaves what there is",
			     copy->to);
}

static void fail(struct slot *slot)
{
	struct copy *copy = slot->worker->copy;

	if (!is_first_error(copy, slot->error))
		return;
	if (slot == &slot->worker->flush)
		zcmu_error("%s: it can't be flushed: %s", copy->to, strerror(-slot->error));
	else
		zcmu_error("%s: can't %s at byte %" PRIu64 ": %s",
			   is_about_target(slot->step) ? copy->to : copy->from,
			   slot->step == STEP_WRITE ? "write" : "read", slot->offset,
			   strerror(-slot->error));
}

/* Both were read. The first differing byte is reported. */
static bool is_alike(struct slot *slot)
{
	struct copy *copy = slot->worker->copy;
	uint64_t i;

	if (!memcmp(slot->buffer, slot->compared, slot->length))
		return true;
	for (i = 0; slot->buffer[i] == slot->compared[i]; i++)
		;
	atomic_store(&copy->is_wrong, true);
	if (is_first_error(copy, -EILSEQ))
		zcmu_error("%s: at byte %" PRIu64 " it differs from %s: the copy is no good",
			   copy->to, slot->offset + i, copy->from);
	return false;
}

/* A part is done. Return: does another step follow? */
static bool end_part(struct slot *slot)
{
	struct worker *worker = slot->worker;
	struct copy *copy = worker->copy;

	slot->offset += slot->length;
	if (slot->offset < slot->piece->end) {
		next_part(slot);
		return true;
	}
	if (copy_piece_done(copy, slot->piece))
		wake_all(copy);
	if (copy_is_done(copy))
		wake(copy->workers);
	return false;
}

/* Return: does another step follow? If not, the piece is done, or has failed and stays taken. */
static bool step_on(struct slot *slot)
{
	struct copy *copy = slot->worker->copy;

	switch (slot->step) {
	case STEP_MAP:
		fit_to_target(slot);
		if (slot->io.mapped)
			read_part(slot);
		else
			do_hole(slot);
		return true;
	case STEP_READ:
		if (copy->is_verifying) {
			ask(slot, STEP_READ_TARGET, ZCMU_IO_READ, slot->length);
		} else if (is_zero(slot->buffer, slot->length)) {
			write_zeroes(slot);
		} else {
			atomic_fetch_add(&copy->data, slot->length);
			ask(slot, STEP_WRITE, ZCMU_IO_WRITE, slot->length);
		}
		return true;
	case STEP_MAP_TARGET:
		fit_to_source(slot);
		if (!slot->io.mapped)
			return end_part(slot);
		compare_with_zeroes(slot);
		return true;
	case STEP_READ_TARGET:
		return is_alike(slot) && end_part(slot);
	case STEP_WRITE:
		return end_part(slot);
	case STEP_FREE:
		break;
	}
	return false;
}

static void advance(struct slot *slot)
{
	struct worker *worker = slot->worker;

	if (slot->error)
		fail(slot);
	else if (step_on(slot))
		return;
	worker->active--;
	/* A failed part is not done: its piece stays taken, and the prefix ends there. */
	if (!slot->piece->is_taken)
		slot->step = STEP_FREE;
}

static void take_pieces(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < worker->copy->depth; i++)
		take_piece(&worker->slots[i]);
}

/* Checkpoints: flush first, then note what was flushed */

/* May a flush be sent to the target while there are writes? */
static bool can_flush_meanwhile(const struct copy *copy)
{
	return copy->target->max_in_flight != 1;
}

/* Flush the prefix, and note it then. */
static void checkpoint(struct worker *worker, bool now)
{
	struct copy *copy = worker->copy;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	/* A failed flush is reported once: a later flush that succeeds proves nothing. */
	if (worker->flushing || worker->flush_failed ||
	    (!now && t.tv_sec < worker->checked + CHECKPOINT))
		return;
	worker->checked = t.tv_sec;
	worker->prefix = copy_prefix(copy);
	worker->flush.offset = 0;
	if (!zcmu_store_can(copy->target, ZCMU_IO_FLUSH)) {
		if (copy->resume)
			copy_write_note(copy, worker->prefix);
		return;
	}
	worker->flushing = true;
	ask(&worker->flush, STEP_WRITE, ZCMU_IO_FLUSH, 0);
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
	worker->last_ready = &worker->ready;
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

/* The end: data that is reported as copied is stable. Return: false if the flush is under way. */
static bool end(struct worker *first)
{
	struct copy *copy = first->copy;

	if (!first->ended) {
		first->ended = true;
		if (!copy->is_verifying)
			checkpoint(first, true);
	}
	if (first->flushing)
		return false;
	pthread_mutex_lock(&copy->lock);
	atomic_store(&copy->is_over, true);
	pthread_cond_signal(&copy->ended);
	pthread_mutex_unlock(&copy->lock);
	wake_all(copy);
	return true;
}

/*
 * The first worker flushes at the end. The others go on until then: a flush on one connection may
 * need an answer on another.
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
	struct copy *copy = worker->copy;

	take_pieces(worker);
	while (goes_on(worker)) {
		submit(worker);
		wait_for_answers(worker);
		while (take_answers(worker))
			take_pieces(worker);
		/* The wait may have been for another worker's flush. */
		take_pieces(worker);
		if (worker == copy->workers && copy->resume && !copy->is_verifying &&
		    worker->active && can_flush_meanwhile(copy))
			checkpoint(worker, false);
	}
	return NULL;
}
