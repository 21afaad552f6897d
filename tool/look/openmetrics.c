// SPDX-License-Identifier: MIT
/*
 * What the kernel has counted, as Prometheus and others read it: the text format 1.0.0 of
 * OpenMetrics, or the older one of Prometheus (0.0.4), which knows fewer types and no units. Base
 * units are seconds and bytes; counters end with _total; the samples of a metric stand together,
 * and behind what they are.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "look/judge.h"
#include "look/sample.h"
#include "look/stat.h"
#include "zcmu.h"

struct page {
	FILE *file;
	bool is_old;
};

static const struct limits usual = { JUDGE_SLOW, JUDGE_LATELY };

/* A label's value: only these three characters are special. */
static void write_escaped(const char *text, FILE *file)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", file);
		else if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else
			fputc(*text, file);
	}
}

/* In OpenMetrics a suffix is that of samples, and no part of the metric's name. */
static void begin(const char *name, const char *type, const char *unit, const char *help,
		  const struct page *page)
{
	const char *suffix = "";

	if (page->is_old && !strcmp(type, "counter"))
		suffix = "_total";
	else if (page->is_old && !strcmp(type, "info"))
		suffix = "_info";
	if (page->is_old && (!strcmp(type, "info") || !strcmp(type, "stateset")))
		type = "gauge";
	fprintf(page->file, "# HELP zcmu_%s%s %s\n", name, suffix, help);
	fprintf(page->file, "# TYPE zcmu_%s%s %s\n", name, suffix, type);
	if (unit && !page->is_old)
		fprintf(page->file, "# UNIT zcmu_%s %s\n", name, unit);
}

/* Up to the last label, without the brace that ends them */
static void write_name(const char *name, const struct sample *sample, FILE *file)
{
	fprintf(file, "zcmu_%s{disk=\"", name);
	write_escaped(sample->backstore.name, file);
	/* Two HBAs may have a backstore of one name. */
	fprintf(file, "\",hba=\"%u\"", sample->backstore.hba);
}

/*
 * Counters
 */

struct series {
	const char *counter;		/* of the kernel */
	const char *label, *value;	/* or NULL */
};

struct metric {
	const char *name, *unit, *help;
	struct series series[6];
};

static const struct metric metrics[] = {
	{ "commands", NULL, "Commands that were given to the process, by the way of their payload.", {
		{ "commands_lent", "payload", "lent" },
		{ "commands_copied", "payload", "copied" },
		{ "commands_none", "payload", "none" } } },
	{ "transfers_bytes", "bytes", "Payload that initiators have asked for, by direction.", {
		{ "bytes_read", "direction", "read" },
		{ "bytes_written", "direction", "write" } } },
	{ "requests", NULL, "Commands with a payload, by its direction.", {
		{ "reads", "direction", "read" },
		{ "writes", "direction", "write" } } },
	{ "payload_bytes", "bytes", "Payload, by how it came to the process. Exchanged is part of lent.", {
		{ "bytes_lent", "how", "lent" },
		{ "bytes_copied", "how", "copied" },
		{ "bytes_edge", "how", "edge" },
		{ "bytes_swapped", "how", "exchanged" },
		{ "bytes_transferred", "how", "moved" } } },
	{ "faults", NULL, "Touches of lent payloads that mapped pages.", { { .counter = "faults" } } },
	{ "stray_faults", NULL, "Touches of addresses where no payload was.", { { .counter = "faults_stray" } } },
	{ "mapped_pages", NULL, "Pages of initiators that were mapped.", { { .counter = "ptes_mapped" } } },
	{ "take_backs", NULL, "Unmaps, each with one flush of TLBs.", { { .counter = "take_backs" } } },
	{ "pins", NULL, "Payloads exchanged because of a pin.", { { .counter = "pins" } } },
	{ "revokes", NULL, "Payloads exchanged to answer without the process.", { { .counter = "revokes" } } },
	{ "second_tries", NULL, "Lent commands that failed and were tried as copies.", {
		{ .counter = "second_tries" } } },
	{ "reissues", NULL, "Commands that were given to another process once more.", {
		{ .counter = "reissues" } } },
	{ "time_outs", NULL, "Commands that were not answered in time.", { { .counter = "timeouts" } } },
	{ "room_waits", NULL, "Commands that found no room on the ring or for their payload.", {
		{ .counter = "waits" } } },
	{ "kicks", NULL, "System calls of the process to pass answers on.", { { .counter = "kicks" } } },
	{ "wake_ups", NULL, "Wake-ups of the process.", { { .counter = "wake_ups" } } },
};

static uint64_t value_of(const struct sample *sample, const char *counter)
{
	if (!strcmp(counter, "commands_none"))
		return sample_counter(sample, "commands") - sample_counter(sample, "commands_lent") -
		       sample_counter(sample, "commands_copied");
	return sample_counter(sample, counter);
}

static void write_counter(const struct metric *metric, const struct sample *samples, size_t count,
			  const struct page *page)
{
	const struct series *series;
	char name[64];
	size_t i;

	snprintf(name, sizeof(name), "%s_total", metric->name);
	begin(metric->name, "counter", metric->unit, metric->help, page);
	for (i = 0; i < count; i++) {
		if (!samples[i].is_counted)
			continue;
		for (series = metric->series; series->counter; series++) {
			write_name(name, &samples[i], page->file);
			if (series->label)
				fprintf(page->file, ",%s=\"%s\"", series->label, series->value);
			fprintf(page->file, "} %" PRIu64 "\n", value_of(&samples[i], series->counter));
		}
	}
}

/* "handler_medium_error" is of the handler's making; the rest is the kind. */
static void write_errors(const struct sample *samples, size_t count, const struct page *page)
{
	size_t i, k;

	begin("errors", "counter", NULL,
	      "Commands that were not answered with GOOD: by the process with a sense key or status, or by the module for a reason.",
	      page);
	for (i = 0; i < count; i++) {
		for (k = 0; k < samples[i].nr_errors; k++) {
			const struct counter *error = &samples[i].errors[k];
			const char *kind = strchr(error->name, '_');

			if (!kind)
				continue;
			write_name("errors_total", &samples[i], page->file);
			fprintf(page->file, ",by=\"%.*s\",kind=\"%s\"} %" PRIu64 "\n",
				(int)(kind - error->name), error->name, kind + 1, error->value);
		}
	}
}

/*
 * Gauges
 */

static void write_gauge(const char *name, const char *unit, const char *help, const char *state,
			double scale, const struct sample *samples, size_t count,
			const struct page *page)
{
	size_t i;

	begin(name, "gauge", unit, help, page);
	for (i = 0; i < count; i++) {
		int64_t value = sample_state(&samples[i], state);

		/* There is none. */
		if (value < 0)
			continue;
		write_name(name, &samples[i], page->file);
		fprintf(page->file, "} %.9g\n", (double)value * scale);
	}
}

static void write_under_way(const struct sample *samples, size_t count, const struct page *page)
{
	static const char *const where[] = { "room", "handler", "moving", "late", "kept" };
	char state[32];
	size_t i, k;

	begin("inflight_commands", "gauge", NULL,
	      "Commands that are under way, by in whose hands they are. Late and kept ones were answered.",
	      page);
	for (i = 0; i < count; i++) {
		for (k = 0; samples[i].nr_state && k < sizeof(where) / sizeof(where[0]); k++) {
			snprintf(state, sizeof(state), "in_%s", where[k]);
			write_name("inflight_commands", &samples[i], page->file);
			fprintf(page->file, ",hands=\"%s\"} %" PRId64 "\n", where[k],
				sample_state(&samples[i], state));
		}
	}
}

static void write_health(const struct sample *samples, size_t count, const struct page *page)
{
	enum verdict verdict, is;
	char why[16];
	size_t i;

	begin("health", "stateset", NULL, "What zcmu health says of the disk.", page);
	for (i = 0; i < count; i++) {
		is = judge(&samples[i], &usual, why, sizeof(why));
		for (verdict = VERDICT_SERVED; verdict <= VERDICT_UNKNOWN; verdict++) {
			write_name("health", &samples[i], page->file);
			fprintf(page->file, ",zcmu_health=\"%s\"} %d\n", verdict_name(verdict),
				verdict == is);
		}
	}
}

static void write_size(const struct sample *samples, size_t count, const struct page *page)
{
	size_t i;

	begin("size_bytes", "gauge", "bytes", "Size of the disk.", page);
	for (i = 0; i < count; i++) {
		write_name("size_bytes", &samples[i], page->file);
		fprintf(page->file, "} %" PRIu64 "\n", samples[i].backstore.size);
	}
}

/*
 * Histograms. A bound for each power of two from 1 us to 69 s: the kernel has four times as many,
 * which would be as many series for each disk.
 */

#define FIRST_BOUND	10
#define LAST_BOUND	36

static void write_histogram(const struct sample *sample, enum phase phase, const struct page *page)
{
	const struct histogram *histogram = &sample->phases[phase];
	int bits;

	for (bits = FIRST_BOUND; bits <= LAST_BOUND; bits++) {
		write_name("latency_seconds_bucket", sample, page->file);
		fprintf(page->file, ",phase=\"%s\",le=\"%.9g\"} %" PRIu64 "\n", phase_name(phase),
			(double)(UINT64_C(1) << bits) / 1e9,
			histogram_below(histogram, UINT64_C(1) << bits));
	}
	write_name("latency_seconds_bucket", sample, page->file);
	fprintf(page->file, ",phase=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", phase_name(phase),
		histogram->count);
	write_name("latency_seconds_count", sample, page->file);
	fprintf(page->file, ",phase=\"%s\"} %" PRIu64 "\n", phase_name(phase), histogram->count);
	write_name("latency_seconds_sum", sample, page->file);
	fprintf(page->file, ",phase=\"%s\"} %.9f\n", phase_name(phase), (double)histogram->sum_ns / 1e9);
}

static void write_latency(const struct sample *samples, size_t count, const struct page *page)
{
	size_t i;
	int phase;

	begin("latency_seconds", "histogram", "seconds",
	      "How long commands took: in all, and in each part of their way.", page);
	for (i = 0; i < count; i++) {
		for (phase = 0; samples[i].nr_state && phase < NR_PHASES; phase++)
			write_histogram(&samples[i], (enum phase)phase, page);
	}
}

static void write_page(const struct sample *samples, size_t count, const struct page *page)
{
	size_t i;

	begin("build", "info", NULL, "The zcmu that has written this.", page);
	fprintf(page->file, "zcmu_build_info{version=\"%s\"} 1\n", zcmu_version());
	write_health(samples, count, page);
	write_size(samples, count, page);
	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		write_counter(&metrics[i], samples, count, page);
	write_errors(samples, count, page);
	write_under_way(samples, count, page);
	write_gauge("oldest_command_seconds", "seconds", "How long the oldest command is under way.",
		    "oldest_us", 1e-6, samples, count, page);
	write_gauge("last_answer_seconds", "seconds", "How long ago the process last answered.",
		    "last_answer_ms", 1e-3, samples, count, page);
	write_gauge("last_failure_seconds", "seconds", "How long ago a command last failed.",
		    "last_failure_ms", 1e-3, samples, count, page);
	begin("handlers", "counter", NULL, "Processes that have begun to serve the disk.", page);
	for (i = 0; i < count; i++) {
		if (!samples[i].nr_state)
			continue;
		write_name("handlers_total", &samples[i], page->file);
		fprintf(page->file, "} %" PRId64 "\n", sample_state(&samples[i], "handlers"));
	}
	write_latency(samples, count, page);
	if (!page->is_old)
		fputs("# EOF\n", page->file);
}

void openmetrics_write(const struct sample *samples, size_t count, FILE *file)
{
	write_page(samples, count, &(struct page){ .file = file });
}

void openmetrics_write_old(const struct sample *samples, size_t count, FILE *file)
{
	write_page(samples, count, &(struct page){ .file = file, .is_old = true });
}
