// SPDX-License-Identifier: MIT
/*
 * Trims of a block device. The kernel has no way to discard that doesn't wait (io_uring's is of
 * Linux 6.12), so each queue of a device that can discard has a thread for it: others go on
 * meanwhile. What a trim leaves behind is the device's business; it never becomes a write
 * of zeroes.
 */
#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "file.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static int discard(const struct file *file, const struct zcmu_io *io)
{
	uint64_t range[2] = { io->offset, io->length };
	int err;

	do {
		err = ioctl(file->fd, BLKDISCARD, range) ? -errno : 0;
	} while (err == -EINTR);
	/* The device can't any more. That is allowed: a trim may give back nothing. */
	return err == -EOPNOTSUPP ? 0 : err;
}

static struct zcmu_io *wait_for_work(struct discards *discards)
{
	struct zcmu_io *io;

	pthread_mutex_lock(&discards->lock);
	while (!(io = file_list_pop(&discards->waiting)) && !discards->ends)
		pthread_cond_wait(&discards->changed, &discards->lock);
	pthread_mutex_unlock(&discards->lock);
	return io;
}

static void *work(void *argument)
{
	struct queue *queue = argument;
	struct zcmu_io *io;

	/* As the threads that serve (lib/serve.c): memory must not wait for this disk. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	while ((io = wait_for_work(&queue->discards)))
		zcmu_file_queue_hand_over(io, discard(file_of(queue->store), io));
	return NULL;
}

int zcmu_file_discards_start(struct queue *queue)
{
	struct discards *discards = &queue->discards;
	sigset_t all, old;
	int err;

	if (!file_of(queue->store)->can_discard)
		return 0;
	file_list_init(&discards->waiting);
	pthread_mutex_init(&discards->lock, NULL);
	pthread_cond_init(&discards->changed, NULL);
	/* Signals are for others. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&discards->thread, NULL, work, queue);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	discards->is_started = !err;
	if (err)
		zcmu_error("%s: can't start a thread for trims: %s", file_of(queue->store)->name,
			   strerror(err));
	return -err;
}

/* Every request was answered. */
void zcmu_file_discards_stop(struct queue *queue)
{
	struct discards *discards = &queue->discards;

	if (!discards->is_started)
		return;
	pthread_mutex_lock(&discards->lock);
	assert(!discards->waiting.first);
	discards->ends = true;
	pthread_cond_signal(&discards->changed);
	pthread_mutex_unlock(&discards->lock);
	pthread_join(discards->thread, NULL);
	pthread_cond_destroy(&discards->changed);
	pthread_mutex_destroy(&discards->lock);
}

/* By its queue's thread, which answers it, too. */
void zcmu_file_discard(struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct discards *discards = &queue->discards;

	zcmu_file_queue_arm(queue);
	pthread_mutex_lock(&discards->lock);
	file_list_append(&discards->waiting, io);
	pthread_cond_signal(&discards->changed);
	pthread_mutex_unlock(&discards->lock);
}
