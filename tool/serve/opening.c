// SPDX-License-Identifier: MIT
/*
 * zcmu serve: opening a store, or asking for its identity, may hang: on a server that does not
 * answer, or in a script. At that time no disk was made, or there is an old one that stays as it
 * is. So a signal ends the process at once, while another thread hangs. At any other time the
 * signal waits for serve_wait_for_end(). It also waits when the store of a disk that this process
 * has served is opened again.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control.h"
#include "runfile.h"
#include "serve/serve.h"
#include "signals.h"
#include "subcommand.h"
#include "zcmu.h"

/* What this process has made is removed, and its name is free. */
static _Noreturn void give_up(struct serve *serve)
{
	bool is_ours;

	zcmu_error("%s: it was ended by a signal while its store, %s, was being opened", serve->name,
		   serve->spec);
	if (!serve_is_successor(serve)) {
		is_ours = runfile_is_ours(&serve->runfile);
		control_close(&serve->control, is_ours);
		runfile_remove(&serve->runfile);
	}
	_exit(EXIT_FAILED);
}

static void *watch(void *argument)
{
	struct serve *serve = argument;
	struct pollfd fds[2] = {
		{ .fd = serve->signal_fd, .events = POLLIN },
		{ .fd = serve->opened_fd, .events = POLLIN },
	};

	for (;;) {
		while (poll(fds, 2, -1) < 0 && errno == EINTR)
			;
		if (fds[1].revents)
			return NULL;
		/* A signal for logs doesn't end it, but the next one may. */
		if (fds[0].revents && signals_end(serve->signal_fd, serve->hang_up_ends))
			give_up(serve);
	}
}

int serve_opening_begin(struct serve *serve)
{
	int err;

	if (serve->is_reopening)
		return 0;
	serve->opened_fd = eventfd(0, EFD_CLOEXEC);
	err = serve->opened_fd < 0 ? -errno : -pthread_create(&serve->opening, NULL, watch, serve);
	if (!err)
		return 0;
	zcmu_error("%s: can't start a thread: %s", serve->name, strerror(-err));
	if (serve->opened_fd >= 0)
		close(serve->opened_fd);
	return err;
}

/* Return: @err, the result */
int serve_opening_end(struct serve *serve, int err)
{
	uint64_t one = 1;

	if (serve->is_reopening)
		return err;
	if (write(serve->opened_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	pthread_join(serve->opening, NULL);
	close(serve->opened_fd);
	return err;
}
