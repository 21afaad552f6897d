// SPDX-License-Identifier: MIT
/* zcmu stat: lent and copied payloads, from the kernel's counters. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backstore.h"
#include "counters.h"
#include "exports.h"
#include "format.h"
#include "json.h"
#include "option.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"

struct snapshot {
	struct counter counters[COUNTERS_MAX];
	size_t count;
};

static uint64_t get(const struct snapshot *snapshot, const char *name)
{
	return counters_get(snapshot->counters, snapshot->count, name);
}

/* @now minus @before, counter by counter */
static void subtract(struct snapshot *now, const struct snapshot *before)
{
	size_t i;

	for (i = 0; i < now->count; i++) {
		uint64_t past = get(before, now->counters[i].name);

		/* If a value is less than before, it is a new disk of the same name. */
		now->counters[i].value -= past <= now->counters[i].value ? past : 0;
	}
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static double per(uint64_t n, uint64_t commands)
{
	return commands ? (double)n / (double)commands : 0.0;
}

static void print_bytes(const char *what, uint64_t bytes, uint64_t all, const char *comment)
{
	char size[32];

	printf("  %-12s %12s  %5.1f %%  %s\n", what, format_size(bytes, size, sizeof(size)),
	       percent(bytes, all), comment);
}

static void print_what_it_is(const struct backstore *backstore, const struct exports *exports)
{
	char text[512];
	size_t i;

	printf("%s: %s, %s, %s\n", backstore->name, backstore_state(backstore),
	       format_size(backstore->size, text, sizeof(text)),
	       backstore->config[0] ? backstore->config : "no dev_config");
	for (i = 0; i < exports->count; i++)
		printf("  %s%s%s\n", export_text(&exports->entries[i], text, sizeof(text)),
		       exports->entries[i].device[0] ? ", " : "", exports->entries[i].device);
}

static void print_summary(const struct snapshot *s)
{
	uint64_t commands = get(s, "commands");
	uint64_t lent = get(s, "commands_lent");
	uint64_t bytes = get(s, "bytes_lent") + get(s, "bytes_copied") + get(s, "bytes_edge");

	printf("\ncommands  %" PRIu64 " (lent %" PRIu64 ", copied %" PRIu64
	       ", without payload %" PRIu64 ")\n\n", commands, lent,
	       get(s, "commands_copied"), commands - lent - get(s, "commands_copied"));
	printf("payload\n");
	print_bytes("lent", get(s, "bytes_lent"), bytes, "pages of the initiator, not copied");
	print_bytes("copied", get(s, "bytes_copied"), bytes, "through the copy area");
	print_bytes("edges", get(s, "bytes_edge"), bytes,
		    "copied, of lent commands' partial first and last pages");
	print_bytes("exchanged", get(s, "bytes_swapped"), bytes,
		    "copied after all, because of pins and revokes");
	printf("\nper lent command\n");
	printf("  faults     %8.2f\n  pages      %8.2f\n  unmaps     %8.2f\n",
	       per(get(s, "faults"), lent), per(get(s, "ptes_mapped"), lent),
	       per(get(s, "take_backs"), lent));
	printf("\nper command\n");
	printf("  wake-ups   %8.2f\n  kicks      %8.2f\n", per(get(s, "wake_ups"), commands),
	       per(get(s, "kicks"), commands));
	printf("\npins %" PRIu64 ", second tries %" PRIu64 ", revokes %" PRIu64 ", time-outs %" PRIu64
	       ", waits for room %" PRIu64 ", stray touches %" PRIu64 "\n", get(s, "pins"),
	       get(s, "second_tries"), get(s, "revokes"), get(s, "timeouts"), get(s, "waits"),
	       get(s, "faults_stray"));
}

static void print_line(const struct snapshot *d, bool header)
{
	char lent[32], copied[32];

	if (header)
		printf("%10s %12s %12s %10s %10s %10s %10s\n", "commands/s", "lent/s", "copied/s",
		       "faults/s", "unmaps/s", "wake-ups/s", "kicks/s");
	printf("%10" PRIu64 " %12s %12s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
	       get(d, "commands"), format_size(get(d, "bytes_lent"), lent, sizeof(lent)),
	       format_size(get(d, "bytes_copied") + get(d, "bytes_edge"), copied, sizeof(copied)),
	       get(d, "faults"), get(d, "take_backs"), get(d, "wake_ups"), get(d, "kicks"));
	fflush(stdout);
}

static void add_counters(struct json_object *object, const struct snapshot *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		json_add(object, s->counters[i].name, json_uint64(s->counters[i].value));
}

static void print_line_as_json(const char *name, const struct snapshot *s)
{
	struct json_object *object = json_document();

	json_add(object, "name", json_text(name));
	add_counters(object, s);
	print_json_line(object);
}

static void print_as_json(const struct backstore *backstore, const struct exports *exports,
			  const struct snapshot *s)
{
	struct json_object *object = json_document();

	json_add(object, "name", json_text(backstore->name));
	json_add(object, "state", json_text(backstore_state(backstore)));
	json_add(object, "size", json_uint64(backstore->size));
	json_add(object, "exports", exports_to_json(exports));
	json_add(object, "counted", json_boolean(s != NULL));
	if (s)
		add_counters(object, s);
	print_json(object);
}

/* Return: 0, or a negative errno after a message. */
static int read_counters(const struct backstore *backstore, struct snapshot *ret)
{
	int err = counters_read(backstore, ret->counters, &ret->count);

	if (err == -EOPNOTSUPP)
		zcmu_error("%s: no counters: the stock module has none (see zcmu doctor)",
			   backstore->name);
	return err;
}

/* Print one line a second, with the changes of that second, until the disk goes or ^C. */
static int watch(const struct backstore *backstore, bool json)
{
	struct snapshot before, now, delta;
	struct timespec next;
	unsigned int line = 0;

	if (read_counters(backstore, &before))
		return EXIT_FAILED;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		next.tv_sec++;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
		if (read_counters(backstore, &now))
			return EXIT_FAILED;
		delta = now;
		subtract(&delta, &before);
		before = now;
		if (json)
			print_line_as_json(backstore->name, &delta);
		else
			print_line(&delta, line++ % 20 == 0);
		/* The output can't be written: main() reports that. */
		if (ferror(stdout))
			return EXIT_OK;
	}
}

/* Print once: the disk's data, and its counters, if there are any. */
static int show(const struct backstore *backstore, bool json)
{
	struct snapshot snapshot;
	struct exports exports;
	int err;

	err = counters_read(backstore, snapshot.counters, &snapshot.count);
	if (err && err != -EOPNOTSUPP)
		return EXIT_FAILED;
	if (exports_find(backstore, &exports))
		return EXIT_FAILED;
	if (json) {
		print_as_json(backstore, &exports, err ? NULL : &snapshot);
	} else {
		print_what_it_is(backstore, &exports);
		if (err)
			printf("\nno counters: the stock module has none (see zcmu doctor)\n");
		else
			print_summary(&snapshot);
	}
	exports_free(&exports);
	return EXIT_OK;
}

static void print_help(void)
{
	printf("usage: zcmu stat [--watch] [--json] NAME\n\n"
	       "Shows where the disk is exported, and what was lent and what was copied since it\n"
	       "was made. It may be any backstore of type \"user\".\n\n"
	       "  --watch   a line each second, of what that second brought; until ^C\n"
	       "  --json    for a program: the kernel's counters by their names\n"
	       "  --help    this text\n");
}

int stat_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "watch", no_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool json = false, watches = false;
	struct backstore backstore;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			watches = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("stat", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1) {
		usage_error("stat", argc == optind ? "which disk?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	if (backstore_find_wanted(argv[optind], &backstore))
		return EXIT_FAILED;
	return watches ? watch(&backstore, json) : show(&backstore, json);
}
