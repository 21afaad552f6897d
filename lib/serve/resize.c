// SPDX-License-Identifier: MIT
/*
 * Changing a disk's size while it is served. Each command is checked against one size, the one at
 * the time when it was taken. The store gives up nothing that a command under way may still ask
 * for. The library doesn't tell the initiators.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "serve/disk.h"

#define DRAIN_SECONDS	60

/*
 * Count a command as being under way. The epoch is looked at again afterwards: a thread that
 * changes it in between has not seen us, and waits for the old epoch's count to be 0.
 */
unsigned int zcmu_epoch_enter(struct zcmu_disk *disk)
{
	unsigned int epoch;

	for (;;) {
		epoch = atomic_load(&disk->epoch) & 1;
		atomic_fetch_add(&disk->inflight[epoch], 1);
		if ((atomic_load(&disk->epoch) & 1) == epoch)
			return epoch;
		atomic_fetch_sub(&disk->inflight[epoch], 1);
	}
}

/* Return: was the command the last of its epoch? */
bool zcmu_epoch_leave(struct zcmu_disk *disk, unsigned int epoch)
{
	return atomic_fetch_sub(&disk->inflight[epoch], 1) == 1;
}

/* Is every command answered that was taken? */
bool zcmu_disk_is_idle(const struct zcmu_disk *disk)
{
	return !atomic_load(&disk->inflight[0]) && !atomic_load(&disk->inflight[1]);
}

static int wait_for_epoch(struct zcmu_disk *disk, unsigned int epoch)
{
	struct timespec pause = { .tv_nsec = 1000 * 1000 }, now;
	time_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + DRAIN_SECONDS;
	zcmu_moving_await(disk);
	/* It may have looked before that; disk.h: threads stay as long as resize_lock is held. */
	zcmu_signal_fd(disk->threads[0].wake_fd);
	while (atomic_load(&disk->inflight[epoch]) && now.tv_sec <= deadline) {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	zcmu_moving_await_end(disk);
	return atomic_load(&disk->inflight[epoch]) ? -ETIMEDOUT : 0;
}

/* Wait until every command is answered that may know a size from before this call. */
static int drain(struct zcmu_disk *disk)
{
	unsigned int old;
	int err;

	/* Wake-ups of an earlier call that was given up */
	err = wait_for_epoch(disk, (atomic_load(&disk->epoch) + 1) & 1);
	if (err)
		return err;
	old = atomic_fetch_add(&disk->epoch, 1) & 1;
	return wait_for_epoch(disk, old);
}

static void set_size(struct zcmu_store *store, uint64_t size)
{
	__atomic_store_n(&store->size, size, __ATOMIC_SEQ_CST);
}

static int grow(struct zcmu_store *store, uint64_t size)
{
	int err = store->ops->resize(store, size);

	if (!err)
		set_size(store, size);
	return err;
}

static int shrink(struct zcmu_disk *disk, struct zcmu_store *store, uint64_t size)
{
	uint64_t old = store->size;
	int err;

	set_size(store, size);
	err = drain(disk);
	if (err)
		zcmu_error("%s: commands from before are still under way after %d s; it stays as large as it was",
			   disk->name, DRAIN_SECONDS);
	else
		err = store->ops->resize(store, size);
	if (err)
		set_size(store, old);
	return err;
}

static int resize(struct zcmu_disk *disk, uint64_t size)
{
	struct zcmu_store *store = disk->store;
	int err;

	if (!store) {
		zcmu_error("%s: it is not served", disk->name);
		return -ENOTCONN;
	}
	if (!store->ops->resize) {
		zcmu_error("%s: its store, %s, can't change its size", disk->name, store->ops->name);
		return -EOPNOTSUPP;
	}
	err = zcmu_check_size(size, disk->name, NULL);
	if (err)
		return err;
	if (!size || size % store->block_size) {
		zcmu_error("%s: %" PRIu64 " bytes are not a multiple of its block size, %" PRIu32,
			   disk->name, size, store->block_size);
		return -EINVAL;
	}
	if (size == store->size)
		return 0;
	return size > store->size ? grow(store, size) : shrink(disk, store, size);
}

int zcmu_disk_resize(struct zcmu_disk *disk, uint64_t size)
{
	int err;

	pthread_mutex_lock(&disk->resize_lock);
	err = resize(disk, size);
	pthread_mutex_unlock(&disk->resize_lock);
	return err;
}
