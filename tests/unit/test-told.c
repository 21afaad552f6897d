// SPDX-License-Identifier: MIT
/*
 * What can't be had is said, and leaves nothing behind: stores whose opening fails at every call
 * that may fail, one after the other; and disks that can't be served.
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "descriptors.h"
#include "fail-nth.h"
#include "zcmu.h"

#define SIZE	(1u << 20)

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

/* As without them: what is too large can't be had. */
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static unsigned int told;
static char last[1024];

static void count_messages(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	told++;
	snprintf(last, sizeof(last), "%s", message);
}

/*
 * A folder, and what is in it
 */

static char folder[64];

static int make_folder(void **state)
{
	char path[80];
	FILE *file;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/zcmu-told.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/old", folder);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), SIZE), 0);
	fclose(file);
	zcmu_set_log(count_messages, NULL);
	return 0;
}

static void remove_file(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

static int remove_folder(void **state)
{
	(void)state;
	remove_file("old");
	remove_file("log");
	zcmu_set_log(NULL, NULL);
	return rmdir(folder);
}

static bool is_there(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return !access(path, F_OK);
}

/*
 * Stores
 */

/* Return: had it more calls than this? */
static bool try_to_open(const char *spec, const struct zcmu_store_options *options, unsigned int n)
{
	unsigned int files = open_descriptors(), calls;
	struct zcmu_store *store = NULL;
	int err;

	told = 0;
	fail_nth(n);
	err = zcmu_store_open(spec, options, &store);
	calls = fail_end();
	if (err && !told)
		fail_msg("%s: expected a message about %s of call %u, got none", spec,
			 strerror(-err), n);
	if (err && (is_there("new") || is_there("overlay")))
		fail_msg("%s: expected nothing to be left behind when call %u fails (\"%s\"), got a file",
			 spec, n, last);
	zcmu_store_close(err ? NULL : store);
	remove_file("new");
	remove_file("overlay");
	if (open_descriptors() != files)
		fail_msg("%s: expected %u open files after call %u has failed, got %u", spec, files,
			 n, open_descriptors());
	return calls >= n;
}

static void try_all(const char *format, uint64_t size)
{
	struct zcmu_store_options options = { .struct_size = sizeof(options), .size = size };
	struct zcmu_store *store;
	unsigned int n = 1;
	char spec[256];

	snprintf(spec, sizeof(spec), format, folder, folder);
	/* Or nothing of this means anything. */
	assert_int_equal(zcmu_store_open(spec, &options, &store), 0);
	zcmu_store_close(store);
	remove_file("new");
	remove_file("overlay");
	while (try_to_open(spec, &options, n))
		n++;
	assert_true(n >= 2);
}

static void a_store_that_can_t_be_opened_says_why_and_leaves_nothing(void **state)
{
	(void)state;
	try_all("null:1M", 0);
	try_all("ram:1M", 0);
	try_all("file:%s/old", 0);
	try_all("file:%s/new", SIZE);
	try_all("readonly:ram:1M", 0);
	try_all("limit,iops=100:ram:1M", 0);
	try_all("fault,error=EIO:ram:1M", 0);
	try_all("log,file=%s/log:ram:1M", 0);
	try_all("cow,overlay=%s/overlay:file:%s/old", 0);
}

static void expect_refusal(const char *spec, uint64_t size, int error, const char *word)
{
	struct zcmu_store_options options = { .struct_size = sizeof(options), .size = size };
	struct zcmu_store *store;
	char text[256];

	snprintf(text, sizeof(text), spec, folder);
	told = 0;
	assert_int_equal(zcmu_store_open(text, &options, &store), error);
	if (!told || !strstr(last, word))
		fail_msg("%s: expected a message with \"%s\", got \"%s\"", text, word,
			 told ? last : "");
}

static void a_size_that_is_too_large_is_refused_with_a_word(void **state)
{
	(void)state;
	expect_refusal("null:8192P", 0, -EFBIG, "too large");
	expect_refusal("null:16383P", 0, -EFBIG, "too large");
	expect_refusal("file:%s/new", 1ull << 63, -EFBIG, "too large");
	assert_false(is_there("new"));
	expect_refusal("cow,overlay=%s/overlay:null:8191P", 0, -ENOMEM, "no memory");
	assert_false(is_there("overlay"));
}

/* Whoever has begun to make it was killed: it has its size, and nothing in it. */
static void an_overlay_that_was_half_made_is_made_anew(void **state)
{
	struct zcmu_store *store;
	char spec[256];
	FILE *file;

	(void)state;
	snprintf(spec, sizeof(spec), "%s/overlay", folder);
	file = fopen(spec, "we");
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), SIZE + 2 * 4096), 0);
	fclose(file);
	snprintf(spec, sizeof(spec), "cow,overlay=%s/overlay:file:%s/old", folder, folder);
	assert_int_equal(zcmu_store_open(spec, NULL, &store), 0);
	zcmu_store_close(store);
	assert_int_equal(zcmu_store_open(spec, NULL, &store), 0);
	zcmu_store_close(store);
	remove_file("overlay");
}

static void a_lock_that_can_t_be_had_is_in_use_only_if_it_is(void **state)
{
	struct zcmu_store *store, *other;
	unsigned int n;
	char spec[256];
	int err = 0;

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s/old", folder);
	assert_int_equal(zcmu_store_open(spec, NULL, &store), 0);
	assert_int_equal(zcmu_store_open(spec, NULL, &other), -EBUSY);
	assert_non_null(strstr(last, "in use"));
	zcmu_store_close(store);
	/* flock() fails with ENOLCK: see fail-nth.c. */
	for (n = 1; err != -ENOLCK; n++) {
		fail_nth(n);
		err = zcmu_store_open(spec, NULL, &store);
		assert_true(fail_end() >= n);
		if (!err)
			zcmu_store_close(store);
	}
	fail_end();
	assert_null(strstr(last, "in use"));
	assert_non_null(strstr(last, strerror(ENOLCK)));
}

/*
 * Disks
 */

/* Requests of more iovecs than a command has room for take memory of their own. */
static void a_command_that_there_is_no_memory_for_is_answered_busy(void **state)
{
	static const size_t pieces[20] = { [0 ... 19] = 512 };
	uint8_t cdb[10] = { 0x28, [8] = 20 };
	struct fake_request request = { .cdb = cdb, .size = 20 * 512, .pieces = pieces,
					.nr_pieces = 20 };
	struct server *s = *state;
	unsigned int n;
	int id, after;

	fail_spare_this_thread();
	server_start(s, 1);
	expect_answer(s, put_inquiry(s));
	for (n = 1; n < 3; n++) {
		fail_nth(n);
		id = fake_kernel_put(s->kernel, &request);
		assert_true(id > 0);
		expect_answer_at(s, id, SAM_BUSY, __FILE__, __LINE__);
		fail_end();
		after = put_read(s, 0, 1);
		expect_contents(s, after, 0);
	}
	id = fake_kernel_put(s->kernel, &request);
	expect_contents(s, id, 0);
	assert_int_equal(server_stop(s), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_that_can_t_be_opened_says_why_and_leaves_nothing),
		cmocka_unit_test(a_size_that_is_too_large_is_refused_with_a_word),
		cmocka_unit_test(an_overlay_that_was_half_made_is_made_anew),
		cmocka_unit_test(a_lock_that_can_t_be_had_is_in_use_only_if_it_is),
		SERVER_TEST(a_command_that_there_is_no_memory_for_is_answered_busy),
	};

	return cmocka_run_group_tests_name("told", tests, make_folder, remove_folder);
}
