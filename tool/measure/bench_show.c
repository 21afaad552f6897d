// SPDX-License-Identifier: MIT
/* Prints zcmu bench's figures, for people and for programs; and reads those of another run. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "counters.h"
#include "format.h"
#include "json.h"
#include "measure/bench.h"
#include "zcmu.h"

/* "write, 4 x 8 x 256 KiB, ram, 4 threads": a row's name, here and in files */
static const char *row_text(const struct row *row, char *text, size_t size)
{
	char bytes[16];

	snprintf(text, size, "%s, %u x %u x %s, %s, %u thread%s", row->job.rw, row->job.jobs,
		 row->job.depth, format_size(row->job.bytes, bytes, sizeof(bytes)), row->store,
		 row->threads, row->threads == 1 ? "" : "s");
	return text;
}

static double per_io(const struct figures *figures, const char *name)
{
	return (double)counters_get(figures->counters, figures->counted, name) /
	       (double)figures->ios;
}

/* How often the kernel has copied each byte; 0 if all were lent */
static double copies_of_a_byte(const struct figures *figures, uint32_t bytes)
{
	return (per_io(figures, "bytes_copied") + per_io(figures, "bytes_edge") +
		per_io(figures, "bytes_swapped")) / bytes;
}

/* Stock's median if it is known; else that of the copied payloads. */
static double base_of(const struct bench *bench, unsigned int row)
{
	return bench->stock_mib[row] > 0 ? bench->stock_mib[row] :
	       bench->figures[row][WAY_COPIED].spread.median;
}

static void print_figures(const struct bench *bench, unsigned int row, enum way way)
{
	const struct figures *figures = &bench->figures[row][way];
	char spread[32];

	if (!figures->samples.count)
		return;
	snprintf(spread, sizeof(spread), "(%.0f..%.0f)", figures->spread.low, figures->spread.high);
	printf("  %-7s %8.0f %16s %7.2f", bench_ways[way], figures->spread.median, spread,
	       figures->spread.median / base_of(bench, row));
	if (figures->counted)
		printf("   %6.2f %6.2f %6.2f %8.2f %6.2f",
		       copies_of_a_byte(figures, bench_rows[row].job.bytes),
		       per_io(figures, "faults"), per_io(figures, "take_backs"),
		       per_io(figures, "wake_ups"), per_io(figures, "kicks"));
	printf("\n");
}

static void print_what_is_missing(const struct bench *bench)
{
	if (bench->is_stock)
		printf("\nThat is the stock module, which counts nothing. Keep this with --json, load zcmu's\n"
		       "module, and run zcmu bench --beside FILE.\n");
	else if (!bench->beside)
		printf("\n\"copied\" is zcmu's module with zero_copy=0, not the stock module. For that row, load\n"
		       "the stock module, zcmu bench --json > FILE, and come back with --beside FILE.\n");
}

void bench_print(const struct bench *bench)
{
	struct utsname system;
	unsigned int i, way;
	char text[96];

	uname(&system);
	printf("module %s, Linux %s, %s\n"
	       "MiB/s: median of %u rounds of %u s (the middle half of them)\n\n"
	       "  %-7s %8s %16s %7s   %s\n", bench->module, system.release, bench->fio,
	       bench->rounds, bench->seconds, "", "MiB/s", "",
	       bench->stock_mib[0] > 0 ? "x stock" : "x copied",
	       "for each I/O: copies of a byte, faults, unmaps, wake-ups, kicks");
	for (i = 0; i < NR_ROWS; i++) {
		printf("%s\n", row_text(&bench_rows[i], text, sizeof(text)));
		if (bench->beside)
			printf("  %-7s %8.0f %16s %7.2f   of %s\n", "stock", bench->stock_mib[i], "",
			       1.0, bench->beside);
		for (way = 0; way < WAYS; way++)
			print_figures(bench, i, (enum way)way);
	}
	print_what_is_missing(bench);
}

/* Counts for each I/O, by the counters' names; null if there are none */
static struct json_object *counts_to_json(const struct figures *figures)
{
	struct json_object *object;
	size_t i;

	if (!figures->counted)
		return NULL;
	object = json_members();
	for (i = 0; i < figures->counted; i++) {
		const char *name = figures->counters[i].name;

		json_add(object, name, json_double(per_io(figures, name)));
	}
	return object;
}

static struct json_object *figures_to_json(const struct bench *bench, unsigned int i, enum way way)
{
	const struct figures *figures = &bench->figures[i][way];
	struct json_object *object = json_members();
	const struct row *row = &bench_rows[i];
	double stock = bench->stock_mib[i];
	char text[96];

	json_add(object, "row", json_text(row_text(row, text, sizeof(text))));
	json_add(object, "way", json_text(bench_ways[way]));
	json_add(object, "mib", json_double(figures->spread.median));
	json_add(object, "low", json_double(figures->spread.low));
	json_add(object, "high", json_double(figures->spread.high));
	json_add(object, "stock", stock > 0 ? json_double(stock) : NULL);
	json_add(object, "bytes", json_uint64(row->job.bytes));
	json_add(object, "ios", json_uint64(figures->ios));
	json_add(object, "counts", counts_to_json(figures));
	return object;
}

void bench_print_as_json(const struct bench *bench)
{
	struct json_object *object = json_document();
	struct json_object *results = json_list();
	struct utsname system;
	unsigned int i, way;

	uname(&system);
	for (i = 0; i < NR_ROWS; i++) {
		for (way = 0; way < WAYS; way++) {
			if (bench->figures[i][way].samples.count)
				json_append(results, figures_to_json(bench, i, way));
		}
	}
	json_add(object, "module", json_text(bench->module));
	json_add(object, "kernel", json_text(system.release));
	json_add(object, "fio", json_text(bench->fio));
	json_add(object, "rounds", json_uint64(bench->rounds));
	json_add(object, "seconds", json_uint64(bench->seconds));
	json_add(object, "results", results);
	print_json(object);
}

static const char *string_of(struct json_object *object, const char *name)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(object, name, &member);
	return member ? json_object_get_string(member) : "";
}

/* Take stock's figure from a result of the file, if it is one. */
static void take_result(struct bench *bench, struct json_object *result)
{
	struct json_object *mib = NULL;
	unsigned int i;
	char text[96];

	if (strcmp(string_of(result, "way"), bench_ways[WAY_STOCK]) ||
	    !json_object_object_get_ex(result, "mib", &mib))
		return;
	for (i = 0; i < NR_ROWS; i++) {
		if (!strcmp(string_of(result, "row"), row_text(&bench_rows[i], text, sizeof(text))))
			bench->stock_mib[i] = json_object_get_double(mib);
	}
}

/* Only figures of the same kernel are compared: another may copy faster, or slower. */
int bench_read_beside(struct bench *bench)
{
	struct json_object *file, *results = NULL;
	struct utsname system;
	unsigned int i;
	int err = 0;

	if (!bench->beside)
		return 0;
	uname(&system);
	file = json_object_from_file(bench->beside);
	json_object_object_get_ex(file, "results", &results);
	if (json_object_is_type(results, json_type_array)) {
		for (i = 0; i < json_object_array_length(results); i++)
			take_result(bench, json_object_array_get_idx(results, i));
	}
	for (i = 0; i < NR_ROWS && !err; i++)
		err = bench->stock_mib[i] > 0 ? 0 : -ENODATA;
	if (err)
		zcmu_error("%s: not what zcmu bench --json prints with the stock module",
			   bench->beside);
	else if (strcmp(string_of(file, "kernel"), system.release)) {
		zcmu_error("%s: was measured on Linux %s, and this is %s", bench->beside,
			   string_of(file, "kernel"), system.release);
		err = -EINVAL;
	}
	json_object_put(file);
	return err;
}
