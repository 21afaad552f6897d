// SPDX-License-Identifier: MIT
/*
 * Reads and writes that are only a copy from or to the page cache, done on the spot. The gain of
 * each case (256 KiB, 1 x 8, MiB/s; doc/performance.md, "The file store"):
 *
 * 	writes	622 -> 741 on 6.1: io_uring has a kernel thread do most of them, one at a time
 * 	reads	691 -> 769 on tmpfs of 6.12, which can't say that it needn't wait
 * 	pieces	679 -> 714 for writes to tmpfs of 6.12, and 647 -> 922 at 1 MiB
 * 	detours	nothing, but where a disk is slow (too much is dirty, little is cached) one request
 * 		of many waits, instead of all of them: the others are left to io_uring
 *
 * Requests whose data must reach the disk are in file.c, those that hold the file's lock for long
 * in aside.c.
 */
#include <errno.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

/* A call that takes longer than its copy could has waited for a disk. */
#define SLOW_NS		4000000
#define COPY_NS_PER_KIB	4096
/*
 * After that, this many writes are left to io_uring, or this many reads after one that wasn't
 * cached. The number doubles each time, before the spot is tried again.
 */
#define DETOUR_MIN	16u
#define DETOUR_MAX	4096u
/* Size of a page of the page cache: the CPU's base pages aren't larger. */
#define WHOLE_PAGES	4096u

/*
 * Before tmpfs of Linux 6.6 and later copies a page, it looks at all that is left of the buffer. In
 * pieces of 16 pages that is little; more calls would cost more.
 */
#define TMPFS_PIECE	65536u

/* Can this write be done without waiting for a disk? Part of a page may be read first. */
static bool is_only_a_copy(const struct zcmu_io *io)
{
	return !(io->offset % WHOLE_PAGES) && !(io->length % WHOLE_PAGES);
}

static bool has_detour(struct detour *detour)
{
	if (!detour->left)
		return false;
	detour->left--;
	return true;
}

static void note_quick(struct detour *detour)
{
	detour->next = 0;
}

static void note_slow(struct detour *detour)
{
	unsigned int next = detour->next ? detour->next * 2 : DETOUR_MIN;

	detour->next = next < DETOUR_MAX ? next : DETOUR_MAX;
	detour->left = detour->next;
}

/* Writers must wait if too much is dirty already, and swapped-out pages are read. */
static bool was_slow(const struct timespec *begin, uint64_t bytes)
{
	struct timespec end;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &end);
	ns = (end.tv_sec - begin->tv_sec) * 1000000000ll + (end.tv_nsec - begin->tv_nsec);
	return ns > (int64_t)(SLOW_NS + bytes / 1024 * COPY_NS_PER_KIB);
}

/*
 * Return: the bytes that the last call has written, of those that the others have left of @io; or
 * -errno.
 */
static ssize_t write_on_the_spot(const struct file *file, struct zcmu_io *io)
{
	ssize_t n;

	while (file->is_tmpfs && io->iovcnt == 1 && io->length > TMPFS_PIECE) {
		n = pwrite(file->fd, io->iov->iov_base, TMPFS_PIECE, (off_t)io->offset);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		zcmu_file_advance(io, (size_t)n);
	}
	n = pwritev(file->fd, io->iov, io->iovcnt, (off_t)io->offset);
	return n < 0 ? -errno : n;
}

/**
 * zcmu_file_spot_write - write now, if that is only a copy
 * @file: the file
 * @io: a write that need not be on the disk when it is answered; bytes that are written already are
 *	skipped
 * @res: as from io_uring: bytes of the rest of @io, or -errno
 *
 * Return: false if io_uring must do it.
 */
bool zcmu_file_spot_write(struct file *file, struct zcmu_io *io, int *res)
{
	struct detour *detour = &((struct queue *)io->queue)->writes;
	const uint64_t bytes = io->length;
	struct timespec begin;

	if (file->is_limited || !is_only_a_copy(io) || has_detour(detour) ||
	    !zcmu_file_spot_begin(file))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	*res = (int)write_on_the_spot(file, io);
	zcmu_file_spot_end(file);
	if (was_slow(&begin, bytes))
		note_slow(detour);
	else
		note_quick(detour);
	return true;
}

/**
 * zcmu_file_spot_read - read now, as far as it is cached
 *
 * As zcmu_file_spot_write(). Tmpfs of later kernels can't say that something isn't cached. There
 * everything is cached, unless it was swapped out, and the time of the call shows that.
 */
bool zcmu_file_spot_read(const struct file *file, struct zcmu_io *io, int *res)
{
	struct detour *detour = &((struct queue *)io->queue)->reads;
	int flags = file->is_tmpfs ? 0 : RWF_NOWAIT;
	struct timespec begin = { 0 };
	ssize_t n;

	if (has_detour(detour))
		return false;
	if (file->is_tmpfs)
		clock_gettime(CLOCK_MONOTONIC, &begin);
	n = preadv2(file->fd, io->iov, io->iovcnt, (off_t)io->offset, flags);
	n = n < 0 ? -errno : n;
	if (n == -EAGAIN || n == -EOPNOTSUPP) {
		note_slow(detour);
		return false;
	}
	if ((n >= 0 && (uint64_t)n < io->length) ||
	    (file->is_tmpfs && was_slow(&begin, io->length)))
		note_slow(detour);
	else
		note_quick(detour);
	*res = (int)n;
	return true;
}
