// SPDX-License-Identifier: MIT
/*
 * Programs and plug-ins that were built with an older header than the library, or with a newer
 * one (lib/store/sized.c): what the library doesn't get is zero, and it isn't asked for what it
 * doesn't know.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Padding would hold anything, and be a member one day. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "zcmu.h"
#pragma GCC diagnostic pop

#include "server.h"
#include "store-driver.h"

#include <stdlib.h>

/* Memory of just so many bytes, for a detector to see who goes beyond. */
static void *just(const void *bytes, size_t size)
{
	void *memory = malloc(size);

	assert_non_null(memory);
	memcpy(memory, bytes, size);
	return memory;
}

/* As it would be in a header that has one member more. */
struct newer_store_options {
	struct zcmu_store_options known;
	uint64_t later;
};

static int open_with(struct driver *d, const void *options, size_t size)
{
	void *memory = just(options, size);
	int err;

	zcmu_store_close(d->store);
	d->store = NULL;
	d->logged[0] = '\0';
	err = zcmu_store_open("ram:", memory, &d->store);
	free(memory);
	return err;
}

static void an_older_program_opens_a_store(void **state)
{
	struct driver *d = *state;
	struct zcmu_store_options options = {
		.struct_size = offsetof(struct zcmu_store_options, read_only), .size = 1 << 20,
	};

	assert_int_equal(open_with(d, &options, options.struct_size), 0);
	assert_int_equal(d->store->size, 1 << 20);
	assert_false(d->store->read_only);
}

static void a_newer_program_opens_a_store_unless_it_asks_for_more(void **state)
{
	struct driver *d = *state;
	struct newer_store_options options = {
		.known = { .struct_size = sizeof(options), .size = 1 << 20, .read_only = true },
	};

	assert_int_equal(open_with(d, &options, sizeof(options)), 0);
	assert_true(d->store->read_only);
	options.later = 1ull << 63;
	assert_int_equal(open_with(d, &options, sizeof(options)), -E2BIG);
	expect_logged(d, "struct zcmu_store_options", "newer zcmu");
}

static void a_size_that_was_forgotten_is_refused(void **state)
{
	struct driver *d = *state;
	struct zcmu_store_options options = { .size = 1 << 20 };

	assert_int_equal(open_with(d, &options, sizeof(options)), -EINVAL);
	expect_logged(d, "struct_size is 0", "sizeof(struct zcmu_store_options)");
	options.struct_size = 1 << 20;
	assert_int_equal(open_with(d, &options, sizeof(options)), -EINVAL);
	options = (struct zcmu_store_options){
		.struct_size = sizeof(options), .size = 1 << 20, .reserved = { 0, 0, 1 },
	};
	assert_int_equal(open_with(d, &options, sizeof(options)), -EINVAL);
	expect_logged(d, "zcmu_store_options", "reserved");
}

/*
 * Serving
 */

static void ignore_log(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	(void)message;
}

static void a_disk_is_served_for_programs_of_any_age(void **state)
{
	struct server *s = *state;
	struct zcmu_serve_options older = {
		.struct_size = offsetof(struct zcmu_serve_options, serial), .threads = 1,
	};
	struct {
		struct zcmu_serve_options known;
		void *later;
	} newer = { .known.struct_size = sizeof(newer) };
	void *memory;

	zcmu_disk_stop(s->disk);
	memory = just(&older, older.struct_size);
	assert_int_equal(zcmu_disk_serve(s->disk, s->store, memory), 0);
	free(memory);
	zcmu_disk_stop(s->disk);
	assert_int_equal(zcmu_disk_serve(s->disk, s->store, &newer.known), 0);
	zcmu_set_log(ignore_log, NULL);
	newer.later = &newer;
	assert_int_equal(zcmu_disk_serve(s->disk, s->store, &newer.known), -E2BIG);
	newer.known.struct_size = 0;
	assert_int_equal(zcmu_disk_serve(s->disk, s->store, &newer.known), -EINVAL);
	zcmu_set_log(NULL, NULL);
}

static void statistics_are_as_long_as_the_caller_knows_them(void **state)
{
	struct server *s = *state;
	struct {
		size_t struct_size;
		uint64_t commands;
	} older = { .struct_size = sizeof(older) };
	struct {
		struct zcmu_statistics known;
		uint64_t later;
	} newer = { .known.struct_size = sizeof(newer), .later = 77 };

	atomic_store(&s->disk->counts.commands, 5);
	atomic_store(&s->disk->counts.sleeps, 9);
	assert_int_equal(zcmu_disk_statistics(s->disk, (void *)&older), 0);
	assert_int_equal(older.commands, 5);
	assert_int_equal(zcmu_disk_statistics(s->disk, &newer.known), 0);
	assert_int_equal(newer.known.sleeps, 9);
	assert_int_equal(newer.known.struct_size, sizeof(newer));
	assert_int_equal(newer.later, 0);
	newer.known.struct_size = 0;
	assert_int_equal(zcmu_disk_statistics(s->disk, &newer.known), -EINVAL);
}

/*
 * Requests
 */

struct newer_io {
	struct zcmu_io known;
	uint64_t later;
};

static int answer;

static void note_answer(struct zcmu_io *io, int error)
{
	(void)io;
	answer = error;
}

static int ask(struct driver *d, const void *io, size_t size, struct zcmu_io *after)
{
	struct zcmu_io *memory = just(io, size);

	answer = 1;
	zcmu_store_ask(d->store, memory);
	memcpy(after, memory, size < sizeof(*after) ? size : sizeof(*after));
	free(memory);
	return answer;
}

static void requests_of_any_age_are_answered(void **state)
{
	struct driver *d = *state;
	struct newer_io io = {
		.known = {
			.op = ZCMU_IO_MAP, .length = 8192, .mapped = true, .done = note_answer,
		},
	};
	struct zcmu_io after = { 0 };

	assert_int_equal(driver_open(d, "ram:1M", 0, false), 0);
	/* One that ends with done: ours has more. */
	io.known.struct_size = offsetof(struct zcmu_io, done) + sizeof(io.known.done);
	assert_true(io.known.struct_size < sizeof(io.known));
	assert_int_equal(ask(d, &io, io.known.struct_size, &after), 0);
	assert_false(after.mapped);
	assert_int_equal(after.length, 8192);
	io.known.struct_size = sizeof(io);
	assert_int_equal(ask(d, &io, sizeof(io), &after), 0);
	assert_false(after.mapped);
	io.later = 1;
	assert_int_equal(ask(d, &io, sizeof(io), &after), -E2BIG);
	io.known.struct_size = 0;
	assert_int_equal(ask(d, &io, sizeof(io), &after), -EINVAL);
}

static void a_request_that_nobody_knows_yet_is_answered(void **state)
{
	struct driver *d = *state;
	struct zcmu_io io = {
		.struct_size = sizeof(io), .op = (enum zcmu_io_op)31, .done = note_answer,
	};

	assert_int_equal(driver_open(d, "ram:1M", 0, false), 0);
	assert_int_equal(ask(d, &io, sizeof(io), &io), -EOPNOTSUPP);
}

/*
 * Plug-ins
 */

static void a_newer_plug_in_is_taken_if_it_asks_for_nothing_more(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "newer-fits:", 0, false), 0);
	/* It has found the room that it knows of, and nothing there was ours. */
	assert_int_equal(d->store->size, 4096);
	assert_int_equal(d->store->ops->size, sizeof(struct zcmu_store_ops));
}

static void a_newer_plug_in_that_asks_for_more_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "newer-ops:", 0, false), -ENOEXEC);
	expect_logged(d, "newer-ops.so", "newer zcmu");
	assert_int_equal(driver_open(d, "newer-store:", 0, false), -ENOEXEC);
	expect_logged(d, "newer-store:", "newer zcmu");
}

static int short_open(struct zcmu_store *store, const char *argument)
{
	(void)argument;
	store->size = 4096;
	return 0;
}

static void short_read(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

static void the_shortest_callbacks_end_with_read(void **state)
{
	struct driver *d = *state;
	struct zcmu_store_ops ops = {
		.abi = ZCMU_STORE_ABI, .size = offsetof(struct zcmu_store_ops, write),
		.name = "short", .open = short_open, .read = short_read,
	}, *memory = just(&ops, ops.size);

	assert_int_equal(zcmu_store_open_ops(memory, "", NULL, &d->store), 0);
	assert_true(d->store->read_only);
	free(memory);
	ops.size = offsetof(struct zcmu_store_ops, read);
	memory = just(&ops, ops.size);
	assert_int_equal(zcmu_store_open_ops(memory, "", NULL, &d->store), -EINVAL);
	expect_logged(d, "short", "open and read");
	free(memory);
	ops.size = 0;
	assert_int_equal(zcmu_store_open_ops(&ops, "", NULL, &d->store), -ENOEXEC);
	zcmu_store_close(d->store);
	d->store = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(an_older_program_opens_a_store),
		STORE_TEST(a_newer_program_opens_a_store_unless_it_asks_for_more),
		STORE_TEST(a_size_that_was_forgotten_is_refused),
		SERVER_TEST(a_disk_is_served_for_programs_of_any_age),
		SERVER_TEST(statistics_are_as_long_as_the_caller_knows_them),
		STORE_TEST(requests_of_any_age_are_answered),
		STORE_TEST(a_request_that_nobody_knows_yet_is_answered),
		STORE_TEST(a_newer_plug_in_is_taken_if_it_asks_for_nothing_more),
		STORE_TEST(a_newer_plug_in_that_asks_for_more_is_refused),
		STORE_TEST(the_shortest_callbacks_end_with_read),
	};

	return cmocka_run_group_tests_name("sized", tests, NULL, NULL);
}
