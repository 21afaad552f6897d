// SPDX-License-Identifier: MIT
/*
 * zcmu tune: the size from which lending a payload costs less than copying it, on this machine. It
 * measures on a disk of its own, in memory. It doesn't touch the named disk, but for its
 * zero_copy_min with --apply.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "backstore.h"
#include "counters.h"
#include "format.h"
#include "json.h"
#include "measure/interrupt.h"
#include "measure/load.h"
#include "measure/scratch.h"
#include "measure/spread.h"
#include "measure/tune.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

#define SCRATCH		"ram:64M"
#define SCRATCH_BYTES	(64u << 20)
#define LARGEST		(256u << 10)
#define SAMPLE_US	50000.0		/* approximate length of a sample */
#define COMMANDS_MAX	20000u

/* Around the usual break-even of machines; whole pages */
static const uint32_t sizes[] = {
	4 << 10, 8 << 10, 12 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10, 96 << 10,
	128 << 10, 192 << 10, LARGEST,
};

#define NR_SIZES	(sizeof(sizes) / sizeof(sizes[0]))

enum verdict {
	LENDING_SLOWER,
	LENDING_UNCLEAR,	/* the difference is below the spread */
	LENDING_FASTER,
};

struct point {
	uint32_t bytes;
	unsigned int commands;		/* of each kind, per round */
	struct samples copied, lent;	/* us for each command */
	struct spread copied_spread, lent_spread;
	enum verdict verdict;
};

struct tune {
	/* options */
	const char *name;
	unsigned int threads, depth, rounds;
	bool apply, json, direct;
	const char *folder;		/* measure a file store there; else NULL */

	struct backstore backstore;	/* NAME's */
	uint32_t now;			/* its zero_copy_min */
	bool lends;			/* its zero_copy */
	struct scratch scratch;
	struct load load;
	struct point points[NR_SIZES];
	uint32_t proposal;		/* 0: none */
	bool applied;
};

/*
 * Measuring
 */

static int read_lent(const struct scratch *scratch, uint64_t *ret)
{
	struct counter counters[COUNTERS_MAX];
	size_t count;
	int err = counters_read(&scratch->backstore, counters, &count);

	if (!err)
		*ret = counters_get(counters, count, "commands_lent");
	return err;
}

/*
 * Was the payload lent or copied as intended? Others, such as udev, may have read from the disk,
 * too.
 */
static bool is_as_asked(bool lend, uint64_t lent, unsigned int commands)
{
	return lend ? lent >= commands : !lent;
}

/* As many writes as reads, @commands each. The result is the mean of a command of either kind. */
static int measure_once(struct tune *tune, uint32_t bytes, unsigned int commands, bool lend,
			double *us)
{
	uint64_t before = 0, after = 0;
	double write_us = 0, read_us = 0;
	int err;

	err = scratch_set(&tune->scratch, "zero_copy", lend);
	if (!err)
		err = read_lent(&tune->scratch, &before);
	if (!err)
		err = load_run(&tune->load, true, bytes, commands, &write_us);
	if (!err)
		err = load_run(&tune->load, false, bytes, commands, &read_us);
	if (!err)
		err = read_lent(&tune->scratch, &after);
	if (!err && !is_as_asked(lend, after - before, 2 * commands)) {
		zcmu_error("%s: of %u commands of %" PRIu32 " bytes %" PRIu64 " were lent, not %s: nothing can be said then",
			   tune->scratch.name, 2 * commands, bytes, after - before,
			   lend ? "all" : "none");
		err = -EPROTO;
	}
	*us = (write_us + read_us) / 2;
	return err ? err : interrupt_came() ? -EINTR : 0;
}

unsigned int tune_commands(double us)
{
	double wanted = SAMPLE_US / 2 / (us > 0.01 ? us : 0.01);

	return wanted < TUNE_COMMANDS_MIN ? TUNE_COMMANDS_MIN :
	       wanted > COMMANDS_MAX ? COMMANDS_MAX : (unsigned int)wanted;
}

/* The number is the same for both kinds. */
static int choose_commands(struct tune *tune, struct point *point)
{
	double us;
	int err = measure_once(tune, point->bytes, TUNE_COMMANDS_MIN, true, &us);

	if (!err)
		point->commands = tune_commands(us);
	return err;
}

/* Copy and lend in turn, so that other load affects both. */
static int measure_point(struct tune *tune, struct point *point, bool lend_first)
{
	double us;
	int err, i;

	for (i = 0; i < 2; i++) {
		bool lend = lend_first == !i;

		err = measure_once(tune, point->bytes, point->commands, lend, &us);
		if (err)
			return err;
		samples_add(lend ? &point->lent : &point->copied, us);
	}
	return 0;
}

static int measure_all(struct tune *tune)
{
	unsigned int round, i;
	double us;
	int err;

	/* Allocate the store's memory before it is measured. */
	err = load_run(&tune->load, true, LARGEST, SCRATCH_BYTES / LARGEST, &us);
	if (!err)
		err = scratch_set(&tune->scratch, "zero_copy_min", sizes[0]);
	for (i = 0; i < NR_SIZES && !err; i++) {
		tune->points[i].bytes = sizes[i];
		err = choose_commands(tune, &tune->points[i]);
	}
	for (round = 0; round < tune->rounds; round++) {
		for (i = 0; i < NR_SIZES && !err; i++)
			err = measure_point(tune, &tune->points[i], round % 2);
	}
	return err;
}

static int measure(struct tune *tune)
{
	int err = scratch_open("tune", SCRATCH, tune->threads, &tune->scratch);

	if (err)
		return err;
	err = load_open(tune->scratch.device, SCRATCH_BYTES, tune->depth, LARGEST, &tune->load);
	if (!err) {
		err = measure_all(tune);
		load_close(&tune->load);
	}
	if (scratch_close(&tune->scratch) && !err)
		err = -EBUSY;
	return err;
}

/* The proposal */

static enum verdict judge(const struct point *point)
{
	if (spread_is_below(&point->lent_spread, &point->copied_spread))
		return LENDING_FASTER;
	if (spread_is_below(&point->copied_spread, &point->lent_spread))
		return LENDING_SLOWER;
	return LENDING_UNCLEAR;
}

/* The smallest size at which lending is faster, above all sizes at which it is slower; 0: none */
static uint32_t propose(const struct point *points)
{
	uint32_t proposal = 0;
	size_t i;

	for (i = 0; i < NR_SIZES; i++) {
		if (points[i].verdict == LENDING_SLOWER)
			proposal = 0;
		else if (points[i].verdict == LENDING_FASTER && !proposal)
			proposal = points[i].bytes;
	}
	return proposal;
}

static void evaluate(struct tune *tune)
{
	size_t i;

	for (i = 0; i < NR_SIZES; i++) {
		struct point *point = &tune->points[i];

		point->copied_spread = samples_spread(&point->copied);
		point->lent_spread = samples_spread(&point->lent);
		point->verdict = judge(point);
	}
	tune->proposal = propose(tune->points);
}

static int apply(struct tune *tune)
{
	char path[PATH_MAX], value[16];
	int err;

	if (!tune->proposal) {
		zcmu_error("%s: there is nothing to apply; its zero_copy_min stays %" PRIu32,
			   tune->name, tune->now);
		return -ENODATA;
	}
	backstore_path(&tune->backstore, path, sizeof(path));
	snprintf(value, sizeof(value), "%" PRIu32, tune->proposal);
	err = attribute_write(value, "%s/attrib/zero_copy_min", path);
	tune->applied = !err;
	return err;
}

/* Printing */

const char *tune_spread_text(const struct spread *spread, char *text, size_t size)
{
	snprintf(text, size, "%.1f (%.1f..%.1f)", spread->median, spread->low, spread->high);
	return text;
}

static void print_point(const struct point *point)
{
	char size[16], copied[64], lent[64];
	double gain = 100.0 * (point->copied_spread.median / point->lent_spread.median - 1);

	printf("%8s  %26s  %26s   ", format_size(point->bytes, size, sizeof(size)),
	       tune_spread_text(&point->copied_spread, copied, sizeof(copied)),
	       tune_spread_text(&point->lent_spread, lent, sizeof(lent)));
	if (point->verdict == LENDING_UNCLEAR)
		printf("the difference is below the spread\n");
	else
		printf("%+.0f %%\n", gain);
}

static void print_proposal(const struct tune *tune)
{
	char size[16], path[PATH_MAX];

	if (!tune->proposal) {
		printf("\nno proposal: lending is faster at none of these sizes, or not by more than the\n"
		       "spread; more --rounds, or a machine that has nothing else to do, may tell\n");
		return;
	}
	printf("\nproposed zero_copy_min: %" PRIu32 " (%s); ", tune->proposal,
	       format_size(tune->proposal, size, sizeof(size)));
	if (tune->applied)
		printf("%s has it now, instead of %" PRIu32 "\n", tune->name, tune->now);
	else if (tune->proposal == tune->now)
		printf("%s has it\n", tune->name);
	else
		printf("%s has %" PRIu32 ". To change that, --apply, or\n"
		       "    echo %" PRIu32 " > %s/attrib/zero_copy_min\n", tune->name, tune->now,
		       tune->proposal,
		       (backstore_path(&tune->backstore, path, sizeof(path)), path));
	if (!tune->lends)
		printf("As long as its zero_copy is 0, %s lends nothing, whatever the size.\n",
		       tune->name);
}

static void print_text(const struct tune *tune)
{
	size_t i;

	printf("us for each command, %u under way, as many writes as reads, %u store thread%s:\n"
	       "median of %u rounds (the middle half of them)\n\n%8s  %26s  %26s   %s\n",
	       tune->depth, tune->threads, tune->threads == 1 ? "" : "s", tune->rounds, "size",
	       "copied", "lent", "lending is faster by");
	for (i = 0; i < NR_SIZES; i++)
		print_point(&tune->points[i]);
	print_proposal(tune);
}

struct json_object *tune_spread_to_json(const struct spread *spread)
{
	struct json_object *object = json_members();

	json_add(object, "median", json_double(spread->median));
	json_add(object, "low", json_double(spread->low));
	json_add(object, "high", json_double(spread->high));
	return object;
}

static struct json_object *point_to_json(const struct point *point)
{
	static const char *const words[] = { "slower", "unclear", "faster" };
	struct json_object *object = json_members();

	json_add(object, "bytes", json_uint64(point->bytes));
	json_add(object, "commands", json_uint64(point->commands));
	json_add(object, "copied_us", tune_spread_to_json(&point->copied_spread));
	json_add(object, "lent_us", tune_spread_to_json(&point->lent_spread));
	json_add(object, "lending", json_text(words[point->verdict]));
	return object;
}

static void print_as_json(const struct tune *tune)
{
	struct json_object *object = json_document();
	struct json_object *points = json_list();
	size_t i;

	for (i = 0; i < NR_SIZES; i++)
		json_append(points, point_to_json(&tune->points[i]));
	json_add(object, "name", json_text(tune->name));
	json_add(object, "zero_copy_min", json_uint64(tune->now));
	json_add(object, "proposal", tune->proposal ? json_uint64(tune->proposal) : NULL);
	json_add(object, "applied", json_boolean(tune->applied));
	json_add(object, "threads", json_uint64(tune->threads));
	json_add(object, "depth", json_uint64(tune->depth));
	json_add(object, "rounds", json_uint64(tune->rounds));
	json_add(object, "sizes", points);
	print_json(object);
}

/*
 * The command
 */

/* The disk's present values; a disk of the stock module has none. */
static int read_settings(struct tune *tune)
{
	char path[PATH_MAX], value[32];

	if (backstore_find_wanted(tune->name, &tune->backstore))
		return -ENOENT;
	backstore_path(&tune->backstore, path, sizeof(path));
	if (attribute_read(value, sizeof(value), "%s/attrib/zero_copy_min", path)) {
		zcmu_error("%s: the stock target_core_user is loaded, which lends nothing: there is nothing to tune (see zcmu doctor)",
			   tune->name);
		return -EOPNOTSUPP;
	}
	tune->now = (uint32_t)strtoul(value, NULL, 10);
	tune->lends = !attribute_read(value, sizeof(value), "%s/attrib/zero_copy", path) &&
		      value[0] == '1';
	return 0;
}

static void print_help(void)
{
	printf("usage: zcmu tune [OPTION]... NAME\n"
	       "       zcmu tune --file FOLDER [OPTION]...\n\n"
	       "Measures, on a disk of its own in memory, from which size on lending a payload costs\n"
	       "less than copying it, and proposes a zero_copy_min for the disk NAME, which is not\n"
	       "touched. Takes about a quarter of a minute. Or at which sizes a file store should have\n"
	       "the kernel move payloads, on files of its own.\n\n"
	       "  --apply      set NAME's zero_copy_min to what is proposed\n"
	       "  --file FOLDER  measure a file store, with two files of 32 MiB in FOLDER\n"
	       "  --direct     with --file: past the page cache\n"
	       "  --rounds N   how often each is measured, 3..%d; default 9\n"
	       "  --depth N    commands under way, 1..%u; default 8\n"
	       "  --threads N  threads that run the store; default 1\n"
	       "  --json       for a program\n"
	       "  --help       this text\n", ROUNDS_MAX, LOAD_DEPTH_MAX);
}

enum {
	OPT_APPLY = 1, OPT_FILE, OPT_DIRECT, OPT_ROUNDS, OPT_DEPTH, OPT_THREADS, OPT_JSON, OPT_HELP
};

/* Return: an exit status, or -1 to go on. */
static int take_option(struct tune *tune, int option)
{
	switch (option) {
	case OPT_APPLY:
		tune->apply = true;
		return -1;
	case OPT_FILE:
		tune->folder = optarg;
		return -1;
	case OPT_DIRECT:
		tune->direct = true;
		return -1;
	case OPT_ROUNDS:
		return option_number("tune", "--rounds", optarg, 3, ROUNDS_MAX, &tune->rounds);
	case OPT_DEPTH:
		return option_number("tune", "--depth", optarg, 1, LOAD_DEPTH_MAX, &tune->depth);
	case OPT_THREADS:
		return option_number("tune", "--threads", optarg, 1, 256, &tune->threads);
	case OPT_JSON:
		tune->json = true;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		option_wrong("tune", option);
		return EXIT_USAGE;
	}
}

static int parse(struct tune *tune, int argc, char **argv)
{
	static const struct option options[] = {
		{ "apply", no_argument, NULL, OPT_APPLY },
		{ "file", required_argument, NULL, OPT_FILE },
		{ "direct", no_argument, NULL, OPT_DIRECT },
		{ "rounds", required_argument, NULL, OPT_ROUNDS },
		{ "depth", required_argument, NULL, OPT_DEPTH },
		{ "threads", required_argument, NULL, OPT_THREADS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	int option, status;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		status = take_option(tune, option);
		if (status >= 0)
			return status;
	}
	if (tune->folder ? argc != optind || tune->apply : tune->direct) {
		usage_error("tune", tune->folder ? "--file measures files, and no disk NAME" :
						   "--direct is for --file");
		return EXIT_USAGE;
	}
	if (tune->folder)
		return -1;
	if (argc - optind != 1) {
		usage_error("tune", argc == optind ? "for which disk?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	tune->name = argv[optind];
	return -1;
}

int tune_main(int argc, char **argv)
{
	struct tune tune = { .threads = 1, .depth = 8, .rounds = 9 };
	int status = parse(&tune, argc, argv), err;

	if (status >= 0)
		return status;
	interrupt_catch();
	if (tune.folder)
		return tune_file(&(struct tune_file_options){
			.folder = tune.folder, .direct = tune.direct, .threads = tune.threads,
			.depth = tune.depth, .rounds = tune.rounds, .json = tune.json });
	err = read_settings(&tune);
	if (!err)
		err = measure(&tune);
	if (err)
		return EXIT_FAILED;
	evaluate(&tune);
	if (tune.apply)
		err = apply(&tune);
	if (tune.json)
		print_as_json(&tune);
	else
		print_text(&tune);
	return err ? EXIT_FAILED : EXIT_OK;
}
