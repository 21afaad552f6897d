// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() where there is always more to do: a ring that is never empty, commands of
 * very many steps, many that have waited for one. Nobody else waits until it ends, because it
 * may never.
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "zcmu.h"

#define AT_A_TIME	40u
/* By then everything has had its turn. */
#define MANY		1000u
#define MOST		4000u

/*
 * A ring that is never empty: what was answered is replaced by as many new commands
 */

static struct {
	struct server *server;
	int (*kick)(struct zcmu_disk *disk);
	void (*after_many)(struct server *s);
	unsigned int sent;
} busy;

static void put_more(unsigned int n)
{
	static const uint8_t test_unit_ready[6];
	struct fake_request request = { .cdb = test_unit_ready };

	while (n-- && busy.sent < MOST) {
		assert_true(fake_kernel_put(busy.server->kernel, &request) > 0);
		busy.sent++;
	}
}

/* By the leader alone: it answers these itself. */
static int kick_and_put(struct zcmu_disk *disk)
{
	struct fake_kernel *kernel = busy.server->kernel;
	unsigned int before = fake_kernel_answers(kernel), after;
	int err = busy.kick(disk);

	after = fake_kernel_answers(kernel);
	if (busy.after_many && after >= MANY) {
		busy.after_many(busy.server);
		busy.after_many = NULL;
	}
	put_more(after - before);
	return err;
}

static void keep_busy(struct server *s, void (*after_many)(struct server *s))
{
	memset(&busy, 0, sizeof(busy));
	busy.server = s;
	busy.after_many = after_many;
	busy.kick = s->disk->kick;
	s->disk->kick = kick_and_put;
	put_more(AT_A_TIME);
}

/*
 * A store whose flushes are done when its queue is reaped
 */

static struct {
	int fd;
	struct zcmu_io *asked;
	bool is_submitted;
} queue;

static int queue_open(struct zcmu_store *of, void **ret)
{
	(void)of;
	queue.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*ret = &queue;
	return 0;
}

static void queue_close(struct zcmu_store *of, void *argument)
{
	(void)of;
	(void)argument;
	close(queue.fd);
}

static int queue_fd(struct zcmu_store *of, void *argument)
{
	(void)of;
	(void)argument;
	return queue.fd;
}

static void queue_submit(struct zcmu_store *of, void *argument)
{
	uint64_t one = 1;

	(void)of;
	(void)argument;
	if (write(queue.fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void queue_reap(struct zcmu_store *of, void *argument)
{
	struct zcmu_io *io = queue.asked;
	uint64_t count;

	(void)of;
	(void)argument;
	queue.asked = NULL;
	if (read(queue.fd, &count, sizeof(count)) == sizeof(count) && io)
		zcmu_io_done(io, 0);
}

static void flush(struct zcmu_store *of, struct zcmu_io *io)
{
	(void)of;
	queue.asked = io;
}

static void nothing(struct zcmu_store *of, struct zcmu_io *io)
{
	(void)of;
	zcmu_io_done(io, 0);
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(ops), .name = "queued",
	.queue_open = queue_open, .queue_close = queue_close, .queue_fd = queue_fd,
	.queue_submit = queue_submit, .queue_reap = queue_reap,
	.read = nothing, .write = nothing, .flush = flush,
};

static struct zcmu_store store = {
	.ops = &ops, .size = 1 << 20, .block_size = 512, .physical_block_size = 512,
};

static int put_flush(struct server *s)
{
	static const uint8_t synchronize_cache[10] = { 0x35 };
	struct fake_request request = { .cdb = synchronize_cache };

	return fake_kernel_put(s->kernel, &request);
}

static void what_was_started_is_answered_though_the_ring_is_never_empty(void **state)
{
	struct server *s = *state;
	const struct fake_answer *answer;
	int id;

	s->store = &store;
	id = put_flush(s);
	keep_busy(s, NULL);
	server_start(s, 1);
	expect_answer(s, id);
	assert_true(fake_kernel_wait_for_answers(s->kernel, MOST + 1));
	answer = fake_kernel_answer(s->kernel, id);
	if (answer->order >= MANY)
		fail_msg("expected the flush to be answered before %u others, got it after %u",
			 MANY, answer->order);
	assert_int_equal(server_stop(s), 0);
}

static unsigned int idle_then, requests_then;

static void look_who_is_idle(struct server *s)
{
	pthread_mutex_lock(&s->disk->work_lock);
	idle_then = s->disk->nr_idle;
	pthread_mutex_unlock(&s->disk->work_lock);
	pthread_mutex_lock(&s->script.lock);
	requests_then = s->script.nr;
	pthread_mutex_unlock(&s->script.lock);
}

static void wait_for_idle(struct server *s, unsigned int threads)
{
	unsigned int idle;

	do {
		sched_yield();
		pthread_mutex_lock(&s->disk->work_lock);
		idle = s->disk->nr_idle;
		pthread_mutex_unlock(&s->disk->work_lock);
	} while (idle < threads);
}

static void others_are_woken_though_the_ring_is_never_empty(void **state)
{
	struct server *s = *state;
	int id;

	/* Callbacks that may sleep are others' alone. */
	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	server_start(s, 2);
	wait_for_idle(s, 2);
	/* The leader can't answer the first of these before the read is there. */
	pthread_mutex_lock(&s->disk->ring.lock);
	keep_busy(s, look_who_is_idle);
	id = put_read(s, 0, 1);
	pthread_mutex_unlock(&s->disk->ring.lock);
	expect_answer(s, id);
	assert_true(fake_kernel_wait_for_answers(s->kernel, MOST + 1));
	if (idle_then == 2 && !requests_then)
		fail_msg("expected somebody to be woken before %u commands, got nobody", MANY);
	assert_int_equal(server_stop(s), 0);
}

static bool stopping_then;

static void look_for_stop(struct server *s)
{
	stopping_then = atomic_load(&s->disk->stopping);
}

static void a_stop_is_seen_though_the_ring_is_never_empty(void **state)
{
	struct server *s = *state;

	stopping_then = true;
	keep_busy(s, look_for_stop);
	zcmu_disk_stop(s->disk);
	server_start(s, 1);
	assert_int_equal(server_join(s), 0);
	assert_true(stopping_then);
	/* What is left on the ring is the next one's. */
	assert_true(fake_kernel_answers(s->kernel) < MANY);
}

/*
 * Commands that take long without ever waiting
 */

/* What comes behind the long one is answered before it. */
static void expect_others_to_pass(struct server *s, const struct fake_request *request)
{
	int id = fake_kernel_put(s->kernel, request), inquiry = put_inquiry(s);

	server_start(s, 1);
	expect_answer(s, id);
	expect_answer(s, inquiry);
	assert_int_equal(fake_kernel_answer(s->kernel, inquiry)->order, 0);
	assert_int_equal(server_stop(s), 0);
}

static void a_command_of_many_steps_lets_others_pass(void **state)
{
	/* VERIFY (16) of 256 MiB, in chunks of one */
	static const uint8_t cdb[16] = { 0x8f, [11] = 0x08 };
	struct fake_request request = { .cdb = cdb };
	struct server *s = *state;

	s->script.store.size = 1ull << 30;
	expect_others_to_pass(s, &request);
}

/*
 * A store whose reads are done at once; with one of them a command comes
 */

static struct {
	struct server *server;
	unsigned int reads;
	int inquiry;
} many;

static void read_and_put(struct zcmu_store *of, struct zcmu_io *io)
{
	(void)of;
	if (++many.reads == 40)
		many.inquiry = put_inquiry(many.server);
	zcmu_io_done(io, 0);
}

/* What comes while it runs, that is: it was taken out of turn once already. */
static void a_command_of_many_steps_lets_those_pass_that_come_later(void **state)
{
	/* VERIFY (16) of 256 MiB, in chunks of one */
	static const uint8_t cdb[16] = { 0x8f, [11] = 0x08 };
	static const struct zcmu_store_ops quick_ops = {
		.abi = ZCMU_STORE_ABI, .size = sizeof(quick_ops), .name = "quick",
		.read = read_and_put, .write = nothing, .flush = nothing,
	};
	struct zcmu_store quick = {
		.ops = &quick_ops, .size = 1 << 30, .block_size = 512, .physical_block_size = 512,
	};
	struct fake_request request = { .cdb = cdb };
	struct server *s = *state;
	int verify;

	many.server = s;
	many.reads = 0;
	s->store = &quick;
	verify = fake_kernel_put(s->kernel, &request);
	server_start(s, 1);
	expect_answer(s, verify);
	expect_answer(s, many.inquiry);
	if (fake_kernel_answer(s->kernel, many.inquiry)->order)
		fail_msg("expected what came at read 40 to be answered first, got it after all %u",
			 many.reads);
	assert_int_equal(server_stop(s), 0);
}

/* What it has to give back is more than is given back at a time. */
static void a_long_trim_of_memory_lets_others_pass(void **state)
{
	static const uint8_t cdb[10] = { 0x42, [8] = 24 };
	uint8_t list[24] = { [1] = 22, [3] = 16 };
	struct fake_request request = { .cdb = cdb, .data = list, .size = sizeof(list) };
	struct server *s = *state;

	zcmu_put32(list + 16, (256u << 20) / 512);
	assert_int_equal(server_open_store(s, "ram:256M"), 0);
	expect_others_to_pass(s, &request);
}

static void those_that_have_waited_don_t_run_in_who_let_them_go(struct server *s,
								 unsigned int threads)
{
	static const uint8_t data[512];
	int write, reads[20];
	unsigned int i;

	s->script.hold = true;
	server_start(s, threads);
	write = put_write(s, 0, 1, data);
	assert_true(scripted_wait(&s->script, 1));
	for (i = 0; i < 20; i++)
		reads[i] = put_read(s, 0, 1);
	/* All of them have been taken when this is answered. */
	expect_answer(s, put_inquiry(s));
	pthread_mutex_lock(&s->script.lock);
	s->script.hold = false;
	pthread_mutex_unlock(&s->script.lock);
	scripted_answer(&s->script, 0, 0);
	expect_answer(s, write);
	for (i = 0; i < 20; i++)
		expect_answer(s, reads[i]);
	assert_int_equal(s->script.nr, 21);
	for (i = 1; i < 21; i++) {
		if (pthread_equal(s->script.requests[i].thread, pthread_self()))
			fail_msg("expected read %u in a thread of the disk's, got it in the store's", i);
	}
	assert_int_equal(server_stop(s), 0);
}

static void with_one_thread_the_store_s_own_runs_nobody_who_has_waited(void **state)
{
	those_that_have_waited_don_t_run_in_who_let_them_go(*state, 1);
}

static void with_more_threads_the_store_s_own_runs_nobody_who_has_waited(void **state)
{
	those_that_have_waited_don_t_run_in_who_let_them_go(*state, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(what_was_started_is_answered_though_the_ring_is_never_empty),
		SERVER_TEST(others_are_woken_though_the_ring_is_never_empty),
		SERVER_TEST(a_stop_is_seen_though_the_ring_is_never_empty),
		SERVER_TEST(a_command_of_many_steps_lets_others_pass),
		SERVER_TEST(a_command_of_many_steps_lets_those_pass_that_come_later),
		SERVER_TEST(a_long_trim_of_memory_lets_others_pass),
		SERVER_TEST(with_one_thread_the_store_s_own_runs_nobody_who_has_waited),
		SERVER_TEST(with_more_threads_the_store_s_own_runs_nobody_who_has_waited),
	};

	return cmocka_run_group_tests_name("serve-busy", tests, NULL, NULL);
}
