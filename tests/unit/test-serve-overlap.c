// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() with commands of the same blocks, many at once: whoever runs them and however
 * the store answers, they come out as if each had been done when it was sent. Which commands wait
 * for which is scsi-order's.
 */
#include "server.h"

#include <sched.h>
#include <time.h>

#include "prng.h"
#include "zcmu.h"

#define THREADS		4
#define BLOCKS		24u	/* all is in these */
#define DEPTH		60u

#ifdef __SANITIZE_THREAD__
#define COMMANDS	300u	/* it is slow */
#else
#define COMMANDS	1000u
#endif

/* What each block holds in the end: its first byte tells the command. */
struct expected {
	uint8_t values[BLOCKS];
};

static int put_cdb(struct server *s, const uint8_t *cdb, const void *data, size_t size)
{
	struct fake_request request = { .cdb = cdb, .data = data, .size = size };
	int id = fake_kernel_put(s->kernel, &request);

	assert_true(id > 0);
	return id;
}

static int put_some_write(struct server *s, struct expected *e, uint32_t lba, uint32_t blocks,
			  uint8_t value)
{
	uint8_t data[4 * 512];

	memset(data, value, sizeof(data));
	memset(e->values + lba, value, blocks);
	return put_write(s, lba, blocks, data);
}

static int put_same(struct server *s, struct expected *e, uint32_t lba, uint32_t blocks,
		    uint8_t value)
{
	uint8_t cdb[10] = { 0x41, [5] = (uint8_t)lba, [8] = (uint8_t)blocks }, data[512];

	memset(data, value, sizeof(data));
	memset(e->values + lba, value, blocks);
	return put_cdb(s, cdb, data, sizeof(data));
}

/* Two ranges */
static int put_unmap(struct server *s, struct expected *e, uint32_t lba, uint32_t other)
{
	static const uint8_t cdb[10] = { 0x42, [8] = 40 };
	uint8_t list[40] = { [1] = 38, [3] = 32 };

	zcmu_put64(list + 8, lba);
	zcmu_put32(list + 16, 1);
	zcmu_put64(list + 24, other);
	zcmu_put32(list + 32, 1);
	e->values[lba] = e->values[other] = 0;
	return put_cdb(s, cdb, list, sizeof(list));
}

static int put_something(struct server *s, struct expected *e, struct prng *prng, uint8_t value)
{
	uint32_t lba = prng_below(prng, BLOCKS - 4), blocks = 1 + prng_below(prng, 4);

	switch (prng_below(prng, 4)) {
	case 0:
		return put_same(s, e, lba, blocks, value);
	case 1:
		return put_unmap(s, e, lba, prng_below(prng, BLOCKS));
	default:
		return put_some_write(s, e, lba, blocks, value);
	}
}

static void answer_all(struct server *s, int id)
{
	time_t end = time(NULL) + FAKE_PATIENCE_SECONDS;

	/* The store has it, or one that it waits for. */
	while (!fake_kernel_has_answered(s->kernel, id) && time(NULL) < end) {
		if (!scripted_answer_any(&s->script, 0))
			sched_yield();
	}
	expect_answer(s, id);
}

/* Whatever was sent before a READ is what it finds. */
static void expect_read(struct server *s, const struct expected *e)
{
	int id = put_read(s, 0, BLOCKS);
	const struct fake_answer *answer;
	unsigned int i;

	answer_all(s, id);
	answer = fake_kernel_answer(s->kernel, id);
	for (i = 0; i < BLOCKS; i++) {
		if (answer->payload[i * 512] != e->values[i])
			fail_msg("expected a READ to find %02x in block %u, which was sent before it, got %02x",
				 e->values[i], i, answer->payload[i * 512]);
	}
}

/* @holds: the store answers when it likes, and in any order, from a thread of its own. */
static void load(struct server *s, unsigned int threads, bool holds)
{
	static int ids[COMMANDS];
	struct prng prng = { 21 };
	struct expected e;
	unsigned int n, i;

	for (i = 0; i < BLOCKS; i++)
		e.values[i] = s->script.contents[i * 512];
	s->script.hold = holds;
	server_start(s, threads);
	for (n = 0; n < COMMANDS; n++) {
		if (n >= DEPTH)
			answer_all(s, ids[n - DEPTH]);
		ids[n] = put_something(s, &e, &prng, (uint8_t)(1 + n % 255));
		if (prng_one_in(&prng, 3))
			scripted_answer_any(&s->script, prng_below(&prng, 1000));
		if (n % 100 == 99)
			expect_read(s, &e);
	}
	for (n = COMMANDS - DEPTH; n < COMMANDS; n++)
		answer_all(s, ids[n]);
	assert_int_equal(server_stop(s), 0);
	for (i = 0; i < BLOCKS; i++) {
		if (s->script.contents[i * 512] != e.values[i])
			fail_msg("expected %02x in block %u, which was sent last, got %02x",
				 e.values[i], i, s->script.contents[i * 512]);
	}
}

static void what_was_sent_last_stays(void **state)
{
	load(*state, 1, false);
}

static void what_was_sent_last_stays_with_four_threads(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_NETWORK;
	load(s, THREADS, false);
}

static void what_was_sent_last_stays_in_a_store_that_blocks(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	load(s, THREADS, false);
}

static void what_was_sent_last_stays_though_answers_are_late(void **state)
{
	load(*state, 1, true);
}

static void what_was_sent_last_stays_though_answers_are_late_with_four_threads(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_NETWORK;
	load(s, THREADS, true);
}

static void what_was_sent_last_stays_though_a_store_that_blocks_is_late(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	load(s, THREADS, true);
}

/* One thread in all may be stuck in the store; who waits takes none. */
static void a_command_that_waits_holds_no_thread(void **state)
{
	struct server *s = *state;
	struct expected e;
	int ids[2 * THREADS], other, i;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.hold = true;
	server_start(s, 1);
	for (i = 0; i < 2 * THREADS; i++)
		ids[i] = put_some_write(s, &e, 0, 4, (uint8_t)i);
	assert_true(scripted_wait(&s->script, 1));
	other = put_read(s, 8, 1);
	assert_true(scripted_wait(&s->script, 2));
	assert_int_equal(s->script.requests[1].op, ZCMU_IO_READ);
	scripted_answer(&s->script, 1, 0);
	expect_contents(s, other, 8);
	for (i = 0; i < 2 * THREADS; i++)
		answer_all(s, ids[i]);
}

/* Neither by the one that reads the ring, nor by the one that has answered. */
static void who_has_waited_goes_on_in_a_thread_that_may_block(void **state)
{
	struct server *s = *state;
	struct expected e;
	unsigned int i;
	int ids[3];

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.hold = true;
	server_start(s, THREADS);
	for (i = 0; i < 3; i++)
		ids[i] = put_some_write(s, &e, 0, 4, (uint8_t)i);
	for (i = 0; i < 3; i++) {
		assert_true(scripted_wait(&s->script, i + 1));
		assert_false(pthread_equal(s->script.requests[i].thread, s->handle));
		assert_false(pthread_equal(s->script.requests[i].thread, pthread_self()));
		scripted_answer(&s->script, i, 0);
		expect_answer(s, ids[i]);
	}
}

static void a_disk_that_stops_answers_those_that_wait(void **state)
{
	struct server *s = *state;
	struct expected e;
	unsigned int i;
	int ids[4];

	s->script.hold = true;
	server_start(s, THREADS);
	for (i = 0; i < 4; i++)
		ids[i] = put_some_write(s, &e, 0, 4, (uint8_t)i);
	/* The last of them shows that all have been taken. */
	put_some_write(s, &e, 8, 4, 8);
	assert_true(scripted_wait(&s->script, 2));
	assert_int_equal(s->script.nr, 2);
	zcmu_disk_stop(s->disk);
	for (i = 0; i < 4; i++)
		answer_all(s, ids[i]);
	while (scripted_answer_any(&s->script, 0))
		;
	assert_int_equal(server_join(s), 0);
	assert_int_equal(s->script.contents[0], 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(what_was_sent_last_stays),
		SERVER_TEST(what_was_sent_last_stays_with_four_threads),
		SERVER_TEST(what_was_sent_last_stays_in_a_store_that_blocks),
		SERVER_TEST(what_was_sent_last_stays_though_answers_are_late),
		SERVER_TEST(what_was_sent_last_stays_though_answers_are_late_with_four_threads),
		SERVER_TEST(what_was_sent_last_stays_though_a_store_that_blocks_is_late),
		SERVER_TEST(a_command_that_waits_holds_no_thread),
		SERVER_TEST(who_has_waited_goes_on_in_a_thread_that_may_block),
		SERVER_TEST(a_disk_that_stops_answers_those_that_wait),
	};

	return cmocka_run_group_tests_name("serve-overlap", tests, NULL, NULL);
}
