// SPDX-License-Identifier: MIT
/*
 * How serving ends: with a flush, whose answer counts. When the disk is gone, or another process
 * has it, nobody can ask any more for data that was written and not flushed.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "serve/disk.h"

/* The flush at the end, and the thread that it wakes. */
struct last_flush {
	struct zcmu_io io;
	struct zcmu_thread *leader;
};

/* Runs in any thread. When the leader has the lock, it goes on and may end. */
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

/* A caller that wants a stop, and not a hand-over, has set must_stop before. */
static void drain_stop(struct zcmu_disk *disk)
{
	uint64_t count;
	ssize_t ignored = read(disk->stop_fd, &count, sizeof(count));

	(void)ignored;
}

/*
 * Does serving end? It goes on if a hand-over's flush fails, because nobody may take the disk then.
 */
bool zcmu_end_is_over(struct zcmu_disk *disk, int flush_error)
{
	bool is_over = true;

	/* A thread that has answered the last command has held the lock before. */
	pthread_mutex_lock(&disk->end_lock);
	if (disk->hands_over && flush_error && !disk->gone) {
		/* Do this before the next hand-over can be requested: that takes the lock. */
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

/* @error: what serving has ended with. The thread that waits for a hand-over must know it. */
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
