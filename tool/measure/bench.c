// SPDX-License-Identifier: MIT
/*
 * zcmu bench: the gain of lending on this machine, in the rows that zero-copy TCMU was first
 * presented with, on disks of its own. bench/ in the sources compares much more.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attribute.h"
#include "counters.h"
#include "measure/bench.h"
#include "measure/fio.h"
#include "measure/interrupt.h"
#include "measure/load.h"
#include "measure/scratch.h"
#include "measure/spread.h"
#include "module.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

#define DISK_BYTES	(256u << 20)
#define BLOCK		(256u << 10)
#define ROUNDS		5
#define SECONDS		2

/* The published row has 4 jobs of depth 8 and a store with threads: 2.8 times stock. */
const struct row bench_rows[NR_ROWS] = {
	{ "ram", 4, { .rw = "write", .bytes = BLOCK, .jobs = 4, .depth = 8 } },
	{ "file", 1, { .rw = "write", .bytes = BLOCK, .jobs = 1, .depth = 8 } },
	{ "file", 1, { .rw = "read", .bytes = BLOCK, .jobs = 1, .depth = 8 } },
};

const char *const bench_ways[WAYS] = { "lent", "copied", "stock" };

/*
 * Counting
 */

static int read_counters(const struct bench *bench, struct counter *counters, size_t *count)
{
	*count = 0;
	return bench->is_stock ? 0 : counters_read(&bench->scratch.backstore, counters, count);
}

/* Add the counts between the two to the figures. */
static void add_counters(struct figures *figures, const struct counter *before,
			 const struct counter *after, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct counter *sum = &figures->counters[i];

		if (i >= figures->counted)
			*sum = (struct counter){ .value = 0 };
		memcpy(sum->name, after[i].name, sizeof(sum->name));
		sum->value += after[i].value - counters_get(before, count, after[i].name);
	}
	figures->counted = count;
}

/* Check: every I/O was a command, and its payload was lent or copied as intended. */
static int check_counts(const struct bench *bench, const struct fio_job *job, enum way way,
			const struct figures *figures)
{
	uint64_t lent = counters_get(figures->counters, figures->counted, "bytes_lent");
	uint64_t copied = counters_get(figures->counters, figures->counted, "bytes_copied");
	uint64_t wanted = figures->ios * job->bytes;

	if (!figures->counted || (way == WAY_LENT ? lent >= wanted : !lent && copied >= wanted))
		return 0;
	zcmu_error("%s: of %" PRIu64 " bytes that should be %s, %" PRIu64 " were lent and %" PRIu64 " copied, so the figures mean nothing",
		   bench->scratch.name, wanted, bench_ways[way], lent, copied);
	return -EPROTO;
}

/*
 * Measuring
 */

static int measure_once(struct bench *bench, const struct row *row, enum way way,
			struct figures *figures)
{
	struct counter before[COUNTERS_MAX], after[COUNTERS_MAX];
	struct fio_job job = row->job;
	struct fio_result result = { 0 };
	size_t count = 0;
	int err = 0;

	job.seconds = bench->seconds;
	if (way != WAY_STOCK)
		err = scratch_set(&bench->scratch, "zero_copy", way == WAY_LENT);
	if (!err)
		err = read_counters(bench, before, &count);
	if (!err)
		err = fio_run(&job, bench->scratch.device, &result);
	if (!err)
		err = read_counters(bench, after, &count);
	if (err)
		return err;
	samples_add(&figures->samples, result.mib);
	figures->ios += result.ios;
	add_counters(figures, before, after, count);
	return check_counts(bench, &job, way, figures);
}

/* Measure the ways in turn, so that other load affects all of them. */
static int measure_row(struct bench *bench, const struct row *row, struct figures *figures)
{
	unsigned int round;
	int err = 0;

	for (round = 0; round < bench->rounds && !err; round++) {
		if (bench->is_stock) {
			err = measure_once(bench, row, WAY_STOCK, &figures[WAY_STOCK]);
			continue;
		}
		err = measure_once(bench, row, WAY_LENT, &figures[WAY_LENT]);
		if (!err)
			err = measure_once(bench, row, WAY_COPIED, &figures[WAY_COPIED]);
	}
	return err;
}

/* Allocate the store's memory, or its file's, before it is measured. */
static int fill(const struct bench *bench)
{
	struct load load;
	double us;
	int err = load_open(bench->scratch.device, DISK_BYTES, 8, BLOCK, &load);

	if (err)
		return err;
	err = load_run(&load, true, BLOCK, DISK_BYTES / BLOCK, &us);
	load_close(&load);
	return err;
}

/* A file without a name: it is removed when this process ends, in any way. */
static int make_file(const char *folder)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/zcmu-bench.XXXXXX", folder);
	fd = mkstemp(path);
	if (fd < 0) {
		err = -errno;
		zcmu_error("can't make a file in %s: %s; choose another folder with --folder",
			   folder, strerror(-err));
		return err;
	}
	unlink(path);
	if (!ftruncate(fd, DISK_BYTES))
		return fd;
	err = -errno;
	zcmu_error("can't make a file of %u bytes in %s: %s", DISK_BYTES, folder, strerror(-err));
	close(fd);
	return err;
}

/* Arguments of zcmu serve; @fd: of the file, or -1 */
static int make_store(const struct bench *bench, const struct row *row, char *spec, size_t size,
		      int *fd)
{
	*fd = -1;
	if (strcmp(row->store, "file")) {
		snprintf(spec, size, "%s:%u", row->store, DISK_BYTES);
		return 0;
	}
	*fd = make_file(bench->folder);
	snprintf(spec, size, "file:/proc/%d/fd/%d", (int)getpid(), *fd);
	return *fd < 0 ? *fd : 0;
}

static int run_row(struct bench *bench, const struct row *row, struct figures *figures)
{
	char spec[64];
	int fd, err = make_store(bench, row, spec, sizeof(spec), &fd);

	if (!err)
		err = scratch_open("bench", spec, row->threads, &bench->scratch);
	if (!err) {
		err = fill(bench);
		if (!err)
			err = measure_row(bench, row, figures);
		if (scratch_close(&bench->scratch) && !err)
			err = -EBUSY;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static int measure(struct bench *bench)
{
	unsigned int i, way;
	int err = 0;

	for (i = 0; i < NR_ROWS && !err; i++) {
		err = run_row(bench, &bench_rows[i], bench->figures[i]);
		for (way = 0; way < WAYS; way++)
			bench->figures[i][way].spread =
				samples_spread(&bench->figures[i][way].samples);
		if (bench->is_stock)
			bench->stock_mib[i] = bench->figures[i][WAY_STOCK].spread.median;
	}
	return err;
}

/*
 * The command
 */

/* Which module is it? Everything else is the same for both. */
static int find_module(struct bench *bench)
{
	char version[32] = "?";
	int err = module_prepare(true);

	if (err)
		return err;
	bench->is_stock = module_loaded() == MODULE_STOCK;
	attribute_read(version, sizeof(version), "/sys/module/target_core_user/version");
	if (bench->is_stock)
		snprintf(bench->module, sizeof(bench->module), "stock");
	else
		snprintf(bench->module, sizeof(bench->module), "zcmu %s", version);
	if (bench->is_stock && bench->beside) {
		zcmu_error("the stock target_core_user is loaded: load zcmu's to set it beside %s",
			   bench->beside);
		return -EINVAL;
	}
	return 0;
}

static void print_help(void)
{
	printf("usage: zcmu bench [OPTION]...\n\n"
	       "Measures, with fio and on disks of its own, how fast this machine is with payloads\n"
	       "lent and with payloads copied, or with the stock module, if that is loaded.\n\n"
	       "  --rounds N       how often each is measured, 1..%d; default %d\n"
	       "  --seconds N      seconds for each measurement, 1..3600; default %d\n"
	       "  --folder FOLDER  where the file store's file is, 256 MiB; default /var/tmp\n"
	       "  --beside FILE    compare with what --json has printed with the stock module\n"
	       "  --json           for a program, and for --beside\n"
	       "  --help           this text\n", ROUNDS_MAX, ROUNDS, SECONDS);
}

enum { OPT_ROUNDS = 1, OPT_SECONDS, OPT_FOLDER, OPT_BESIDE, OPT_JSON, OPT_HELP };

/* Return: an exit status, or -1 to go on. */
static int take_option(struct bench *bench, int option)
{
	switch (option) {
	case OPT_ROUNDS:
		return option_number("bench", "--rounds", optarg, 1, ROUNDS_MAX, &bench->rounds);
	case OPT_SECONDS:
		return option_number("bench", "--seconds", optarg, 1, 3600, &bench->seconds);
	case OPT_FOLDER:
		bench->folder = optarg;
		return -1;
	case OPT_BESIDE:
		bench->beside = optarg;
		return -1;
	case OPT_JSON:
		bench->json = true;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		option_wrong("bench", option);
		return EXIT_USAGE;
	}
}

static int parse(struct bench *bench, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, OPT_ROUNDS },
		{ "seconds", required_argument, NULL, OPT_SECONDS },
		{ "folder", required_argument, NULL, OPT_FOLDER },
		{ "beside", required_argument, NULL, OPT_BESIDE },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, OPT_HELP },
		{ NULL, 0, NULL, 0 }
	};
	int option, status;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		status = take_option(bench, option);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return -1;
	usage_error("bench", "\"%s\" is not wanted here: it makes its own disks", argv[optind]);
	return EXIT_USAGE;
}

int bench_main(int argc, char **argv)
{
	static struct bench bench = {
		.folder = "/var/tmp", .rounds = ROUNDS, .seconds = SECONDS,
	};
	int status = parse(&bench, argc, argv), err;

	if (status >= 0)
		return status;
	interrupt_catch();
	err = bench_read_beside(&bench);
	if (!err)
		err = fio_version(bench.fio, sizeof(bench.fio));
	if (!err)
		err = find_module(&bench);
	if (!err)
		err = measure(&bench);
	if (err)
		return EXIT_FAILED;
	if (bench.json)
		bench_print_as_json(&bench);
	else
		bench_print(&bench);
	return EXIT_OK;
}
