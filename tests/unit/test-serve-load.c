// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() under load: many commands, many threads, answers from threads
 * that are not the library's. Nothing may be lost, mixed up or answered twice (the
 * fake kernel complains of that).
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>

#include "prng.h"
#include "zcmu.h"

#ifdef __SANITIZE_THREAD__
#define COMMANDS	500	/* it is slow */
#else
#define COMMANDS	4000
#endif
#define DEPTH		64

/* What was sent, to be compared with its answer. */
struct sent {
	int id;
	uint32_t lba;
	enum { INQUIRY, READ, WRITE } kind;
};

/* Reads are of the lower half of the disk, writes to the upper one, each to its own block. */
static struct sent send_something(struct server *s, struct prng *prng, uint32_t number)
{
	struct sent sent = { .kind = prng_below(prng, 8) ? READ : INQUIRY };
	uint8_t data[512];

	if (prng_one_in(prng, 4))
		sent.kind = WRITE;
	switch (sent.kind) {
	case INQUIRY:
		sent.id = put_inquiry(s);
		break;
	case READ:
		sent.lba = prng_below(prng, SCRIPTED_BLOCKS / 2 - 8);
		sent.id = put_read(s, sent.lba, 1 + prng_below(prng, 8));
		break;
	case WRITE:
		sent.lba = SCRIPTED_BLOCKS / 2 + number;
		memset(data, (int)(number % 251), sizeof(data));
		sent.id = put_write(s, sent.lba, 1, data);
		break;
	}
	return sent;
}

static void check(struct server *s, const struct sent *sent, uint32_t number)
{
	const struct fake_answer *answer = fake_kernel_answer(s->kernel, sent->id);
	uint8_t data[512];

	switch (sent->kind) {
	case INQUIRY:
		expect_answer(s, sent->id);
		assert_memory_equal(answer->payload + 8, "ZCMU", 4);
		break;
	case READ:
		expect_contents(s, sent->id, sent->lba);
		break;
	case WRITE:
		expect_answer(s, sent->id);
		memset(data, (int)(number % 251), sizeof(data));
		assert_memory_equal(s->script.contents + sent->lba * 512, data, 512);
		break;
	}
}

/* Send @commands, DEPTH of them at a time, and see that every one is answered rightly. */
static void load(struct server *s, uint32_t commands)
{
	struct sent *sent = calloc(commands, sizeof(*sent));
	struct prng prng = { 42 };
	uint32_t i;

	for (i = 0; i < commands; i++) {
		if (i >= DEPTH && !fake_kernel_wait_for_answers(s->kernel, i - DEPTH + 1))
			break;
		sent[i] = send_something(s, &prng, i);
	}
	assert_int_equal(i, commands);
	assert_true(fake_kernel_wait_for_answers(s->kernel, commands));
	assert_int_equal(server_stop(s), 0);
	for (i = 0; i < commands; i++)
		check(s, &sent[i], i);
	assert_int_equal(fake_kernel_answers(s->kernel), commands);
	assert_true(fake_kernel_kicks(s->kernel) <= commands);
	free(sent);
}

static void one_thread_loses_nothing(void **state)
{
	struct server *s = *state;

	server_start(s, 1);
	load(s, COMMANDS);
}

static void four_threads_lose_nothing(void **state)
{
	struct server *s = *state;

	server_start(s, 4);
	load(s, COMMANDS);
}

static void one_thread_for_a_store_that_blocks_loses_nothing(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	server_start(s, 1);
	load(s, COMMANDS);
}

static void eight_threads_for_a_store_that_blocks_lose_nothing(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	server_start(s, 8);
	load(s, COMMANDS);
}

/*
 * A store that answers in threads of its own, in any order
 */

struct answerer {
	struct server *server;
	pthread_t handle;
	struct prng prng;
	atomic_bool stop;
};

static struct answerer answerers[2];
static unsigned int nr_answerers;	/* that run */

static void *answer_at_random(void *argument)
{
	struct answerer *a = argument;
	while (!atomic_load(&a->stop)) {
		if (!scripted_answer_any(&a->server->script, (uint32_t)prng_next(&a->prng)))
			sched_yield();
	}
	return NULL;
}

static void run_answerers(struct server *s, unsigned int nr)
{
	for (; nr_answerers < nr; nr_answerers++) {
		struct answerer *a = &answerers[nr_answerers];

		*a = (struct answerer){ .server = s, .prng = { nr_answerers } };
		assert_int_equal(pthread_create(&a->handle, NULL, answer_at_random, a), 0);
	}
}

static void end_answerers(void)
{
	while (nr_answerers) {
		struct answerer *a = &answerers[--nr_answerers];

		atomic_store(&a->stop, true);
		pthread_join(a->handle, NULL);
	}
}

/* A test that failed has left them running. */
static int teardown(void **state)
{
	end_answerers();
	return server_teardown(state);
}

static void answers_from_a_foreign_thread_are_not_lost(void **state)
{
	struct server *s = *state;

	s->script.hold = true;
	server_start(s, 1);
	run_answerers(s, 1);
	load(s, COMMANDS);
	end_answerers();
}

static void a_foreign_answer_is_kicked_without_another_event(void **state)
{
	struct server *s = *state;
	int id;

	s->script.hold = true;
	server_start(s, 2);
	id = put_read(s, 9, 1);
	assert_true(scripted_wait(&s->script, 1));
	scripted_answer(&s->script, 0, 0);
	expect_contents(s, id, 9);
}

static void foreign_answers_may_come_in_any_order(void **state)
{
	struct server *s = *state;
	int ids[32], i;

	s->script.hold = true;
	server_start(s, 1);
	for (i = 0; i < 32; i++)
		ids[i] = put_read(s, (uint32_t)i * 3, 1);
	assert_true(scripted_wait(&s->script, 32));
	for (i = 31; i >= 0; i--) {
		/* One in four fails. */
		scripted_answer(&s->script, (unsigned int)(i ^ 5), (i ^ 5) % 4 ? 0 : -EIO);
	}
	for (i = 0; i < 32; i++) {
		if (i % 4)
			expect_contents(s, ids[i], (uint32_t)i * 3);
		else
			expect_error(s, ids[i]);
	}
}

/* A command of several requests goes on in whatever thread answers them. */
static void steps_go_on_in_foreign_threads(void **state)
{
	struct server *s = *state;
	/* WRITE SAME (16) of 3 MiB, in chunks of one */
	static const uint8_t cdb[16] = { 0x93, [12] = 0x18 };
	uint8_t block[512];
	struct fake_request request = { .cdb = cdb, .data = block, .size = sizeof(block) };
	int ids[8], i;

	memset(block, 0x66, sizeof(block));
	s->script.hold = true;
	server_start(s, 2);
	run_answerers(s, 2);
	for (i = 0; i < 8; i++)
		ids[i] = fake_kernel_put(s->kernel, &request);
	for (i = 0; i < 8; i++)
		expect_answer(s, ids[i]);
	end_answerers();
	assert_int_equal(s->script.nr, 24);
	assert_memory_equal(s->script.contents, block, 512);
	assert_memory_equal(s->script.contents + (3 << 20) - 512, block, 512);
	assert_int_equal(s->script.contents[3 << 20], scripted_pattern(3 << 20));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, server_setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(one_thread_loses_nothing),
		TEST(four_threads_lose_nothing),
		TEST(one_thread_for_a_store_that_blocks_loses_nothing),
		TEST(eight_threads_for_a_store_that_blocks_lose_nothing),
		TEST(answers_from_a_foreign_thread_are_not_lost),
		TEST(a_foreign_answer_is_kicked_without_another_event),
		TEST(foreign_answers_may_come_in_any_order),
		TEST(steps_go_on_in_foreign_threads),
	};

	return cmocka_run_group_tests_name("serve-load", tests, NULL, NULL);
}
