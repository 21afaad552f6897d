// SPDX-License-Identifier: GPL-2.0-only
/* kernel/latency.h: every time has one bucket, and it is where it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "latency.h"

static void a_time_is_in_the_bucket_that_begins_before_it(void **state)
{
	u32 bucket;
	u64 ns;

	(void)state;
	for (ns = 0; ns < 1ull << 40; ns += 1 + ns / 37) {
		bucket = zcmu_latency_bucket(ns);
		assert_true(bucket < ZCMU_LATENCY_BUCKETS);
		assert_true(zcmu_latency_begin(bucket) <= ns);
		if (bucket + 1 < ZCMU_LATENCY_BUCKETS)
			assert_true(ns < zcmu_latency_begin(bucket + 1));
	}
}

static void buckets_begin_where_they_say(void **state)
{
	u32 bucket;

	(void)state;
	for (bucket = 0; bucket < ZCMU_LATENCY_BUCKETS; bucket++) {
		u64 begin = zcmu_latency_begin(bucket);

		assert_int_equal(zcmu_latency_bucket(begin), bucket);
		if (bucket)
			assert_int_equal(zcmu_latency_bucket(begin - 1), bucket - 1);
	}
}

static void a_bucket_is_at_most_a_quarter_wide(void **state)
{
	u32 bucket;

	(void)state;
	for (bucket = 1; bucket + 1 < ZCMU_LATENCY_BUCKETS; bucket++)
		assert_true((zcmu_latency_begin(bucket + 1) - zcmu_latency_begin(bucket)) * 4 <=
			    zcmu_latency_begin(bucket));
}

static void the_ends_are_open(void **state)
{
	(void)state;
	assert_int_equal(zcmu_latency_bucket(0), 0);
	assert_int_equal(zcmu_latency_bucket(255), 0);
	assert_int_equal(zcmu_latency_bucket(256), 1);
	assert_int_equal(zcmu_latency_begin(ZCMU_LATENCY_BUCKETS - 1), 1ull << 36);
	assert_int_equal(zcmu_latency_bucket(UINT64_MAX), ZCMU_LATENCY_BUCKETS - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_is_in_the_bucket_that_begins_before_it),
		cmocka_unit_test(buckets_begin_where_they_say),
		cmocka_unit_test(a_bucket_is_at_most_a_quarter_wide),
		cmocka_unit_test(the_ends_are_open),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
