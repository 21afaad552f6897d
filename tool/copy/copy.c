// SPDX-License-Identifier: MIT
/*
 * zcmu copy: from one store to another, without a disk. This file has the command; work.c has the
 * threads that do the work.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy/copy.h"
#include "created.h"
#include "option.h"
#include "signals.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

/* The signal that ends it early; 0: none has come */
static volatile sig_atomic_t ended_by;

/* The second signal ends it even if a store doesn't answer. */
static void note_signal(int number)
{
	if (ended_by) {
		signal(number, SIG_DFL);
		raise(number);
	}
	ended_by = number;
}

/* Wait until the copy is over, or for a tenth of a second. */
static void wait_a_little(struct copy *copy)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 100 * 1000 * 1000;
	if (until.tv_nsec >= 1000 * 1000 * 1000) {
		until.tv_nsec -= 1000 * 1000 * 1000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&copy->lock);
	if (!atomic_load(&copy->is_over))
		pthread_cond_timedwait(&copy->ended, &copy->lock, &until);
	pthread_mutex_unlock(&copy->lock);
}

/* Signals go to the main thread, so a worker in a store is not interrupted. */
static int start_workers(struct copy *copy, unsigned int *started)
{
	sigset_t set, old;
	int err = 0;

	signals_heeded(&set);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	while (*started < copy->threads && !err) {
		err = -pthread_create(&copy->workers[*started].handle, NULL, copy_work,
				      &copy->workers[*started]);
		if (!err)
			++*started;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

/* Run workers until everything from @first on is done. */
static int run(struct copy *copy, uint64_t first)
{
	unsigned int i, started = 0, made;
	int err = copy_pieces_init(copy, first);

	copy->workers = calloc(copy->threads, sizeof(*copy->workers));
	if (!copy->workers)
		err = -ENOMEM;
	atomic_store(&copy->is_over, false);
	copy_progress_begin(copy);
	for (made = 0; made < copy->threads && !err; made++)
		err = copy_worker_init(&copy->workers[made], copy);
	if (!err)
		err = start_workers(copy, &started);
	if (err) {
		zcmu_error("can't set up %u threads: %s", copy->threads, strerror(-err));
		atomic_store(&copy->error, err);
	}
	while (started && !atomic_load(&copy->is_over)) {
		copy_progress_show(copy);
		if (ended_by)
			copy_end_early(copy);
		wait_a_little(copy);
	}
	for (i = 0; i < started; i++)
		pthread_join(copy->workers[i].handle, NULL);
	copy_progress_end(copy);
	for (i = 0; i < made; i++)
		copy_worker_deinit(&copy->workers[i]);
	free(copy->workers);
	copy_pieces_deinit(copy);
	return atomic_load(&copy->error);
}

/*
 * Beginning and end
 */

static int check(const struct copy *copy)
{
	const struct zcmu_store *source = copy->source, *target = copy->target;

	if (target->read_only) {
		zcmu_error("%s: it can't be written to", copy->to);
		return -EROFS;
	}
	if (target->size < source->size) {
		zcmu_error("%s: it has %" PRIu64 " bytes, and %s has %" PRIu64, copy->to, target->size,
			   copy->from, source->size);
		return -ENOSPC;
	}
	if (source->size % target->block_size) {
		zcmu_error("%s: its blocks have %" PRIu32 " bytes, and %s ends within one", copy->to,
			   target->block_size, copy->from);
		return -EINVAL;
	}
	return 0;
}

static unsigned int limit_threads(const struct zcmu_store *store, unsigned int threads)
{
	return store->max_threads && store->max_threads < threads ? store->max_threads : threads;
}

/* A store's limit of requests at a time: each slot has one, and there may be a flush. */
static void limit_requests(struct copy *copy, const struct zcmu_store *store)
{
	unsigned int most = store->max_in_flight;

	if (!most)
		return;
	if (most > 1)
		most--;
	if (copy->threads > most)
		copy->threads = most;
	if (copy->depth > most / copy->threads)
		copy->depth = most / copy->threads;
}

static int open_both(struct copy *copy)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .read_only = true,
	};
	bool blocks;
	int err;

	err = zcmu_store_open(copy->from, &options, &copy->source);
	if (err)
		return err;
	options.read_only = false;
	options.size = copy->create ? copy->source->size : 0;
	if (copy->create && copy->resume) {
		err = copy_check_note_before_creating(copy);
		if (err)
			return err;
	}
	/* From here on there may be something to undo. */
	signals_catch(note_signal);
	created_begin(&copy->created, copy->to, options.size);
	err = zcmu_store_open(copy->to, &options, &copy->target);
	if (!err)
		created_opened(&copy->created, copy->target);
	if (err == -ENOENT && !copy->create && !strncmp(copy->to, "file:", 5))
		zcmu_error("%s: give --create to create it, as large as %s", copy->to, copy->from);
	if (!err)
		err = check(copy);
	if (err)
		return err;
	blocks = (copy->source->ops->flags | copy->target->ops->flags) & ZCMU_STORE_BLOCKS;
	if (!copy->threads)
		copy->threads = blocks ? 4 : 1;
	copy->threads = limit_threads(copy->source, copy->threads);
	copy->threads = limit_threads(copy->target, copy->threads);
	copy->depth = COPY_DEPTH;
	limit_requests(copy, copy->source);
	limit_requests(copy, copy->target);
	return copy->resume ? copy_read_note(copy) : 0;
}

static int copy_all(struct copy *copy)
{
	int err = open_both(copy), note_err = 0;
	bool is_copied;

	if (!err)
		err = run(copy, copy->first);
	if (!err && copy->verify) {
		copy->is_verifying = true;
		err = run(copy, 0);
	}
	is_copied = !err;
	/* There is nothing to go on with any more: the copy is complete, or it is wrong. */
	if (copy->resume && (is_copied || atomic_load(&copy->is_wrong)))
		note_err = copy_remove_note(copy);
	if (!err)
		err = note_err;
	copy_progress_conclude(copy, !err);
	/* Even if something was reported before */
	if (!is_copied)
		zcmu_error("%s was not copied to %s: %s", copy->from, copy->to,
			   err == -EINTR ? "it was ended by a signal" : strerror(-err));
	/* The target has its full size, so say that it is incomplete; a note says how far it is. */
	if (!is_copied && !(copy->resume && !access(copy->resume, F_OK)))
		created_undo(&copy->created);
	zcmu_store_close(copy->target);
	zcmu_store_close(copy->source);
	return err;
}

enum { OPT_CREATE = 1, OPT_THREADS, OPT_RESUME, OPT_VERIFY, OPT_JSON, OPT_QUIET, OPT_HELP };

static const struct option long_options[] = {
	{ "create", no_argument, NULL, OPT_CREATE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "resume", required_argument, NULL, OPT_RESUME },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 }
};

static void print_help(void)
{
	printf("usage: zcmu copy [OPTION]... FROM TO\n\n"
	       "Copies the store FROM to the store TO; no disk is made. What is a hole or zeroes\n"
	       "there takes no space here, where TO can do that.\n\n"
	       "  --create         create TO, with the size of FROM\n"
	       "  --threads N      1 to 64 threads, with queues of both stores; default 1, or 4 if\n"
	       "                   one of them blocks\n"
	       "  --resume FILE    note progress in FILE, and go on from what it says\n"
	       "  --verify         read both when all is copied, and compare\n"
	       "  --json           print progress, an object a second, and one at the end\n"
	       "  --quiet          no progress bar, no summary\n"
	       "  --help           this text\n\n"
	       "zcmu serve --help lists the stores.\n");
}

/* Return: an exit status, or -1 to go on. */
static int take_option(struct copy *copy, int option)
{
	switch (option) {
	case OPT_CREATE:
		copy->create = true;
		return -1;
	case OPT_THREADS:
		return option_number("copy", "--threads", optarg, 1, 64, &copy->threads);
	case OPT_RESUME:
		copy->resume = optarg;
		return -1;
	case OPT_VERIFY:
		copy->verify = true;
		return -1;
	case OPT_JSON:
		copy->json = true;
		return -1;
	case OPT_QUIET:
		copy->quiet = true;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		option_wrong("copy", option);
		return EXIT_USAGE;
	}
}

int copy_main(int argc, char **argv)
{
	struct copy copy = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_condattr_t clock;
	int option, status, err;

	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		status = take_option(&copy, option);
		if (status >= 0)
			return status;
	}
	if (argc - optind != 2) {
		usage_error("copy", "from where, and to where?");
		return EXIT_USAGE;
	}
	copy.from = argv[optind];
	copy.to = argv[optind + 1];
	standard_divert();
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&copy.ended, &clock);
	err = copy_all(&copy);
	/* Tell the parent, for example a shell's loop. */
	if (err && ended_by) {
		signal(ended_by, SIG_DFL);
		raise(ended_by);
	}
	return err ? EXIT_FAILED : EXIT_OK;
}
