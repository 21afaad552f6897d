// SPDX-License-Identifier: MIT
/*
 * The threads that serve a disk: which takes requests, which runs them, and how serving ends. It
 * knows nothing of SCSI.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "scsi/scsi.h"
#include "io_flusher.h"

/*
 * A thread that always finds a command looks, after this many, after the earlier ones: it submits,
 * reaps and kicks for them, and sees a stop.
 */
#define LOOK_AFTER	64

static __thread struct zcmu_thread *current_thread;

/* A request went to the store outside of a command of this thread: a further part of one. */
void zcmu_serve_note_request(void)
{
	if (current_thread && current_thread->has_queue)
		current_thread->unsubmitted = true;
}

/*
 * This thread has run something long. It looks after other commands before it goes on with that, or
 * with more of the kind.
 */
void zcmu_serve_was_long(void)
{
	if (current_thread)
		current_thread->unlooked = LOOK_AFTER;
}

/* Return: the calling thread, or NULL if it isn't one of the disk's. */
struct zcmu_thread *zcmu_serve_current(const struct zcmu_disk *disk)
{
	return current_thread && current_thread->disk == disk ? current_thread : NULL;
}

/* Is it the calling thread? */
bool zcmu_serve_is_in(const struct zcmu_thread *thread)
{
	return current_thread == thread;
}

/*
 * Work
 */

/* Do callbacks of this store keep a thread busy for an unknown time? */
static bool store_blocks(const struct zcmu_disk *disk)
{
	return disk->store->ops->flags & ZCMU_STORE_BLOCKS;
}

/* Is the leader the only thread for commands? */
static bool leader_does_all(const struct zcmu_disk *disk)
{
	return disk->max_busy <= 1;
}

/*
 * Have a command go on later, in any free thread, never in this call. It may be over when this
 * returns. The caller makes sure that the disk is served until then: it leads, or has a command
 * that isn't answered.
 */
void zcmu_serve_later(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	struct zcmu_thread *thread = current_thread;
	bool is_foreign = !thread || thread->disk != disk;

	/*
	 * From here on the command may be over. Nobody joins a thread of the store. The disk and
	 * its threads stay until this thread has released the lock.
	 */
	if (is_foreign)
		pthread_mutex_lock(&disk->end_lock);
	zcmu_backlog_add(disk, cmd);
	/* The leader goes on to take commands, and wakes threads for all of them then. */
	if (thread && thread->disk == disk && zcmu_thread_is_leader(thread))
		thread->shared++;
	else if (leader_does_all(disk))
		zcmu_signal_fd(disk->threads[0].wake_fd);
	else
		zcmu_backlog_wake(disk, 1);
	if (is_foreign)
		pthread_mutex_unlock(&disk->end_lock);
}

/*
 * The same with a command that was just taken. Return: false if the leader runs all commands, and
 * so this one.
 */
bool zcmu_serve_share(struct zcmu_cmd *cmd)
{
	if (leader_does_all(cmd->disk))
		return false;
	zcmu_serve_later(cmd);
	return true;
}

/* Begin with a command that was just taken. */
static void begin(struct zcmu_thread *thread, struct zcmu_cmd *cmd)
{
	thread->unlooked++;
	zcmu_scsi_execute(cmd);
	zcmu_serve_kick_if_due(thread);
}

/* Go on with a command that was shared. */
static void run(struct zcmu_thread *thread, struct zcmu_cmd *cmd)
{
	thread->unlooked++;
	cmd->thread = thread;
	cmd->go_on(cmd);
	zcmu_serve_kick_if_due(thread);
}

/* There is nothing more to run right now: submit and kick what was collected. */
static void flush(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;

	if (thread->unsubmitted) {
		thread->unsubmitted = false;
		if (disk->store->ops->queue_submit)
			disk->store->ops->queue_submit(disk->store, thread->queue);
	}
	zcmu_serve_kick(thread);
}

/*
 * Loops
 */

/* Has the thread been busy for so long that others may be waiting for it? */
static bool should_look(const struct zcmu_thread *thread)
{
	return thread->unlooked >= LOOK_AFTER;
}

/* The limit of commands after which a thread looks after the others. */
static void look(struct zcmu_thread *thread)
{
	thread->unlooked = 0;
	flush(thread);
	zcmu_events_look(thread);
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
			/* The next callback may sleep, and finished answers can't wait for it. */
			if (store_blocks(thread->disk))
				flush(thread);
			if (should_look(thread))
				look(thread);
		}
		thread->unlooked = 0;
		flush(thread);
	} while (zcmu_events_wait(thread));
}

/* Does the store take another request? A command has one at a time. */
static bool has_room(const struct zcmu_disk *disk)
{
	uint32_t most = disk->store->max_in_flight;

	return !most || (uint32_t)(atomic_load(&disk->inflight[0]) +
				   atomic_load(&disk->inflight[1])) < most;
}

/* Run shared commands, as far as the leader may. Return: whether there were any. */
static bool help(struct zcmu_thread *leader)
{
	struct zcmu_disk *disk = leader->disk;
	/* Other threads help, too, and wait for what the leader takes off the ring. */
	unsigned int most = leader_does_all(disk) ? LOOK_AFTER : 1, n = 0;
	struct zcmu_cmd *cmd;
	bool more;

	while (n < most && !should_look(leader) && (cmd = zcmu_backlog_find(leader, &more))) {
		n++;
		run(leader, cmd);
	}
	return n;
}

/* Take some requests off the ring and have them run. Return: whether there were any. */
static bool lead_once(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	/* The leader runs commands, too, unless it could get stuck. */
	bool helps = !store_blocks(disk);
	struct zcmu_cmd *cmd;
	unsigned int shared;
	bool any = false;

	while (!atomic_load_explicit(&disk->stopping, memory_order_relaxed) &&
	       !should_look(thread) && has_room(disk) &&
	       (cmd = zcmu_cmd_take(disk, thread))) {
		any = true;
		begin(thread, cmd);
	}
	shared = thread->shared;
	thread->shared = 0;
	/*
	 * Each thread wakes the next: where all share few CPUs, one does all the work before
	 * another gets to run. Don't wait for a thread that could get stuck.
	 */
	if (shared > helps)
		zcmu_backlog_wake(disk, helps ? 1 : shared);
	return (helps && help(thread)) || any;
}

/* The leader itself has asked the store: submit that, and wait for something. */
void zcmu_serve_wait(struct zcmu_thread *thread)
{
	flush(thread);
	zcmu_events_wait(thread);
}

/* Return: what the store has answered to the flush at the end. */
static int lead(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	int err;

	for (;;) {
		zcmu_events_stop_if_due(thread);
		/* Answering what came meanwhile may have taken long; then nothing was taken. */
		if (lead_once(thread) || should_look(thread)) {
			if (should_look(thread))
				look(thread);
			continue;
		}
		thread->unlooked = 0;
		flush(thread);
		/* Submitted requests may have been answered, and other commands may go on then. */
		if (thread->shared)
			continue;
		/* The last note may just have been found. */
		zcmu_events_stop_if_due(thread);
		if (!atomic_load(&disk->stopping) || !zcmu_disk_is_idle(disk)) {
			zcmu_events_wait(thread);
			continue;
		}
		err = zcmu_end_flush(thread);
		if (zcmu_end_is_over(disk, err))
			break;
		zcmu_events_take_again(thread);
	}
	zcmu_signal_fd(disk->end_fd);
	return err;
}

static void begin_thread(struct zcmu_thread *thread)
{
	current_thread = thread;
	zcmu_become_io_flusher();
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

/* Threads that run callbacks, plus one that reads the ring if those may sleep. */
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
	/* There are more CPUs than fit into the set */
	return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * How many threads can be of use at once? Callbacks that only compute and start I/O can't use more
 * threads than CPUs, and each further thread costs a switch. Callbacks that sleep can, and so may
 * those of a store that talks to others, for example with a connection for each thread.
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
	struct zcmu_serve_options taken;
	unsigned int i, made = 0;
	int err = zcmu_take_serve_options(&taken, options);

	if (err)
		return err;
	options = &taken;
	pthread_mutex_lock(&disk->resize_lock);
	disk->store = store;
	pthread_mutex_unlock(&disk->resize_lock);
	zcmu_abort_begin(disk);
	zcmu_moving_begin(disk);
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
		err = zcmu_events_init(&disk->threads[made], disk);
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
		zcmu_events_deinit(&disk->threads[i]);
	free(disk->threads);
	disk->threads = NULL;
	if (disk->end_fd >= 0)
		close(disk->end_fd);
	disk->end_fd = -1;
	zcmu_moving_end(disk);
	pthread_mutex_lock(&disk->resize_lock);
	disk->store = NULL;
	pthread_mutex_unlock(&disk->resize_lock);
	return err;
}
