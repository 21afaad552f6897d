// SPDX-License-Identifier: MIT
/*
 * zcmu copy: progress during the copy, and at its end: a bar for people, which fits the terminal
 * and whose line ends before a message; objects for programs (--json).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "copy/copy.h"
#include "format.h"
#include "json.h"
#include "zcmu.h"

#define PAST_SECONDS	5.0	/* period of the rate, after the first ones */
#define TELL_SECONDS	1.0	/* between two objects */
#define MAX_BAR		40u
#define MIN_BAR		8u

/* Messages come from many threads, and must not be printed on the line of a bar. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct copy *shown;

static double seconds_since(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static void end_line(struct progress *progress)
{
	if (progress->line_is_open)
		fputc('\n', stderr);
	progress->line_is_open = false;
}

static void log_beside_bar(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	pthread_mutex_lock(&lock);
	if (shown)
		end_line(&shown->progress);
	fprintf(stderr, "zcmu: %s\n", message);
	pthread_mutex_unlock(&lock);
}

/* Progress of the copy, or of the verification after it. */
void copy_progress_begin(struct copy *copy)
{
	struct progress *progress = &copy->progress;

	pthread_mutex_lock(&lock);
	end_line(progress);
	*progress = (struct progress){ .past[0].done = atomic_load(&copy->done), .samples = 1 };
	clock_gettime(CLOCK_MONOTONIC, &progress->begun);
	shown = copy;
	pthread_mutex_unlock(&lock);
	zcmu_set_log(log_beside_bar, NULL);
}

/*
 * Rate
 */

static unsigned int ring_index(unsigned int sample)
{
	return sample % (sizeof(((struct progress *)NULL)->past) /
			 sizeof(((struct progress *)NULL)->past[0]));
}

static void take_sample(struct copy *copy, double seconds)
{
	struct progress *progress = &copy->progress;
	unsigned int last = ring_index(progress->samples - 1), next = ring_index(progress->samples);

	if (seconds - progress->past[last].at < PAST_SECONDS / 32)
		return;
	progress->past[next].at = seconds;
	progress->past[next].done = atomic_load(&copy->done);
	progress->samples++;
}

/* Bytes in a second, over the last few seconds; 0: not known yet. */
static double rate_of(const struct copy *copy, double seconds)
{
	const struct progress *progress = &copy->progress;
	unsigned int i, oldest = progress->samples - 1;
	double past;

	if (!progress->samples)
		return 0;
	for (i = progress->samples; i-- > 0 && progress->samples - i < 64;) {
		oldest = i;
		if (seconds - progress->past[ring_index(i)].at >= PAST_SECONDS)
			break;
	}
	past = seconds - progress->past[ring_index(oldest)].at;
	if (past < 0.05)
		return 0;
	return (double)(atomic_load(&copy->done) - progress->past[ring_index(oldest)].done) / past;
}

/* Remaining seconds; negative: unknown. */
static double time_left(const struct copy *copy, double rate)
{
	uint64_t left = copy->source->size - atomic_load(&copy->done);

	if (!left)
		return 0;
	return rate < 1 ? -1 : (double)left / rate;
}

/*
 * The bar
 */

static void format_time(double seconds, char *text, size_t size)
{
	unsigned int s = (unsigned int)(seconds + 0.5);

	if (seconds < 0 || seconds >= 100 * 3600.0)
		snprintf(text, size, "-:--");
	else if (s >= 3600)
		snprintf(text, size, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, size, "%u:%02u", s / 60, s % 60);
}

/* "[####....]  50 % of 1 GiB, 512 MiB/s, 0:01 left", in @width columns. Return: its length */
int copy_progress_line(const struct copy *copy, double seconds, unsigned int width, char *line,
		       size_t size)
{
	uint64_t done = atomic_load(&copy->done), total = copy->source->size;
	double rate = rate_of(copy, seconds);
	char text[160], whole[32], speed[32], left[32];
	unsigned int bar, i, full;
	int len;

	format_time(time_left(copy, rate), left, sizeof(left));
	len = snprintf(text, sizeof(text), "%3u %% of %s%s, %s/s, %s left",
		       (unsigned int)((double)done * 100 / (double)total),
		       format_size(total, whole, sizeof(whole)),
		       copy->is_verifying ? " verified" : "",
		       format_size((uint64_t)rate, speed, sizeof(speed)), left);
	/* The last column stays free: the cursor behind it may be on the next line. */
	width = width ? width - 1 : 0;
	bar = width > (unsigned int)len + 3 ? width - (unsigned int)len - 3 : 0;
	bar = bar > MAX_BAR ? MAX_BAR : bar;
	if (bar < MIN_BAR)
		return snprintf(line, size, "%.*s", (int)width, text);
	full = (unsigned int)((double)done * bar / (double)total);
	line[0] = '[';
	for (i = 0; i < bar; i++)
		line[1 + i] = i < full ? '#' : '.';
	return 1 + (int)bar + snprintf(line + 1 + bar, size - 1 - bar, "] %s", text);
}

static void show_bar(struct copy *copy, double seconds)
{
	char line[256];

	copy_progress_line(copy, seconds, format_columns(STDERR_FILENO), line, sizeof(line));
	/* Erase the rest of a longer line. */
	fprintf(stderr, "\r%s\033[K", line);
	copy->progress.line_is_open = true;
}

/*
 * --json
 */

static void tell(const struct copy *copy, double seconds, bool is_complete)
{
	struct json_object *object = json_document();
	double rate = rate_of(copy, seconds), left = time_left(copy, rate);

	json_add(object, "phase", json_text(copy->is_verifying ? "verify" : "copy"));
	json_add(object, "size", json_uint64(copy->source->size));
	json_add(object, "done", json_uint64(atomic_load(&copy->done)));
	json_add(object, "data", json_uint64(atomic_load(&copy->data)));
	json_add(object, "rate", json_uint64((uint64_t)rate));
	json_add(object, "seconds_left", left < 0 ? NULL : json_uint64((uint64_t)(left + 0.5)));
	json_add(object, "complete", json_boolean(is_complete));
	print_json_line(object);
}

/* Both forms */

/* Called about every tenth of a second. */
void copy_progress_show(struct copy *copy)
{
	struct progress *progress = &copy->progress;
	double seconds = seconds_since(&progress->begun);

	pthread_mutex_lock(&lock);
	take_sample(copy, seconds);
	if (copy->json && seconds >= progress->told + TELL_SECONDS) {
		progress->told = seconds;
		tell(copy, seconds, false);
	} else if (!copy->json && !copy->quiet && format_columns(STDERR_FILENO)) {
		show_bar(copy, seconds);
	}
	pthread_mutex_unlock(&lock);
}

static void sum_up(const struct copy *copy, double seconds)
{
	uint64_t done = atomic_load(&copy->done) - copy->first, data = atomic_load(&copy->data);
	char all[32], moved[32], empty[32], before[32], resumed[64] = "";

	if (copy->is_verifying) {
		fprintf(stderr, "zcmu: %s: %s in %.1f s, and all of it is equal\n", copy->to,
			format_size(atomic_load(&copy->done), all, sizeof(all)), seconds);
		return;
	}
	if (copy->first)
		snprintf(resumed, sizeof(resumed), ", after %s before",
			 format_size(copy->first, before, sizeof(before)));
	fprintf(stderr, "zcmu: %s: %s in %.1f s: %s of data, %s of holes and zeroes%s\n", copy->to,
		format_size(done, all, sizeof(all)), seconds,
		format_size(data, moved, sizeof(moved)),
		format_size(done - data, empty, sizeof(empty)), resumed);
}

/* The end of one phase. If the copy has failed, that was reported. */
void copy_progress_end(struct copy *copy)
{
	struct progress *progress = &copy->progress;
	double seconds = seconds_since(&progress->begun);

	pthread_mutex_lock(&lock);
	if (progress->line_is_open)
		show_bar(copy, seconds);
	end_line(progress);
	if (!atomic_load(&copy->error) && !copy->quiet && !copy->json)
		sum_up(copy, seconds);
	pthread_mutex_unlock(&lock);
}

/* The last object, printed in any case. */
void copy_progress_conclude(struct copy *copy, bool is_complete)
{
	pthread_mutex_lock(&lock);
	end_line(&copy->progress);
	shown = NULL;
	if (copy->json && copy->source)
		tell(copy, seconds_since(&copy->progress.begun), is_complete);
	pthread_mutex_unlock(&lock);
	zcmu_set_log(NULL, NULL);
}
