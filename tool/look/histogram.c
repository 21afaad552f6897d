// SPDX-License-Identifier: MIT
/*
 * Histograms of the kernel: arithmetic, and a picture for the terminal. A bucket is as wide as a
 * quarter of the power of two that it belongs to (kernel/latency.h), so what is computed of them is
 * exact to a quarter at worst.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "look/histogram.h"

#define FIRST_END	(UINT64_C(1) << 8)	/* ns */
#define LAST_BEGIN	(UINT64_C(1) << 36)

/* Where a bucket that begins there ends. */
uint64_t histogram_end(uint64_t begin)
{
	if (begin < FIRST_END)
		return FIRST_END;
	if (begin >= LAST_BEGIN)
		return UINT64_MAX;
	return begin + (UINT64_C(1) << (61 - __builtin_clzll(begin)));
}

/* Return: false if it isn't what the kernel writes. */
bool histogram_parse(const char *text, struct histogram *ret)
{
	bool has_count = false, has_sum = false;
	struct bucket bucket;
	uint64_t sum = 0;
	int n;

	*ret = (struct histogram){ .nr = 0 };
	for (; *text; text += n) {
		n = 0;
		if (sscanf(text, "count %" SCNu64 " %n", &ret->count, &n) == 1 && n) {
			has_count = true;
		} else if (sscanf(text, "sum_ns %" SCNu64 " %n", &ret->sum_ns, &n) == 1 && n) {
			has_sum = true;
		} else if (sscanf(text, "%" SCNu64 " %" SCNu64 " %n", &bucket.begin,
				  &bucket.count, &n) == 2 && n) {
			if (ret->nr == HISTOGRAM_MAX ||
			    (ret->nr && bucket.begin <= ret->buckets[ret->nr - 1].begin))
				return false;
			ret->buckets[ret->nr++] = bucket;
			sum += bucket.count;
		} else {
			return false;
		}
	}
	return has_count && has_sum && sum == ret->count;
}

static uint64_t count_at(const struct histogram *histogram, uint64_t begin)
{
	size_t i;

	for (i = 0; i < histogram->nr; i++) {
		if (histogram->buckets[i].begin == begin)
			return histogram->buckets[i].count;
	}
	return 0;
}

/* What has come since. Where there is less than before, it is a new disk: all of it has come. */
void histogram_subtract(struct histogram *now, const struct histogram *before)
{
	size_t i, kept = 0;

	if (now->count < before->count || now->sum_ns < before->sum_ns)
		return;
	now->count = 0;
	now->sum_ns -= before->sum_ns;
	for (i = 0; i < now->nr; i++) {
		struct bucket bucket = now->buckets[i];
		uint64_t past = count_at(before, bucket.begin);

		bucket.count -= past < bucket.count ? past : bucket.count;
		now->count += bucket.count;
		if (bucket.count)
			now->buckets[kept++] = bucket;
	}
	now->nr = kept;
}

/*
 * The time that this share of commands took at most, as if they were spread evenly in their bucket.
 * 0 if there are none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count, so_far = 0;
	size_t i;

	for (i = 0; i < histogram->nr; i++) {
		const struct bucket *bucket = &histogram->buckets[i];
		uint64_t end = histogram_end(bucket->begin);

		if (so_far + (double)bucket->count < wanted && i + 1 < histogram->nr) {
			so_far += (double)bucket->count;
			continue;
		}
		if (end == UINT64_MAX)
			return bucket->begin;
		return bucket->begin + (uint64_t)((double)(end - bucket->begin) *
						  (wanted - so_far) / (double)bucket->count);
	}
	return 0;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? histogram->sum_ns / histogram->count : 0;
}

/* How many took less than that? @ns must be where a bucket begins. */
uint64_t histogram_below(const struct histogram *histogram, uint64_t ns)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < histogram->nr && histogram->buckets[i].begin < ns; i++)
		n += histogram->buckets[i].count;
	return n;
}

/*
 * The picture: a line for each power of two, from the first to the last that has any.
 */

static uint64_t octave_end(uint64_t begin)
{
	return begin ? begin * 2 : FIRST_END;
}

/* Of the bucket, the power of two that it belongs to */
static uint64_t octave_of(uint64_t begin)
{
	return begin < FIRST_END ? 0 : UINT64_C(1) << (63 - __builtin_clzll(begin));
}

static uint64_t count_octave(const struct histogram *histogram, uint64_t begin)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < histogram->nr; i++) {
		if (octave_of(histogram->buckets[i].begin) == begin)
			n += histogram->buckets[i].count;
	}
	return n;
}

static void draw_line(uint64_t begin, uint64_t count, uint64_t all, uint64_t most, int width,
		      FILE *file)
{
	char from[16], to[16], bar[128];
	int len = (int)((double)count / (double)most * width + 0.5);

	/* What there is is to be seen. */
	if (count && !len)
		len = 1;
	memset(bar, '#', sizeof(bar));
	fprintf(file, "  %7s .. %-7s %10" PRIu64 " %5.1f %%  %.*s\n",
		format_duration(begin, from, sizeof(from)),
		begin >= LAST_BEGIN ? "" : format_duration(octave_end(begin), to, sizeof(to)), count,
		100.0 * (double)count / (double)all, len, bar);
}

/* @columns: of the terminal */
void histogram_draw(const struct histogram *histogram, const char *title, int columns, FILE *file)
{
	char mean[16], median[16], p99[16], p999[16];
	uint64_t begin, last, most = 0;
	/* What stands in front of the bars */
	int width = columns - 42;

	fprintf(file, "%s: %" PRIu64 " commands, mean %s, 50 %% %s, 99 %% %s, 99.9 %% %s\n", title,
		histogram->count, format_duration(histogram_mean(histogram), mean, sizeof(mean)),
		format_duration(histogram_quantile(histogram, 0.5), median, sizeof(median)),
		format_duration(histogram_quantile(histogram, 0.99), p99, sizeof(p99)),
		format_duration(histogram_quantile(histogram, 0.999), p999, sizeof(p999)));
	if (!histogram->nr)
		return;
	width = width < 10 ? 10 : width > 100 ? 100 : width;
	last = octave_of(histogram->buckets[histogram->nr - 1].begin);
	begin = octave_of(histogram->buckets[0].begin);
	for (; begin <= last; begin = octave_end(begin)) {
		uint64_t n = count_octave(histogram, begin);

		most = n > most ? n : most;
	}
	begin = octave_of(histogram->buckets[0].begin);
	for (; begin <= last; begin = octave_end(begin))
		draw_line(begin, count_octave(histogram, begin), histogram->count, most, width,
			  file);
}
