// SPDX-License-Identifier: MIT
/*
 * How serving ends: with a flush, whose answer counts. What was written and not flushed is
 * nobody's to ask for any more when the disk is gone, or another process has it.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "serve/disk.h"

/* The flush at the end, and whom it wakes. */
struct last_flush {
	struct zcmu_io io;
	struct zcmu_thread *leader;
};

/* In any thread. The leader goes on, and maybe away, when it has the lock. */
static void last_flush_done(struct zcmu_io *io, int error)
{
	struct zcmu_thread *leader = ((struct last_flush *)io)->leader;
	struct zcmu_disk *disk = leader->disk;

	pthread_mutex_lock(&disk->end_lock);
	disk->is_flushed = true;
	/* Positive numbers are errors as well. */
	disk->flush_error = error > 0 ? -error : error;
	zcmu_signal_fd(leader->wake_fd);
	pthread_mutex_unlock(&disk->end_lock);
}

static bool is_flushed(struct zcmu_disk *disk, int *error)
{
	bool is;

	pthread_mutex_lock(&disk->end_lock);
	is = disk->is_flushed;
	*error = disk->flush_error;
	pthread_mutex_unlock(&disk->end_lock);
	return is;
}

/* Everything was answered, and nothing more is taken: make it stable. */
int zcmu_end_flush(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;
	struct last_flush flush = {
		.io = { .struct_size = sizeof(struct zcmu_io), .op = ZCMU_IO_FLUSH,
			 .queue = leader->queue, .done = last_flush_done },
		.leader = leader,
	};
	int error;

	if (disk->store->read_only || !zcmu_store_can(disk->store, ZCMU_IO_FLUSH))
		return 0;
	pthread_mutex_lock(&disk->end_lock);
	disk->is_flushed = false;
	pthread_mutex_unlock(&disk->end_lock);
	leader->unsubmitted = true;
	zcmu_store_ask(disk->store, &flush.io);
	while (!is_flushed(disk, &error))
		zcmu_serve_wait(leader);
	if (error)
		zcmu_error("%s: the flush at the end has failed: %s; what was written since the one before may be lost",
			   disk->name, strerror(-error));
	return error;
}

/* Who wants a stop, and not a hand-over, has said must_stop before. */
static void drain_stop(struct zcmu_disk *disk)
{
	uint64_t count;
	ssize_t ignored = read(disk->stop_fd, &count, sizeof(count));

	(void)ignored;
}

/* Does serving end, or go on, because nobody may have the disk with that? */
bool zcmu_end_is_over(struct zcmu_disk *disk, int flush_error)
{
	bool is_over = true;

	/* Whoever has answered the last command in a thread of its own has had it before. */
	pthread_mutex_lock(&disk->end_lock);
	if (disk->hands_over && flush_error && !disk->gone) {
		/* Before the next one can ask: who hands over writes it under the lock. */
		drain_stop(disk);
		disk->hands_over = false;
		pthread_cond_broadcast(&disk->handed);
		is_over = atomic_load(&disk->must_stop);
	}
	pthread_mutex_unlock(&disk->end_lock);
	return is_over;
}

void zcmu_end_begin(struct zcmu_disk *disk)
{
	pthread_mutex_lock(&disk->end_lock);
	disk->is_served = true;
	pthread_mutex_unlock(&disk->end_lock);
}

/* @error: what serving has ended with; who wants to hand over must know it. */
void zcmu_end_finish(struct zcmu_disk *disk, int error)
{
	pthread_mutex_lock(&disk->end_lock);
	disk->is_served = false;
	if (disk->hands_over) {
		disk->hands_over = false;
		disk->flush_error = error;
		pthread_cond_broadcast(&disk->handed);
	}
	pthread_mutex_unlock(&disk->end_lock);
}

/* May be called from a signal handler. */
void zcmu_disk_stop(struct zcmu_disk *disk)
{
	atomic_store(&disk->must_stop, true);
	zcmu_signal_fd(disk->stop_fd);
}

int zcmu_disk_hand_over(struct zcmu_disk *disk)
{
	int err;

	pthread_mutex_lock(&disk->end_lock);
	if (!disk->is_served || disk->hands_over) {
		err = disk->is_served ? -EBUSY : -ENOTCONN;
		pthread_mutex_unlock(&disk->end_lock);
		return err;
	}
	disk->hands_over = true;
	zcmu_signal_fd(disk->stop_fd);
	while (disk->hands_over)
		pthread_cond_wait(&disk->handed, &disk->end_lock);
	err = disk->flush_error;
	pthread_mutex_unlock(&disk->end_lock);
	return err;
}
