// SPDX-License-Identifier: MIT
/* zcmu stat --watch: rates of an interval after the other, as iostat shows them. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "json.h"
#include "look/sample.h"
#include "look/stat.h"
#include "subcommand.h"
#include "zcmu.h"

#define LINES_PER_HEADER	20

void stat_print_rates_header(int name_width)
{
	printf("%-*s %8s %8s %8s %8s %6s %8s %8s %7s %6s %8s\n", name_width, "NAME", "r/s", "w/s",
	       "rMiB/s", "wMiB/s", "lent%", "await", "99%", "queue", "err/s", "kicks/s");
}

/* The mean number of commands that were under way: Little's law */
static double queue_of(const struct sample *delta, double seconds)
{
	return (double)delta->phases[PHASE_TOTAL].sum_ns / 1e9 / seconds;
}

void stat_print_rates(const struct sample *delta, double seconds, int name_width)
{
	uint64_t lent = sample_counter(delta, "bytes_lent");
	uint64_t bytes = lent + sample_counter(delta, "bytes_copied") +
			 sample_counter(delta, "bytes_edge");
	const struct histogram *total = &delta->phases[PHASE_TOTAL];
	char await[16] = "-", p99[16] = "-";

	if (total->count) {
		format_duration(histogram_mean(total), await, sizeof(await));
		format_duration(histogram_quantile(total, 0.99), p99, sizeof(p99));
	}
	printf("%-*s %8.0f %8.0f %8.1f %8.1f %6.1f %8s %8s %7.2f %6.1f %8.0f\n", name_width,
	       delta->backstore.name, (double)sample_counter(delta, "reads") / seconds,
	       (double)sample_counter(delta, "writes") / seconds,
	       (double)sample_counter(delta, "bytes_read") / seconds / 1048576,
	       (double)sample_counter(delta, "bytes_written") / seconds / 1048576,
	       bytes ? 100.0 * (double)lent / (double)bytes : 0.0, await, p99,
	       queue_of(delta, seconds), (double)sample_errors(delta) / seconds,
	       (double)sample_counter(delta, "kicks") / seconds);
}

static void print_as_json(const struct sample *delta, double seconds)
{
	struct json_object *object = json_document();

	json_add(object, "name", json_text(delta->backstore.name));
	json_add(object, "seconds", json_double(seconds));
	json_add(object, "queue", json_double(queue_of(delta, seconds)));
	stat_add_json(object, delta);
	print_json_line(object);
}

static int width_of(const struct sample *samples, size_t count)
{
	int width = 8;
	size_t i;

	for (i = 0; i < count; i++) {
		int len = (int)strlen(samples[i].backstore.name);

		width = len > width ? len : width;
	}
	return width;
}

/*
 * A disk that has come meanwhile has all of its counts in this interval. Where nothing is counted,
 * there is nothing to say.
 */
static void report(const struct watching *watching, const struct sample *now, size_t count,
		   const struct sample *before, size_t count_before, unsigned int *line)
{
	int width = width_of(now, count);
	struct sample *delta = malloc(sizeof(*delta));
	const struct sample *past;
	double seconds;
	size_t i;

	for (i = 0; delta && i < count; i++) {
		past = sample_find(before, count_before, now[i].backstore.name);
		if (!now[i].is_counted)
			continue;
		*delta = now[i];
		seconds = watching->interval;
		if (past && past->taken) {
			sample_subtract(delta, past);
			seconds = (double)(now[i].taken - past->taken) / 1e9;
		}
		if (watching->json) {
			print_as_json(delta, seconds);
			continue;
		}
		if (watching->histograms) {
			stat_show_histograms(delta, 1);
			continue;
		}
		/* One disk: a header now and then. Several: one for each report. */
		if (!watching->name ? !i : *line % LINES_PER_HEADER == 0)
			stat_print_rates_header(width);
		(*line)++;
		stat_print_rates(delta, seconds, width);
	}
	if (!watching->name && !watching->json)
		printf("\n");
	fflush(stdout);
	free(delta);
}

/* Is there a disk by that name that nothing is known of? That is an error that was reported. */
static int refuse_stock(const struct watching *watching, const struct sample *samples, size_t count)
{
	if (!watching->name || !count || samples[0].is_counted)
		return 0;
	zcmu_error("%s: no counters: the stock module has none (see zcmu doctor)", watching->name);
	return -EOPNOTSUPP;
}

/* Report each interval until there were enough, the one disk goes, or ^C. Return: exit status */
int stat_watch(const struct watching *watching)
{
	struct sample *before, *now;
	size_t count_before, count;
	struct timespec next;
	unsigned int n, line = 0;

	if (sample_take_wanted(watching->name, &before, &count_before))
		return EXIT_FAILED;
	if (refuse_stock(watching, before, count_before)) {
		free(before);
		return EXIT_FAILED;
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (n = 0; !watching->count || n < watching->count; n++) {
		next.tv_sec += watching->interval;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
		if (sample_take_wanted(watching->name, &now, &count)) {
			free(before);
			return EXIT_FAILED;
		}
		report(watching, now, count, before, count_before, &line);
		free(before);
		before = now;
		count_before = count;
		/* The output can't be written: main() reports that. */
		if (ferror(stdout))
			break;
	}
	free(before);
	return EXIT_OK;
}
