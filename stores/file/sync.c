// SPDX-License-Identifier: MIT
/*
 * Flushes, and writes with FUA: may they be answered with success? An error of what was written
 * back goes to one of those that ask at the same time; the others succeed, and may come to
 * light first. So one that has ended well is held until all have ended that were under way
 * then, in whatever queue, and is answered with what is known of the file by that time.
 *
 * They are counted in epochs. Those that are held wait for the older epoch; what ends well
 * meanwhile (late) has its turn when that has ended: then it is what is held, the epoch that was
 * current is the older one, and a new one begins. Alone, each is answered at once.
 */
#include <assert.h>
#include <errno.h>

#include "file.h"

bool zcmu_file_is_sync(const struct zcmu_store *store, const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_FLUSH ||
	       (io->op == ZCMU_IO_WRITE && (io->fua || file_of(store)->is_synchronous));
}

/* Return: what zcmu_file_sync_end() wants to know. */
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

/* Those whose wait is over. The lock is held. */
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
 * It has ended, with what loss_of_flush() says, which is known to all before it counts as ended.
 * @io is answered, now or later, by its own queue's thread, which this is. NULL: who has asked
 * is no request.
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
