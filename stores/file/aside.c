// SPDX-License-Identifier: MIT
/*
 * Work that would keep a queue's own thread waiting, and so the whole disk, is done aside by
 * another thread: trims and zeroes, which hold the file's lock as long as they take; discards; and
 * looking for holes, which waits for that lock, and takes time for each extent. (io_uring can't do
 * all of this, and uses a kernel thread for the rest, as here.)
 *
 * Nothing is done on the spot while the lock is held for long, and such work isn't begun while
 * something is done on the spot. What a discarded range contains is up to the device; a discard
 * never becomes a write of zeroes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "io_flusher.h"

/*
 * The file's lock
 */

/* The lock is to be held for long from now on. Copies that need it are kept from starting. */
void zcmu_file_lock_begin(struct file *file)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 };

	atomic_fetch_add(&file->holders, 1);
	/* Copies that have started end soon, and no more start. */
	while (atomic_load(&file->on_the_spot))
		nanosleep(&pause, NULL);
}

void zcmu_file_lock_end(struct file *file)
{
	atomic_fetch_sub(&file->holders, 1);
}

/* Return: may it be done on the spot? Then zcmu_file_spot_end() follows. */
bool zcmu_file_spot_begin(struct file *file)
{
	atomic_fetch_add(&file->on_the_spot, 1);
	if (!zcmu_file_is_locked(file))
		return true;
	zcmu_file_spot_end(file);
	return false;
}

void zcmu_file_spot_end(struct file *file)
{
	atomic_fetch_sub(&file->on_the_spot, 1);
}

/*
 * Trims and zeroes
 */

static int discard(const struct file *file, const struct zcmu_io *io)
{
	uint64_t range[2] = { io->offset, io->length };
	int err;

	do {
		err = ioctl(file->fd, BLKDISCARD, range) ? -errno : 0;
	} while (err == -EINTR);
	/* The device can't discard any more. That is allowed: a trim may give back nothing. */
	return err == -EOPNOTSUPP ? 0 : err;
}

static int change(const struct file *file, const struct zcmu_io *io, int mode)
{
	int err;

	do {
		err = fallocate(file->fd, FALLOC_FL_KEEP_SIZE | mode, (off_t)io->offset,
				(off_t)io->length) ? -errno : 0;
	} while (err == -EINTR);
	return err;
}

/* On a device both modes zero the range; punching never does it by writing. */
static int zero(const struct file *file, const struct zcmu_io *io)
{
	int first = io->may_trim ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int err = change(file, io, first);

	if (err != -EOPNOTSUPP)
		return err;
	return change(file, io, first ^ FALLOC_FL_PUNCH_HOLE ^ FALLOC_FL_ZERO_RANGE);
}

/* A trim has no second try: zeroes would take space. */
static int trim(const struct file *file, const struct zcmu_io *io)
{
	return file->is_device ? discard(file, io) : change(file, io, FALLOC_FL_PUNCH_HOLE);
}

/*
 * Holes
 */

/*
 * Where does the part of the range begin that is beyond the end of the file? The file may have been
 * cut off since. A missing part is no hole, which reads as zeroes: a read of it is an error. This
 * is asked last, so that every hole that was found is inside the file.
 */
static int find_end(const struct zcmu_store *store, off_t at, off_t *end)
{
	off_t block = store->block_size;
	struct stat st;

	if (fstat(file_of(store)->fd, &st))
		return -errno;
	if (st.st_size < *end)
		*end = st.st_size / block * block;
	return *end > at ? 0 : -EIO;
}

/*
 * Is the place data or a hole, and how far? This looks at memory, and at as many of the file's
 * extents as there are. A block that is half data is mapped.
 */
static int map(const struct zcmu_store *store, struct zcmu_io *io)
{
	int fd = file_of(store)->fd, err;
	off_t at = (off_t)io->offset, end = at + (off_t)io->length, next;
	off_t block = store->block_size;

	next = lseek(fd, at, SEEK_DATA);
	if (next < 0)
		next = errno == ENXIO ? end : at;
	next = (next < end ? next : end) / block * block;
	io->mapped = next <= at;
	if (io->mapped) {
		next = lseek(fd, at, SEEK_HOLE);
		if (next < 0 || next > end)
			next = end;
		next = (next + block - 1) / block * block;
		if (next <= at)
			next = at + block;
	}
	err = find_end(store, at, &end);
	if (!err)
		io->length = (uint64_t)((next < end ? next : end) - at);
	return err;
}

/*
 * The thread
 */

static int do_aside(struct zcmu_store *store, struct zcmu_io *io)
{
	struct file *file = file_of(store);
	int err;

	if (io->op == ZCMU_IO_MAP)
		return map(store, io);
	zcmu_file_lock_begin(file);
	err = io->op == ZCMU_IO_TRIM ? trim(file, io) : zero(file, io);
	zcmu_file_lock_end(file);
	return err;
}

static struct zcmu_io *wait_for_work(struct aside *aside)
{
	struct zcmu_io *io;

	pthread_mutex_lock(&aside->lock);
	while (!(io = file_list_pop(&aside->waiting)) && !aside->ends)
		pthread_cond_wait(&aside->changed, &aside->lock);
	pthread_mutex_unlock(&aside->lock);
	return io;
}

static void *work(void *argument)
{
	struct queue *queue = argument;
	struct zcmu_io *io;

	zcmu_become_io_flusher();
	while ((io = wait_for_work(&queue->aside)))
		zcmu_file_queue_hand_over(io, do_aside(queue->store, io));
	return NULL;
}

int zcmu_file_aside_start(struct queue *queue)
{
	struct aside *aside = &queue->aside;
	sigset_t all, old;
	int err;

	file_list_init(&aside->waiting);
	pthread_mutex_init(&aside->lock, NULL);
	pthread_cond_init(&aside->changed, NULL);
	/* Signals are for other threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&aside->thread, NULL, work, queue);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	aside->is_started = !err;
	if (err) {
		zcmu_error("%s: can't start a thread for trims: %s", file_of(queue->store)->name,
			   strerror(err));
		pthread_cond_destroy(&aside->changed);
		pthread_mutex_destroy(&aside->lock);
	}
	return -err;
}

/* Every request was answered. */
void zcmu_file_aside_stop(struct queue *queue)
{
	struct aside *aside = &queue->aside;

	if (!aside->is_started)
		return;
	pthread_mutex_lock(&aside->lock);
	assert(!aside->waiting.first);
	aside->ends = true;
	pthread_cond_signal(&aside->changed);
	pthread_mutex_unlock(&aside->lock);
	pthread_join(aside->thread, NULL);
	pthread_cond_destroy(&aside->changed);
	pthread_mutex_destroy(&aside->lock);
}

/* Called by the queue's thread, which also answers the request. */
void zcmu_file_aside(struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct aside *aside = &queue->aside;

	zcmu_file_queue_arm(queue);
	pthread_mutex_lock(&aside->lock);
	file_list_append(&aside->waiting, io);
	pthread_cond_signal(&aside->changed);
	pthread_mutex_unlock(&aside->lock);
}
