// SPDX-License-Identifier: MIT
/*
 * zcmu serve: the store of a disk: whether it is the right one, its serial number, and its opening.
 * The process that opens it is in here.c or apart.c; making it a disk is in serve.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstore.h"
#include "contents.h"
#include "runfile.h"
#include "serve/serial.h"
#include "serve/serve.h"
#include "serve/takeover.h"
#include "signals.h"
#include "zcmu.h"
#include "../../lib/program/program.h"

#define PROGRAM_TRY_MS	20

/* Which store does the name lead to by now? It isn't opened for that. "": unknown */
static int look_up_identity(struct serve *serve, char *text, size_t size)
{
	int err = serve->way->identify(serve, text, size);

	if (!err || err == -EOPNOTSUPP || err == -EINTR)
		return err;
	zcmu_error("%s: can't find its store, %s: %s", serve->name, serve->spec, strerror(-err));
	return err;
}

/*
 * This is checked before the store is opened, because opening may change something, and the process
 * that has it open need not close it in vain.
 */
int serve_check_named_store(struct serve *serve, const struct backstore *backstore)
{
	char identity[ZCMU_STORE_IDENTITY_MAX] = "";
	int err = look_up_identity(serve, identity, sizeof(identity));

	/* Once it is open, it can tell. */
	if (err == -EOPNOTSUPP)
		return 0;
	return err ? err : takeover_check_identity(backstore, identity);
}

/* A spec that means the same from every folder, for display. */
void serve_absolute_spec(const char *spec, char *absolute, size_t size)
{
	char path[PATH_MAX];

	if (!strncmp(spec, "file:", 5) && realpath(spec + 5, path))
		snprintf(absolute, size, "file:%s", path);
	else if (!strncmp(spec, "qcow2:", 6) && realpath(spec + 6, path))
		snprintf(absolute, size, "qcow2:%s", path);
	else
		snprintf(absolute, size, "%s", spec);
}

/* The serial of a new disk. @spec: absolute */
int serve_get_serial(struct serve *serve, const char *spec)
{
	serve->options.serial = serve->serial;
	if (!serve->asked_serial[0])
		return serial_get(serve->name, spec, !(serve->flags & ZCMU_STORE_VOLATILE),
				  serve->serial);
	snprintf(serve->serial, sizeof(serve->serial), "%s", serve->asked_serial);
	return 0;
}

/* The serial that an existing disk must have. If it isn't kept, an older zcmu has made the disk. */
int serve_find_serial(struct serve *serve, const char *spec, bool *is_kept)
{
	int err;

	*is_kept = true;
	serve->options.serial = serve->serial;
	if (serve->asked_serial[0]) {
		snprintf(serve->serial, sizeof(serve->serial), "%s", serve->asked_serial);
		return 0;
	}
	err = serial_find(serve->name, spec, serve->serial);
	if (err == -ENOENT) {
		*is_kept = false;
		serial_of_machine(serve->name, spec, serve->serial);
		return 0;
	}
	if (err)
		zcmu_error("%s: can't find out its serial number: %s", serve->name, strerror(-err));
	return err;
}

/* From now on the older zcmu's serial is the disk's, on whichever machine it is made again. */
void serve_keep_serial(const struct serve *serve, const char *spec)
{
	int err = serial_keep(serve->name, spec, serve->serial);

	if (err)
		zcmu_warning("%s: can't keep its serial number, %s: %s; give it with --serial when the disk is made anew",
			     serve->name, serve->serial, strerror(-err));
}

/* The opened store counts: its name may have led elsewhere when it was looked up. */
static int check_opened_store(struct serve *serve)
{
	int err = takeover_check_identity(&serve->backstore, serve->identity);

	return err ? err : contents_check_outlive(serve->name, serve->flags);
}

/*
 * Programs of a process that was killed may still write what they have: two must never have the
 * same image. They get SIGTERM when the process dies, and SIGKILL 10 s later.
 */
static int wait_for_old_programs(struct serve *serve)
{
	struct pollfd fd = { .fd = serve->is_reopening ? -1 : serve->signal_fd, .events = POLLIN };
	unsigned int tries = PROGRAM_WAIT_MS / PROGRAM_TRY_MS;

	for (;;) {
		serve->program_lock = runfile_lock_program(&serve->runfile);
		if (serve->program_lock != -EEXIST || !tries--)
			break;
		if (poll(&fd, 1, PROGRAM_TRY_MS) > 0 &&
		    signals_end(serve->signal_fd, serve->hang_up_ends))
			return -EINTR;
	}
	if (serve->program_lock >= 0)
		return 0;
	if (serve->program_lock == -EEXIST)
		zcmu_error("%s: the program that its last process had started has not ended; \"fuser -v " RUN_DIR "/.%s.program\" shows it",
			   serve->name, serve->name);
	else
		zcmu_error("%s: can't lock " RUN_DIR "/.%s.program: %s", serve->name, serve->name,
			   strerror(-serve->program_lock));
	return serve->program_lock;
}

/* Did the disk's last process end without having flushed its store? */
static bool was_killed(const struct serve *serve)
{
	return serve->takes_over && !serve_is_successor(serve) && !serve->is_reopening;
}

/*
 * A store that starts a program gives it the lock: what is started inherits the descriptor. Our own
 * is closed when it has.
 */
static int open_with_program(struct serve *serve, const struct zcmu_store_options *options)
{
	char number[16];
	int err;

	if (!(serve->flags & ZCMU_STORE_STARTS_PROGRAM))
		return serve->way->open(serve, options);
	err = wait_for_old_programs(serve);
	if (err)
		return err;
	snprintf(number, sizeof(number), "%d", serve->program_lock);
	setenv(PROGRAM_LOCK, number, 1);
	if (was_killed(serve))
		setenv(PROGRAM_WAS_KILLED, "1", 1);
	err = serve->way->open(serve, options);
	unsetenv(PROGRAM_WAS_KILLED);
	unsetenv(PROGRAM_LOCK);
	close(serve->program_lock);
	serve->program_lock = -1;
	return err;
}

/*
 * If the disk exists, so does its store: it must not be created anew. It may be larger than its
 * disk shows: the disk was made smaller, the store has grown, or a resize was interrupted.
 */
int serve_open_store(struct serve *serve)
{
	struct zcmu_store_options options = serve->store_options;
	int err = 0;

	if (serve->takes_over) {
		options.size = 0;
		err = serve_check_named_store(serve, &serve->backstore);
	}
	if (!err)
		err = open_with_program(serve, &options);
	if (!err && serve->takes_over)
		err = check_opened_store(serve);
	if (!err && serve->takes_over && serve->shape->size > serve->backstore.size)
		serve->shape->size = serve->backstore.size;
	return err;
}
