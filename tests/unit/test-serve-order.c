// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() with several threads: they are in the store at once, and what
 * was promised of order holds. A flush covers each write that was answered before it was
 * sent, FUA each write that has it; more order than that is not promised (doc/design.md).
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>

#include "prng.h"

#define THREADS		4
#define BLOCKS		64u
#define FUA		0x08

#ifdef __SANITIZE_THREAD__
#define COMMANDS	400u	/* it is slow */
#else
#define COMMANDS	3000u
#endif

static int put_cdb(struct server *s, const uint8_t *cdb, const void *data, size_t size)
{
	struct fake_request request = { .cdb = cdb, .data = data, .size = size };
	int id = fake_kernel_put(s->kernel, &request);

	assert_true(id > 0);
	return id;
}

static int put_write_fua(struct server *s, uint32_t lba, uint8_t flags, uint8_t value)
{
	uint8_t cdb[10] = { 0x2a, flags, [8] = 1 }, data[512];

	zcmu_put32(cdb + 2, lba);
	memset(data, value, sizeof(data));
	return put_cdb(s, cdb, data, sizeof(data));
}

static int put_sync(struct server *s)
{
	static const uint8_t cdb[10] = { 0x35 };

	return put_cdb(s, cdb, NULL, 0);
}

/*
 * At once
 */

/*
 * None returns before all are there: no clock has a say in this. Where callbacks may not take
 * long, the one who reads the ring runs them as well, and reads no more until it returns; so
 * all must be there when it looks.
 */
static void meet(struct server *s)
{
	int ids[THREADS], i;

	s->script.sticks = true;
	s->script.stuck_at = 4096;
	for (i = 0; i < THREADS; i++)
		ids[i] = put_read(s, 8, 8);
	server_start(s, THREADS);
	if (!scripted_wait_stuck(&s->script, THREADS))
		fail_msg("expected %d threads in the store at once, got %u", THREADS,
			 s->script.stuck);
	scripted_let_go(&s->script);
	for (i = 0; i < THREADS; i++)
		expect_contents(s, ids[i], 8);
	assert_int_equal(server_stop(s), 0);
}

/* On any number of CPUs, as the store isn't local. */
static void commands_that_come_together_are_in_the_store_at_once(void **state)
{
	struct server *s = *state;

	s->script.ops.flags |= ZCMU_STORE_NETWORK;
	meet(s);
}

/* What computes for long says that it blocks: the ring is read by nobody who does. */
static void a_store_that_computes_has_all_threads_in_it_whenever_commands_come(void **state)
{
	struct server *s = *state;
	int ids[THREADS], i;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.sticks = true;
	s->script.stuck_at = 4096;
	server_start(s, THREADS);
	for (i = 0; i < THREADS; i++) {
		ids[i] = put_read(s, 8, 8);
		if (!scripted_wait_stuck(&s->script, (unsigned int)i + 1))
			fail_msg("expected %d threads in the store, got %u", i + 1, s->script.stuck);
	}
	scripted_let_go(&s->script);
	for (i = 0; i < THREADS; i++)
		expect_contents(s, ids[i], 8);
	assert_int_equal(server_stop(s), 0);
}

/*
 * Order, step by step
 */

static void expect_op(struct server *s, unsigned int index, enum zcmu_io_op op)
{
	if (!scripted_wait(&s->script, index + 1))
		fail_msg("expected request %u, got %u in all", index, s->script.nr);
	assert_int_equal(s->script.requests[index].op, op);
}

/* The flush of one write with FUA has begun before the other was done: it doesn't count for it. */
static void each_write_with_fua_has_a_flush_that_begins_after_it(void **state)
{
	struct server *s = *state;
	int first, second;

	s->script.hold = true;
	server_start(s, THREADS);
	first = put_write_fua(s, 1, FUA, 1);
	expect_op(s, 0, ZCMU_IO_WRITE);
	second = put_write_fua(s, 2, FUA, 2);
	expect_op(s, 1, ZCMU_IO_WRITE);
	scripted_answer(&s->script, 0, 0);
	expect_op(s, 2, ZCMU_IO_FLUSH);
	scripted_answer(&s->script, 1, 0);
	expect_op(s, 3, ZCMU_IO_FLUSH);
	expect_no_answer(s, first);
	scripted_answer(&s->script, 2, 0);
	expect_answer(s, first);
	expect_no_answer(s, second);
	/* What isn't stable hasn't succeeded. */
	scripted_answer(&s->script, 3, -EIO);
	expect_error(s, second);
}

static void a_flush_is_answered_when_the_store_has_done_it(void **state)
{
	struct server *s = *state;
	int write, sync;

	s->script.hold = true;
	server_start(s, THREADS);
	write = put_write_fua(s, 1, 0, 1);
	expect_op(s, 0, ZCMU_IO_WRITE);
	sync = put_sync(s);
	/* A write that wasn't answered isn't waited for. */
	expect_op(s, 1, ZCMU_IO_FLUSH);
	expect_no_answer(s, sync);
	scripted_answer(&s->script, 1, 0);
	expect_answer(s, sync);
	expect_no_answer(s, write);
	scripted_answer(&s->script, 0, 0);
	expect_answer(s, write);
}

/* The attribute ORDERED doesn't reach a handler, so no page may promise to heed it. */
static void ordered_tasks_are_not_promised(void **state)
{
	static const uint8_t extended[6] = { 0x12, 1, 0x86, 0, 64 };
	static const uint8_t control[6] = { 0x1a, 0x08, 0x0a, 0, 64 };
	struct server *s = *state;
	int id;

	server_start(s, THREADS);
	id = put_cdb(s, extended, NULL, 64);
	expect_answer(s, id);
	/* SIMPSUP; neither ORDSUP nor HEADSUP */
	assert_int_equal(fake_kernel_answer(s->kernel, id)->payload[5], 0x01);
	id = put_cdb(s, control, NULL, 64);
	expect_answer(s, id);
	/* QUEUE ALGORITHM MODIFIER: unrestricted */
	assert_int_equal(fake_kernel_answer(s->kernel, id)->payload[4 + 3] >> 4, 1);
}

/*
 * Order, under load: a store with a cache of one byte a block, and a flush that takes its time.
 */

struct cached_store {
	struct zcmu_store store;
	pthread_mutex_t lock;
	uint8_t cache[BLOCKS], stable[BLOCKS];
};

static void cached_read(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

static void cached_write(struct zcmu_store *store, struct zcmu_io *io)
{
	struct cached_store *s = store->data;
	uint8_t value;

	zcmu_iov_get(io->iov, io->iovcnt, 0, &value, 1);
	sched_yield();
	pthread_mutex_lock(&s->lock);
	s->cache[io->offset / 512] = value;
	pthread_mutex_unlock(&s->lock);
	zcmu_io_done(io, 0);
}

/* Stable is what was there when it began. */
static void cached_flush(struct zcmu_store *store, struct zcmu_io *io)
{
	struct cached_store *s = store->data;
	uint8_t begun[BLOCKS];
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	memcpy(begun, s->cache, sizeof(begun));
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < 3; i++)
		sched_yield();
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < BLOCKS; i++)
		s->stable[i] = begun[i] > s->stable[i] ? begun[i] : s->stable[i];
	pthread_mutex_unlock(&s->lock);
	zcmu_io_done(io, 0);
}

static const struct zcmu_store_ops cached_ops = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(cached_ops), .name = "cached",
	.read = cached_read, .write = cached_write, .flush = cached_flush,
};
static const struct zcmu_store_ops blocking_ops = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(cached_ops), .name = "cached",
	.flags = ZCMU_STORE_BLOCKS,
	.read = cached_read, .write = cached_write, .flush = cached_flush,
};

/* Not on a test's stack: threads may still use it when the test has failed. */
static struct cached_store cached;

/* What must be stable once a command is answered; 0: nothing to say of that block. */
struct promise {
	int id;			/* 0: none */
	uint8_t values[BLOCKS];
};

static bool has_come(struct server *s, int id)
{
	bool came;

	/* fake_kernel_wait() takes the lock that answers come under. */
	came = fake_kernel_wait(s->kernel, id);
	return came;
}

static void expect_kept(const struct promise *promise)
{
	unsigned int i;

	pthread_mutex_lock(&cached.lock);
	for (i = 0; i < BLOCKS; i++) {
		if (cached.stable[i] < promise->values[i]) {
			uint8_t got = cached.stable[i];

			pthread_mutex_unlock(&cached.lock);
			fail_msg("expected %u in block %u to be stable when command %d is answered, got %u",
				 promise->values[i], i, promise->id, got);
		}
	}
	pthread_mutex_unlock(&cached.lock);
}

/*
 * Each block is written to again when its last write was answered, with a value that is one
 * more; in between there are flushes, several at once.
 */
static void load(struct server *s, const struct zcmu_store_ops *ops)
{
	static struct promise promises[BLOCKS + 8];
	uint8_t values[BLOCKS] = { 0 }, answered[BLOCKS] = { 0 };
	int ids[BLOCKS] = { 0 };
	struct prng prng = { 7 };
	unsigned int n, slot, block;

	memset(&cached, 0, sizeof(cached));
	memset(promises, 0, sizeof(promises));
	pthread_mutex_init(&cached.lock, NULL);
	cached.store = (struct zcmu_store){
		.ops = ops, .data = &cached, .size = BLOCKS * 512, .block_size = 512,
		.physical_block_size = 512,
	};
	s->store = &cached.store;
	server_start(s, THREADS);
	for (n = 0; n < COMMANDS; n++) {
		slot = prng_below(&prng, BLOCKS + 8);
		block = slot;
		if (promises[slot].id) {
			assert_true(has_come(s, promises[slot].id));
			expect_kept(&promises[slot]);
			promises[slot].id = 0;
		}
		if (slot >= BLOCKS) {
			memcpy(promises[slot].values, answered, sizeof(answered));
			promises[slot].id = put_sync(s);
			continue;
		}
		if (ids[block]) {
			expect_answer(s, ids[block]);
			answered[block] = values[block];
		}
		if (values[block] == 255)
			continue;
		values[block]++;
		ids[block] = put_write_fua(s, block, n % 3 ? 0 : FUA, values[block]);
		if (n % 3 == 0) {
			memset(promises[block].values, 0, BLOCKS);
			promises[block].values[block] = values[block];
			promises[block].id = ids[block];
		}
	}
	for (slot = 0; slot < BLOCKS + 8; slot++) {
		if (promises[slot].id) {
			assert_true(has_come(s, promises[slot].id));
			expect_kept(&promises[slot]);
		}
	}
	assert_int_equal(server_stop(s), 0);
}

static void what_was_flushed_is_stable_whoever_wrote_it(void **state)
{
	load(*state, &cached_ops);
}

static void the_same_by_a_store_that_blocks(void **state)
{
	load(*state, &blocking_ops);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(commands_that_come_together_are_in_the_store_at_once),
		SERVER_TEST(a_store_that_computes_has_all_threads_in_it_whenever_commands_come),
		SERVER_TEST(each_write_with_fua_has_a_flush_that_begins_after_it),
		SERVER_TEST(a_flush_is_answered_when_the_store_has_done_it),
		SERVER_TEST(ordered_tasks_are_not_promised),
		SERVER_TEST(what_was_flushed_is_stable_whoever_wrote_it),
		SERVER_TEST(the_same_by_a_store_that_blocks),
	};

	return cmocka_run_group_tests_name("serve-order", tests, NULL, NULL);
}
