// SPDX-License-Identifier: MIT
/* What is told of a store that fails (lib/serve/failing.c): its begin and its end, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "serve/disk.h"

static struct zcmu_disk disk;
static char name[] = "disk";
static unsigned int told;
static char last[1024];
static time_t clock_is;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){ .tv_sec = clock_is };
	return 0;
}

static void hear(int level, const char *message, void *argument)
{
	(void)level;
	(void)argument;
	told++;
	strncpy(last, message, sizeof(last) - 1);
}

static int begin(void **state)
{
	(void)state;
	memset(&disk, 0, sizeof(disk));
	pthread_mutex_init(&disk.failing.lock, NULL);
	disk.name = name;
	told = 0;
	clock_is = 1000;
	zcmu_set_log(hear, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pthread_mutex_destroy(&disk.failing.lock);
	return 0;
}

static void expect_told(unsigned int times, const char *text)
{
	assert_int_equal(told, times);
	if (!strstr(last, text))
		fail_msg("expected \"%s\", got \"%.*s\"", text, (int)sizeof(last), last);
}

static void the_first_failure_of_a_kind_is_told(void **state)
{
	(void)state;
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EIO);
	expect_told(1, "disk: its store fails to read: Input/output error");
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EIO);
	assert_int_equal(told, 1);
	zcmu_failing_note(&disk, ZCMU_IO_WRITE, -ENOSPC);
	expect_told(2, "fails to write");
	assert_int_equal(atomic_load(&disk.failing.ops), 1u << ZCMU_IO_READ | 1u << ZCMU_IO_WRITE);
}

static void the_end_is_told_when_it_has_been_quiet(void **state)
{
	(void)state;
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EIO);
	clock_is += 5;
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EIO);
	clock_is += 9;
	zcmu_failing_note_well(&disk, ZCMU_IO_READ);
	assert_int_equal(told, 1);
	clock_is += 1;
	zcmu_failing_note_well(&disk, ZCMU_IO_READ);
	expect_told(2, "does not fail to read any more; 2 requests had failed, within 5 s");
	assert_int_equal(atomic_load(&disk.failing.ops), 0);
	zcmu_failing_note_well(&disk, ZCMU_IO_READ);
	assert_int_equal(told, 2);
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EIO);
	assert_int_equal(told, 3);
}

static void what_asks_to_come_again_is_no_failure(void **state)
{
	(void)state;
	zcmu_failing_note(&disk, ZCMU_IO_READ, -EAGAIN);
	zcmu_failing_note(&disk, ZCMU_IO_WRITE, -ECANCELED);
	zcmu_failing_note(&disk, ZCMU_IO_WRITE, -EROFS);
	assert_int_equal(told, 0);
	assert_int_equal(atomic_load(&disk.failing.ops), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_failure_of_a_kind_is_told, begin, end),
		cmocka_unit_test_setup_teardown(the_end_is_told_when_it_has_been_quiet, begin, end),
		cmocka_unit_test_setup_teardown(what_asks_to_come_again_is_no_failure, begin, end),
	};

	return cmocka_run_group_tests_name("serve-failing", tests, NULL, NULL);
}
