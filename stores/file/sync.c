// SPDX-License-Identifier: MIT
/*
 * Flushes, and writes with FUA: may they be answered with success? An error of a writeback is
 * reported to one of the calls that run at the same time; the others succeed, and may return first.
 * So a call that has succeeded is held until all calls have ended that were under way at that time,
 * in any queue. It is then answered with all that is known about the file.
 *
 * The calls are counted in epochs. Held calls wait for the older epoch. Calls that succeed
 * meanwhile (late) wait until that has ended. Then they are held, the epoch that was current
 * becomes the older one, and a new one begins. A call that is alone is answered at once.
 */
#include <assert.h>
#include <errno.h>

#include "file.h"

bool zcmu_file_is_sync(const struct zcmu_store *store, const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_FLUSH ||
	       (io->op == ZCMU_IO_WRITE && (io->fua || file_of(store)->is_synchronous));
}

/* Return: the epoch, for zcmu_file_sync_end(). */
unsigned int zcmu_file_sync_begin(struct file *file)
{
	struct syncs *syncs = &file->syncs;
	unsigned int epoch;

	pthread_mutex_lock(&syncs->lock);
	epoch = syncs->epoch % 2;
	syncs->running[epoch]++;
	pthread_mutex_unlock(&syncs->lock);
	return epoch;
}

/* Calls whose wait is over. The lock is held. */
static struct zcmu_io *release(struct syncs *syncs)
{
	struct zcmu_io *free = NULL, **end = &free;

	while (!syncs->running[(syncs->epoch + 1) % 2]) {
		*end = syncs->held;
		while (*end)
			end = &(*end)->next;
		syncs->held = syncs->late;
		syncs->late = NULL;
		if (!syncs->held)
			break;
		syncs->epoch++;
	}
	return free;
}

/*
 * A call has ended, with the result of loss_of_flush(), which all threads can see before the call
 * counts as ended. @io is answered, now or later, by its own queue's thread, which calls this.
 * NULL: the call belongs to no request.
 */
void zcmu_file_sync_end(struct file *file, unsigned int epoch, int error, struct zcmu_io *io)
{
	struct queue *queue = io ? io->queue : NULL;
	struct syncs *syncs = &file->syncs;
	struct zcmu_io *free, *next;

	pthread_mutex_lock(&syncs->lock);
	assert(syncs->running[epoch]);
	syncs->running[epoch]--;
	if (io && !error) {
		io->next = syncs->late;
		syncs->late = io;
	}
	free = release(syncs);
	pthread_mutex_unlock(&syncs->lock);
	if (io && error)
		zcmu_io_done(io, error);
	for (; free; free = next) {
		next = free->next;
		error = loss_is_known(&file->loss) ? -EIO : 0;
		if (free->queue == queue)
			zcmu_io_done(free, error);
		else
			zcmu_file_queue_hand_over(free, error);
	}
}
