// SPDX-License-Identifier: MIT
/*
 * zcmu serve: makes a disk of a STORE, and removes it again. There is one process per disk: the
 * main thread sets up and waits for the end (running.c), another leads the serving.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstore.h"
#include "boot/conf.h"
#include "control.h"
#include "created.h"
#include "attach/fabric.h"
#include "loopback.h"
#include "memory.h"
#include "module.h"
#include "new_backstore.h"
#include "runfile.h"
#include "serve/daemon.h"
#include "serve/disk_name.h"
#include "serve/handover.h"
#include "serve/notify.h"
#include "serve/reservations.h"
#include "serve/serve.h"
#include "serve/stop.h"
#include "serve/takeover.h"
#include "signals.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

/* Making the disk, in steps; each is undone by tear_down() */

static int check_name(struct serve *serve)
{
	struct backstore other;
	int err;

	if (!backstore_name_is_valid(serve->name)) {
		zcmu_error("%s: \"%s\" can't be the disk's name; give one with --name", serve->spec,
			   serve->name);
		return -EINVAL;
	}
	err = backstore_find(serve->name, &other);
	if (err && err != -ENOENT)
		return err;
	serve->takes_over = !err;
	if (!serve->takes_over || takeover_is_orphan(&other))
		return 0;
	if (backstore_is_ours(&other) && runfile_is_held(serve->name)) {
		runfile_say_served(serve->name);
		return -EEXIST;
	}
	zcmu_error("%s: a backstore has that name (%s); choose another with --name",
		   serve->name, other.config[0] ? other.config : "made by somebody else");
	return -EEXIST;
}

/*
 * Called before the old process releases the disk: does the store's name still lead to the store?
 */
static int check_succession(struct serve *serve)
{
	struct backstore backstore;

	if (backstore_find_wanted(serve->name, &backstore))
		return -ENOENT;
	return serve_check_named_store(serve, &backstore);
}

/* From here on no other zcmu has the name. */
static int claim_name(struct serve *serve)
{
	int err;

	if (serve_is_successor(serve)) {
		control_inherit(serve->name, serve->handover.control_fd, &serve->control);
		serve->takes_over = true;
		err = runfile_inherit(serve->name, serve->handover.runfile_fd, &serve->runfile);
		if (!err)
			err = check_succession(serve);
		return err ? err : handover_wait(&serve->handover);
	}
	err = check_name(serve);
	if (!err)
		err = runfile_create(serve->name, &serve->runfile);
	if (!err)
		err = control_open(serve->name, &serve->control);
	/* Check again: the earlier owner of the name may have left a disk, or removed it. */
	if (!err)
		err = check_name(serve);
	return err ? err : runfile_write_pid(&serve->runfile);
}

/* The name was another process's: show that it is ours now. */
int serve_own_name(struct serve *serve)
{
	int err = control_own(&serve->control);

	/* The number is only for people, and the error was reported. */
	if (!err)
		(void)runfile_write_pid(&serve->runfile);
	return err;
}

/* The backstore is there: serve it. Until then the old process's recover mode is in force. */
int serve_take_disk(struct serve *serve)
{
	int err = serve->way->start(serve);

	/* Only now it is known that the store is the disk's, if nothing was noted before. */
	if (!err && serve->takes_over)
		err = takeover_note_identity(&serve->backstore, serve->identity);
	/* The old process may still dismiss a successor. Until then the mode is for the old one. */
	if (!err && !serve_is_successor(serve))
		err = takeover_set_recover(&serve->backstore, serve->recover);
	return err;
}

static int create_disk(struct serve *serve)
{
	char spec[PATH_MAX + 8];
	int err = serve_open_store(serve);

	/* The store may be open, and unable to tell its identity. */
	if (err) {
		created_undo(&serve->created);
		return err;
	}
	serve_absolute_spec(serve->spec, spec, sizeof(spec));
	err = serve_get_serial(serve, spec);
	if (!err)
		err = backstore_create(serve->name, serve->shape, spec, serve->serial,
				       serve->time_out, &serve->backstore);
	if (err) {
		serve->backstore.name[0] = '\0';
		created_undo(&serve->created);
		return err;
	}
	err = takeover_note(&serve->backstore, serve->shape, serve->identity);
	/* The data of a volatile store is new, and was never reserved. */
	if (!err && !(serve->flags & ZCMU_STORE_VOLATILE))
		err = reservations_restore(&serve->backstore);
	/* From here on another process may take it over. */
	if (!err)
		err = backstore_enable(&serve->backstore);
	if (!err)
		err = serve_take_disk(serve);
	if (!err && !serve->no_local)
		err = loopback_attach(&serve->backstore, &serve->loopback);
	if (err)
		serve->loopback.wwn[0] = '\0';
	/* Nobody has seen the disk, so there is nothing in it. */
	if (err)
		created_undo(&serve->created);
	return err;
}

/* Nothing is undone: the disk waits for the next process. */
void serve_leave_disk(struct serve *serve)
{
	serve->loopback.wwn[0] = '\0';
	serve->backstore.name[0] = '\0';
	serve->is_there = false;
}

/*
 * The disk of this machine that an earlier process has made may be mounted: it doesn't become one
 * for others by a command line. A successor goes on as it was asked to, and whoever has linked the
 * disk here since has done it without us.
 */
static int check_is_not_local(struct serve *serve)
{
	struct loopback loopback;

	if (!serve->no_local || serve_is_successor(serve) ||
	    loopback_find(&serve->backstore, &loopback))
		return 0;
	zcmu_error("%s: it is a disk of this machine already%s%s: serve it without --no-local, or stop it first",
		   serve->name, loopback.device[0] ? ", " : "", loopback.device);
	return -EEXIST;
}

/* The backstore had no local disk yet, or has none any more; or the device was deleted. */
static int take_local_disk(struct serve *serve)
{
	if (serve->no_local)
		return 0;
	if (loopback_find(&serve->backstore, &serve->loopback))
		return loopback_attach(&serve->backstore, &serve->loopback);
	return serve->loopback.device[0] ? 0 : loopback_scan(&serve->loopback);
}

/* Go on with an existing disk. If that fails, it is left as it was. */
static int take_over(struct serve *serve)
{
	char spec[PATH_MAX + 8];
	int err = backstore_find(serve->name, &serve->backstore);
	bool is_kept;

	if (!err)
		err = check_is_not_local(serve);
	serve_absolute_spec(serve->spec, spec, sizeof(spec));
	if (!err)
		err = serve_find_serial(serve, spec, &is_kept);
	if (!err)
		err = takeover_check_store(&serve->backstore, serve->flags, spec, serve->serial);
	if (!err)
		err = serve_open_store(serve);
	if (!err)
		err = takeover_check(&serve->backstore, serve->shape);
	if (!err)
		err = serve_take_disk(serve);
	/* Not found, perhaps, because nobody served the disk: so it is served before. */
	if (!err)
		err = take_local_disk(serve);
	if (!err && serve_is_successor(serve))
		err = serve_own_name(serve);
	if (!err && serve_is_successor(serve))
		err = takeover_set_recover(&serve->backstore, serve->recover);
	if (err)
		serve_leave_disk(serve);
	else if (!is_kept)
		serve_keep_serial(serve, spec);
	return err;
}

/* The data of a volatile store is lost with its process, and its disk is useless then. */
static int choose_name(struct serve *serve)
{
	bool is_given = serve->name[0];
	char spec[PATH_MAX + 8];
	int err;

	if (!is_given)
		disk_name_make(serve->spec, serve->name);
	err = serve->way->ask_flags(serve);
	if (err || is_given || serve->flags & ZCMU_STORE_VOLATILE)
		return err;
	serve_absolute_spec(serve->spec, spec, sizeof(spec));
	disk_name_find(serve->spec, spec, serve->asked_serial, serve->name);
	return 0;
}

static int set_up(struct serve *serve)
{
	int err = module_prepare(!serve->no_local);

	if (!err)
		memory_lock();
	if (!err)
		err = choose_name(serve);
	if (!err)
		err = claim_name(serve);
	if (err)
		return err;
	err = serve->takes_over ? take_over(serve) : create_disk(serve);
	serve->is_there = !err;
	return err;
}

/* The disk's statistics, in one line that a script can read as well. */
static void say_farewell(const struct serve *serve, const struct zcmu_statistics *s)
{
	if (!serve->daemon)
		fprintf(stderr, "zcmu: %s: %" PRIu64 " commands, %" PRIu64 " errors; payload: %" PRIu64
			" bytes in place, %" PRIu64 " bytes copied by the kernel\n",
			serve->name, s->commands, s->errors, s->bytes_in_place, s->bytes_copied);
}

/* Take the disk from all initiators. The detach waits until the disk's commands are done. */
static int take_back(struct serve *serve)
{
	int err;

	if (!serve->backstore.name[0])
		return 0;
	/* Nobody answers any more. */
	if (serve->way->is_dead(serve)) {
		serve->loopback.wwn[0] = '\0';
		serve->is_there = false;
		return stop_detach(&serve->backstore);
	}
	/* Targets of zcmu attach are removed with the disk, while it is still served. */
	err = attach_remove(&serve->backstore, NULL);
	if (serve->loopback.wwn[0] && loopback_detach(&serve->loopback))
		err = -EBUSY;
	return err;
}

static void give_name_back(struct serve *serve, int err)
{
	bool is_ours;

	/* The name still belongs to the old process. */
	if (serve_is_successor(serve))
		return;
	is_ours = runfile_is_ours(&serve->runfile);
	control_conclude(&serve->control, is_ours, err);
	control_close(&serve->control, is_ours);
	runfile_remove(&serve->runfile);
}

/*
 * Undo what set_up() has made, in reverse. @so_far: the result until now, for the client that waits
 * for the end.
 */
static int tear_down(struct serve *serve, int so_far)
{
	struct zcmu_statistics statistics = { .struct_size = sizeof(statistics) };
	int err = take_back(serve);

	if (serve->way->stop(serve, &statistics))
		err = -EIO;
	if (serve->is_there)
		say_farewell(serve, &statistics);
	if (serve->backstore.name[0] && backstore_remove(&serve->backstore))
		err = -EBUSY;
	serve->way->close(serve);
	if (!err)
		err = so_far;
	give_name_back(serve, err);
	return err;
}

/* If it can't be saved, the disk is useless. One that was taken over is left as it was. */
static int save(struct serve *serve)
{
	char options[CONTROL_MAX];
	int err = serve_tell_options(serve, options, sizeof(options));

	if (!err)
		err = conf_save(&serve->backstore, options);
	if (err && serve->takes_over)
		serve_leave_disk(serve);
	return err;
}

int serve_main(int argc, char **argv)
{
	struct serve serve = {
		.store_options.struct_size = sizeof(serve.store_options),
		.options.struct_size = sizeof(serve.options),
		.time_out = SERVE_DEFAULT_TIME_OUT,
		.ready_fd = -1,
		.runfile.fd = -1,
		.control = { .fd = -1, .asker = -1 },
		.served_fd = -1,
		.recover = SERVE_DEFAULT_RECOVER,
		.asked_serial = "",
		.argc = argc,
		.argv = argv,
		.handover = { .socket = -1, .lifeline_fd = -1 },
		.keeper.fd = -1,
		.signal_fd = -1,
		.program_lock = -1,
	};
	int status, err, report_fd = -1;

	status = serve_parse(&serve, argc, argv);
	if (status >= 0)
		return status;
	serve.way = serve.user.name[0] ? &serve_apart : &serve_here;
	if (!serve_is_successor(&serve) && standard_was_closed(STDOUT_FILENO)) {
		zcmu_error("the standard output is closed, where the disk's device is printed; redirect it to /dev/null if nobody reads it");
		return EXIT_FAILED;
	}
	standard_divert();
	if (serve.daemon && !serve_is_successor(&serve)) {
		status = daemon_fork(&report_fd);
		if (status >= 0)
			return status;
	}
	zcmu_set_log(serve_is_successor(&serve) ? handover_log : daemon_log_to_stderr, NULL);
	serve.signal_fd = daemon_block_signals();
	serve.hang_up_ends = signals_hang_up();
	err = serve.signal_fd < 0 ? -errno : set_up(&serve);
	if (!err && serve.save)
		err = save(&serve);
	if (!err)
		err = serve_announce(&serve, report_fd);
	if (!err)
		err = serve_wait_for_end(&serve);
	if (serve.is_over)
		return serve_leave(&serve);
	control_gather();
	(void)notify_stopping();
	err = tear_down(&serve, err);
	return err ? EXIT_FAILED : EXIT_OK;
}
