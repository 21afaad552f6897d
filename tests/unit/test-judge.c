// SPDX-License-Identifier: MIT
/* What zcmu health and the OpenMetrics page say of disks in all conditions. No disk, no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look/judge.h"
#include "look/sample.h"
#include "look/stat.h"
#include "runfile.h"
#include "served.h"

static const struct limits limits = { .slow = 10, .lately = 300 };
static struct sample sample;
static bool is_held;
static char why[512];

/*
 * The machine, as it is asked for
 */

bool runfile_is_held(const char *name)
{
	(void)name;
	return is_held;
}

bool backstore_is_ours(const struct backstore *backstore)
{
	return !strncmp(backstore->config, "zcmu/", 5);
}

const char *backstore_state(const struct backstore *backstore)
{
	(void)backstore;
	return is_held ? "served" : "not served";
}

void backstore_path(const struct backstore *backstore, char *path, size_t size)
{
	(void)backstore;
	snprintf(path, size, "/nowhere");
}

int backstore_find(const char *name, struct backstore *ret)
{
	(void)name;
	(void)ret;
	return -1;
}

int backstore_find_wanted(const char *name, struct backstore *ret)
{
	return backstore_find(name, ret);
}

int backstore_list(struct backstore **ret, size_t *count)
{
	(void)ret;
	(void)count;
	return -1;
}

int counters_read(const struct backstore *backstore, struct counter *counters, size_t *count)
{
	(void)backstore;
	(void)counters;
	(void)count;
	return -1;
}

int counters_read_from(const struct backstore *backstore, const char *attribute,
		       struct counter *counters, size_t *count)
{
	(void)attribute;
	return counters_read(backstore, counters, count);
}

uint64_t counters_get(const struct counter *counters, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(counters[i].name, name))
			return counters[i].value;
	}
	return 0;
}

/*
 * Disks
 */

static void add(struct counter *counters, size_t *count, const char *name, int64_t value)
{
	snprintf(counters[*count].name, sizeof(counters->name), "%s", name);
	counters[(*count)++].value = (uint64_t)value;
}

static void set(const char *name, int64_t value)
{
	size_t i;

	for (i = 0; i < sample.nr_state; i++) {
		if (!strcmp(sample.state[i].name, name)) {
			sample.state[i].value = (uint64_t)value;
			return;
		}
	}
	add(sample.state, &sample.nr_state, name, value);
}

static int make_well(void **state)
{
	(void)state;
	sample = (struct sample){ .is_counted = true, .backstore = { .uio = 1, .size = 512 } };
	snprintf(sample.backstore.name, sizeof(sample.backstore.name), "disk");
	snprintf(sample.backstore.config, sizeof(sample.backstore.config), "zcmu/ram");
	set("open", 1);
	set("broken", 0);
	set("blocked", 0);
	set("handlers", 1);
	set("in_room", 0);
	set("in_handler", 0);
	set("in_moving", 0);
	set("in_late", 0);
	set("in_kept", 0);
	set("oldest_us", -1);
	set("last_answer_ms", 20);
	set("last_failure_ms", -1);
	add(sample.errors, &sample.nr_errors, "handler_medium_error", 0);
	add(sample.errors, &sample.nr_errors, "handler_illegal_request", 7);
	is_held = true;
	return 0;
}

static void expect_verdict(enum verdict expected, const char *reason)
{
	enum verdict got = judge(&sample, &limits, why, sizeof(why));

	if (got != expected || !strstr(why, reason))
		fail_msg("expected %s with \"%s\", got %s: %s", verdict_name(expected), reason,
			 verdict_name(got), why);
}

static void a_disk_that_is_well_is_served(void **state)
{
	(void)state;
	expect_verdict(VERDICT_SERVED, "");
	assert_string_equal(why, "");
}

static void without_a_process_it_is_dead(void **state)
{
	(void)state;
	set("open", 0);
	is_held = false;
	set("in_handler", 3);
	expect_verdict(VERDICT_DEAD, "no process serves it; commands that wait for one: 3");
}

static void while_its_process_comes_it_is_degraded(void **state)
{
	(void)state;
	set("open", 0);
	expect_verdict(VERDICT_DEGRADED, "hands it over");
}

static void a_broken_ring_is_dead(void **state)
{
	(void)state;
	set("broken", 1);
	expect_verdict(VERDICT_DEAD, "broken the ring");
}

static void a_backstore_that_is_not_enabled_is_dead(void **state)
{
	(void)state;
	sample.backstore.uio = -1;
	expect_verdict(VERDICT_DEAD, "not enabled");
}

static void a_process_that_does_not_answer_is_degraded(void **state)
{
	(void)state;
	set("in_handler", 2);
	set("oldest_us", 12000000);
	set("last_answer_ms", 13000);
	expect_verdict(VERDICT_DEGRADED, "commands that wait: 2, the oldest for 12 s");
	set("last_answer_ms", -1);
	expect_verdict(VERDICT_DEGRADED, "none was ever answered");
	set("last_answer_ms", 5);
	expect_verdict(VERDICT_DEGRADED, "while others are answered");
	set("oldest_us", 9999999);
	expect_verdict(VERDICT_SERVED, "");
}

static void a_failure_counts_for_a_while(void **state)
{
	(void)state;
	sample.errors[0].value = 5;
	set("last_failure_ms", 300000);
	expect_verdict(VERDICT_DEGRADED, "so far: handler_medium_error 5");
	assert_null(strstr(why, "illegal_request"));
	set("last_failure_ms", 300001);
	expect_verdict(VERDICT_SERVED, "");
}

static void of_the_stock_module_little_is_known(void **state)
{
	(void)state;
	sample.nr_state = 0;
	sample.is_counted = false;
	expect_verdict(VERDICT_UNKNOWN, "the stock module does not tell");
	is_held = false;
	expect_verdict(VERDICT_DEAD, "");
}

static void reasons_that_are_too_long_are_cut(void **state)
{
	char little[12];

	(void)state;
	set("blocked", 1);
	set("oldest_us", 12000000);
	assert_int_equal(judge(&sample, &limits, little, sizeof(little)), VERDICT_DEGRADED);
	assert_string_equal(little, "it is block");
}

/*
 * The page
 */

static char shown[1 << 16];

static const char *page(void (*write)(const struct sample *samples, size_t count, FILE *file))
{
	FILE *file = fmemopen(shown, sizeof(shown), "w");

	assert_non_null(file);
	write(&sample, 1, file);
	fclose(file);
	return shown;
}

static void expect_in(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("expected \"%s\", got:\n%.*s", line, (int)strlen(text), text);
}

static void an_openmetrics_page_ends_and_names_samples(void **state)
{
	const char *text = page(openmetrics_write);

	(void)state;
	expect_in(text, "# TYPE zcmu_errors counter\n");
	expect_in(text, "zcmu_errors_total{disk=\"disk\",hba=\"0\",by=\"handler\",kind=\"illegal_request\"} 7\n");
	expect_in(text, "zcmu_health{disk=\"disk\",hba=\"0\",zcmu_health=\"served\"} 1\n");
	expect_in(text, "# UNIT zcmu_size_bytes bytes\n");
	/* There is no command that could be old. */
	assert_null(strstr(text, "zcmu_oldest_command_seconds{"));
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
}

static void an_older_page_has_older_types(void **state)
{
	const char *text = page(openmetrics_write_old);

	(void)state;
	expect_in(text, "# TYPE zcmu_errors_total counter\n");
	expect_in(text, "# TYPE zcmu_health gauge\n");
	expect_in(text, "# TYPE zcmu_build_info gauge\n");
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "# EOF"));
}

static void histograms_add_up(void **state)
{
	const char *text;

	(void)state;
	assert_true(histogram_parse("0 1\n1024 2\n68719476736 4\ncount 7\nsum_ns 1500000000\n",
				    &sample.phases[PHASE_TOTAL]));
	text = page(openmetrics_write);
	expect_in(text, "phase=\"total\",le=\"1.024e-06\"} 1\n");
	expect_in(text, "phase=\"total\",le=\"2.048e-06\"} 3\n");
	expect_in(text, "phase=\"total\",le=\"68.7194767\"} 3\n");
	expect_in(text, "phase=\"total\",le=\"+Inf\"} 7\n");
	expect_in(text, "zcmu_latency_seconds_count{disk=\"disk\",hba=\"0\",phase=\"total\"} 7\n");
	expect_in(text, "zcmu_latency_seconds_sum{disk=\"disk\",hba=\"0\",phase=\"total\"} 1.500000000\n");
}

static void names_of_others_are_escaped(void **state)
{
	(void)state;
	snprintf(sample.backstore.name, sizeof(sample.backstore.name), "a\"b\\c\nd");
	expect_in(page(openmetrics_write), "{disk=\"a\\\"b\\\\c\\nd\",");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_disk_that_is_well_is_served, make_well),
		cmocka_unit_test_setup(without_a_process_it_is_dead, make_well),
		cmocka_unit_test_setup(while_its_process_comes_it_is_degraded, make_well),
		cmocka_unit_test_setup(a_broken_ring_is_dead, make_well),
		cmocka_unit_test_setup(a_backstore_that_is_not_enabled_is_dead, make_well),
		cmocka_unit_test_setup(a_process_that_does_not_answer_is_degraded, make_well),
		cmocka_unit_test_setup(a_failure_counts_for_a_while, make_well),
		cmocka_unit_test_setup(of_the_stock_module_little_is_known, make_well),
		cmocka_unit_test_setup(reasons_that_are_too_long_are_cut, make_well),
		cmocka_unit_test_setup(an_openmetrics_page_ends_and_names_samples, make_well),
		cmocka_unit_test_setup(an_older_page_has_older_types, make_well),
		cmocka_unit_test_setup(histograms_add_up, make_well),
		cmocka_unit_test_setup(names_of_others_are_escaped, make_well),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
