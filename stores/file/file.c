// SPDX-License-Identifier: MIT
/*
 * file: a regular file or a block device, through the page cache. The payload moves directly
 * between the initiator's memory and the page cache: by io_uring, or at once if that is only a copy
 * (spot.c). Long work is done aside (aside.c). The map of the files is in file.h.
 *
 * A flush is fdatasync(), a write with FUA is RWF_DSYNC: both reach the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "file.h"

static bool has_payload(const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_READ || io->op == ZCMU_IO_WRITE;
}

static void end(struct zcmu_store *store, struct zcmu_io *io, int error);

/* Have io_uring do it. io->data: the epoch of a sync; past the page cache, bounce.c's. */
void zcmu_file_start(struct zcmu_store *store, struct zcmu_io *io)
{
	struct file *file = file_of(store);
	struct iovec *iov = io->iov;
	unsigned int iovcnt = (unsigned int)io->iovcnt;
	struct io_uring_sqe *sqe;
	int fd = file->fd;

	if (file->is_direct && has_payload(io)) {
		iov = zcmu_file_bounce_begin(io, (unsigned int)(uintptr_t)io->data);
		iovcnt = 1;
		if (!iov) {
			end(store, io, -ENOMEM);
			return;
		}
	}
	sqe = zcmu_file_queue_sqe(io->queue);
	switch (io->op) {
	case ZCMU_IO_READ:
		io_uring_prep_readv(sqe, fd, iov, iovcnt, io->offset);
		break;
	case ZCMU_IO_WRITE:
		io_uring_prep_writev2(sqe, fd, iov, iovcnt, io->offset, io->fua ? RWF_DSYNC : 0);
		break;
	case ZCMU_IO_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case ZCMU_IO_TRIM:	/* aside.c */
	case ZCMU_IO_ZERO:
	case ZCMU_IO_MAP:
		break;
	}
	/* Otherwise submitting tries at once, and sometimes waits for the file's lock. */
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
	/* It may have to wait for calls of other threads. */
	zcmu_file_queue_arm(io->queue);
	io->data = (void *)(uintptr_t)zcmu_file_sync_begin(file);
	zcmu_file_start(store, io);
}

/* Skip the bytes that were transferred; the rest is another request. */
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
 * Does the error say that the payload is gone, or that this write is beyond a limit? Such a write
 * with FUA has failed before it asked for errors of earlier writes.
 */
static bool is_about_the_request(const struct zcmu_io *io, int error)
{
	return io->op == ZCMU_IO_WRITE &&
	       (error == -ENOMEM || error == -EFAULT || error == -EEXIST || error == -EFBIG);
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
 * The failure is where the transfer ended, if that is known. The error of a sync may be about any
 * earlier write.
 */
static void note_place(const struct zcmu_store *store, struct zcmu_io *io, int error)
{
	if (error == -EIO && !zcmu_file_is_sync(store, io))
		io->failed_at = io->offset;
}

/* A request has ended with @res. Return: false if it was started again. */
static bool is_done(struct zcmu_store *store, struct zcmu_io *io, int res, int *error)
{
	*error = res < 0 ? res : 0;
	switch (io->op) {
	case ZCMU_IO_READ:
	case ZCMU_IO_WRITE:
		if (res == -EINTR || res == -EAGAIN)
			break;
		/* 0 means that the file is shorter than it was. */
		if (!res)
			*error = -EIO;
		note_place(store, io, *error);
		if (res <= 0 || (uint64_t)res == io->length)
			return true;
		/* If a call fails after a partial success, io_uring doesn't report the error. */
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
	zcmu_file_start(store, io);
	return false;
}

static void file_queue_reap(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&queue->ring, &cqe)) {
		struct zcmu_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res, error;

		/* Free the place before the answer: that may lead to a new request. */
		io_uring_cqe_seen(&queue->ring, cqe);
		if (zcmu_file_queue_woken(queue, io))
			continue;
		if (file_of(store)->is_direct && has_payload(io))
			io->data = (void *)(uintptr_t)zcmu_file_bounce_end(io, res);
		if (is_done(store, io, res, &error))
			end(store, io, error);
	}
	/* Requests that were started again */
	io_uring_submit(&queue->ring);
}

/* How requests start */

static void file_write(struct zcmu_store *store, struct zcmu_io *io)
{
	int res, error;

	if (zcmu_file_is_sync(store, io)) {
		file_sync(store, io);
		return;
	}
	io->data = NULL;
	if (zcmu_file_move(file_of(store), io))
		return;
	if (file_of(store)->is_direct || !zcmu_file_spot_write(file_of(store), io, &res))
		zcmu_file_start(store, io);
	else if (is_done(store, io, res, &error))
		zcmu_io_done(io, error);
}

static void file_read(struct zcmu_store *store, struct zcmu_io *io)
{
	int res, error;

	io->data = NULL;
	if (zcmu_file_move(file_of(store), io))
		return;
	if (file_of(store)->is_direct || !zcmu_file_spot_read(file_of(store), io, &res))
		zcmu_file_start(store, io);
	else if (is_done(store, io, res, &error))
		zcmu_io_done(io, error);
}

static void file_aside(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_file_aside(io);
}

/* If holes can't be found (a block device), there are none, and everything is mapped. */
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
	.options = zcmu_file_option_table,
	.options_size = sizeof(struct file_options),
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
