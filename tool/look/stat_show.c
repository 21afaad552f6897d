// SPDX-License-Identifier: MIT
/* zcmu stat, once: one disk at length, all disks in a table, histograms, and JSON of these. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exports.h"
#include "format.h"
#include "json.h"
#include "look/judge.h"
#include "look/sample.h"
#include "look/stat.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"

static const struct limits usual = { JUDGE_SLOW, JUDGE_LATELY };

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

static void print_payload(const struct sample *s)
{
	uint64_t commands = sample_counter(s, "commands");
	uint64_t lent = sample_counter(s, "commands_lent");
	uint64_t copied = sample_counter(s, "commands_copied");
	uint64_t bytes = sample_counter(s, "bytes_lent") + sample_counter(s, "bytes_copied") +
			 sample_counter(s, "bytes_edge");

	printf("\ncommands  %" PRIu64 " (lent %" PRIu64 ", copied %" PRIu64
	       ", without payload %" PRIu64 ")\n\n", commands, lent, copied,
	       commands - lent - copied);
	printf("payload\n");
	print_bytes("lent", sample_counter(s, "bytes_lent"), bytes,
		    "pages of the initiator, not copied");
	print_bytes("copied", sample_counter(s, "bytes_copied"), bytes, "through the copy area");
	print_bytes("edges", sample_counter(s, "bytes_edge"), bytes,
		    "copied, of lent commands' partial first and last pages");
	print_bytes("exchanged", sample_counter(s, "bytes_swapped"), bytes,
		    "copied after all, because of pins and revokes");
	printf("\nper lent command\n");
	printf("  faults     %8.2f\n  pages      %8.2f\n  unmaps     %8.2f\n",
	       per(sample_counter(s, "faults"), lent), per(sample_counter(s, "ptes_mapped"), lent),
	       per(sample_counter(s, "take_backs"), lent));
	printf("\nper command\n");
	printf("  wake-ups   %8.2f\n  kicks      %8.2f\n",
	       per(sample_counter(s, "wake_ups"), commands),
	       per(sample_counter(s, "kicks"), commands));
}

/* Mean, and the time that 99 % took at most, of each part */
static void print_times(const struct sample *s)
{
	char mean[16], p99[16];
	int phase;

	printf("\ntime           mean      99 %%\n");
	for (phase = 0; phase < NR_PHASES; phase++)
		printf("  %-10s %8s  %8s  %s\n", phase_name((enum phase)phase),
		       format_duration(histogram_mean(&s->phases[phase]), mean, sizeof(mean)),
		       format_duration(histogram_quantile(&s->phases[phase], 0.99), p99,
				       sizeof(p99)),
		       phase_title((enum phase)phase));
}

static void print_errors(const struct sample *s)
{
	const char *front = "";
	size_t i;

	printf("\nerrors %" PRIu64, sample_errors(s));
	for (i = 0; i < s->nr_errors; i++) {
		if (!s->errors[i].value)
			continue;
		printf("%s%s %" PRIu64, *front ? front : ": ", s->errors[i].name,
		       s->errors[i].value);
		front = ", ";
	}
	printf("\n");
}

static void print_now(const struct sample *s)
{
	int64_t handlers = sample_state(s, "handlers"), ms = sample_state(s, "last_answer_ms");
	char ago[16] = "never";

	if (ms >= 0)
		format_duration((uint64_t)ms * 1000000, ago, sizeof(ago));
	printf("under way %" PRIu64 ", last answer %s%s, processes so far %" PRId64 "\n",
	       sample_under_way(s), ago, ms >= 0 ? " ago" : "", handlers);
}

static void print_summary(const struct sample *s)
{
	print_payload(s);
	if (s->nr_state) {
		if (s->phases[PHASE_TOTAL].count)
			print_times(s);
		print_errors(s);
		print_now(s);
	}
	printf("\npins %" PRIu64 ", second tries %" PRIu64 ", revokes %" PRIu64 ", time-outs %" PRIu64
	       ", waits for room %" PRIu64 ", stray touches %" PRIu64 "\n",
	       sample_counter(s, "pins"), sample_counter(s, "second_tries"),
	       sample_counter(s, "revokes"), sample_counter(s, "timeouts"),
	       sample_counter(s, "waits"), sample_counter(s, "faults_stray"));
}

int stat_show_one(const struct sample *sample)
{
	struct exports exports;

	if (exports_find(&sample->backstore, &exports))
		return EXIT_FAILED;
	print_what_it_is(&sample->backstore, &exports);
	if (!sample->is_counted)
		printf("\nno counters: the stock module has none (see zcmu doctor)\n");
	else
		print_summary(sample);
	exports_free(&exports);
	return EXIT_OK;
}

/*
 * JSON
 */

static struct json_object *counters_to_json(const struct counter *counters, size_t count)
{
	struct json_object *object = json_members();
	size_t i;

	for (i = 0; i < count; i++)
		json_add(object, counters[i].name, json_uint64(counters[i].value));
	return object;
}

/* -1 is nothing: there is no command, or no answer yet. */
static struct json_object *state_to_json(const struct sample *sample)
{
	struct json_object *object = json_members();
	size_t i;

	for (i = 0; i < sample->nr_state; i++) {
		int64_t value = (int64_t)sample->state[i].value;

		json_add(object, sample->state[i].name, value < 0 ? NULL : json_int64(value));
	}
	return object;
}

static struct json_object *histogram_to_json(const struct histogram *histogram)
{
	struct json_object *object = json_members(), *buckets = json_list(), *pair;
	size_t i;

	json_add(object, "count", json_uint64(histogram->count));
	json_add(object, "sum_ns", json_uint64(histogram->sum_ns));
	json_add(object, "mean_ns", json_uint64(histogram_mean(histogram)));
	json_add(object, "p50_ns", json_uint64(histogram_quantile(histogram, 0.5)));
	json_add(object, "p99_ns", json_uint64(histogram_quantile(histogram, 0.99)));
	for (i = 0; i < histogram->nr; i++) {
		pair = json_list();
		json_append(pair, json_uint64(histogram->buckets[i].begin));
		json_append(pair, json_uint64(histogram->buckets[i].count));
		json_append(buckets, pair);
	}
	json_add(object, "buckets", buckets);
	return object;
}

/* What the kernel has counted, into a disk's object */
void stat_add_json(struct json_object *object, const struct sample *sample)
{
	struct json_object *latency;
	size_t i;
	int phase;

	for (i = 0; i < sample->nr_counters; i++)
		json_add(object, sample->counters[i].name, json_uint64(sample->counters[i].value));
	if (!sample->nr_state)
		return;
	json_add(object, "errors", counters_to_json(sample->errors, sample->nr_errors));
	json_add(object, "now", state_to_json(sample));
	latency = json_members();
	for (phase = 0; phase < NR_PHASES; phase++)
		json_add(latency, phase_name((enum phase)phase),
			 histogram_to_json(&sample->phases[phase]));
	json_add(object, "latency", latency);
}

static int add_disk(struct json_object *object, const struct sample *sample)
{
	const struct backstore *backstore = &sample->backstore;
	struct exports exports;

	if (exports_find(backstore, &exports))
		return EXIT_FAILED;
	json_add(object, "name", json_text(backstore->name));
	json_add(object, "state", json_text(backstore_state(backstore)));
	json_add(object, "size", json_uint64(backstore->size));
	json_add(object, "exports", exports_to_json(&exports));
	json_add(object, "counted", json_boolean(sample->is_counted));
	exports_free(&exports);
	stat_add_json(object, sample);
	return EXIT_OK;
}

int stat_show_one_json(const struct sample *sample)
{
	struct json_object *object = json_document();
	int status = add_disk(object, sample);

	print_json(object);
	return status;
}

void stat_show_json(const struct sample *samples, size_t count)
{
	struct json_object *document = json_document(), *list = json_list();
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *object = json_members();

		add_disk(object, &samples[i]);
		json_append(list, object);
	}
	json_add(document, "disks", list);
	print_json(document);
}

/*
 * All disks
 */

static void print_row(const struct sample *s, int width)
{
	uint64_t bytes = sample_counter(s, "bytes_lent") + sample_counter(s, "bytes_copied") +
			 sample_counter(s, "bytes_edge");
	char read[32], written[32], mean[16], p99[16], why[256];
	enum verdict verdict = judge(s, &usual, why, sizeof(why));

	if (!s->is_counted) {
		printf("%-*s  %-8s  (the stock module counts nothing)\n", width, s->backstore.name,
		       verdict_name(verdict));
		return;
	}
	printf("%-*s  %-8s %10" PRIu64 " %10s %10s %5.1f %8s %8s %5" PRIu64 " %6" PRIu64 "\n",
	       width, s->backstore.name, verdict_name(verdict), sample_counter(s, "commands"),
	       format_size(sample_counter(s, "bytes_read"), read, sizeof(read)),
	       format_size(sample_counter(s, "bytes_written"), written, sizeof(written)),
	       percent(sample_counter(s, "bytes_lent"), bytes),
	       format_duration(histogram_mean(&s->phases[PHASE_TOTAL]), mean, sizeof(mean)),
	       format_duration(histogram_quantile(&s->phases[PHASE_TOTAL], 0.99), p99, sizeof(p99)),
	       sample_under_way(s), sample_errors(s));
}

void stat_show_table(const struct sample *samples, size_t count)
{
	int width = 8;
	size_t i;

	for (i = 0; i < count; i++) {
		int len = (int)strlen(samples[i].backstore.name);

		width = len > width ? len : width;
	}
	printf("%-*s  %-8s %10s %10s %10s %5s %8s %8s %5s %6s\n", width, "NAME", "HEALTH",
	       "COMMANDS", "READ", "WRITTEN", "LENT%", "MEAN", "99%", "QUEUE", "ERRORS");
	for (i = 0; i < count; i++)
		print_row(&samples[i], width);
}

void stat_show_histograms(const struct sample *samples, size_t count)
{
	unsigned int columns = format_columns(STDOUT_FILENO);
	char title[128];
	int phase;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!samples[i].nr_state) {
			printf("%s: the loaded module measures no times\n",
			       samples[i].backstore.name);
			continue;
		}
		for (phase = 0; phase < NR_PHASES; phase++) {
			snprintf(title, sizeof(title), "%s, %s (%s)", samples[i].backstore.name,
				 phase_name((enum phase)phase), phase_title((enum phase)phase));
			histogram_draw(&samples[i].phases[phase], title,
				       columns ? (int)columns : 80, stdout);
			printf("\n");
		}
	}
}
