// SPDX-License-Identifier: MIT
/* zcmu copy: a thread's queues and buffers. What it does is in work.c. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "copy/copy.h"
#include "zcmu.h"

static int open_queue(struct zcmu_store *store, void **queue)
{
	return store->ops->queue_open ? store->ops->queue_open(store, queue) : 0;
}

static int init_slot(struct slot *slot, struct worker *worker)
{
	struct copy *copy = worker->copy;
	unsigned int i = (unsigned int)(slot - worker->slots);

	slot->worker = worker;
	slot->piece = &copy->pieces[(size_t)(worker - copy->workers) * COPY_DEPTH + i];
	if (posix_memalign((void **)&slot->buffer, 4096, COPY_CHUNK))
		return -ENOMEM;
	if (copy->is_verifying && posix_memalign((void **)&slot->compared, 4096, COPY_CHUNK))
		return -ENOMEM;
	return 0;
}

int copy_worker_init(struct worker *worker, struct copy *copy)
{
	int err = 0;
	unsigned int i;

	worker->copy = copy;
	pthread_mutex_init(&worker->lock, NULL);
	worker->last_ready = &worker->ready;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		return -errno;
	worker->flush.worker = worker;
	for (i = 0; i < COPY_DEPTH && !err; i++)
		err = init_slot(&worker->slots[i], worker);
	if (!err)
		err = open_queue(copy->source, &worker->source);
	return err ? err : open_queue(copy->target, &worker->target);
}

void copy_worker_deinit(struct worker *worker)
{
	struct copy *copy = worker->copy;
	unsigned int i;

	if (worker->source)
		copy->source->ops->queue_close(copy->source, worker->source);
	if (worker->target)
		copy->target->ops->queue_close(copy->target, worker->target);
	for (i = 0; i < COPY_DEPTH; i++) {
		free(worker->slots[i].buffer);
		free(worker->slots[i].compared);
	}
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_mutex_destroy(&worker->lock);
}
