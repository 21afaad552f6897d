// SPDX-License-Identifier: MIT
/*
 * To be preloaded into zcmu serve file: a store that answers flushes, and writes with FUA,
 * without having made anything safe. tests/powercut must find it out.
 */
#include <dlfcn.h>
#include <liburing.h>

int io_uring_submit(struct io_uring *ring)
{
	int (*next)(struct io_uring *) = dlsym(RTLD_NEXT, "io_uring_submit");
	struct io_uring_sq *sq = &ring->sq;
	unsigned int i;

	for (i = sq->sqe_head; i != sq->sqe_tail; i++) {
		struct io_uring_sqe *sqe = &sq->sqes[i & *sq->kring_mask];

		if (sqe->opcode == IORING_OP_WRITEV) {
			sqe->rw_flags = 0;
		} else if (sqe->opcode == IORING_OP_FSYNC) {
			/* Reads nothing into nowhere: its answer is 0, too. */
			sqe->opcode = IORING_OP_READV;
			sqe->fsync_flags = 0;
			sqe->off = 0;
		}
	}
	return next(ring);
}
