// SPDX-License-Identifier: MIT
/*
 * zcmu upgrade: has the process that serves a disk hand it to a new one, which runs the installed
 * program. Both ends are here: the subcommand, which asks, and the code of the serving process. The
 * protocol of the two processes is in handover.c.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backstore.h"
#include "control.h"
#include "option.h"
#include "runfile.h"
#include "serve/handover.h"
#include "serve/notify.h"
#include "serve/serve.h"
#include "serve/takeover.h"
#include "subcommand.h"
#include "zcmu.h"

/*
 * In the process that serves
 */

/*
 * After this nobody has seen what is on the ring, so the next process can have all of it. It fails
 * if the store can't be flushed: the next process's flush would not know that, so this one serves
 * on, and its initiators get the error. It also fails if the store's own process dies meanwhile;
 * then the disk is removed, as it is without an upgrade.
 */
static int let_go(struct serve *serve)
{
	int err = serve->way->hand_over(serve);

	if (err) {
		if (!serve->way->is_dead(serve))
			zcmu_error("%s: it can't be handed over, because its store can't be flushed: %s; it is served as before",
				   serve->name, strerror(-err));
		return err;
	}
	takeover_set_recover(&serve->backstore, "reissue");
	serve->way->close(serve);
	return 0;
}

/* The successor can't have the disk. */
static void go_on(struct serve *serve)
{
	int err;

	serve->takes_over = true;
	/* Its disk is attached: a signal ends it in order, once it is served. */
	serve->is_reopening = true;
	/* Its size may have changed. */
	err = backstore_find(serve->name, &serve->backstore);
	if (!err)
		err = serve_open_store(serve);
	if (!err)
		err = serve_take_disk(serve);
	if (!err)
		err = serve_own_name(serve);
	serve->is_reopening = false;
	serve->is_over = err;
	if (err)
		zcmu_error("%s: it can't be served any more; its commands wait for a \"zcmu serve\" like the one before",
			   serve->name);
	else
		zcmu_error("%s: it is served as before", serve->name);
}

int upgrade_serve(struct serve *serve, const char *program)
{
	struct heir heir = {
		.name = serve->name, .program = program, .argc = serve->argc, .argv = serve->argv,
		.runfile_fd = serve->runfile.fd, .control_fd = serve->control.fd,
		.has_own = serve->user.name[0],
	};
	struct timespec begin, end;
	int err;

	if (serve->flags & ZCMU_STORE_VOLATILE) {
		zcmu_error("%s: its store, %s, is its process's memory: it can't be handed over",
			   serve->name, serve->spec);
		return -EOPNOTSUPP;
	}
	/* A service manager is told who serves, and this process needs not stay for it. */
	if (!serve->daemon && !notify_is_wanted() && serve->handover.lifeline_fd < 0 &&
	    heir_make_lifeline(&serve->handover.lifeline_fd))
		return -EMFILE;
	heir.lifeline_fd = serve->handover.lifeline_fd;
	err = heir_start(&heir);
	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	err = let_go(serve);
	if (err) {
		heir_dismiss(&heir);
		return err;
	}
	err = heir_succeed(&heir);
	if (err) {
		go_on(serve);
		return err;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	serve->heir = heir.pid;
	serve->is_over = true;
	zcmu_warning("%s: process %d, of zcmu %s, serves it now; the pause was %ld ms", serve->name,
		     (int)heir.pid, heir.version, (end.tv_sec - begin.tv_sec) * 1000 +
		     (end.tv_nsec - begin.tv_nsec) / (1000 * 1000));
	return 0;
}

/*
 * The subcommand
 */

/* The absolute path of @program, or of the program that runs here. */
static int find_program(const char *program, char *path)
{
	if (!realpath(program ? program : "/proc/self/exe", path)) {
		zcmu_error("%s: %s", program ? program : "/proc/self/exe", strerror(errno));
		return -errno;
	}
	/* Requests consist of words. */
	if (strpbrk(path, " \n")) {
		zcmu_error("%s: a path with a blank in it can't be passed on; make a link to it",
			   path);
		return -EINVAL;
	}
	if (access(path, X_OK)) {
		zcmu_error("%s: it can't be executed: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int upgrade(const char *name, const char *program)
{
	char path[PATH_MAX], request[PATH_MAX + 16], said[CONTROL_MAX];

	if (geteuid()) {
		zcmu_error("upgrading a disk takes root");
		return EXIT_FAILED;
	}
	if (!runfile_is_held(name)) {
		zcmu_error("%s: no zcmu serve serves it; \"zcmu serve\" takes over the disk of one that has died",
			   name);
		return EXIT_FAILED;
	}
	if (find_program(program, path))
		return EXIT_FAILED;
	snprintf(request, sizeof(request), "upgrade %s", path);
	if (control_ask_for(name, request, said, sizeof(said)))
		return EXIT_FAILED;
	printf("%s\n", said);
	return EXIT_OK;
}

int upgrade_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "program", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	const char *program = NULL;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			program = optarg;
			break;
		case 'h':
			printf("usage: zcmu upgrade [--program PATH] NAME\n\n"
			       "Has the process that serves the disk NAME hand it to a new process of the program\n"
			       "that is installed now. The disk stays, and so does what is on it; commands wait for\n"
			       "the moment in between. If the new process can't serve it, the old one goes on.\n\n"
			       "  --program PATH   the zcmu to run; default: this one\n"
			       "  --help           this text\n");
			return EXIT_OK;
		default:
			option_wrong("upgrade", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1) {
		usage_error("upgrade", argc == optind ? "which disk?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	return upgrade(argv[optind], program);
}
