// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_resize(): a disk that grows has its store's space first, one that shrinks
 * gives it up last, and what is under way meanwhile is neither refused nor lost.
 */
#include "server.h"

#include <sched.h>
#include <time.h>

#include "zcmu.h"

#define HALF	(SCRIPTED_BYTES / 2)

/* What the store was told, and what the disk's size was then. */
static atomic_int calls;
static uint64_t told, size_then;
static int refusal;

static int note_resize(struct zcmu_store *store, uint64_t size)
{
	told = size;
	size_then = __atomic_load_n(&store->size, __ATOMIC_SEQ_CST);
	atomic_fetch_add(&calls, 1);
	return refusal;
}

static void ignore_log(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	(void)message;
}

static int setup(void **state)
{
	struct server *s;
	int err = server_setup(state);

	s = *state;
	s->script.ops.resize = note_resize;
	atomic_store(&calls, 0);
	refusal = 0;
	zcmu_set_log(ignore_log, NULL);
	return err;
}

static int teardown(void **state)
{
	zcmu_set_log(NULL, NULL);
	return server_teardown(state);
}

#define RESIZE_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

struct resizing {
	struct server *server;
	uint64_t size;
	pthread_t thread;
	int result;
};

static void *resize_thread(void *argument)
{
	struct resizing *r = argument;

	r->result = zcmu_disk_resize(r->server->disk, r->size);
	return NULL;
}

static void wait_for_size(struct server *s, uint64_t size)
{
	time_t end = time(NULL) + FAKE_PATIENCE_SECONDS;

	while (__atomic_load_n(&s->store->size, __ATOMIC_SEQ_CST) != size && time(NULL) < end)
		sched_yield();
	assert_int_equal(s->store->size, size);
}

static void a_disk_that_grows_has_space_in_the_store_first(void **state)
{
	struct server *s = *state;

	s->script.store.size = HALF;
	server_start(s, 1);
	expect_error(s, put_read(s, HALF / 512, 1));
	assert_int_equal(zcmu_disk_resize(s->disk, SCRIPTED_BYTES), 0);
	assert_int_equal(told, SCRIPTED_BYTES);
	assert_int_equal(size_then, HALF);
	expect_contents(s, put_read(s, HALF / 512, 1), HALF / 512);
}

static void a_disk_that_shrinks_waits_for_what_is_under_way(void **state)
{
	struct server *s = *state;
	struct resizing r = { .server = s, .size = HALF };
	int last, late;

	s->script.hold = true;
	server_start(s, 1);
	last = put_read(s, SCRIPTED_BLOCKS - 1, 1);
	assert_true(scripted_wait(&s->script, 1));
	assert_int_equal(pthread_create(&r.thread, NULL, resize_thread, &r), 0);
	wait_for_size(s, HALF);
	/* From here on the end is out of reach; what knows it from before is waited for. */
	late = put_read(s, SCRIPTED_BLOCKS - 1, 1);
	expect_error(s, late);
	assert_int_equal(atomic_load(&calls), 0);
	expect_no_answer(s, last);
	scripted_answer(&s->script, 0, 0);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.result, 0);
	assert_int_equal(atomic_load(&calls), 1);
	assert_int_equal(size_then, HALF);
	expect_contents(s, last, SCRIPTED_BLOCKS - 1);
}

/* One that waits for another is under way as well. */
static void a_disk_that_shrinks_waits_for_those_that_wait(void **state)
{
	struct server *s = *state;
	struct resizing r = { .server = s, .size = HALF };
	uint8_t data[512] = { 0 };
	int first, second;

	s->script.hold = true;
	server_start(s, 2);
	first = put_write(s, SCRIPTED_BLOCKS - 1, 1, data);
	second = put_write(s, SCRIPTED_BLOCKS - 1, 1, data);
	/* One behind them shows that both were taken. */
	expect_answer(s, put_inquiry(s));
	assert_int_equal(pthread_create(&r.thread, NULL, resize_thread, &r), 0);
	wait_for_size(s, HALF);
	scripted_answer(&s->script, 0, 0);
	expect_answer(s, first);
	assert_true(scripted_wait(&s->script, 2));
	assert_int_equal(atomic_load(&calls), 0);
	/* The store has it, whose offset isn't on the smaller disk any more. */
	s->script.complaint = NULL;
	scripted_answer(&s->script, 1, 0);
	expect_answer(s, second);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.result, 0);
	assert_int_equal(atomic_load(&calls), 1);
}

static void commands_that_come_later_are_not_waited_for(void **state)
{
	struct server *s = *state;
	struct resizing r = { .server = s, .size = HALF };
	int first, second;

	s->script.hold = true;
	server_start(s, 1);
	first = put_read(s, 0, 1);
	assert_true(scripted_wait(&s->script, 1));
	assert_int_equal(pthread_create(&r.thread, NULL, resize_thread, &r), 0);
	wait_for_size(s, HALF);
	/* The epoch changes just behind the size: one that is answered shows that it has. */
	while (!(atomic_load(&s->disk->epoch) & 1))
		sched_yield();
	second = put_read(s, 1, 1);
	assert_true(scripted_wait(&s->script, 2));
	scripted_answer(&s->script, 0, 0);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.result, 0);
	expect_contents(s, first, 0);
	expect_no_answer(s, second);
	scripted_answer(&s->script, 1, 0);
	expect_contents(s, second, 1);
}

static void a_store_that_refuses_leaves_the_disk_as_it_was(void **state)
{
	struct server *s = *state;

	server_start(s, 1);
	refusal = -ENOSPC;
	assert_int_equal(zcmu_disk_resize(s->disk, 2 * SCRIPTED_BYTES), -ENOSPC);
	assert_int_equal(s->store->size, SCRIPTED_BYTES);
	assert_int_equal(zcmu_disk_resize(s->disk, HALF), -ENOSPC);
	assert_int_equal(s->store->size, SCRIPTED_BYTES);
	expect_contents(s, put_read(s, SCRIPTED_BLOCKS - 1, 1), SCRIPTED_BLOCKS - 1);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct server *s = *state;

	assert_int_equal(zcmu_disk_resize(s->disk, HALF), -ENOTCONN);
	server_start(s, 1);
	assert_int_equal(zcmu_disk_resize(s->disk, 0), -EINVAL);
	assert_int_equal(zcmu_disk_resize(s->disk, HALF + 1), -EINVAL);
	assert_int_equal(zcmu_disk_resize(s->disk, SCRIPTED_BYTES), 0);
	assert_int_equal(atomic_load(&calls), 0);
	s->script.ops.resize = NULL;
	assert_int_equal(zcmu_disk_resize(s->disk, HALF), -EOPNOTSUPP);
	assert_int_equal(s->store->size, SCRIPTED_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESIZE_TEST(a_disk_that_grows_has_space_in_the_store_first),
		RESIZE_TEST(a_disk_that_shrinks_waits_for_what_is_under_way),
		RESIZE_TEST(a_disk_that_shrinks_waits_for_those_that_wait),
		RESIZE_TEST(commands_that_come_later_are_not_waited_for),
		RESIZE_TEST(a_store_that_refuses_leaves_the_disk_as_it_was),
		RESIZE_TEST(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
