// SPDX-License-Identifier: MIT
/*
 * zcmu stop: asks the process that serves a disk to end. If the process has died, it removes what
 * is left of the disk.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "control.h"
#include "exports.h"
#include "attach/fabric.h"
#include "loopback.h"
#include "new_backstore.h"
#include "option.h"
#include "runfile.h"
#include "serve/stop.h"
#include "serve/takeover.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"
#include "../../lib/program/program.h"

#define STOP_SECONDS	120
#define FIND_TRIES	250	/* 5 s */

/*
 * Removing a dead disk sends commands (a last SYNCHRONIZE CACHE, for example), which somebody must
 * answer. This store does, with NOT READY.
 */
static int gone_open(struct zcmu_store *store, const char *argument)
{
	(void)argument;
	store->size = store->create_size;
	return 0;
}

static void gone_request(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, -ENODEV);
}

static const struct zcmu_store_ops gone_store = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(gone_store),
	.store_size = sizeof(struct zcmu_store),
	.name = "gone",
	.open = gone_open,
	.read = gone_request,
	.write = gone_request,
	.flush = gone_request,
};

struct wake {
	struct zcmu_disk *disk;
	struct zcmu_store *store;
};

static void *answer(void *argument)
{
	struct wake *wake = argument;

	zcmu_disk_serve(wake->disk, wake->store, NULL);
	return NULL;
}

static int detach(const struct backstore *backstore)
{
	struct loopback loopback;
	int err = attach_remove(backstore, NULL);

	if (!err && !loopback_find(backstore, &loopback))
		err = loopback_detach(&loopback);
	return err;
}

/* Fail the commands on the ring, then detach while a thread answers. */
static int detach_served(const struct backstore *backstore)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options),
		.size = backstore->size ? backstore->size : 512,
	};
	struct wake wake = { 0 };
	char path[PATH_MAX];
	pthread_t thread;
	int fd, err;

	/* A process that we can't see may serve it; then the kernel lets nobody else open it. */
	fd = backstore_open_uio(backstore);
	if (fd < 0)
		return fd;
	close(fd);
	backstore_path(backstore, path, sizeof(path));
	err = attribute_write("2", "%s/action/reset_ring", path);
	if (!err)
		err = backstore_open_disk(backstore, &wake.disk);
	if (!err)
		err = zcmu_store_open_ops(&gone_store, "", &options, &wake.store);
	if (!err)
		err = -pthread_create(&thread, NULL, answer, &wake);
	if (!err) {
		err = detach(backstore);
		zcmu_disk_stop(wake.disk);
		pthread_join(thread, NULL);
	}
	zcmu_store_close(wake.store);
	zcmu_disk_close(wake.disk);
	return err;
}

int stop_detach(const struct backstore *backstore)
{
	/* Without a UIO device it was never enabled, and nothing can send it commands. */
	return backstore->uio < 0 ? detach(backstore) : detach_served(backstore);
}

/* Meanwhile the name is ours: nobody else takes the disk over, or cleans up. */
static int clean_up(const char *name)
{
	struct backstore backstore;
	struct runfile runfile;
	struct control control;
	int err = runfile_create(name, &runfile);

	if (err)
		return err;
	/* An earlier owner of the name may have changed the disk. */
	err = backstore_find(name, &backstore);
	if (!err && !takeover_is_orphan(&backstore))
		err = -EBUSY;
	if (err)
		zcmu_error("%s: another process has served or removed it meanwhile", name);
	if (!err)
		err = stop_detach(&backstore);
	if (!err)
		err = backstore_remove(&backstore);
	/* Remove the dead process's socket, too. */
	control_inherit(name, -1, &control);
	control_close(&control, !err && runfile_is_ours(&runfile));
	/* Programs that it had started may still be ending; the name is theirs until then. */
	runfile_await_programs(&runfile, PROGRAM_WAIT_MS);
	runfile_remove(&runfile);
	return err;
}

static int stop_dead(const char *name)
{
	struct backstore backstore;

	if (backstore_find_wanted(name, &backstore))
		return EXIT_FAILED;
	if (!backstore_is_ours(&backstore)) {
		zcmu_error("%s: this backstore was made by somebody else (%s): remove it with what made it, targetcli perhaps",
			   name, backstore.config[0] ? backstore.config : "no dev_config");
		return EXIT_FAILED;
	}
	if (backstore_is_served(&backstore)) {
		zcmu_error("%s: another program than zcmu serves it (uio%d)", name, backstore.uio);
		return EXIT_FAILED;
	}
	if (clean_up(name))
		return EXIT_FAILED;
	fprintf(stderr, "zcmu: %s: its process was dead; what it had left is removed\n", name);
	return EXIT_OK;
}

/* Is it made by zcmu serve: the only LUN of a loopback target? */
static bool is_local_disk(const struct export *export)
{
	return !strcmp(export->fabric, "loopback") && export->tpg == 1 && !export->lun;
}

/* The first export that prevents the stop; @who: why, if it is one of zcmu attach, or empty */
static const struct export *find_in_the_way(const struct exports *exports, char *who, size_t size)
{
	size_t i;

	for (i = 0; i < exports->count; i++) {
		const struct export *export = &exports->entries[i];

		who[0] = '\0';
		if (export_is_attached(export)) {
			if (export_is_used(export, who, size))
				return export;
		} else if (!is_local_disk(export)) {
			return export;
		}
	}
	return NULL;
}

static bool is_in_use(const char *name)
{
	char who[1024], text[512];
	const struct export *export;
	struct backstore backstore;
	struct loopback loopback;
	struct exports exports;
	bool in_the_way;
	int err;

	/* Exports that can't be read may prevent it. */
	err = backstore_find(name, &backstore);
	if (err)
		return err != -ENOENT;
	if (exports_find(&backstore, &exports))
		return true;
	export = find_in_the_way(&exports, who, sizeof(who));
	in_the_way = export;
	if (export && who[0])
		zcmu_error("%s: %s, or stop the disk with --force and let them see I/O errors",
			   name, who);
	else if (export)
		zcmu_error("%s: it is exported by %s as well; take it out there, or stop it with --force and leave its initiators hanging",
			   name, export_text(export, text, sizeof(text)));
	exports_free(&exports);
	if (in_the_way)
		return true;
	if (loopback_find(&backstore, &loopback) || !loopback_is_in_use(&loopback))
		return false;
	zcmu_error("%s: %s is in use (mounted?); unmount it, or stop it with --force and lose what was not written",
		   name, loopback.device);
	return true;
}

/* A process that has just taken the name listens soon; one that has ended releases it soon. */
static int find_process(const char *name, pid_t *pid)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int fd, tries = 0;

	for (;;) {
		fd = control_server_pidfd(name, pid);
		if (fd != -ESRCH || !runfile_is_held(name) || ++tries == FIND_TRIES)
			return fd;
		nanosleep(&pause, NULL);
	}
}

/* Its process has ended by itself, and may have left its disk behind. */
static int stop_if_left(const char *name)
{
	struct backstore backstore;

	switch (backstore_find(name, &backstore)) {
	case 0:
		return stop_dead(name);
	case -ENOENT:
		return EXIT_OK;
	default:
		return EXIT_FAILED;
	}
}

/* The process tells its result to another client. */
static int stop_by_signal(const char *name)
{
	pid_t pid;
	int fd = find_process(name, &pid), err = fd < 0 ? fd : 0;

	if (!err && pidfd_send_signal(fd, SIGTERM, NULL, 0))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err == -EXDEV)
		zcmu_error("%s: its process has no pid here (it is in another PID namespace, a container's perhaps): stop the disk there",
			   name);
	else if (err == -ESRCH && !runfile_is_held(name))
		return stop_if_left(name);
	else if (err)
		zcmu_error("%s: can't signal its process, %d: %s", name, (int)pid, strerror(-err));
	if (err)
		return EXIT_FAILED;
	if (runfile_wait_until_gone(name, STOP_SECONDS)) {
		zcmu_error("%s: its process, %d, has not ended after %d s: is its store stuck?", name,
			   (int)pid, STOP_SECONDS);
		return EXIT_FAILED;
	}
	zcmu_warning("%s: its process, %d, did not say whether everything was flushed; its log may tell",
		     name, (int)pid);
	return EXIT_OK;
}

static int stop_process(const char *name)
{
	int err = control_stop(name, STOP_SECONDS);

	/* It is an older zcmu, or a process that does not listen yet, or has just ended. */
	if (err == -EOPNOTSUPP || err == -ENOTCONN)
		return stop_by_signal(name);
	/* The process has answered, and is about to end. */
	if (err != -ETIMEDOUT && runfile_wait_until_gone(name, STOP_SECONDS)) {
		zcmu_error("%s: its process has stopped the disk and doesn't end", name);
		return EXIT_FAILED;
	}
	return err ? EXIT_FAILED : EXIT_OK;
}

static void print_help(void)
{
	printf("usage: zcmu stop [--force] NAME\n\n"
	       "Ends a disk: its commands are answered, the disk detached, its data flushed. If that\n"
	       "fails, the disk ends all the same, and the exit status is 1. If the process that served\n"
	       "it has died, removes what it left behind.\n\n"
	       "  --force   even if the disk is in use\n"
	       "  --help    this text\n");
}

int stop_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool force = false;
	const char *name;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			force = true;
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("stop", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1) {
		usage_error("stop", argc == optind ? "which disk?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	name = argv[optind];
	if (geteuid()) {
		zcmu_error("stopping a disk takes root");
		return EXIT_FAILED;
	}
	if (!force && is_in_use(name))
		return EXIT_FAILED;
	return runfile_is_held(name) ? stop_process(name) : stop_dead(name);
}
