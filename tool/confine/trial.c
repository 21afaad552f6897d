// SPDX-License-Identifier: MIT
/*
 * A trial of a store that is to be locked in (zcmu serve --user): it reads a block when it is open.
 * Before anybody sees its disk, it reads once more under the restrictions of serving. A thread does
 * that, under all the restrictions that will apply; the others start afterwards. If the first read
 * fails, that proves nothing: it is an error of the store, which its disk will report.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "confine/sandbox.h"
#include "confine/trial.h"
#include "zcmu.h"

struct trial {
	struct zcmu_io io;		/* must be first: a request leads back here */
	const char *name;
	struct zcmu_store *store;
	void *queue;
	uint32_t store_flags;
	bool is_locked_in;
	int answered_fd;		/* eventfd */
	int answer;
	pid_t tid;
	int error;			/* the result */
};

/* Runs in any thread */
static void answered(struct zcmu_io *io, int error)
{
	struct trial *trial = (struct trial *)io;
	uint64_t one = 1;

	trial->answer = error;
	if (write(trial->answered_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void await_answer(struct trial *trial)
{
	const struct zcmu_store_ops *ops = trial->store->ops;
	struct pollfd fds[2] = {
		{ .fd = trial->answered_fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	uint64_t count;

	if (trial->queue)
		fds[1].fd = ops->queue_fd(trial->store, trial->queue);
	if (trial->queue && ops->queue_submit)
		ops->queue_submit(trial->store, trial->queue);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(fds[0].fd, &count, sizeof(count)) == sizeof(count))
			return;
		if (fds[1].revents)
			ops->queue_reap(trial->store, trial->queue);
		if (fds[1].revents && ops->queue_submit)
			ops->queue_submit(trial->store, trial->queue);
	}
}

static int read_block(struct trial *trial, void *buffer)
{
	struct iovec iov = { buffer, trial->store->block_size };

	trial->io = (struct zcmu_io){
		.struct_size = sizeof(trial->io), .op = ZCMU_IO_READ, .length = iov.iov_len,
		.iov = &iov, .iovcnt = 1,
		.queue = trial->queue, .done = answered,
	};
	zcmu_store_ask(trial->store, &trial->io);
	await_answer(trial);
	return trial->answer;
}

static void say_useless(const struct trial *trial, int err)
{
	zcmu_error("%s: its store can't work without privileges: %s; serve it without --user",
		   trial->name, strerror(-err));
}

static void *try(void *argument)
{
	struct trial *trial = argument;
	struct zcmu_store *store = trial->store;
	void *buffer = NULL;
	int err = 0;

	trial->tid = gettid();
	if (posix_memalign(&buffer, 4096, store->block_size)) {
		trial->error = -ENOMEM;
		return NULL;
	}
	if (store->ops->queue_open)
		err = store->ops->queue_open(store, &trial->queue);
	if (!err && trial->is_locked_in)
		trial->error = sandbox_forbid_calls(trial->store_flags, false);
	if (!err && !trial->error)
		err = read_block(trial, buffer);
	if (err && trial->is_locked_in)
		say_useless(trial, err);
	if (trial->queue)
		store->ops->queue_close(store, trial->queue);
	free(buffer);
	if (err)
		trial->error = err;
	return NULL;
}

/*
 * Quiet unless it is locked in. The caller has no other thread of its own. When this returns the
 * kernel has forgotten the trial's thread: a filter for all threads must not find a thread that has
 * another filter.
 */
int trial_read(const char *name, struct zcmu_store *store, uint32_t store_flags,
	       bool is_locked_in)
{
	struct trial trial = {
		.name = name, .store = store, .store_flags = store_flags,
		.is_locked_in = is_locked_in, .answered_fd = eventfd(0, EFD_CLOEXEC),
	};
	pthread_t thread;
	int err;

	err = trial.answered_fd < 0 ? -errno : -pthread_create(&thread, NULL, try, &trial);
	if (!err) {
		pthread_join(thread, NULL);
		while (!tgkill(getpid(), trial.tid, 0))
			sched_yield();
		err = trial.error;
	}
	if (trial.answered_fd >= 0)
		close(trial.answered_fd);
	return err;
}
