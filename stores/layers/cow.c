// SPDX-License-Identifier: MIT
/*
 * cow: writes go to a file, the overlay; the store below stays as it is. A block that is in the
 * overlay is read there.
 *
 * The overlay has the disk's bytes, sparse; a bit for each block that is in it; a page with the
 * overlay's identity; and the bits once more. The bits in front are written with a flush, after the
 * blocks that they describe: a machine that crashes loses what was not flushed, and nothing else.
 * The bits behind (the live ones) go to the page cache with each write, before it is answered: a
 * process that dies loses nothing. They are valid until the machine is booted again.
 */
#include "cow.h"
#include "store/stores.h"
#include "../file/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A read that comes in part from below: the runs that are requested there. If some fail, the first
 * on the disk counts: everything in front of it was read.
 */
struct cow_read {
	struct layer_io *lio;
	atomic_uint left;
	pthread_mutex_t lock;	/* what follows */
	uint64_t failed_run;	/* beginning of the failed run; UINT64_MAX: none has failed */
	int error;		/* and its error and place */
	uint64_t failed_at;
};

struct run {
	struct zcmu_io io;
	struct cow_read *read;
	uint64_t offset;	/* io.offset, which the store below may change */
	struct iovec iov[];
};

static struct cow *cow_of(struct layer *layer)
{
	return (struct cow *)layer;
}

struct cow_options {
	char *overlay;
};

static const struct zcmu_option options[] = {
	{ .name = "overlay", .value = "PATH", .summary = "where to",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct cow_options, overlay) },
	{ 0 }
};

/*
 * Requests
 */

/*
 * Move all of it, however much the kernel does at a time. @failed_at: the end of the part that was
 * moved, if the call fails
 */
static int move(int fd, bool writes, struct iovec *iov, int n, uint64_t offset, uint64_t *failed_at)
{
	ssize_t got;

	while (n) {
		got = writes ? pwritev(fd, iov, n, (off_t)offset) :
			       preadv(fd, iov, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		*failed_at = offset;
		if (got <= 0)
			return got ? -errno : -EIO;
		offset += (uint64_t)got;
		while (n && (size_t)got >= iov->iov_len) {
			got -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + got;
			iov->iov_len -= (size_t)got;
		}
	}
	return 0;
}

/* @failed_at: UINT64_MAX if that isn't known */
static void note_failure(struct cow_read *read, uint64_t run, int error, uint64_t failed_at)
{
	pthread_mutex_lock(&read->lock);
	if (run < read->failed_run) {
		read->failed_run = run;
		read->error = error;
		read->failed_at = failed_at;
	}
	pthread_mutex_unlock(&read->lock);
}

/* A run has ended, or the function that requests them. */
static void read_ended(struct cow_read *read)
{
	struct layer_io *lio = read->lio;
	int error;

	if (atomic_fetch_sub(&read->left, 1) != 1)
		return;
	error = read->error;
	lio->io.failed_at = read->failed_at;
	pthread_mutex_destroy(&read->lock);
	free(read);
	layer_done(&lio->io, error);
}

static void run_done(struct zcmu_io *io, int error)
{
	struct run *run = (struct run *)io;
	struct cow_read *read = run->read;

	if (error)
		note_failure(read, run->offset, error, io->failed_at);
	free(run);
	read_ended(read);
}

/* Read a run of blocks that are all in the overlay, or none. */
static int read_run(struct cow *cow, struct cow_read *read, uint64_t offset, uint64_t length,
		    bool in)
{
	const struct zcmu_io *io = &read->lio->io;
	struct run *run = calloc(1, sizeof(*run) + (size_t)io->iovcnt * sizeof(run->iov[0]));
	uint64_t failed_at = UINT64_MAX;
	int n, err;

	if (!run) {
		note_failure(read, offset, -ENOMEM, UINT64_MAX);
		return -ENOMEM;
	}
	n = zcmu_iov_cut(io->iov, io->iovcnt, offset - io->offset, length, run->iov);
	if (in) {
		err = move(cow->fd, false, run->iov, n, offset, &failed_at);
		if (err)
			note_failure(read, offset, err, failed_at);
		free(run);
		return err;
	}
	run->read = read;
	run->offset = offset;
	run->io = *io;
	run->io.offset = offset;
	run->io.length = length;
	run->io.iov = run->iov;
	run->io.iovcnt = n;
	run->io.data = NULL;
	run->io.done = run_done;
	atomic_fetch_add(&read->left, 1);
	zcmu_store_ask(cow->layer.below, &run->io);
	return 0;
}

/*
 * The end of the blocks from @at on that are all in the overlay, or none. @in: which of the two. It
 * is looked at once: meanwhile the block may get there, and what follows may be there already.
 */
static uint64_t run_end(const struct cow *cow, uint64_t at, uint64_t end, bool *in)
{
	uint64_t block = cow->layer.below->block_size;

	*in = cow_is_in(cow, at / block);
	do {
		at += block;
	} while (at < end && cow_is_in(cow, at / block) == *in);
	return at;
}

/* Read what may come from both. */
void cow_read(struct cow *cow, struct layer_io *lio)
{
	struct cow_read *read = malloc(sizeof(*read));
	uint64_t at = lio->io.offset, end, next;
	int err = 0;
	bool in;

	if (!read) {
		layer_done(&lio->io, -ENOMEM);
		return;
	}
	/* This function counts as one of those left. */
	*read = (struct cow_read){
		.lio = lio, .left = 1, .failed_run = UINT64_MAX, .failed_at = UINT64_MAX,
	};
	pthread_mutex_init(&read->lock, NULL);
	for (end = at + lio->io.length; at < end && !err; at = next) {
		next = run_end(cow, at, end, &in);
		err = read_run(cow, read, at, next - at, in);
	}
	read_ended(read);
}

/* Blocks were written, as far as @end; what is behind that has failed with @error. */
void cow_written(struct cow *cow, struct layer_io *lio, uint64_t end, int error)
{
	uint64_t block = cow->layer.below->block_size;
	struct zcmu_io *io = &lio->io;
	/* Blocks in front of the failure count even so. */
	int put = cow_put_in(cow, io->offset / block, end / block);

	if (error && !put)
		io->failed_at = end;
	layer_done(io, error ? error : put);
}

void cow_write(struct cow *cow, struct layer_io *lio)
{
	struct zcmu_io *io = &lio->io;
	uint64_t failed_at;
	int err = move(cow->fd, true, io->iov, io->iovcnt, io->offset, &failed_at);

	cow_written(cow, lio, err ? failed_at : io->offset + io->length, err);
}

/* What is all in one place may be moved by the kernel. */
static void start_read(struct cow *cow, struct layer_io *lio)
{
	struct zcmu_io *io = &lio->io;
	uint64_t end = io->offset + io->length;
	bool in;

	if (run_end(cow, io->offset, end, &in) != end)
		cow_read(cow, lio);
	else if (!in)
		zcmu_store_ask(cow->layer.below, io);
	else if (!cow_move_read(cow, lio))
		cow_read(cow, lio);
}

static void cow_request(struct layer *layer, struct layer_io *lio)
{
	struct cow *cow = cow_of(layer);

	if (lio->io.op == ZCMU_IO_READ) {
		start_read(cow, lio);
	} else if (lio->io.op == ZCMU_IO_WRITE) {
		if (!cow_move_write(cow, lio))
			cow_write(cow, lio);
	} else {
		layer_done(&lio->io, cow_flush(cow));
	}
}

/*
 * Opening
 */

static int cow_start(struct layer *layer)
{
	struct cow *cow = cow_of(layer);
	const struct cow_options *is = layer->store->options;
	struct zcmu_store *store = layer->store, *below = layer->below;
	struct zcmu_store_ops *ops = (struct zcmu_store_ops *)store->ops;
	uint64_t blocks = below->size / below->block_size;

	cow->fd = -1;
	if (!is->overlay) {
		zcmu_error("cow: where to? Say cow,overlay=PATH:STORE");
		return -EINVAL;
	}
	cow->path = is->overlay;
	if (asprintf(&cow->name, "cow: %s", cow->path) < 0) {
		cow->name = NULL;
		return -ENOMEM;
	}
	pthread_mutex_init(&cow->flush_lock, NULL);
	pthread_mutex_init(&cow->live_lock, NULL);
	atomic_store(&cow->moves, true);
	cow->map_bytes = (blocks / 8 + COW_PAGE) / COW_PAGE * COW_PAGE;
	cow->map = calloc(1, cow->map_bytes);
	cow->dirty = calloc(cow->map_bytes / COW_PAGE, sizeof(*cow->dirty));
	if (!cow->map || !cow->dirty) {
		zcmu_error("cow: %s: there is no memory for the map of a disk of %" PRIu64
			   " bytes, which takes %" PRIu64, cow->path, below->size, cow->map_bytes);
		return -ENOMEM;
	}
	/* The store below can't be written to, but the layer can. */
	store->read_only = layer->read_only;
	store->can_flush = ZCMU_CAN_NATIVE;
	store->can_fua = ZCMU_CAN_EMULATED;
	store->can_trim = ZCMU_CAN_NONE;
	store->can_zero = ZCMU_CAN_EMULATED;
	store->max_io = 0;
	store->max_trim = 0;
	store->max_zero = 0;
	store->trim_granularity = 0;
	store->trim_alignment = 0;
	ops->flags = ZCMU_STORE_BLOCKS |
		     (below->ops->flags &
		      (ZCMU_STORE_VOLATILE | ZCMU_STORE_NETWORK | ZCMU_STORE_OPENS_FILES |
		       ZCMU_STORE_STARTS_PROGRAM));
	ops->write = layer_request;
	ops->resize = NULL;
	ops->map = NULL;
	/* Its requests below differ from those that it gets. */
	ops->cancel = NULL;
	return cow_open_overlay(cow);
}

static void cow_stop(struct layer *layer)
{
	struct cow *cow = cow_of(layer);

	if (cow->fd >= 0 && cow->map) {
		if (cow_flush(cow))
			zcmu_warning("cow: %s: what was written last may be lost: it can't be written to",
				     cow->path);
		if (close(cow->fd))
			zcmu_error("cow: %s: closing it has failed: %s; what was written last may be gone",
				   cow->path, strerror(errno));
	}
	free((void *)cow->map);
	free(cow->dirty);
	free(cow->name);
}

static const struct layer_kind kind = {
	.name = "cow",
	.size = sizeof(struct cow),
	.read_only = true,
	.start = cow_start,
	.stop = cow_stop,
	.request = cow_request,
};

static int cow_open(struct zcmu_store *store, const char *argument)
{
	return layer_open(store, argument, &kind);
}

/* The disk's data comes from both, so both must be the same ones. */
static int cow_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	char overlay[ZCMU_STORE_IDENTITY_MAX], below[ZCMU_STORE_IDENTITY_MAX] = "";
	struct cow_options *named = calloc(1, sizeof(*named));
	int err;

	if (!named)
		return -ENOMEM;
	if (!store && (!layer_parse(&zcmu_cow_layer, named, argument) || !named->overlay))
		err = -EINVAL;
	else
		err = zcmu_file_tell(store ? cow_of(store->data)->fd : -1, named->overlay, overlay,
				     sizeof(overlay));
	zcmu_options_end(&zcmu_cow_layer, named);
	if (!err)
		err = layer_identity(store, argument, below, sizeof(below));
	/*
	 * The store below is identified by its name, unless it can tell its identity only when it
	 * is open.
	 */
	if (err && (err != -EOPNOTSUPP || (!store && layer_tells_identity_late(argument))))
		return err;
	return (size_t)snprintf(text, size, "%s,%s", overlay, below) < size ? 0 : -ERANGE;
}

const struct zcmu_store_ops zcmu_cow_layer = {
	LAYER_OPS,
	.identity = cow_identity,
	.name = "cow",
	.usage = "cow,overlay=PATH:STORE",
	.summary = "writes go to a file, STORE stays as it is",
	.open = cow_open,
	.options = options,
	.options_size = sizeof(struct cow_options),
};
