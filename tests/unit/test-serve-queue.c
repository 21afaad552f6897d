// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() and a store with queues: each thread has its own, is told to
 * submit what it has asked for, and reaps it; and what fails while threads are set up
 * leaves nothing behind.
 */
#include "server.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "zcmu.h"

/* A queue: requests wait in it until they are submitted, and are done when reaped. */
struct queue {
	struct queued_store *store;
	pthread_t owner;
	bool has_owner;
	int fd;
	struct zcmu_io *asked, *submitted;
};

struct queued_store {
	struct zcmu_store store;
	atomic_int opened, closed, submits;
	atomic_int used;		/* queues that were */
	int wait_for_used;		/* each request waits for so many */
	int fail_open_at;		/* which queue_open() fails; -1: none */
	bool mute;			/* queue_fd isn't one */
	atomic_bool complains;		/* a queue was used by the wrong thread, or with requests */
};

static int queue_open(struct zcmu_store *of, void **ret)
{
	struct queued_store *s = of->data;
	struct queue *queue;

	if (atomic_load(&s->opened) == s->fail_open_at)
		return -EMFILE;
	atomic_fetch_add(&s->opened, 1);
	queue = calloc(1, sizeof(*queue));
	queue->store = s;
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*ret = queue;
	return 0;
}

static void queue_close(struct zcmu_store *of, void *argument)
{
	struct queued_store *s = of->data;
	struct queue *queue = argument;

	if (queue->asked || queue->submitted)
		atomic_store(&s->complains, true);
	atomic_fetch_add(&s->closed, 1);
	close(queue->fd);
	free(queue);
}

static int queue_fd(struct zcmu_store *of, void *queue)
{
	struct queued_store *s = of->data;

	return s->mute ? -1 : ((struct queue *)queue)->fd;
}

/* Is it the thread that has used the queue first? */
static void check_owner(struct queue *queue)
{
	if (!queue->has_owner) {
		queue->has_owner = true;
		queue->owner = pthread_self();
		atomic_fetch_add(&queue->store->used, 1);
	}
	if (!pthread_equal(queue->owner, pthread_self()))
		atomic_store(&queue->store->complains, true);
}

static void wait_for_used(struct queued_store *s)
{
	struct timespec pause = { .tv_nsec = 1000 * 1000 };
	int tries = FAKE_PATIENCE_SECONDS * 1000;

	while (atomic_load(&s->used) < s->wait_for_used && tries--)
		nanosleep(&pause, NULL);
}

static void request(struct zcmu_store *of, struct zcmu_io *io)
{
	struct queue *queue = io->queue;

	check_owner(queue);
	wait_for_used(of->data);
	io->next = queue->asked;
	queue->asked = io;
}

static void queue_submit(struct zcmu_store *of, void *argument)
{
	struct queued_store *s = of->data;
	struct queue *queue = argument;
	uint64_t one = 1;
	struct zcmu_io *io;

	check_owner(queue);
	atomic_fetch_add(&s->submits, 1);
	while ((io = queue->asked)) {
		queue->asked = io->next;
		io->next = queue->submitted;
		queue->submitted = io;
	}
	if (write(queue->fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void queue_reap(struct zcmu_store *of, void *argument)
{
	struct queue *queue = argument;
	struct zcmu_io *io, *next;
	uint64_t count;

	(void)of;
	check_owner(queue);
	if (read(queue->fd, &count, sizeof(count)) != sizeof(count))
		return;
	io = queue->submitted;
	queue->submitted = NULL;
	for (; io; io = next) {
		next = io->next;
		if (io->op == ZCMU_IO_READ)
			zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
		zcmu_io_done(io, 0);
	}
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(ops), .name = "queued",
	.queue_open = queue_open, .queue_close = queue_close, .queue_fd = queue_fd,
	.queue_submit = queue_submit, .queue_reap = queue_reap,
	.read = request, .write = request, .flush = request, .trim = request, .zero = request,
};

/* Not on a test's stack: threads may still use it when the test has failed. */
static struct queued_store store;

static void use_queues(struct server *s)
{
	store = (struct queued_store){
		.store = { .ops = &ops, .data = &store, .size = SCRIPTED_BYTES, .block_size = 512,
			   .physical_block_size = 512 },
		.fail_open_at = -1,
	};
	s->store = &store.store;
}

static void load(struct server *s, int commands)
{
	int i;

	for (i = 0; i < commands; i++) {
		if (i >= 64)
			assert_true(fake_kernel_wait_for_answers(s->kernel, (unsigned int)i - 63));
		put_read(s, (uint32_t)i, 1);
	}
	assert_true(fake_kernel_wait_for_answers(s->kernel, (unsigned int)commands));
}

static void every_thread_has_a_queue_of_its_own(void **state)
{
	struct server *s = *state;

	use_queues(s);
	server_start(s, 3);
	load(s, 1000);
	assert_int_equal(atomic_load(&store.opened), 3);
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(atomic_load(&store.closed), 3);
	assert_false(atomic_load(&store.complains));
}

/* They are connections, say: one CPU can keep several busy. */
static void on_one_cpu_a_store_that_talks_to_others_uses_all_queues(void **state)
{
	static struct zcmu_store_ops talking;
	struct server *s = *state;
	int i;

	use_queues(s);
	talking = ops;
	talking.flags |= ZCMU_STORE_NETWORK;
	store.store.ops = &talking;
	store.wait_for_used = 3;
	for (i = 0; i < 8; i++)
		put_read(s, 0, 1);
	server_start_on_one_cpu(s, 3);
	assert_true(fake_kernel_wait_for_answers(s->kernel, 8));
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(atomic_load(&store.used), 3);
}

static void requests_of_a_batch_are_submitted_together(void **state)
{
	struct server *s = *state;
	int submits;
	int i;

	use_queues(s);
	for (i = 0; i < 50; i++)
		put_read(s, 0, 1);
	server_start(s, 1);
	assert_true(fake_kernel_wait_for_answers(s->kernel, 50));
	/* The end has a flush of its own. */
	submits = atomic_load(&store.submits);
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(submits, 1);
}

static void commands_that_don_t_ask_the_store_submit_nothing(void **state)
{
	struct server *s = *state;
	int submits;

	use_queues(s);
	server_start(s, 1);
	expect_answer(s, put_inquiry(s));
	/* The end has a flush of its own. */
	submits = atomic_load(&store.submits);
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(submits, 0);
}

static void the_next_step_of_a_command_is_submitted_as_well(void **state)
{
	/* VERIFY (16) of 4 MiB, in chunks of one */
	static const uint8_t cdb[16] = { 0x8f, [12] = 0x20 };
	struct fake_request request = { .cdb = cdb };
	struct server *s = *state;
	int submits;
	int id;

	use_queues(s);
	server_start(s, 2);
	id = fake_kernel_put(s->kernel, &request);
	expect_answer(s, id);
	/* The end has a flush of its own. */
	submits = atomic_load(&store.submits);
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(submits, 4);
	assert_false(atomic_load(&store.complains));
}

static void the_flush_after_a_write_with_fua_is_submitted_as_well(void **state)
{
	static const uint8_t cdb[10] = { 0x2a, 0x08, [8] = 1 };
	static const uint8_t data[512];
	struct fake_request request = { .cdb = cdb, .data = data, .size = sizeof(data) };
	struct server *s = *state;
	int submits;
	int id;

	use_queues(s);
	server_start(s, 1);
	id = fake_kernel_put(s->kernel, &request);
	expect_answer(s, id);
	/* The end has a flush of its own. */
	submits = atomic_load(&store.submits);
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(submits, 2);
}

/*
 * Failures
 */

static void keep_quiet(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	(void)message;
}

static void a_queue_that_can_t_be_opened_fails_it_and_the_others_are_closed(void **state)
{
	struct server *s = *state;

	zcmu_set_log(keep_quiet, NULL);
	use_queues(s);
	store.fail_open_at = 2;
	server_start(s, 4);
	assert_int_equal(server_join(s), -EMFILE);
	assert_int_equal(atomic_load(&store.opened), 2);
	assert_int_equal(atomic_load(&store.closed), 2);
}

static void a_queue_that_can_t_be_watched_fails_it_and_is_closed(void **state)
{
	struct server *s = *state;

	zcmu_set_log(keep_quiet, NULL);
	use_queues(s);
	store.mute = true;
	server_start(s, 2);
	assert_int_equal(server_join(s), -EBADF);
	assert_int_equal(atomic_load(&store.opened), 1);
	assert_int_equal(atomic_load(&store.closed), 1);
}

static void after_a_failure_it_can_be_tried_again(void **state)
{
	struct server *s = *state;
	int id = put_read(s, 0, 1);

	zcmu_set_log(keep_quiet, NULL);
	use_queues(s);
	store.fail_open_at = 0;
	server_start(s, 1);
	assert_int_equal(server_join(s), -EMFILE);
	expect_no_answer(s, id);
	store.fail_open_at = -1;
	/* The failed attempt was the semaphore's, too. */
	while (!sem_trywait(&s->ready))
		;
	server_start(s, 1);
	expect_answer(s, id);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(every_thread_has_a_queue_of_its_own),
		SERVER_TEST(on_one_cpu_a_store_that_talks_to_others_uses_all_queues),
		SERVER_TEST(requests_of_a_batch_are_submitted_together),
		SERVER_TEST(commands_that_don_t_ask_the_store_submit_nothing),
		SERVER_TEST(the_next_step_of_a_command_is_submitted_as_well),
		SERVER_TEST(the_flush_after_a_write_with_fua_is_submitted_as_well),
		SERVER_TEST(a_queue_that_can_t_be_opened_fails_it_and_the_others_are_closed),
		SERVER_TEST(a_queue_that_can_t_be_watched_fails_it_and_is_closed),
		SERVER_TEST(after_a_failure_it_can_be_tried_again),
	};

	return cmocka_run_group_tests_name("serve-queue", tests, NULL, NULL);
}
