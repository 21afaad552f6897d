// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve(): how it begins and ends, that nothing waits for a store that is
 * stuck, and when the kernel is kicked. Many threads and many commands are
 * test-serve-load.c's, queues test-serve-queue.c's.
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "zcmu.h"

/* The log's last word, where a test expects an error to be reported. */
static char logged[1024];

static void keep_log(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	strncpy(logged, message, sizeof(logged) - 1);
}

/* Wait until the disk takes no more commands. */
static void wait_until_stopping(struct server *s)
{
	time_t end = time(NULL) + FAKE_PATIENCE_SECONDS;

	while (!atomic_load(&s->disk->stopping) && time(NULL) < end)
		sched_yield();
	assert_true(atomic_load(&s->disk->stopping));
}

/*
 * Beginning and end
 */

static void commands_are_answered_while_the_disk_is_served(void **state)
{
	struct server *s = *state;
	int id;

	server_start(s, 1);
	expect_answer(s, put_inquiry(s));
	id = put_read(s, 5, 3);
	expect_contents(s, id, 5);
	assert_int_equal(server_stop(s), 0);
}

static void the_end_is_a_flush_whose_error_is_told(void **state)
{
	struct server *s = *state;
	uint8_t data[512] = { 1 };

	zcmu_set_log(keep_log, NULL);
	logged[0] = '\0';
	server_start(s, 1);
	expect_answer(s, put_write(s, 0, 1, data));
	s->script.fail_at = (int)s->script.nr;
	s->script.error = -EIO;
	assert_int_equal(server_stop(s), -EIO);
	assert_int_equal(s->script.requests[s->script.nr - 1].op, ZCMU_IO_FLUSH);
	assert_non_null(strstr(logged, "the flush at the end has failed: Input/output error"));
	zcmu_set_log(NULL, NULL);
}

/* Whoever goes on with it could not know that something is missing. */
static void a_disk_that_cannot_be_flushed_is_not_handed_over(void **state)
{
	struct server *s = *state;
	uint8_t data[512] = { 1 };

	zcmu_set_log(keep_log, NULL);
	assert_int_equal(zcmu_disk_hand_over(s->disk), -ENOTCONN);
	server_start(s, 1);
	expect_answer(s, put_write(s, 0, 1, data));
	s->script.fail_at = (int)s->script.nr;
	s->script.error = -EIO;
	assert_int_equal(zcmu_disk_hand_over(s->disk), -EIO);
	expect_contents(s, put_read(s, 5, 1), 5);
	expect_answer(s, put_write(s, 0, 1, data));
	assert_int_equal(zcmu_disk_hand_over(s->disk), 0);
	assert_int_equal(server_join(s), 0);
	zcmu_set_log(NULL, NULL);
}

static void commands_that_were_there_before_are_answered(void **state)
{
	struct server *s = *state;
	int first = put_inquiry(s), second = put_read(s, 7, 1);

	server_start(s, 1);
	expect_answer(s, first);
	expect_contents(s, second, 7);
}

static void a_stop_that_comes_first_ends_it_at_once(void **state)
{
	struct server *s = *state;

	zcmu_disk_stop(s->disk);
	server_start(s, 2);
	assert_int_equal(server_join(s), 0);
}

static void no_more_commands_are_under_way_than_the_store_takes(void **state)
{
	struct zcmu_statistics n = { .struct_size = sizeof(n) };
	struct server *s = *state;
	unsigned int taken, i;
	int ids[7];

	s->script.hold = true;
	s->store->max_in_flight = 2;
	for (i = 0; i < 7; i++)
		ids[i] = put_read(s, i, 1);
	server_start(s, 1);
	/* When it sleeps it has taken all that it is going to take. */
	while (!n.sleeps)
		assert_int_equal(zcmu_disk_statistics(s->disk, &n), 0);
	pthread_mutex_lock(&s->script.lock);
	taken = s->script.nr;
	pthread_mutex_unlock(&s->script.lock);
	for (i = 0; i < 7; i++) {
		assert_true(scripted_wait(&s->script, i + 2 < 7 ? i + 2 : 7));
		scripted_answer(&s->script, i, 0);
	}
	for (i = 0; i < 7; i++)
		expect_contents(s, ids[i], i);
	/* Only now: a disk with unanswered commands would never end. */
	if (taken != 2)
		fail_msg("expected 2 commands under way, got %u", taken);
}

static void a_stop_waits_for_what_the_store_has_begun(void **state)
{
	struct server *s = *state;
	int id;

	s->script.hold = true;
	server_start(s, 1);
	id = put_read(s, 3, 1);
	assert_true(scripted_wait(&s->script, 1));
	zcmu_disk_stop(s->disk);
	wait_until_stopping(s);
	expect_no_answer(s, id);
	scripted_answer(&s->script, 0, 0);
	assert_int_equal(server_join(s), 0);
	expect_contents(s, id, 3);
}

static void a_stop_waits_for_what_waits_for_a_thread(void **state)
{
	struct server *s = *state;
	int ids[6], i;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.sticks = true;
	server_start(s, 1);
	ids[0] = put_read(s, 0, 1);
	assert_true(scripted_wait_stuck(&s->script, 1));
	for (i = 1; i < 5; i++)
		ids[i] = put_read(s, (uint32_t)i, 1);
	/* When this one is answered, the ones before it were taken. */
	ids[5] = put_inquiry(s);
	expect_answer(s, ids[5]);
	zcmu_disk_stop(s->disk);
	wait_until_stopping(s);
	scripted_let_go(&s->script);
	assert_int_equal(server_join(s), 0);
	for (i = 0; i < 5; i++)
		expect_contents(s, ids[i], (uint32_t)i);
}

static void commands_that_come_after_a_stop_stay_on_the_ring(void **state)
{
	struct zcmu_hreq req = { 0 };
	struct iovec iov;
	struct server *s = *state;
	struct zcmu_hring ring;
	size_t size;
	void *map;
	int late;

	s->script.hold = true;
	server_start(s, 1);
	put_read(s, 3, 1);
	assert_true(scripted_wait(&s->script, 1));
	zcmu_disk_stop(s->disk);
	wait_until_stopping(s);
	late = put_inquiry(s);
	scripted_answer(&s->script, 0, 0);
	assert_int_equal(server_join(s), 0);
	expect_no_answer(s, late);
	/* The next handler finds it. */
	map = fake_kernel_map(s->kernel, &size);
	assert_int_equal(zcmu_hring_init(&ring, map, size), 0);
	req.iov = &iov;
	req.iov_max = 0;
	assert_int_equal(zcmu_hring_next(&ring, &req), -E2BIG);
	assert_int_equal(req.id, late);
	zcmu_hring_deinit(&ring);
}

static void a_backstore_that_goes_away_ends_it(void **state)
{
	struct server *s = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	s->disk->uio_fd = ends[0];
	zcmu_set_log(keep_log, NULL);
	server_start(s, 2);
	close(ends[1]);
	assert_int_equal(server_join(s), -ENODEV);
	close(ends[0]);
	assert_non_null(strstr(logged, "disk: "));
}

static void a_backstore_that_goes_away_is_left_after_the_last_answer(void **state)
{
	struct server *s = *state;
	int ends[2], id;

	assert_int_equal(pipe(ends), 0);
	s->disk->uio_fd = ends[0];
	s->script.hold = true;
	id = put_read(s, 3, 1);
	zcmu_set_log(keep_log, NULL);
	server_start(s, 1);
	assert_true(scripted_wait(&s->script, 1));
	close(ends[1]);
	wait_until_stopping(s);
	assert_true(s->runs);
	scripted_answer(&s->script, 0, 0);
	assert_int_equal(server_join(s), -ENODEV);
	expect_contents(s, id, 3);
	close(ends[0]);
}

/*
 * A store that is stuck
 */

static void a_stuck_callback_blocks_no_other_command(void **state)
{
	struct server *s = *state;
	int stuck, other;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.sticks = true;
	server_start(s, 2);
	stuck = put_read(s, 0, 1);
	assert_true(scripted_wait_stuck(&s->script, 1));
	other = put_read(s, 8, 1);
	expect_answer(s, put_inquiry(s));
	expect_contents(s, other, 8);
	expect_no_answer(s, stuck);
	scripted_let_go(&s->script);
	expect_contents(s, stuck, 0);
}

static void commands_that_don_t_ask_the_store_never_wait_for_it(void **state)
{
	struct server *s = *state;
	int stuck[3];

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.sticks = true;
	server_start(s, 2);
	stuck[0] = put_read(s, 0, 1);
	stuck[1] = put_read(s, 0, 1);
	stuck[2] = put_read(s, 0, 1);
	assert_true(scripted_wait_stuck(&s->script, 2));
	expect_answer(s, put_inquiry(s));
	expect_answer(s, put_inquiry(s));
	/* Both threads are stuck: the third waits for one of them. */
	assert_int_equal(s->script.nr, 2);
	scripted_let_go(&s->script);
	expect_contents(s, stuck[0], 0);
	expect_contents(s, stuck[1], 0);
	expect_contents(s, stuck[2], 0);
}

static void an_answer_doesn_t_wait_for_the_same_thread_s_next_command(void **state)
{
	struct server *s = *state;
	int quick = put_read(s, 8, 1), stuck = put_read(s, 0, 1);

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	s->script.sticks = true;
	server_start(s, 1);
	assert_true(scripted_wait_stuck(&s->script, 1));
	expect_contents(s, quick, 8);
	scripted_let_go(&s->script);
	expect_contents(s, stuck, 0);
}

static void callbacks_that_may_block_never_run_in_the_thread_that_reads_the_ring(void **state)
{
	struct server *s = *state;
	unsigned int i;

	s->script.ops.flags |= ZCMU_STORE_BLOCKS;
	server_start(s, 1);
	for (i = 0; i < 20; i++)
		expect_answer(s, put_read(s, i, 1));
	for (i = 0; i < 20; i++)
		assert_false(pthread_equal(s->script.requests[i].thread, s->handle));
}

static void with_one_thread_callbacks_run_in_the_one_that_serves(void **state)
{
	struct server *s = *state;
	unsigned int i;

	server_start(s, 0);
	for (i = 0; i < 20; i++)
		expect_answer(s, put_read(s, i, 1));
	for (i = 0; i < 20; i++)
		assert_true(pthread_equal(s->script.requests[i].thread, s->handle));
}

static void callbacks_that_only_compute_have_no_more_threads_than_there_are_cpus(void **state)
{
	struct server *s = *state;
	unsigned int i;
	int ids[32];

	for (i = 0; i < 32; i++)
		ids[i] = put_read(s, i, 1);
	server_start_on_one_cpu(s, 4);
	for (i = 0; i < 32; i++)
		expect_answer(s, ids[i]);
	for (i = 0; i < 32; i++)
		assert_true(pthread_equal(s->script.requests[i].thread, s->handle));
}

/*
 * Kicks
 */

static void answers_share_a_kick(void **state)
{
	struct server *s = *state;
	int i;

	for (i = 0; i < 64; i++)
		put_read(s, (uint32_t)i, 1);
	server_start(s, 1);
	assert_true(fake_kernel_wait_for_answers(s->kernel, 64));
	assert_int_equal(server_stop(s), 0);
	/* One for 32 answers each. */
	assert_int_equal(fake_kernel_kicks(s->kernel), 2);
}

static void answers_of_many_bytes_are_kicked_at_once(void **state)
{
	struct server *s = *state;
	int i;

	for (i = 0; i < 4; i++)
		put_read(s, 0, 2048);
	server_start(s, 1);
	assert_true(fake_kernel_wait_for_answers(s->kernel, 4));
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(fake_kernel_kicks(s->kernel), 4);
}

static void kicks_are_counted(void **state)
{
	struct zcmu_statistics n = { .struct_size = sizeof(n) };
	struct server *s = *state;

	server_start(s, 1);
	expect_answer(s, put_inquiry(s));
	expect_answer(s, put_inquiry(s));
	assert_int_equal(server_stop(s), 0);
	zcmu_disk_statistics(s->disk, &n);
	assert_int_equal(n.commands, 2);
	assert_int_equal(n.kicks, fake_kernel_kicks(s->kernel));
	assert_true(n.sleeps > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(commands_are_answered_while_the_disk_is_served),
		SERVER_TEST(commands_that_were_there_before_are_answered),
		SERVER_TEST(the_end_is_a_flush_whose_error_is_told),
		SERVER_TEST(a_disk_that_cannot_be_flushed_is_not_handed_over),
		SERVER_TEST(a_stop_that_comes_first_ends_it_at_once),
		SERVER_TEST(no_more_commands_are_under_way_than_the_store_takes),
		SERVER_TEST(a_stop_waits_for_what_the_store_has_begun),
		SERVER_TEST(a_stop_waits_for_what_waits_for_a_thread),
		SERVER_TEST(commands_that_come_after_a_stop_stay_on_the_ring),
		SERVER_TEST(a_backstore_that_goes_away_ends_it),
		SERVER_TEST(a_backstore_that_goes_away_is_left_after_the_last_answer),
		SERVER_TEST(a_stuck_callback_blocks_no_other_command),
		SERVER_TEST(commands_that_don_t_ask_the_store_never_wait_for_it),
		SERVER_TEST(an_answer_doesn_t_wait_for_the_same_thread_s_next_command),
		SERVER_TEST(callbacks_that_may_block_never_run_in_the_thread_that_reads_the_ring),
		SERVER_TEST(with_one_thread_callbacks_run_in_the_one_that_serves),
		SERVER_TEST(callbacks_that_only_compute_have_no_more_threads_than_there_are_cpus),
		SERVER_TEST(answers_share_a_kick),
		SERVER_TEST(answers_of_many_bytes_are_kicked_at_once),
		SERVER_TEST(kicks_are_counted),
	};

	return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
