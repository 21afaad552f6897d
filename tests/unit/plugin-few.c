// SPDX-License-Identifier: MIT
/*
 * "few:N" says that it takes N requests at a time, and when it is closed how many there were at
 * most: for tests of who asks a store by itself. What writes is answered when the thread that has
 * asked looks for answers, and not before. 24 MiB, whose bytes are all the same, whatever is
 * written. Not a store for tests of what the library does with the answers: scripted-store.c.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "zcmu.h"

struct few {
	unsigned int limit;
	atomic_uint held, most;	/* of all threads */
};

struct queue {
	int fd;
	struct zcmu_io *held;
};

static int few_open(struct zcmu_store *store, const char *argument)
{
	struct few *few = calloc(1, sizeof(*few));

	if (!few)
		return -ENOMEM;
	few->limit = (unsigned int)strtoul(argument, NULL, 10);
	store->size = 24u << 20;
	store->max_in_flight = few->limit;
	store->data = few;
	return 0;
}

static void few_close(struct zcmu_store *store)
{
	struct few *few = store->data;

	zcmu_warning("few: %u of %u at a time", few->most, few->limit);
	free(few);
}

static int few_queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	(void)store;
	if (!queue)
		return -ENOMEM;
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		free(queue);
		return -errno;
	}
	*ret = queue;
	return 0;
}

static void few_queue_close(struct zcmu_store *store, void *opened)
{
	struct queue *queue = opened;

	(void)store;
	close(queue->fd);
	free(queue);
}

static int few_queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->fd;
}

static void few_queue_reap(struct zcmu_store *store, void *opened)
{
	struct queue *queue = opened;
	struct zcmu_io *io = queue->held, *next;
	struct few *few = store->data;
	eventfd_t ignored;

	eventfd_read(queue->fd, &ignored);
	queue->held = NULL;
	for (; io; io = next) {
		next = io->next;
		few->held--;
		zcmu_io_done(io, 0);
	}
}

static void few_read(struct zcmu_store *store, struct zcmu_io *io)
{
	int i;

	(void)store;
	for (i = 0; i < io->iovcnt; i++)
		memset(io->iov[i].iov_base, 0x5a, io->iov[i].iov_len);
	zcmu_io_done(io, 0);
}

static void few_hold(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct few *few = store->data;
	unsigned int n = ++few->held, most = few->most;

	while (n > most && !atomic_compare_exchange_weak(&few->most, &most, n))
		;
	io->next = queue->held;
	queue->held = io;
	eventfd_write(queue->fd, 1);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "few",
	.usage = "few:N",
	.summary = "takes N requests at a time",
	.open = few_open,
	.close = few_close,
	.queue_open = few_queue_open,
	.queue_close = few_queue_close,
	.queue_fd = few_queue_fd,
	.queue_reap = few_queue_reap,
	.read = few_read,
	.write = few_hold,
	.flush = few_hold,
};
