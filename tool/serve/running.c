// SPDX-License-Identifier: MIT
/*
 * zcmu serve, while the disk exists: who is told, and what may happen until its end: signals,
 * requests, or that it ends by itself. Making and removing the disk is in serve.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "format.h"
#include "loopback.h"
#include "serve/daemon.h"
#include "serve/handover.h"
#include "serve/notify.h"
#include "serve/resize.h"
#include "serve/serve.h"
#include "signals.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

#define LONGEST_LINE	1000	/* bytes, of what zcmu save asks for */

/* The disk is known already; the old process passes on the news. */
static void announce_succession(struct serve *serve)
{
	if (serve->daemon)
		daemon_let_go();
	else
		zcmu_set_log(daemon_log_to_stderr, NULL);
	handover_end(&serve->handover);
}

/* By what do those who have asked for the disk find it? Its device, or the name for zcmu attach */
static const char *address_of(const struct serve *serve)
{
	return serve->no_local ? serve->name : serve->loopback.device;
}

/*
 * If that can't be printed, the disk is useless. A disk that was taken over is left as it was.
 */
static int print_address(struct serve *serve)
{
	int err;

	if (fprintf(standard_output(), "%s\n", address_of(serve)) >= 0 &&
	    !fflush(standard_output()))
		return 0;
	err = -errno;
	if (serve->no_local)
		zcmu_error("%s: can't print its name: %s", serve->name, strerror(-err));
	else
		zcmu_error("%s: can't print its device, %s: %s", serve->name,
			   serve->loopback.device, strerror(-err));
	if (serve->takes_over)
		serve_leave_disk(serve);
	return err;
}

int serve_announce(struct serve *serve, int report_fd)
{
	char line[NAME_MAX_LEN + 64], size[32];
	int n, fd;

	if (serve_is_successor(serve)) {
		announce_succession(serve);
		return 0;
	}
	n = print_address(serve);
	if (n)
		return n;
	if (!serve->daemon)
		fprintf(stderr, "zcmu: %s: %s, %s, is %s; stop it with ^C or \"zcmu stop %s\"\n",
			serve->name, serve->spec,
			format_size(serve->shape->size, size, sizeof(size)),
			serve->no_local ? "there for zcmu attach" : serve->loopback.device, serve->name);
	if (serve->ready_fd >= 0) {
		n = snprintf(line, sizeof(line), "%s\n", address_of(serve));
		fd = serve->ready_fd == STDOUT_FILENO ? fileno(standard_output()) : serve->ready_fd;
		if (write(fd, line, (size_t)n) != n)
			zcmu_warning("nobody reads the --ready-fd");
		standard_give_up(serve->ready_fd);
	}
	if (notify_is_wanted() && notify_ready(serve->name, serve->no_local ? "not local" :
							serve->loopback.device))
		zcmu_warning("%s: the service manager can't be told that it is there", serve->name);
	if (report_fd >= 0) {
		daemon_let_go();
		if (write(report_fd, "r", 1) != 1)
			zcmu_warning("nobody waits for the daemon");
		close(report_fd);
	}
	return 0;
}

static int resize_store(void *argument, uint64_t size)
{
	struct serve *serve = argument;

	return serve->way->resize(serve, size);
}

/* A message for each line: they have a limit. */
static int tell_options(const struct serve *serve)
{
	char options[CONTROL_MAX], *rest = options, *line;
	int err = serve_tell_options(serve, options, sizeof(options));

	while (!err && (line = strsep(&rest, "\n"))) {
		if (strlen(line) > LONGEST_LINE) {
			zcmu_error("%s: its options can't be saved: %s", serve->name, strerror(E2BIG));
			return -E2BIG;
		}
		zcmu_warning("%s", line);
	}
	return err;
}

static int carry_out(char **words, size_t count, void *argument)
{
	struct serve *serve = argument;

	if (count && !strcmp(words[0], "resize"))
		return resize_serve(resize_store, serve, serve->shape->size, &serve->backstore,
				    serve->loopback.device, words, count);
	if (count == 2 && !strcmp(words[0], "upgrade"))
		return upgrade_serve(serve, words[1]);
	if (count == 1 && !strcmp(words[0], "options"))
		return tell_options(serve);
	if (count == 1 && !strcmp(words[0], "stop")) {
		serve->is_stopped = true;
		return CONTROL_LATER;
	}
	zcmu_error("%s: its process, of zcmu %s, does not know the request \"%s\"", serve->name,
		   zcmu_version(), count ? words[0] : "");
	return -EOPNOTSUPP;
}

/* What serve_wait_for_end() waits for */
enum {
	SIGNAL,
	SERVING,	/* the serving side has an event */
	REQUEST,	/* from the control socket */
	LIFELINE,	/* of the process that this one stands in for */
	NR_EVENTS
};

/*
 * Wait for a signal, a "zcmu stop", or until serving has ended by itself; requests are carried out.
 */
int serve_wait_for_end(struct serve *serve)
{
	struct pollfd events[NR_EVENTS] = {
		[SIGNAL] = { .fd = serve->signal_fd, .events = POLLIN },
		[SERVING] = { .events = POLLIN },
		[REQUEST] = { .fd = serve->control.fd, .events = POLLIN },
		[LIFELINE] = { .fd = serve->stands_in ? serve->handover.lifeline_fd : -1 },
	};
	int err;

	do {
		if (events[REQUEST].revents) {
			control_handle(&serve->control, carry_out, serve);
			/* The request may have consumed the event already. */
			events[SERVING].revents = 0;
		}
		if (serve->is_over)
			return 0;
		if (serve->is_stopped)
			break;
		err = serve->way->hear(serve, events[SERVING].revents);
		if (err)
			return err;
		/* Another thread, or another process, may serve the disk now. */
		events[SERVING].fd = serve->way->fd(serve);
		while (poll(events, NR_EVENTS, -1) < 0 && errno == EINTR)
			;
		/* The process that we stand in for was killed. */
		if (events[LIFELINE].revents)
			_exit(EXIT_FAILED);
	} while (!events[SIGNAL].revents || !signals_end(serve->signal_fd, serve->hang_up_ends));
	if (loopback_is_in_use(&serve->loopback))
		zcmu_warning("%s: %s is still in use; it goes all the same", serve->name,
			     serve->loopback.device);
	return 0;
}

/* Another process has the disk now, or may take it over: everything of it stays. */
int serve_leave(struct serve *serve)
{
	bool is_told;

	if (!serve->heir)
		return EXIT_FAILED;
	/* The name and its clients belong to the other process alone. */
	close(serve->runfile.fd);
	close(serve->control.fd);
	/* Whoever waits for this process waits for the other one from now on, or for both. */
	is_told = !notify_main(serve->heir);
	if (!serve->daemon && !serve->stands_in && !is_told)
		return heir_wait(serve->name);
	heir_pass_signals(serve->heir);
	return EXIT_OK;
}
