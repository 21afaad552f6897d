// SPDX-License-Identifier: MIT
/*
 * Requests of a file past the page cache that the kernel doesn't move: with FUA, or from and to
 * memory that direct I/O doesn't take. Their bytes go by way of memory of our own. Nothing of such
 * a file goes through the page cache: Linux doesn't keep that in step with asynchronous direct
 * I/O.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* What direct I/O demands of memory and places, wherever it is more than blocks */
#define ALIGN	4096

/* io->data, while one is under way */
struct bounce {
	struct iovec iov;
	unsigned int epoch;	/* of a sync; see sync.c */
	char *bytes;
};

/**
 * zcmu_file_bounce_begin - give a READ or WRITE memory that direct I/O takes
 *
 * Return: what io_uring is to use, until zcmu_file_bounce_end(); NULL: there is no memory.
 */
struct iovec *zcmu_file_bounce_begin(struct zcmu_io *io, unsigned int epoch)
{
	struct bounce *bounce = malloc(sizeof(*bounce));

	if (!bounce)
		return NULL;
	bounce->bytes = aligned_alloc(ALIGN, (io->length + ALIGN - 1) / ALIGN * ALIGN);
	if (!bounce->bytes) {
		free(bounce);
		return NULL;
	}
	bounce->epoch = epoch;
	bounce->iov = (struct iovec){ .iov_base = bounce->bytes, .iov_len = io->length };
	if (io->op == ZCMU_IO_WRITE)
		zcmu_iov_get(io->iov, io->iovcnt, 0, bounce->bytes, io->length);
	io->data = bounce;
	return &bounce->iov;
}

/* It has ended with @res: bytes or -errno. Return: the epoch. */
unsigned int zcmu_file_bounce_end(struct zcmu_io *io, int res)
{
	struct bounce *bounce = io->data;
	unsigned int epoch = bounce->epoch;

	if (io->op == ZCMU_IO_READ && res > 0)
		zcmu_iov_put(io->iov, io->iovcnt, 0, bounce->bytes, (size_t)res);
	free(bounce->bytes);
	free(bounce);
	io->data = NULL;
	return epoch;
}

/*
 * How large must blocks be? A read shows it, which harms nothing. Return: 512 or 4096; -EINVAL: the
 * file has no direct I/O after all.
 */
int zcmu_file_direct_block_size(int fd)
{
	char *bytes = aligned_alloc(ALIGN, ALIGN);
	int size;

	if (!bytes)
		return -ENOMEM;
	for (size = 512; size <= ALIGN; size *= ALIGN / 512) {
		if (pread(fd, bytes, (size_t)size, 0) >= 0)
			break;
	}
	free(bytes);
	return size <= ALIGN ? size : -EINVAL;
}
