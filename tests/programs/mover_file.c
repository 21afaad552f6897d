// SPDX-License-Identifier: MIT
/* Ways to move payloads to and from a file or block device by O_DIRECT; see mover.c. */
#include <errno.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mover.h"
#include "probe.h"

#define BLOCK	65536u	/* what "registered" registers at once */

ssize_t file_io(const struct zcmu_io *io, const struct iovec *iov, int iovcnt)
{
	return is_read(io) ? preadv(file, iov, iovcnt, (off_t)io->offset) :
			     pwritev(file, iov, iovcnt, (off_t)io->offset);
}

int move_direct(struct zcmu_io *io)
{
	ssize_t n;

	/* From the other half of the disk; the initiator must not notice. */
	if (is_twist("into") && !is_read(io)) {
		n = preadv(file, io->iov, io->iovcnt, (off_t)(io->offset ^ MOVER_DISK_BYTES / 2));
		if (result(io, n, errno))
			return -EIO;
	}
	n = file_io(io, io->iov, io->iovcnt);
	return result(io, n, errno);
}

static aio_context_t aio;

static void *reap_aio(void *unused)
{
	struct io_event events[16];
	long i, n;

	(void)unused;
	for (;;) {
		n = syscall(SYS_io_getevents, aio, 1, 16, events, NULL);
		must(n > 0 || errno == EINTR, "io_getevents");
		for (i = 0; i < n; i++) {
			struct zcmu_io *io = (struct zcmu_io *)(uintptr_t)events[i].data;

			zcmu_io_done(io, result(io, events[i].res, (int)-events[i].res));
		}
	}
	return NULL;
}

void open_aio(void)
{
	must(!syscall(SYS_io_setup, 256, &aio), "io_setup");
	start_thread(reap_aio, NULL);
}

int move_by_aio(struct zcmu_io *io)
{
	struct iocb cb = {
		.aio_data = (uintptr_t)io,
		.aio_lio_opcode = is_read(io) ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV,
		.aio_fildes = (uint32_t)file,
		.aio_buf = (uintptr_t)io->iov,
		.aio_nbytes = (uint64_t)io->iovcnt,
		.aio_offset = (int64_t)io->offset,
	};
	struct iocb *list = &cb;

	if (syscall(SYS_io_submit, aio, 1, &list) == 1)
		return IN_PROGRESS;
	return result(io, -1, errno);
}

static struct io_uring uring;

static void *reap_uring(void *unused)
{
	struct io_uring_cqe *cqe;

	(void)unused;
	for (;;) {
		struct zcmu_io *io;
		int error, res;

		error = io_uring_wait_cqe(&uring, &cqe);
		if (error == -EINTR)
			continue;
		errno = -error;
		must(!error, "io_uring_wait_cqe");
		io = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&uring, cqe);
		zcmu_io_done(io, result(io, res, -res));
	}
	return NULL;
}

void open_uring(void)
{
	errno = -io_uring_queue_init(256, &uring, 0);
	must(!errno, "io_uring");
	start_thread(reap_uring, NULL);
}

int move_by_uring(struct zcmu_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);
	unsigned int n = (unsigned int)io->iovcnt;

	if (is_read(io))
		io_uring_prep_readv(sqe, file, io->iov, n, io->offset);
	else
		io_uring_prep_writev(sqe, file, io->iov, n, io->offset);
	io_uring_sqe_set_data(sqe, io);
	io_uring_submit(&uring);
	return IN_PROGRESS;
}

/* Which blocks of map 0 are registered; the kernel pins them until the end. */
static bool *registered;

void open_registered(void)
{
	unsigned int blocks = (unsigned int)(disk->ring.map_size / BLOCK);

	errno = -io_uring_queue_init(256, &uring, 0);
	must(!errno, "io_uring");
	errno = -io_uring_register_buffers_sparse(&uring, blocks);
	must(!errno, "io_uring_register_buffers_sparse");
	registered = calloc(blocks, sizeof(*registered));
	must(registered, "memory");
}

/* Return: 0 or a negative errno; the case is told of each error once. */
static int register_block(size_t block)
{
	struct iovec iov = { .iov_base = disk->ring.map + block * BLOCK, .iov_len = BLOCK };
	static int told;
	__u64 tag = 0;
	int n;

	if (registered[block])
		return 0;
	n = io_uring_register_buffers_update_tag(&uring, (unsigned int)block, &iov, &tag, 1);
	registered[block] = n == 1;
	if (n == 1)
		return 0;
	if (told != n)
		say("not registered: %s", strerrorname_np(-n));
	told = n;
	return n;
}

static ssize_t registered_io(const struct zcmu_io *io, uint8_t *p, size_t length, uint64_t offset)
{
	size_t block = (size_t)(p - disk->ring.map) / BLOCK;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int n = register_block(block);

	if (n) {
		struct iovec iov = { .iov_base = p, .iov_len = length };
		struct zcmu_io part = { .op = io->op, .offset = offset };

		return file_io(&part, &iov, 1);
	}
	sqe = io_uring_get_sqe(&uring);
	if (is_read(io))
		io_uring_prep_read_fixed(sqe, file, p, (unsigned int)length, offset, (int)block);
	else
		io_uring_prep_write_fixed(sqe, file, p, (unsigned int)length, offset, (int)block);
	io_uring_submit(&uring);
	errno = -io_uring_wait_cqe(&uring, &cqe);
	must(!errno, "io_uring_wait_cqe");
	n = cqe->res;
	io_uring_cqe_seen(&uring, cqe);
	errno = n < 0 ? -n : 0;
	return n < 0 ? -1 : n;
}

int move_registered(struct zcmu_io *io)
{
	uint64_t done = 0;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		uint8_t *p = io->iov[i].iov_base, *end = p + io->iov[i].iov_len;

		while (p < end) {
			size_t left = BLOCK - (size_t)(p - disk->ring.map) % BLOCK;
			size_t length = left < (size_t)(end - p) ? left : (size_t)(end - p);
			ssize_t n = registered_io(io, p, length, io->offset + done);

			if (n != (ssize_t)length)
				return result(io, n, errno);
			p += length;
			done += length;
		}
	}
	return 0;
}
