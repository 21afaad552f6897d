// SPDX-License-Identifier: MIT
/*
 * Layers (stores/layers): what each does to the store below, alone and in a row. cow's requests are
 * test-cow-requests.c's.
 */
#include "store-driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint8_t data[65536], back[65536];
static char spec[512];

/* Microseconds */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void touch(struct driver *d, const char *name)
{
	fclose(fopen(driver_path_of(d, name), "we"));
}

static void a_layer_wants_a_store(void **state)
{
	static const char *const specs[] = {
		"readonly", "readonly:", "log", "limit,rate=1M", "limit,rate=1M:",
	};
	struct driver *d = *state;
	size_t i;

	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		assert_int_equal(driver_open(d, specs[i], 0, false), -EINVAL);
		expect_logged(d, "in front of which store", specs[i]);
	}
	assert_int_equal(driver_open(d, "readonly:floppy:a", 0, false), -ENOENT);
}

static void an_option_a_layer_doesn_t_know_is_refused(void **state)
{
	static const struct {
		const char *spec, *words, *more;
	} wrong[] = {
		{ "readonly,a=b:ram:1M", "readonly: there is no option \"a\"", "there are none" },
		{ "log,path=a:ram:1M", "no option \"path\"", "there are file=PATH" },
		{ "limit,rate=fast:ram:1M", "rate is a number, or a size", "not \"fast\"" },
		{ "limit,rate=0:ram:1M", "at least 1", "not \"0\"" },
		{ "fault,error=EWHAT:ram:1M", "error is one of none|EIO|", "not \"EWHAT\"" },
		{ "fault,error=EI:ram:1M", "error is one of none|EIO|", "not \"EI\"" },
		{ "fault,delay=-1:ram:1M", "delay is a number of 0 to 3600000", "not \"-1\"" },
		{ "fault,delay=1K:ram:1M", "delay is a number", "not \"1K\"" },
		{ "fault,on=seek:ram:1M", "on is one of read|write|", "not \"seek\"" },
		{ "fault,hang=1:ram:1M", "hang has no value", "not \"1\"" },
		{ "fault,while=:ram:1M", "while needs a value", "while=FILE" },
		{ "fault,while:ram:1M", "while needs a value", "while=FILE" },
		{ "cow,:ram:1M", "cow: there is no option \"\"", "overlay=PATH" },
		{ "limit,rate=1,rate=2:ram:1M", "limit", "rate is given twice" },
		{ "ram,a=b:1M", "ram: there is no option \"a\"", "there are none" },
		{ "null,touch=2:1M", "touch is one of 0|1", "not \"2\"" },
	};
	struct driver *d = *state;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(driver_open(d, wrong[i].spec, 0, false), -EINVAL);
		expect_logged(d, wrong[i].words, wrong[i].more);
	}
	assert_int_equal(driver_open(d, "fault:ram:1M", 0, false), -EINVAL);
	assert_int_equal(driver_open(d, "limit:ram:1M", 0, false), -EINVAL);
	assert_int_equal(driver_open(d, "log:ram:1M", 0, false), -EINVAL);
	assert_int_equal(driver_open(d, "cow:ram:1M", 0, false), -EINVAL);
}

static void a_backslash_takes_a_comma_or_colon_into_a_value(void **state)
{
	struct driver *d = *state;
	struct stat st;
	char path[512];

	driver_make_disk(d, 7);
	driver_make_spec(d, spec, sizeof(spec), "log,file=@/a\\,b\\:c\\\\d=e:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	snprintf(path, sizeof(path), "%s/a,b:c\\d=e", d->directory);
	assert_int_equal(stat(path, &st), 0);
}

static void options_of_stores_are_written_like_those_of_layers(void **state)
{
	struct driver *d = *state;

	memset(data, 0x31, sizeof(data));
	assert_int_equal(driver_open(d, "null,touch=0:1M", 0, false), 0);
	assert_int_equal(driver_read(d, 0, data, 4096), ZCMU_OK);
	assert_int_equal(data[0], 0x31);
	driver_close(d);
	/* As it was written before */
	assert_int_equal(driver_open(d, "null:1M,touch=0", 0, false), 0);
	assert_int_equal(driver_read(d, 0, data, 4096), ZCMU_OK);
	assert_int_equal(data[0], 0x31);
	driver_close(d);
	assert_int_equal(driver_open(d, "log,file=/dev/null:null,touch=1:1M", 0, false), 0);
	assert_int_equal(driver_read(d, 0, data, 4096), ZCMU_OK);
	assert_int_equal(data[0], 0);
}

static void readonly_can_only_be_read(void **state)
{
	struct driver *d = *state;

	driver_make_disk(d, 7);
	assert_int_equal(chmod(d->path, 0400), 0);
	driver_make_spec(d, spec, sizeof(spec), "readonly:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_true(d->store->read_only);
	assert_false(zcmu_store_can(d->store, ZCMU_IO_WRITE));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_TRIM));
	expect_bytes_of(d, 0, 65536, 7);
}

/* Everything that the store below can, through three layers, with queues and without */
static void a_row_of_layers_is_as_able_as_the_store(void **state)
{
	static const char *const belows[] = { "file:@/disk.img", "ram:1M" };
	struct driver *d = *state;
	char text[256];
	size_t i;

	driver_make_disk(d, 0);
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "log,file=@/log:limit,rate=1G:fault,error=EIO,while=@/bad:%s",
			 belows[i]);
		driver_make_spec(d, spec, sizeof(spec), text);
		assert_int_equal(driver_open(d, spec, 0, false), 0);
		memset(data, 0x31, sizeof(data));
		assert_int_equal(driver_write(d, 4096, data, sizeof(data), true), ZCMU_OK);
		expect_bytes_of(d, 4096, sizeof(data), 0x31);
		expect_bytes_of(d, 0, 4096, 0);
		assert_int_equal(driver_map(d, 4096, 4096, true), 4096);
		assert_int_equal(driver_trim(d, 8192, 8192), ZCMU_OK);
		expect_bytes_of(d, 8192, 8192, 0);
		assert_int_equal(driver_zero(d, 16384, 4096, false), ZCMU_OK);
		expect_bytes_of(d, 16384, 4096, 0);
		assert_int_equal(d->store->ops->resize(d->store, 2 << 20), 0);
		d->store->size = 2 << 20;
		assert_int_equal(driver_write(d, 1 << 20, data, 4096, false), ZCMU_OK);
		d->store->size = 1 << 20;
		assert_int_equal(d->store->ops->resize(d->store, 1 << 20), 0);
		driver_close(d);
	}
}

static void log_has_a_line_for_each_request(void **state)
{
	struct driver *d = *state;
	char line[256];
	FILE *file;

	driver_make_disk(d, 0);
	driver_make_spec(d, spec, sizeof(spec), "log,file=@/log:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(driver_write(d, 4096, data, 8192, true), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	driver_close(d);
	file = fopen(driver_path_of(d, "log"), "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_non_null(strstr(line, " write offset=4096 length=8192 fua error=0 us="));
	assert_non_null(fgets(line, sizeof(line), file));
	assert_non_null(strstr(line, " flush offset=0 length=0 error=0 us="));
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
}

static void fault_fails_what_it_is_told_to_while_a_file_is_there(void **state)
{
	struct driver *d = *state;

	driver_make_disk(d, 5);
	driver_make_spec(d, spec, sizeof(spec), "fault,error=ENOSPC,on=write,while=@/bad:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
	touch(d, "bad");
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_NO_SPACE);
	expect_bytes_of(d, 8192, 4096, 5);
	unlink(driver_path_of(d, "bad"));
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
}

static void fault_lets_requests_hang_until_the_file_is_gone(void **state)
{
	struct driver *d = *state;
	struct driven slow = { .iov = { { data, 4096 } } }, quick = { .iov = { { back, 4096 } } };

	driver_make_disk(d, 5);
	driver_make_spec(d, spec, sizeof(spec), "fault,hang,on=write,while=@/bad:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	touch(d, "bad");
	memset(data, 1, 4096);
	driver_start(d, &slow, ZCMU_IO_WRITE, 0, 4096);
	driver_start(d, &quick, ZCMU_IO_READ, 8192, 4096);
	driver_wait_for(d, &quick);
	assert_int_equal(back[0], 5);
	assert_false(slow.answered);
	unlink(driver_path_of(d, "bad"));
	driver_wait(d);
	assert_int_equal(slow.status, ZCMU_OK);
	expect_bytes_of(d, 0, 4096, 1);
}

static void fault_delays_and_then_fails(void **state)
{
	struct driver *d = *state;
	uint64_t begin, end;

	assert_int_equal(driver_open(d, "fault,delay=100,error=EIO,on=read:ram:1M", 0, false), 0);
	begin = now();
	assert_int_equal(driver_read(d, 0, back, 4096), ZCMU_READ_ERROR);
	end = now();
	assert_true(end - begin >= 99000);
}

/* No faster than told; how much slower is the machine's affair. */
static void limit_lets_through_so_much_in_a_second(void **state)
{
	struct driver *d = *state;
	uint64_t begin, end;
	int i;

	assert_int_equal(driver_open(d, "limit,rate=1M:ram:1M", 0, false), 0);
	begin = now();
	for (i = 0; i < 8; i++)
		assert_int_equal(driver_write(d, 0, data, 65536, false), ZCMU_OK);
	end = now();
	/* Half a MiB: the last begins after 7/16 s, less the tenth that may be saved up. */
	assert_true(end - begin >= 330000);
}

static void layers_have_the_identity_of_what_is_below(void **state)
{
	struct driver *d = *state;
	char below[ZCMU_STORE_IDENTITY_MAX], named[ZCMU_STORE_IDENTITY_MAX];
	char text[ZCMU_STORE_IDENTITY_MAX];

	driver_make_disk(d, 1);
	assert_int_equal(zcmu_store_identify(d->spec, below, sizeof(below)), 0);
	driver_make_spec(d, spec, sizeof(spec), "log,file=@/log:limit,rate=1G:file:@/disk.img");
	assert_int_equal(zcmu_store_open(spec, NULL, &d->store), 0);
	assert_int_equal(zcmu_store_identity(d->store, text, sizeof(text)), 0);
	assert_string_equal(text, below);
	zcmu_store_close(d->store);
	d->store = NULL;

	/* Of a disk that is made of two files, both count. */
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/over:file:@/disk.img");
	assert_int_equal(zcmu_store_identify(spec, named, sizeof(named)), -ENOENT);
	assert_int_equal(zcmu_store_open(spec, NULL, &d->store), 0);
	assert_int_equal(zcmu_store_identity(d->store, text, sizeof(text)), 0);
	assert_int_equal(zcmu_store_identify(spec, named, sizeof(named)), 0);
	assert_string_equal(text, named);
	assert_non_null(strstr(text, below));
	assert_string_not_equal(text, below);
	assert_int_equal(rename(driver_path_of(d, "over"), d->path), 0);
	touch(d, "over");
	assert_int_equal(zcmu_store_identify(spec, named, sizeof(named)), 0);
	assert_string_not_equal(text, named);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/over:ram:1M");
	assert_int_equal(zcmu_store_identify(spec, named, sizeof(named)), 0);
}

static void limits_are_those_of_the_store_below(void **state)
{
	struct driver *d = *state;

	driver_make_disk(d, 0);
	driver_make_spec(d, spec, sizeof(spec), "log,file=@/log:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(d->store->max_io, 1 << 30);
	driver_close(d);
	driver_make_spec(d, spec, sizeof(spec), "cow,overlay=@/overlay:file:@/disk.img");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(d->store->max_io, 0);
	assert_false(zcmu_store_can(d->store, ZCMU_IO_TRIM));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_layer_wants_a_store),
		STORE_TEST(an_option_a_layer_doesn_t_know_is_refused),
		STORE_TEST(a_backslash_takes_a_comma_or_colon_into_a_value),
		STORE_TEST(options_of_stores_are_written_like_those_of_layers),
		STORE_TEST(readonly_can_only_be_read),
		STORE_TEST(a_row_of_layers_is_as_able_as_the_store),
		STORE_TEST(log_has_a_line_for_each_request),
		STORE_TEST(fault_fails_what_it_is_told_to_while_a_file_is_there),
		STORE_TEST(fault_lets_requests_hang_until_the_file_is_gone),
		STORE_TEST(fault_delays_and_then_fails),
		STORE_TEST(limit_lets_through_so_much_in_a_second),
		STORE_TEST(layers_have_the_identity_of_what_is_below),
		STORE_TEST(limits_are_those_of_the_store_below),
	};

	return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
