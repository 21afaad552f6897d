// SPDX-License-Identifier: MIT
/*
 * file: a regular file or a block device, through the page cache. The payload goes straight
 * between the initiator's memory and the page cache: by io_uring, or at once where that is only
 * a copy (spot.c). What takes long is done aside (aside.c). file.h says what else is where.
 *
 * A flush is fdatasync(), a write with FUA is RWF_DSYNC: both reach the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "file.h"

/* io->data: of a sync, its epoch. */
static void start(struct zcmu_store *store, struct zcmu_io *io)
{
	struct io_uring_sqe *sqe = zcmu_file_queue_sqe(io->queue);
	struct file *file = file_of(store);
	int fd = file->fd;

	switch (io->op) {
	case ZCMU_IO_READ:
		io_uring_prep_readv(sqe, fd, io->iov, (unsigned int)io->iovcnt, io->offset);
		break;
	case ZCMU_IO_WRITE:
		io_uring_prep_writev2(sqe, fd, io->iov, (unsigned int)io->iovcnt, io->offset,
				      io->fua ? RWF_DSYNC : 0);
		break;
	case ZCMU_IO_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case ZCMU_IO_TRIM:	/* aside.c */
	case ZCMU_IO_ZERO:
	case ZCMU_IO_MAP:
		break;
	}
	/* Submitting tries at once, else, and waits for the file's lock in places. */
	if (zcmu_file_is_locked(file))
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, io);
}

/* A flush, or a write with FUA. */
static void file_sync(struct zcmu_store *store, struct zcmu_io *io)
{
	struct file *file = file_of(store);

	if (loss_is_known(&file->loss)) {
		zcmu_io_done(io, -EIO);
		return;
	}
	/* It may have to wait for others, of other threads. */
	zcmu_file_queue_arm(io->queue);
	io->data = (void *)(uintptr_t)zcmu_file_sync_begin(file);
	start(store, io);
}

/* Pass over what was transferred; the rest is another request. */
void zcmu_file_advance(struct zcmu_io *io, size_t bytes)
{
	io->offset += bytes;
	io->length -= bytes;
	while (bytes >= io->iov->iov_len) {
		bytes -= io->iov->iov_len;
		io->iov++;
		io->iovcnt--;
	}
	io->iov->iov_base = (char *)io->iov->iov_base + bytes;
	io->iov->iov_len -= bytes;
}

/*
 * Does the error say that the payload is gone, or that this write is too far away? Such a write
 * with FUA has not come to asking for errors of what was written before.
 */
static bool is_about_the_request(const struct zcmu_io *io, int error)
{
	return io->op == ZCMU_IO_WRITE &&
	       (error == -EFAULT || error == -EEXIST || error == -EFBIG);
}

static void end(struct zcmu_store *store, struct zcmu_io *io, int error)
{
	struct file *file = file_of(store);

	if (!zcmu_file_is_sync(store, io)) {
		zcmu_io_done(io, error);
		return;
	}
	if (!is_about_the_request(io, error))
		error = loss_of_flush(&file->loss, file->name, error);
	zcmu_file_sync_end(file, (unsigned int)(uintptr_t)io->data, error, io);
}

/*
 * What was transferred ends where it has failed, if that is known: what a sync says may be about
 * anything that was written before.
 */
static void note_place(const struct zcmu_store *store, struct zcmu_io *io, int error)
{
	if (error == -EIO && !zcmu_file_is_sync(store, io))
		io->failed_at = io->offset;
}

/* A request has ended with @res. Return: false if it was started once more. */
static bool is_done(struct zcmu_store *store, struct zcmu_io *io, int res, int *error)
{
	*error = res < 0 ? res : 0;
	switch (io->op) {
	case ZCMU_IO_READ:
	case ZCMU_IO_WRITE:
		if (res == -EINTR || res == -EAGAIN)
			break;
		/* 0: the file is shorter than it was. */
		if (!res)
			*error = -EIO;
		note_place(store, io, *error);
		if (res <= 0 || (uint64_t)res == io->length)
			return true;
		/* io_uring keeps to itself an error that ends what has begun well. */
		if (zcmu_file_is_sync(store, io)) {
			*error = -EIO;
			return true;
		}
		zcmu_file_advance(io, (size_t)res);
		break;
	case ZCMU_IO_FLUSH:
		if (res != -EINTR)
			return true;
		break;
	case ZCMU_IO_TRIM:
	case ZCMU_IO_ZERO:
	case ZCMU_IO_MAP:
		return true;
	}
	start(store, io);
	return false;
}

static void file_queue_reap(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&queue->ring, &cqe)) {
		struct zcmu_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res, error;

		/* The place is free before the answer: that may lead to a new request. */
		io_uring_cqe_seen(&queue->ring, cqe);
		if (!zcmu_file_queue_woken(queue, io) && is_done(store, io, res, &error))
			end(store, io, error);
	}
	/* What was started once more */
	io_uring_submit(&queue->ring);
}

/*
 * The ways of a request
 */

static void file_write(struct zcmu_store *store, struct zcmu_io *io)
{
	int res, error;

	if (zcmu_file_is_sync(store, io)) {
		file_sync(store, io);
		return;
	}
	io->data = NULL;
	if (!zcmu_file_spot_write(file_of(store), io, &res))
		start(store, io);
	else if (is_done(store, io, res, &error))
		zcmu_io_done(io, error);
}

static void file_read(struct zcmu_store *store, struct zcmu_io *io)
{
	int res, error;

	io->data = NULL;
	if (!zcmu_file_spot_read(file_of(store), io, &res))
		start(store, io);
	else if (is_done(store, io, res, &error))
		zcmu_io_done(io, error);
}

static void file_aside(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_file_aside(io);
}

/* What can't tell (a block device) has no holes, and all of it is mapped. */
static void file_map(struct zcmu_store *store, struct zcmu_io *io)
{
	if (file_of(store)->is_device)
		zcmu_io_done(io, 0);
	else
		zcmu_file_aside(io);
}

const struct zcmu_store_ops zcmu_file_store = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_file_store),
	.store_size = sizeof(struct zcmu_store),
	.name = "file",
	.usage = "file:PATH",
	.summary = "a file or block device; given a size, it is created, sparse",
	.flags = ZCMU_STORE_FUA | ZCMU_STORE_TRIM_ZEROES,
	.open = zcmu_file_open,
	.close = zcmu_file_close,
	.queue_open = zcmu_file_queue_open,
	.queue_close = zcmu_file_queue_close,
	.queue_fd = zcmu_file_queue_fd,
	.queue_reap = file_queue_reap,
	.queue_submit = zcmu_file_queue_submit,
	.read = file_read,
	.write = file_write,
	.flush = file_sync,
	.trim = file_aside,
	.zero = file_aside,
	.resize = zcmu_file_resize,
	.map = file_map,
	.identity = zcmu_file_identity,
};
