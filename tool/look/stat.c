// SPDX-License-Identifier: MIT
/* zcmu stat: what the kernel has counted, of one disk or of all. This file has its options. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "look/sample.h"
#include "look/stat.h"
#include "option.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"

#define MOST	1000000000u

struct wanted {
	const char *name;
	bool json, histograms, openmetrics, prometheus;
};

static int show(const struct wanted *wanted)
{
	struct sample *samples;
	int status = EXIT_OK;
	size_t count;

	if (sample_take_wanted(wanted->name, &samples, &count))
		return EXIT_FAILED;
	if (wanted->openmetrics)
		openmetrics_write(samples, count, stdout);
	else if (wanted->prometheus)
		openmetrics_write_old(samples, count, stdout);
	else if (wanted->histograms)
		stat_show_histograms(samples, count);
	else if (wanted->name)
		status = wanted->json ? stat_show_one_json(samples) : stat_show_one(samples);
	else if (wanted->json)
		stat_show_json(samples, count);
	else
		stat_show_table(samples, count);
	free(samples);
	return status;
}

static void print_help(void)
{
	printf("usage: zcmu stat [OPTION]... [NAME]\n\n"
	       "Shows where the disk is exported, what was lent and what was copied since it was made,\n"
	       "how long commands took, and how they failed; or a line for each disk. It may be any\n"
	       "backstore of type \"user\".\n\n"
	       "  --watch             rates of an interval after the other, as iostat has them\n"
	       "  --interval SECONDS  how long each is (default 1)\n"
	       "  --count N           end after so many; default: ^C ends it\n"
	       "  --histogram         draw how long commands took, and where\n"
	       "  --openmetrics       for Prometheus, as zcmu exporter serves it\n"
	       "  --prometheus        in its older format, which node_exporter reads from files\n"
	       "  --json              for a program: the kernel's counters by their names\n"
	       "  --help              this text\n");
}

/* Do the options make sense together? */
static bool is_contradictory(const struct wanted *wanted, bool watches, bool has_rhythm)
{
	const char *what = NULL;

	if (wanted->openmetrics + wanted->prometheus + wanted->json > 1)
		what = "--json, --openmetrics and --prometheus are three formats: choose one";
	else if ((wanted->openmetrics || wanted->prometheus) && (watches || wanted->histograms))
		what = "--openmetrics and --prometheus have all there is, once";
	else if (wanted->json && wanted->histograms)
		what = "--json has the histograms already";
	else if (has_rhythm && !watches)
		what = "--interval and --count are for --watch";
	if (what)
		usage_error("stat", "%s", what);
	return what;
}

int stat_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "watch", no_argument, NULL, 'w' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "histogram", no_argument, NULL, 'H' },
		{ "openmetrics", no_argument, NULL, 'o' },
		{ "prometheus", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct watching watching = { .interval = 1 };
	bool watches = false, has_rhythm = false;
	struct wanted wanted = { .name = NULL };
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			watches = true;
			break;
		case 'i':
			has_rhythm = true;
			status = option_number("stat", "--interval", optarg, 1, MOST,
					       &watching.interval);
			break;
		case 'c':
			has_rhythm = true;
			status = option_number("stat", "--count", optarg, 1, MOST, &watching.count);
			break;
		case 'H':
			wanted.histograms = true;
			break;
		case 'o':
			wanted.openmetrics = true;
			break;
		case 'p':
			wanted.prometheus = true;
			break;
		case 'j':
			wanted.json = true;
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("stat", option);
			return EXIT_USAGE;
		}
	}
	if (status >= 0)
		return status;
	if (is_contradictory(&wanted, watches, has_rhythm))
		return EXIT_USAGE;
	if (argc - optind > 1) {
		usage_error("stat", "one disk, or all");
		return EXIT_USAGE;
	}
	wanted.name = argv[optind];
	if (!watches)
		return show(&wanted);
	watching.name = wanted.name;
	watching.json = wanted.json;
	watching.histograms = wanted.histograms;
	return stat_watch(&watching);
}
