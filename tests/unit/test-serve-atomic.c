// SPDX-License-Identifier: MIT
/*
 * Threads that change the same blocks at the same time: nothing of what an atomic
 * command does gets lost.
 */
#include "server.h"

#include "serve/disk.h"

/* Of a block */
#ifdef __SANITIZE_THREAD__
#define BITS	256u		/* it is slow */
#else
#define BITS	4096u
#endif
#define DEPTH	24u

/* An ORWRITE to block 9 that sets one bit. Return: its id. */
static int put_bit(struct server *s, unsigned int bit)
{
	static const uint8_t cdb[16] = { 0x8b, [9] = 9, [13] = 1 };
	uint8_t data[512] = { 0 };
	struct fake_request request = { .cdb = cdb, .data = data, .size = sizeof(data) };
	int id;

	data[bit / 8] = (uint8_t)(1u << bit % 8);
	id = fake_kernel_put(s->kernel, &request);
	fake_kernel_notify(s->kernel);
	return id;
}

/* Each bit is a command of its own; if two of them were at it together, one would be lost. */
static void set_all_bits(struct server *s)
{
	static int ids[BITS];
	unsigned int i;

	memset(s->script.contents + 9 * 512, 0, 512);
	for (i = 0; i < BITS; i++) {
		if (i >= DEPTH)
			assert_true(fake_kernel_wait_for_answers(s->kernel, i - DEPTH + 1));
		ids[i] = put_bit(s, i * 611 % BITS);
		assert_true(ids[i] > 0);
	}
	assert_true(fake_kernel_wait_for_answers(s->kernel, BITS));
	assert_int_equal(server_stop(s), 0);
	for (i = 0; i < BITS; i++)
		expect_answer(s, ids[i]);
	for (i = 0; i < BITS / 8; i++)
		assert_int_equal(s->script.contents[9 * 512 + i], 0xff);
}

static void no_bit_is_lost_among_four_threads(void **state)
{
	struct server *s = *state;

	server_start(s, 4);
	set_all_bits(s);
}

static void no_bit_is_lost_by_a_store_that_blocks(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	server_start(s, 8);
	set_all_bits(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(no_bit_is_lost_among_four_threads),
		SERVER_TEST(no_bit_is_lost_by_a_store_that_blocks),
	};

	return cmocka_run_group_tests_name("serve-atomic", tests, NULL, NULL);
}
