// SPDX-License-Identifier: MIT
/*
 * The threads that serve a disk: who takes requests, who runs them, when the kernel
 * is told of answers, and how it all ends. Knows nothing of SCSI.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "disk.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Answers wait for each other so long, for one kick and one take-back to serve them all. */
#define KICK_AFTER_ANSWERS	32
#define KICK_AFTER_BYTES	(1u << 20)

/* What an epoll event is about; a thread's data.u32. */
enum event {
	EVENT_RING,
	EVENT_WAKE,
	EVENT_QUEUE,
	EVENT_STOP,
	EVENT_END,
};

static __thread struct zcmu_thread *current_thread;

/* A request went to the store without a command of this thread's: a further part of one. */
void zcmu_serve_note_request(void)
{
	if (current_thread && current_thread->has_queue)
		current_thread->unsubmitted = true;
}

/*
 * Kicks
 */

/*
 * Tell the kernel that the tail has moved. If somebody is at it, that thread does
 * it once more: answers put during a kick share the next one.
 */
static void kick(struct zcmu_disk *disk)
{
	int expected;

	if (atomic_exchange(&disk->kicking, 2))
		return;
	do {
		atomic_store(&disk->kicking, 1);
		atomic_fetch_add_explicit(&disk->counts.kicks, 1, memory_order_relaxed);
		disk->kick(disk);
		expected = 1;
	} while (!atomic_compare_exchange_strong(&disk->kicking, &expected, 0));
}

static void kick_for(struct zcmu_thread *thread)
{
	if (!thread->unkicked && !zcmu_hring_room_made(&thread->disk->ring))
		return;
	thread->unkicked = 0;
	thread->unkicked_bytes = 0;
	kick(thread->disk);
}

/* Have enough answers piled up that the initiator should hear of them? */
static bool should_kick(const struct zcmu_thread *thread)
{
	return thread->unkicked >= KICK_AFTER_ANSWERS || thread->unkicked_bytes >= KICK_AFTER_BYTES;
}

/* One command less. The leader waits for the last one, and takes the disk away then. */
static void leave(struct zcmu_disk *disk, unsigned int epoch)
{
	if (zcmu_epoch_leave(disk, epoch) && atomic_load(&disk->stopping))
		zcmu_signal_fd(disk->threads[0].wake_fd);
}

/*
 * Put an answer on the ring. @bytes: of its payload. In a thread of the disk's the
 * kick waits for the end of what that thread has at hand; elsewhere it comes now.
 */
void zcmu_serve_put_answer(struct zcmu_disk *disk, const struct zcmu_hanswer *answer,
			   uint64_t bytes, unsigned int epoch)
{
	struct zcmu_thread *thread = current_thread;

	zcmu_hring_answer(&disk->ring, answer);
	if (thread && thread->disk == disk) {
		thread->unkicked++;
		thread->unkicked_bytes += bytes;
		leave(disk, epoch);
		return;
	}
	kick(disk);
	/* Nobody joins a thread of the store's: the disk stays until it has the lock no more. */
	pthread_mutex_lock(&disk->end_lock);
	leave(disk, epoch);
	pthread_mutex_unlock(&disk->end_lock);
}

/*
 * Work
 */

/* Do callbacks of this store keep a thread busy for who knows how long? */
static bool store_blocks(const struct zcmu_disk *disk)
{
	return disk->store->ops->flags & ZCMU_STORE_BLOCKS;
}

/*
 * Have a command go on in whichever thread is free. It may be over when this returns; the caller
 * sees to it that the disk is served until then: it leads, or has a command that isn't answered.
 * Return: false if there is but one thread for it, that of the caller.
 */
bool zcmu_serve_share(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	struct zcmu_thread *thread = current_thread;

	if (disk->max_busy <= 1)
		return false;
	zcmu_backlog_add(disk, cmd);
	/* The leader goes on to take commands, and wakes for all of them then. */
	if (thread && thread->disk == disk && zcmu_thread_is_leader(thread))
		thread->shared++;
	else
		zcmu_backlog_wake(disk, 1);
	return true;
}

/* Begin with one that was just taken. */
static void begin(struct zcmu_thread *thread, struct zcmu_cmd *cmd)
{
	zcmu_scsi_execute(cmd);
	if (should_kick(thread))
		kick_for(thread);
}

/* Go on with one that was shared. */
static void run(struct zcmu_thread *thread, struct zcmu_cmd *cmd)
{
	cmd->thread = thread;
	cmd->go_on(cmd);
	if (should_kick(thread))
		kick_for(thread);
}

/* Nothing more to run right now: let go of what was collected. */
static void flush(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;

	if (thread->unsubmitted) {
		thread->unsubmitted = false;
		if (disk->store->ops->queue_submit)
			disk->store->ops->queue_submit(disk->store, thread->queue);
	}
	kick_for(thread);
}

/*
 * Waiting
 */

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

/* It is among the leader's events already, so this takes no memory, and can't fail. */
static void watch_stop(struct zcmu_thread *leader, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u32 = EVENT_STOP };

	epoll_ctl(leader->epoll_fd, EPOLL_CTL_MOD, leader->disk->stop_fd, &e);
}

/* The leader takes no more requests. */
static void stop_taking(struct zcmu_thread *leader)
{
	atomic_store(&leader->disk->stopping, true);
	/* It stays readable: once is enough. */
	watch_stop(leader, 0);
}

/*
 * The ring may have something. The events are edge-triggered and their count isn't
 * read, but now and then: if it came round to where it was when it was last read
 * (2^32 events), the kernel would take that for no event.
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

/* Sleep until something happens. Return: false if it was the end. */
static bool wait_for_events(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	struct epoll_event events[4];
	bool go_on = true;
	int i, n;

	atomic_fetch_add_explicit(&disk->counts.sleeps, 1, memory_order_relaxed);
	n = epoll_wait(thread->epoll_fd, events, 4, -1);
	for (i = 0; i < n; i++) {
		switch ((enum event)events[i].data.u32) {
		case EVENT_RING:
			ring_event(thread, events[i].events);
			break;
		case EVENT_WAKE:
			drain_fd(thread->wake_fd);
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

static void work(struct zcmu_thread *thread)
{
	struct zcmu_cmd *cmd;
	bool more;

	do {
		while ((cmd = zcmu_backlog_find(thread, &more))) {
			if (more && !store_blocks(thread->disk))
				zcmu_backlog_wake(thread->disk, 1);
			run(thread, cmd);
			/* The next callback may sleep: what is answered can't wait for it. */
			if (store_blocks(thread->disk))
				flush(thread);
		}
		flush(thread);
	} while (wait_for_events(thread));
}

/* Take what is on the ring and see that it is run. Return: whether there was anything. */
static bool lead_once(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	/* The leader is a pair of hands itself, unless it could get stuck. */
	bool helps = !store_blocks(disk);
	struct zcmu_cmd *cmd;
	unsigned int shared;
	bool any = false, more;

	while (!atomic_load_explicit(&disk->stopping, memory_order_relaxed) &&
	       (cmd = zcmu_cmd_take(disk, thread))) {
		any = true;
		begin(thread, cmd);
	}
	shared = thread->shared;
	thread->shared = 0;
	/*
	 * Each wakes the next: where all share few CPUs, one does it all before another gets to
	 * run. Whoever could get stuck must not be waited for.
	 */
	if (shared > helps)
		zcmu_backlog_wake(disk, helps ? 1 : shared);
	if (disk->max_busy > 1 && helps && (cmd = zcmu_backlog_find(thread, &more))) {
		any = true;
		run(thread, cmd);
	}
	return any;
}

/* For what the leader itself has asked the store: let go of it, and wait for something. */
void zcmu_serve_wait(struct zcmu_thread *thread)
{
	flush(thread);
	wait_for_events(thread);
}

/* It shall not end after all, unless a zcmu_disk_stop() has come whose event is gone. */
void zcmu_serve_take_again(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;

	watch_stop(leader, EPOLLIN);
	if (atomic_load(&disk->must_stop))
		zcmu_signal_fd(disk->stop_fd);
	atomic_store(&disk->stopping, false);
}

/* Return: what the store has said to the flush at the end. */
static int lead(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	int err;

	for (;;) {
		if (lead_once(thread))
			continue;
		flush(thread);
		/* What was submitted may have been answered, and others go on for it. */
		if (thread->shared)
			continue;
		if (!atomic_load(&disk->stopping) || !zcmu_disk_is_idle(disk)) {
			wait_for_events(thread);
			continue;
		}
		err = zcmu_end_flush(thread);
		if (zcmu_end_is_over(disk, err))
			break;
		zcmu_serve_take_again(thread);
	}
	zcmu_signal_fd(disk->end_fd);
	return err;
}

static void begin_thread(struct zcmu_thread *thread)
{
	current_thread = thread;
	/* Memory this thread needs must not wait for writes to the disk it serves. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static void *thread_main(void *argument)
{
	begin_thread(argument);
	work(argument);
	current_thread = NULL;
	return NULL;
}

/*
 * Setting up
 */

static int thread_init(struct zcmu_thread *thread, struct zcmu_disk *disk)
{
	const struct zcmu_store_ops *ops = disk->store->ops;
	int err = 0;

	*thread = (struct zcmu_thread){ .disk = disk, .epoll_fd = -1, .wake_fd = -1 };
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->epoll_fd < 0 || thread->wake_fd < 0)
		return -errno;
	err = watch(thread, thread->wake_fd, EPOLLIN, EVENT_WAKE);
	if (!err && zcmu_thread_is_leader(thread)) {
		/*
		 * Edge-triggered: the ring's event is never read. Every one the kernel
		 * sends after this wakes us, and the ring is looked at before each sleep.
		 */
		err = watch(thread, disk->uio_fd, EPOLLIN | EPOLLET, EVENT_RING);
		if (!err)
			err = watch(thread, disk->stop_fd, EPOLLIN, EVENT_STOP);
	} else if (!err) {
		err = watch(thread, disk->end_fd, EPOLLIN, EVENT_END);
	}
	if (err || !ops->queue_open)
		return err;
	err = ops->queue_open(disk->store, &thread->queue);
	if (err)
		return err;
	thread->has_queue = true;
	return watch(thread, ops->queue_fd(disk->store, thread->queue), EPOLLIN, EVENT_QUEUE);
}

static void thread_deinit(struct zcmu_thread *thread)
{
	if (thread->has_queue)
		thread->disk->store->ops->queue_close(thread->disk->store, thread->queue);
	if (thread->wake_fd >= 0)
		close(thread->wake_fd);
	if (thread->epoll_fd >= 0)
		close(thread->epoll_fd);
}

/* Threads that run callbacks, and one that reads the ring where those may sleep. */
static unsigned int thread_count(const struct zcmu_disk *disk, unsigned int wanted)
{
	uint32_t most = disk->store->max_threads;

	if (!wanted)
		wanted = store_blocks(disk) ? 4 : 1;
	if (most && wanted > most)
		wanted = most;
	return store_blocks(disk) ? wanted + 1 : wanted;
}

static unsigned int cpus(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		return (unsigned int)CPU_COUNT(&set);
	/* More than fit into the set */
	return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * How many threads can be of use at once? Callbacks that only compute and start I/O don't get
 * further than the CPUs do, and each thread more is a switch more. Those that sleep do, and
 * those of a store that talks to others may: each thread has a connection of its own, say.
 */
static unsigned int max_busy(const struct zcmu_disk *disk)
{
	uint32_t flags = disk->store->ops->flags;
	unsigned int n = cpus();

	if (flags & (ZCMU_STORE_BLOCKS | ZCMU_STORE_NETWORK) || n > disk->nr_threads)
		return disk->nr_threads;
	return n;
}

static int start_threads(struct zcmu_disk *disk)
{
	unsigned int i;
	int err;

	for (i = 1; i < disk->nr_threads; i++) {
		err = pthread_create(&disk->threads[i].handle, NULL, thread_main,
				     &disk->threads[i]);
		if (err) {
			zcmu_signal_fd(disk->end_fd);
			while (--i)
				pthread_join(disk->threads[i].handle, NULL);
			zcmu_error("%s: can't start %u threads: %s", disk->name, disk->nr_threads,
				   strerror(err));
			return -err;
		}
	}
	return 0;
}

static int run_threads(struct zcmu_disk *disk, const struct zcmu_serve_options *options)
{
	unsigned int i;
	int err = start_threads(disk);

	if (err)
		return err;
	if (options->ready)
		options->ready(options->argument);
	/* The caller's own thread leads. */
	begin_thread(&disk->threads[0]);
	err = lead(&disk->threads[0]);
	current_thread = NULL;
	for (i = 1; i < disk->nr_threads; i++)
		pthread_join(disk->threads[i].handle, NULL);
	return err;
}

int zcmu_disk_serve(struct zcmu_disk *disk, struct zcmu_store *store,
		    const struct zcmu_serve_options *options)
{
	static const struct zcmu_serve_options defaults;
	unsigned int i, made = 0;
	int err = 0;

	if (!options)
		options = &defaults;
	pthread_mutex_lock(&disk->resize_lock);
	disk->store = store;
	pthread_mutex_unlock(&disk->resize_lock);
	zcmu_disk_identify(disk, options);
	disk->nr_threads = thread_count(disk, options->threads);
	disk->max_busy = max_busy(disk);
	disk->threads = calloc(disk->nr_threads, sizeof(*disk->threads));
	disk->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!disk->threads)
		err = -ENOMEM;
	else if (disk->end_fd < 0)
		err = -errno;
	while (!err && made < disk->nr_threads) {
		err = thread_init(&disk->threads[made], disk);
		made++;
	}
	if (!err) {
		zcmu_end_begin(disk);
		err = run_threads(disk, options);
		if (!err && disk->gone)
			err = -ENODEV;
		zcmu_end_finish(disk, err);
	} else {
		zcmu_error("%s: can't set up %u threads: %s", disk->name, disk->nr_threads,
			   strerror(-err));
	}

	for (i = 0; i < made; i++)
		thread_deinit(&disk->threads[i]);
	free(disk->threads);
	disk->threads = NULL;
	if (disk->end_fd >= 0)
		close(disk->end_fd);
	disk->end_fd = -1;
	pthread_mutex_lock(&disk->resize_lock);
	disk->store = NULL;
	pthread_mutex_unlock(&disk->resize_lock);
	return err;
}
