// SPDX-License-Identifier: MIT
/*
 * Queues of stores that a thread of a disk serves, and calls into that thread: zcmu_queue_call(). A
 * layer's queue contains one of the store below, which belongs to the same thread.
 *
 * A call is linked, and its thread woken, under one lock. So a thread that has taken the list knows
 * all calls that its wake-up was for, and a later call wakes it again. None of this takes memory.
 * The lock also keeps the thread alive while it is woken.
 */
#include <errno.h>
#include <stdlib.h>

#include "serve/disk.h"

struct served_queue {
	struct zcmu_store *store;
	void *queue;
	struct zcmu_thread *thread;
	struct served_queue *next;
};

/* The list, and all threads' calls */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct served_queue *served;

/* The thread whose queue is opened just now, in this thread. NULL: none that would run calls. */
static __thread struct zcmu_thread *opens_for;

/* Open a store's queue; the store may be below another one. Return: as queue_open(). */
int zcmu_queue_open(struct zcmu_store *store, void **queue)
{
	struct served_queue *entry = NULL;
	int err;

	if (opens_for) {
		entry = malloc(sizeof(*entry));
		if (!entry)
			return -ENOMEM;
	}
	err = store->ops->queue_open(store, queue);
	if (err || !entry) {
		free(entry);
		return err;
	}
	*entry = (struct served_queue){ .store = store, .queue = *queue, .thread = opens_for };
	pthread_mutex_lock(&lock);
	entry->next = served;
	served = entry;
	pthread_mutex_unlock(&lock);
	return 0;
}

/*
 * For queue_open(): which thread has the queue, if all its requests are asked and answered in one?
 */
struct zcmu_thread *zcmu_queue_opens_for(void)
{
	return opens_for;
}

/* lock is held. */
static struct served_queue **find(const struct zcmu_store *store, const void *queue)
{
	struct served_queue **link = &served;

	while (*link && ((*link)->store != store || (*link)->queue != queue))
		link = &(*link)->next;
	return link;
}

/* The queue's thread is over. Its remaining calls are run here, before the queue goes. */
void zcmu_queue_close(struct zcmu_store *store, void *queue)
{
	struct served_queue **link, *entry;
	struct zcmu_thread *thread;

	pthread_mutex_lock(&lock);
	while ((entry = *(link = find(store, queue))) && entry->thread->calls) {
		thread = entry->thread;
		pthread_mutex_unlock(&lock);
		zcmu_queue_run_calls(thread);
		pthread_mutex_lock(&lock);
	}
	if (entry)
		*link = entry->next;
	pthread_mutex_unlock(&lock);
	free(entry);
	store->ops->queue_close(store, queue);
}

/* The queue of a thread that runs calls. */
int zcmu_queue_open_for(struct zcmu_thread *thread)
{
	int err;

	opens_for = thread;
	err = zcmu_queue_open(thread->disk->store, &thread->queue);
	opens_for = NULL;
	return err;
}

/* Runs in that thread: it was woken, or its queue is closed. */
void zcmu_queue_run_calls(struct zcmu_thread *thread)
{
	struct zcmu_call *call, *next;

	pthread_mutex_lock(&lock);
	call = thread->calls;
	thread->calls = NULL;
	thread->calls_end = &thread->calls;
	pthread_mutex_unlock(&lock);
	/* The calls may have made requests of the store's own. */
	if (call)
		thread->unsubmitted = true;
	for (; call; call = next) {
		/* From here on it is the caller's again. */
		next = call->next;
		call->function(call->store, call->queue, call);
	}
}

int zcmu_queue_call(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	struct served_queue *entry;
	struct zcmu_thread *thread;

	pthread_mutex_lock(&lock);
	entry = *find(store, queue);
	if (!entry) {
		pthread_mutex_unlock(&lock);
		return -ENOTCONN;
	}
	thread = entry->thread;
	call->store = store;
	call->queue = queue;
	call->next = NULL;
	if (!thread->calls)
		zcmu_signal_fd(thread->wake_fd);
	*thread->calls_end = call;
	thread->calls_end = &call->next;
	pthread_mutex_unlock(&lock);
	return 0;
}
