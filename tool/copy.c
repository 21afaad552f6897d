// SPDX-License-Identifier: MIT
/*
 * zcmu copy: from one store to another, without a disk. The command; copy_work.c has the
 * threads that do it.
 */
#include "copy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void show_progress(const struct copy *copy, bool end)
{
	uint64_t done = copy->first + atomic_load(&copy->done);
	unsigned int percent = copy->chunks ? (unsigned int)(done * 100 / copy->chunks) : 100;
	char bar[41], size[32];
	unsigned int i;

	if (copy->quiet || !isatty(STDERR_FILENO))
		return;
	for (i = 0; i < 40; i++)
		bar[i] = i < percent * 2 / 5 ? '#' : '.';
	bar[40] = '\0';
	fprintf(stderr, "\r[%s] %3u %% of %s%s", bar, percent,
		format_size(copy->source->size, size, sizeof(size)), end ? "\n" : "");
}

static int run(struct copy *copy)
{
	struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	unsigned int i, started = 0, made;
	int err = 0;

	copy->workers = calloc(copy->threads, sizeof(*copy->workers));
	if (!copy->workers)
		return -ENOMEM;
	for (made = 0; made < copy->threads && !err; made++)
		err = copy_worker_init(&copy->workers[made], copy);
	while (started < copy->threads && !err) {
		err = -pthread_create(&copy->workers[started].handle, NULL, copy_work,
				      &copy->workers[started]);
		if (!err)
			started++;
	}
	if (err) {
		zcmu_error("can't set up %u threads: %s", copy->threads, strerror(-err));
		atomic_store(&copy->error, err);
	}
	while (!copy_is_done(copy)) {
		show_progress(copy, false);
		nanosleep(&pause, NULL);
	}
	for (i = 0; i < started; i++)
		pthread_join(copy->workers[i].handle, NULL);
	show_progress(copy, true);
	for (i = 0; i < made; i++)
		copy_worker_deinit(&copy->workers[i]);
	free(copy->workers);
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
	err = zcmu_store_open(copy->to, &options, &copy->target);
	if (!err)
		err = check(copy);
	if (err)
		return err;
	blocks = (copy->source->ops->flags | copy->target->ops->flags) & ZCMU_STORE_BLOCKS;
	if (!copy->threads)
		copy->threads = blocks ? 4 : 1;
	copy->threads = limit_threads(copy->source, copy->threads);
	copy->threads = limit_threads(copy->target, copy->threads);
	copy->chunks = (copy->source->size + COPY_CHUNK - 1) / COPY_CHUNK;
	if (copy->resume)
		err = copy_read_note(copy);
	copy->is_done = calloc(copy->chunks, sizeof(*copy->is_done));
	if (!copy->is_done)
		return -ENOMEM;
	atomic_store(&copy->next, copy->first);
	return err;
}

static int copy_all(struct copy *copy)
{
	int err = open_both(copy);

	if (!err)
		err = run(copy);
	/* There is nothing to go on with any more. */
	if (!err && copy->resume)
		err = copy_remove_note(copy);
	free(copy->is_done);
	zcmu_store_close(copy->target);
	zcmu_store_close(copy->source);
	return err;
}

enum { OPT_CREATE = 1, OPT_THREADS, OPT_RESUME, OPT_QUIET, OPT_HELP };

static const struct option long_options[] = {
	{ "create", no_argument, NULL, OPT_CREATE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "resume", required_argument, NULL, OPT_RESUME },
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
	       "  --quiet          no progress bar\n"
	       "  --help           this text\n\n"
	       "zcmu serve --help lists the stores.\n");
}

/* Return: an exit status, or -1 to go on. */
static int take_option(struct copy *copy, int option)
{
	char *end;
	long n;

	switch (option) {
	case OPT_CREATE:
		copy->create = true;
		return -1;
	case OPT_THREADS:
		n = strtol(optarg, &end, 10);
		if (*optarg < '0' || *optarg > '9' || *end || n < 1 || n > 64) {
			usage_error("copy", "--threads is 1..64, not \"%s\"", optarg);
			return EXIT_USAGE;
		}
		copy->threads = (unsigned int)n;
		return -1;
	case OPT_RESUME:
		copy->resume = optarg;
		return -1;
	case OPT_QUIET:
		copy->quiet = true;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		fprintf(stderr, "zcmu copy --help shows how\n");
		return EXIT_USAGE;
	}
}

int copy_main(int argc, char **argv)
{
	struct copy copy = { 0 };
	int option, status, err;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
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
	err = copy_all(&copy);
	/* Whatever was told before. */
	if (err)
		zcmu_error("%s was not copied to %s: %s", copy.from, copy.to, strerror(-err));
	return err ? EXIT_FAILED : EXIT_OK;
}
