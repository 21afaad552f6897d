// SPDX-License-Identifier: MIT
/*
 * Reads and writes that are only a copy from or to the page cache, done on the spot. What each
 * case gains (256 KiB, 1 x 8, MiB/s; doc/performance.md, "The file store"):
 *
 *	writes	622 -> 741 on 6.1: io_uring has a kernel thread do most of them, one at a time
 *	reads	691 -> 769 on tmpfs of 6.12, which can't say that it needn't wait
 *	pieces	679 -> 714 for writes to tmpfs of 6.12, and 647 -> 922 at 1 MiB
 *	detours	nothing, but where a disk is slow (too much is dirty, little is cached) one request
 *		of many waits, in place of all of them: the others are io_uring's
 *
 * What has to reach the disk is file.c's, what takes the file's lock for long aside.c's.
 */
#include <errno.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

/* What takes longer on the spot than its copy could has waited for a disk. */
#define SLOW_NS		4000000
#define COPY_NS_PER_KIB	4096
/*
 * So many writes are io_uring's then, or so many reads after one that wasn't cached; doubling
 * with each of them, before it is tried again.
 */
#define DETOUR_MIN	16u
#define DETOUR_MAX	4096u
/* Pages of the page cache: whatever the CPU has is no larger. */
#define WHOLE_PAGES	4096u

/*
 * Tmpfs of Linux 6.6 and later looks, before it copies a page, at all that is left of what it
 * was given. In pieces of 16 pages that is little; more calls cost more.
 */
#define TMPFS_PIECE	65536u

/* Is there nothing in this write that has to wait for a disk? Part of a page may be read first. */
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

/* Where too much is dirty already, writers are made to wait; what was swapped out is read. */
static bool was_slow(const struct timespec *begin, uint64_t bytes)
{
	struct timespec end;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &end);
	ns = (end.tv_sec - begin->tv_sec) * 1000000000ll + (end.tv_nsec - begin->tv_nsec);
	return ns > (int64_t)(SLOW_NS + bytes / 1024 * COPY_NS_PER_KIB);
}

/* Return: what the last call has written, of what the others have left of @io; or -errno. */
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
 * @io: a write that needs not be on the disk when it is answered; what was written already is
 *	passed over
 * @res: as io_uring says it: bytes of what is left of @io, or -errno
 *
 * Return: false if it is io_uring's to do.
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
 * As zcmu_file_spot_write(). Tmpfs of later kernels doesn't know how to say that something isn't
 * cached; there it is, unless it was swapped out, which shows by the time it takes.
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
