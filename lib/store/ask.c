// SPDX-License-Identifier: MIT
/*
 * Asks a store: calls the callback of a request. A request that is longer than the store takes at a
 * time (max_io and similar members of struct zcmu_store) is split into parts, one after the other
 * until one fails. Its caller sees one request.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "serve/disk.h"

struct split {
	struct zcmu_io part;		/* first: its answer leads back here */
	struct zcmu_io *whole;
	struct zcmu_store *store;
	uint64_t asked;			/* bytes of the whole, from its start on */
	int error;			/* of the last part */
	bool is_cancelled;		/* nobody waits for the request */
	atomic_int refs;		/* the asking of a part, and its answer */
	struct iovec iov[];		/* of the part: the store may change it */
};

/* Replaces a request that has another size, because its caller has another header. */
struct resized {
	struct zcmu_io io;		/* first: its answer leads back here */
	struct zcmu_io *theirs;
};

static void call(struct zcmu_store *store, struct zcmu_io *io)
{
	const struct zcmu_store_ops *ops = store->ops;

	switch (io->op) {
	case ZCMU_IO_READ:
		ops->read(store, io);
		break;
	case ZCMU_IO_WRITE:
		ops->write(store, io);
		break;
	case ZCMU_IO_FLUSH:
		ops->flush(store, io);
		break;
	case ZCMU_IO_TRIM:
		ops->trim(store, io);
		break;
	case ZCMU_IO_ZERO:
		ops->zero(store, io);
		break;
	case ZCMU_IO_MAP:
		ops->map(store, io);
		break;
	default:
		/* An operation that only a newer library has */
		zcmu_io_done(io, -EOPNOTSUPP);
	}
}

/* The most bytes that a store takes at a time; 0: any number. */
uint64_t zcmu_store_max(const struct zcmu_store *store, enum zcmu_io_op op)
{
	switch (op) {
	case ZCMU_IO_READ:
	case ZCMU_IO_WRITE:
		return store->max_io;
	case ZCMU_IO_TRIM:
		return store->max_trim;
	case ZCMU_IO_ZERO:
		return store->max_zero;
	case ZCMU_IO_FLUSH:
	case ZCMU_IO_MAP:
		break;
	}
	return 0;
}

/*
 * The end of a part that may be no longer than @max. A trim is split where the units end that the
 * store can give back, so that no unit stays because half of it is in the next part.
 */
static uint64_t end_of_part(const struct zcmu_store *store, const struct zcmu_io *part,
			    uint64_t end, uint64_t max)
{
	uint64_t granularity = store->trim_granularity, alignment = store->trim_alignment, aligned;

	if (end - part->offset <= max)
		return end;
	end = part->offset + max;
	if (part->op != ZCMU_IO_TRIM || !granularity || granularity % store->block_size ||
	    alignment % store->block_size || end < alignment)
		return end;
	aligned = (end - alignment) / granularity * granularity + alignment;
	return aligned > part->offset ? aligned : end;
}

static void part_done(struct zcmu_io *io, int error);

/* Return: false if there is no other part, and the whole request was answered. */
static bool ask_next(struct split *split)
{
	struct zcmu_store *store = split->store;
	struct zcmu_io *whole = split->whole, *part = &split->part;
	uint64_t max = zcmu_store_max(store, whole->op);
	int error = split->error;

	if (!error && split->is_cancelled && split->asked < whole->length)
		error = -ECANCELED;
	if (error || split->asked == whole->length) {
		free(split);
		zcmu_io_done(whole, error);
		return false;
	}
	*part = *whole;
	part->offset += split->asked;
	part->length = end_of_part(store, part, whole->offset + whole->length, max) - part->offset;
	part->iov = split->iov;
	part->iovcnt = zcmu_iov_cut(whole->iov, whole->iovcnt, split->asked, part->length,
				    split->iov);
	part->data = NULL;
	part->next = NULL;
	part->parts = NULL;
	part->done = part_done;
	split->asked += part->length;
	zcmu_serve_note_request();
	call(store, part);
	return true;
}

/* Of the asking and the answer, the second one to finish goes on. So parts never nest. */
static void go_on(struct split *split)
{
	do {
		atomic_store(&split->refs, 2);
		if (!ask_next(split))
			return;
	} while (atomic_fetch_sub(&split->refs, 1) == 1);
}

static void part_done(struct zcmu_io *io, int error)
{
	struct split *split = (struct split *)io;

	split->error = error;
	/* The parts before it were done. */
	split->whole->failed_at = io->failed_at;
	if (atomic_fetch_sub(&split->refs, 1) == 1)
		go_on(split);
}

static void resized_done(struct zcmu_io *io, int error)
{
	struct zcmu_io *theirs = ((struct resized *)io)->theirs;

	if (theirs->struct_size >= ZCMU_END_OF(struct zcmu_io, failed_at))
		theirs->failed_at = io->failed_at;
	theirs->mapped = io->mapped;
	theirs->length = io->length;
	free(io);
	theirs->done(theirs, error);
}

/*
 * A program that was built with another header has a shorter or a longer request. The store gets
 * one of ours. In the program's request nothing behind done is touched.
 */
static void ask_resized(struct zcmu_store *store, struct zcmu_io *theirs)
{
	struct resized *resized = malloc(sizeof(*resized));
	int err = resized ? zcmu_take_io(&resized->io, theirs) : -ENOMEM;

	if (err) {
		free(resized);
		theirs->done(theirs, err);
		return;
	}
	resized->theirs = theirs;
	resized->io.done = resized_done;
	zcmu_store_ask(store, &resized->io);
}

/*
 * Have a request done by a store that can do it (zcmu_store_can()). If FUA needs a flush, the
 * caller must send that, because it has to wait for the write before the flush. Such FUA isn't
 * ignored silently.
 */
void zcmu_store_ask(struct zcmu_store *store, struct zcmu_io *io)
{
	enum zcmu_stable_by by = zcmu_store_stable_by(store, io->op, io->fua);
	uint64_t max = zcmu_store_max(store, io->op);
	struct split *split;

	if (io->struct_size != sizeof(*io)) {
		ask_resized(store, io);
		return;
	}
	io->store = store;
	io->asked = io->length;
	io->failed_at = UINT64_MAX;
	io->parts = NULL;
	if (by == ZCMU_STABLE_BY_FLUSH) {
		zcmu_io_done(io, -EOPNOTSUPP);
		return;
	}
	io->fua = by == ZCMU_STABLE_BY_FUA;
	if (!max || io->length <= max) {
		call(store, io);
		return;
	}
	split = malloc(sizeof(*split) + (size_t)io->iovcnt * sizeof(split->iov[0]));
	if (!split) {
		zcmu_io_done(io, -ENOMEM);
		return;
	}
	split->whole = io;
	split->store = store;
	split->asked = 0;
	split->error = 0;
	split->is_cancelled = false;
	io->parts = split;
	go_on(split);
}

/*
 * Nobody waits any more for a request that was asked and isn't answered. Tell the store if it wants
 * to know, which is possible only if it has queues. Call this in the thread of the request's queue,
 * and not inside of a callback; so if the request comes in parts, one of them is under way.
 */
void zcmu_store_cancel(struct zcmu_store *store, struct zcmu_io *io)
{
	struct split *split = io->parts;

	if (!store->ops->cancel)
		return;
	/*
	 * Set this before the store is told: it may answer at once, and another part would follow.
	 */
	if (split)
		split->is_cancelled = true;
	store->ops->cancel(store, split ? &split->part : io);
}
