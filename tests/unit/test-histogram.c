// SPDX-License-Identifier: MIT
/* Histograms as zcmu reads, subtracts, sums up and draws them, and CDBs as it names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "look/cdb.h"
#include "look/histogram.h"

static struct histogram parsed(const char *text)
{
	struct histogram histogram;

	assert_true(histogram_parse(text, &histogram));
	return histogram;
}

static void what_the_kernel_writes_is_read(void **state)
{
	struct histogram histogram = parsed("256 3\n1024 1\ncount 4\nsum_ns 5000\n");

	(void)state;
	assert_int_equal(histogram.count, 4);
	assert_int_equal(histogram.sum_ns, 5000);
	assert_int_equal(histogram.nr, 2);
	assert_int_equal(histogram.buckets[1].begin, 1024);
	assert_int_equal(histogram.buckets[1].count, 1);
	assert_int_equal(parsed("count 0\nsum_ns 0\n").nr, 0);
}

static void what_is_cut_off_or_odd_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "256 3\n", "256 3\ncount 3\n", "256 3\ncount 4\nsum_ns 1\n",
		"512 1\n256 1\ncount 2\nsum_ns 1\n", "256\ncount 0\nsum_ns 0\n",
		"x 1\ncount 1\nsum_ns 1\n", "256 3\ncount 3\nsum_ns 1\nmore\n",
	};
	struct histogram histogram;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (histogram_parse(texts[i], &histogram))
			fail_msg("expected \"%s\" to be refused, got it taken", texts[i]);
	}
}

static void more_buckets_than_there_is_room_for_are_refused(void **state)
{
	char text[8192];
	struct histogram histogram;
	size_t i, len = 0;

	(void)state;
	for (i = 0; i <= HISTOGRAM_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%zu 1\n", i + 1);
	snprintf(text + len, sizeof(text) - len, "count %d\nsum_ns 1\n", HISTOGRAM_MAX + 1);
	assert_false(histogram_parse(text, &histogram));
}

static void buckets_end_where_the_kernels_do(void **state)
{
	(void)state;
	assert_int_equal(histogram_end(0), 256);
	assert_int_equal(histogram_end(256), 320);
	assert_int_equal(histogram_end(448), 512);
	assert_int_equal(histogram_end(1024), 1280);
	assert_int_equal(histogram_end(1ull << 36), UINT64_MAX);
}

static void what_was_before_is_taken_away(void **state)
{
	struct histogram now = parsed("256 3\n1024 5\n2048 1\ncount 9\nsum_ns 9000\n");
	struct histogram before = parsed("256 3\n1024 1\ncount 4\nsum_ns 2000\n");

	(void)state;
	histogram_subtract(&now, &before);
	assert_int_equal(now.count, 5);
	assert_int_equal(now.sum_ns, 7000);
	assert_int_equal(now.nr, 2);
	assert_int_equal(now.buckets[0].begin, 1024);
	assert_int_equal(now.buckets[0].count, 4);
	assert_int_equal(now.buckets[1].count, 1);
}

static void a_new_disk_of_the_same_name_begins_afresh(void **state)
{
	struct histogram now = parsed("256 1\ncount 1\nsum_ns 300\n");
	struct histogram before = parsed("256 3\ncount 3\nsum_ns 900\n");

	(void)state;
	histogram_subtract(&now, &before);
	assert_int_equal(now.count, 1);
}

static void quantiles_are_within_their_bucket(void **state)
{
	struct histogram histogram = parsed("256 50\n1024 49\n1048576 1\ncount 100\nsum_ns 1\n");

	(void)state;
	assert_in_range(histogram_quantile(&histogram, 0.25), 256, 320);
	assert_int_equal(histogram_quantile(&histogram, 0.5), 320);
	assert_in_range(histogram_quantile(&histogram, 0.98), 1024, 1280);
	assert_in_range(histogram_quantile(&histogram, 0.999), 1048576, 1310720);
	assert_int_equal(histogram_quantile(&histogram, 1), 1310720);
	histogram = parsed("count 0\nsum_ns 0\n");
	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	assert_int_equal(histogram_mean(&histogram), 0);
	/* The last bucket has no end. */
	histogram = parsed("68719476736 2\ncount 2\nsum_ns 1\n");
	assert_int_equal(histogram_quantile(&histogram, 0.5), 68719476736);
}

static void bounds_count_all_below_them(void **state)
{
	struct histogram histogram = parsed("0 1\n256 2\n1024 4\n68719476736 8\ncount 15\nsum_ns 1\n");

	(void)state;
	assert_int_equal(histogram_below(&histogram, 256), 1);
	assert_int_equal(histogram_below(&histogram, 1024), 3);
	assert_int_equal(histogram_below(&histogram, 2048), 7);
	assert_int_equal(histogram_below(&histogram, 1ull << 36), 7);
}

/* The picture of a histogram; to be freed */
static char *drawn(const char *attribute)
{
	struct histogram histogram = parsed(attribute);
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	histogram_draw(&histogram, "disk", 80, file);
	fclose(file);
	return text;
}

static void a_picture_has_a_line_for_each_power_of_two(void **state)
{
	char *text = drawn("1024 1\n1280 1\n4096 100\ncount 102\nsum_ns 510000\n");

	(void)state;
	assert_non_null(strstr(text, "disk: 102 commands, mean 5.0 us"));
	assert_non_null(strstr(text, "   1.0 us .. 2.0 us           2   2.0 %  #\n"));
	assert_non_null(strstr(text, "   2.0 us .. 4.1 us           0   0.0 %  \n"));
	assert_non_null(strstr(text, "   4.1 us .. 8.2 us         100  98.0 %  ######################################\n"));
	free(text);
}

static void nothing_is_drawn_of_nothing(void **state)
{
	char *text = drawn("count 0\nsum_ns 0\n");

	(void)state;
	assert_string_equal(text, "disk: 0 commands, mean 0 ns, 50 % 0 ns, 99 % 0 ns, 99.9 % 0 ns\n");
	free(text);
}

static void durations_have_two_digits_or_three(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} is[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1000, "1.0 us" }, { 12345, "12 us" },
		{ 3100000, "3.1 ms" }, { 42000000000, "42 s" }, { 4200000000000, "4200 s" },
	};
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(is) / sizeof(is[0]); i++)
		assert_string_equal(format_duration(is[i].ns, text, sizeof(text)), is[i].text);
}

static void cdbs_are_named_and_placed(void **state)
{
	uint8_t cdb[16];
	uint64_t lba;
	char name[40];
	size_t len;

	(void)state;
	len = cdb_parse("28000001000000008000", cdb, sizeof(cdb));
	assert_int_equal(len, 10);
	assert_string_equal(cdb_name(cdb, len, name, sizeof(name)), "READ(10)");
	assert_true(cdb_lba(cdb, len, &lba));
	assert_int_equal(lba, 0x10000);
	len = cdb_parse("8a000000000100000002000000080000", cdb, sizeof(cdb));
	assert_string_equal(cdb_name(cdb, len, name, sizeof(name)), "WRITE(16)");
	assert_true(cdb_lba(cdb, len, &lba));
	assert_int_equal(lba, 0x100000002);
	len = cdb_parse("0afe00012000", cdb, sizeof(cdb));
	assert_true(cdb_lba(cdb, len, &lba));
	assert_int_equal(lba, 0x1e0001);
	len = cdb_parse("9e100000000000000000000000200000", cdb, sizeof(cdb));
	assert_string_equal(cdb_name(cdb, len, name, sizeof(name)), "READ CAPACITY(16)");
	assert_false(cdb_lba(cdb, len, &lba));
	len = cdb_parse("c1", cdb, sizeof(cdb));
	assert_string_equal(cdb_name(cdb, len, name, sizeof(name)), "opcode c1h");
	assert_false(cdb_lba(cdb, len, &lba));
	/* What is short has no place, and what is no hex is no CDB. */
	len = cdb_parse("2800", cdb, sizeof(cdb));
	assert_false(cdb_lba(cdb, len, &lba));
	assert_int_equal(cdb_parse("280", cdb, sizeof(cdb)), 0);
	assert_int_equal(cdb_parse("2z", cdb, sizeof(cdb)), 0);
	assert_string_equal(cdb_name(cdb, 0, name, sizeof(name)), "-");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_writes_is_read),
		cmocka_unit_test(what_is_cut_off_or_odd_is_refused),
		cmocka_unit_test(more_buckets_than_there_is_room_for_are_refused),
		cmocka_unit_test(buckets_end_where_the_kernels_do),
		cmocka_unit_test(what_was_before_is_taken_away),
		cmocka_unit_test(a_new_disk_of_the_same_name_begins_afresh),
		cmocka_unit_test(quantiles_are_within_their_bucket),
		cmocka_unit_test(bounds_count_all_below_them),
		cmocka_unit_test(a_picture_has_a_line_for_each_power_of_two),
		cmocka_unit_test(nothing_is_drawn_of_nothing),
		cmocka_unit_test(durations_have_two_digits_or_three),
		cmocka_unit_test(cdbs_are_named_and_placed),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
