// SPDX-License-Identifier: MIT
/*
 * What a thread of a disk waits for: the ring, its queue of the store, other threads, a stop, the
 * end. What it does between two waits is in serve.c.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "serve/disk.h"

/* What an epoll event is about; a thread's data.u32. */
enum event {
	EVENT_RING,
	EVENT_WAKE,
	EVENT_QUEUE,
	EVENT_STOP,
	EVENT_END,
};

static void drain_fd(int fd)
{
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof(count));

	(void)ignored;
}

static int watch(struct zcmu_thread *thread, int fd, uint32_t events, enum event event)
{
	struct epoll_event e = { .events = events, .data.u32 = event };

	return epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* The stop is among the leader's events already, so this takes no memory, and can't fail. */
static void watch_stop(struct zcmu_thread *leader, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u32 = EVENT_STOP };

	epoll_ctl(leader->epoll_fd, EPOLL_CTL_MOD, leader->disk->stop_fd, &e);
}

/* The leader takes no more requests, as soon as nothing is moved any more. */
static void stop_taking(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;

	/* It stays readable, so one event is enough. */
	watch_stop(leader, 0);
	if (disk->gone)
		zcmu_moving_abandon(disk);
	if (!disk->is_to_stop)
		zcmu_moving_await(disk);
	disk->is_to_stop = true;
	zcmu_events_stop_if_due(leader);
}

/* The leader calls this before it takes requests. */
void zcmu_events_stop_if_due(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;

	if (!disk->is_to_stop || !zcmu_moving_stops(disk))
		return;
	disk->is_to_stop = false;
	zcmu_moving_await_end(disk);
	atomic_store(&disk->stopping, true);
}

/*
 * The ring may have something. The events are edge-triggered and their count is read only now and
 * then. If the count wrapped round to the value that was last read (2^32 events), the kernel would
 * take that for no event.
 */
static void ring_event(struct zcmu_thread *leader, uint32_t events)
{
	struct zcmu_disk *disk = leader->disk;
	int32_t count;

	if (events & (EPOLLERR | EPOLLHUP)) {
		zcmu_error("%s: the backstore is gone", disk->name);
		disk->gone = true;
		stop_taking(leader);
	} else if (++disk->ring_events % 65536 == 0) {
		ssize_t ignored = read(disk->uio_fd, &count, sizeof(count));

		(void)ignored;
	}
}

/* Handle the events that come within @timeout ms (-1: any time). Return: false at the end. */
static bool handle(struct zcmu_thread *thread, int timeout)
{
	struct zcmu_disk *disk = thread->disk;
	struct epoll_event events[4];
	bool go_on = true;
	int i, n;

	n = epoll_wait(thread->epoll_fd, events, 4, timeout);
	for (i = 0; i < n; i++) {
		switch ((enum event)events[i].data.u32) {
		case EVENT_RING:
			ring_event(thread, events[i].events);
			break;
		case EVENT_WAKE:
			/* Read it first: a thread that calls after this wakes this one again. */
			drain_fd(thread->wake_fd);
			zcmu_queue_run_calls(thread);
			zcmu_abort_tell(thread);
			break;
		case EVENT_QUEUE:
			disk->store->ops->queue_reap(disk->store, thread->queue);
			break;
		case EVENT_STOP:
			stop_taking(thread);
			break;
		case EVENT_END:
			go_on = false;
			break;
		}
	}
	return go_on;
}

/* Sleep until something happens. Return: false at the end. */
bool zcmu_events_wait(struct zcmu_thread *thread)
{
	atomic_fetch_add_explicit(&thread->disk->counts.sleeps, 1, memory_order_relaxed);
	return handle(thread, -1);
}

/* Handle the events that have come, without sleeping. The end can still be waited for. */
void zcmu_events_look(struct zcmu_thread *thread)
{
	handle(thread, 0);
}

/* Serving goes on after all, unless zcmu_disk_stop() was called and its event was consumed. */
void zcmu_events_take_again(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;

	zcmu_moving_resumes(disk);
	watch_stop(leader, EPOLLIN);
	if (atomic_load(&disk->must_stop))
		zcmu_signal_fd(disk->stop_fd);
	atomic_store(&disk->stopping, false);
}

int zcmu_events_init(struct zcmu_thread *thread, struct zcmu_disk *disk)
{
	const struct zcmu_store_ops *ops = disk->store->ops;
	int err = 0;

	*thread = (struct zcmu_thread){
		.disk = disk, .epoll_fd = -1, .wake_fd = -1, .calls_end = &thread->calls,
	};
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->epoll_fd < 0 || thread->wake_fd < 0)
		return -errno;
	err = watch(thread, thread->wake_fd, EPOLLIN, EVENT_WAKE);
	if (!err && zcmu_thread_is_leader(thread)) {
		/*
		 * Edge-triggered: the ring's event is never read. Every event that the kernel sends
		 * after this wakes us, and the ring is looked at before each sleep.
		 */
		err = watch(thread, disk->uio_fd, EPOLLIN | EPOLLET, EVENT_RING);
		if (!err)
			err = watch(thread, disk->stop_fd, EPOLLIN, EVENT_STOP);
	} else if (!err) {
		err = watch(thread, disk->end_fd, EPOLLIN, EVENT_END);
	}
	if (err || !ops->queue_open)
		return err;
	err = zcmu_queue_open_for(thread);
	if (err)
		return err;
	thread->has_queue = true;
	return watch(thread, ops->queue_fd(disk->store, thread->queue), EPOLLIN, EVENT_QUEUE);
}

void zcmu_events_deinit(struct zcmu_thread *thread)
{
	if (thread->has_queue)
		zcmu_queue_close(thread->disk->store, thread->queue);
	if (thread->wake_fd >= 0)
		close(thread->wake_fd);
	if (thread->epoll_fd >= 0)
		close(thread->epoll_fd);
}
