// SPDX-License-Identifier: MIT
/*
 * Payloads that the kernel was to move and doesn't (moving.c): the module is the stock one, or the
 * request is a part of a command. The thread that asked moves them itself, by the same
 * descriptor, and sleeps for as long as that takes.
 */
#include <errno.h>
#include <sys/socket.h>

#include "scsi/scsi.h"

/* What is left of a payload */
struct rest {
	struct iovec *iov;
	int iovcnt;
	size_t skip;	/* bytes of the first one */
	uint64_t bytes;
};

static void pass_over(struct rest *rest, size_t bytes)
{
	rest->bytes -= bytes;
	bytes += rest->skip;
	while (rest->iovcnt && bytes >= rest->iov->iov_len) {
		bytes -= rest->iov->iov_len;
		rest->iov++;
		rest->iovcnt--;
	}
	rest->skip = bytes;
}

/* A call takes no more of them (UIO_MAXIOV). */
#define MAX_IOVECS	1024

static ssize_t call(const struct zcmu_move *move, bool writes, const struct iovec *iov, int n,
		    uint64_t done)
{
	const off_t offset = (off_t)(move->offset + done);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

	if (move->is_stream)
		return writes ? sendmsg(move->fd, &msg, MSG_NOSIGNAL) :
				recvmsg(move->fd, &msg, MSG_WAITALL);
	if (!writes)
		return preadv2(move->fd, iov, n, offset, 0);
	return pwritev2(move->fd, iov, n, offset, move->flags & ZCMU_MOVE_DSYNC ? RWF_DSYNC : 0);
}

/* Return: bytes, more than none; or -errno, -ENODATA at the end of a file or stream. */
static ssize_t move_some(const struct zcmu_move *move, bool writes, struct rest *rest,
			 uint64_t done)
{
	const struct iovec first = rest->iov[0];
	ssize_t ret;

	rest->iov[0].iov_base = (char *)first.iov_base + rest->skip;
	rest->iov[0].iov_len = first.iov_len - rest->skip;
	do {
		ret = call(move, writes, rest->iov,
			   rest->iovcnt < MAX_IOVECS ? rest->iovcnt : MAX_IOVECS, done);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		ret = -errno;
	rest->iov[0] = first;
	return ret ? ret : -ENODATA;
}

static int send_header(const struct zcmu_move *move)
{
	size_t sent = 0;

	while (sent < move->header_bytes) {
		ssize_t ret = send(move->fd, (const char *)move->header + sent,
				   move->header_bytes - sent, MSG_NOSIGNAL | MSG_MORE);

		if (ret < 0 && errno != EINTR)
			return -errno;
		if (ret > 0)
			sent += (size_t)ret;
	}
	return 0;
}

/* It is over. What follows in a stream would be taken for the rest of what has failed. */
static void end(const struct zcmu_move *move, struct zcmu_io *io, int error, uint64_t bytes)
{
	if (error && move->is_stream)
		shutdown(move->fd, SHUT_RDWR);
	if (error || move->flags & ZCMU_MOVE_TELL)
		move->back(io, error, bytes);
	else
		zcmu_io_done(io, 0);
}

/* Move a payload, and end the request as if the kernel had. */
void zcmu_moving_do_here(const struct zcmu_move *move, struct zcmu_io *io)
{
	const bool writes = io->op == ZCMU_IO_WRITE;
	struct rest rest = { .iov = io->iov, .iovcnt = io->iovcnt, .bytes = io->length };
	int error = move->is_stream ? send_header(move) : 0;

	while (!error && rest.bytes) {
		ssize_t ret = move_some(move, writes, &rest, io->length - rest.bytes);

		if (ret < 0)
			error = (int)ret;
		else
			pass_over(&rest, (size_t)ret);
	}
	end(move, io, error, io->length - rest.bytes);
}
