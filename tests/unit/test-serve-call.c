// SPDX-License-Identifier: MIT
/*
 * zcmu_queue_call(): a store's own threads have things done in the thread of a queue. Each request
 * of the store here is done by a thread of its own, and answered by a call.
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "zcmu.h"

#define QUEUES_MAX	8

struct queue {
	int fd;			/* never readable: nothing but calls answers */
	atomic_bool is_used;
	pthread_t user;		/* who asks by it */
};

/* A request under way */
struct job {
	struct zcmu_call call;
	struct zcmu_io *io;
	struct job *next;
};

static struct {
	struct zcmu_store store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *jobs, **jobs_end;
	bool ends;
	atomic_int answered, submits, closed;
	atomic_bool complains;	/* a call was run by the wrong thread, or is lost */
	struct zcmu_call last;	/* made when the first queue is closed, if it has a function */
	atomic_int runs;
	struct queue *queues[QUEUES_MAX];
	atomic_uint nr_queues;
} s;

static void answer(struct zcmu_store *store, void *data, struct zcmu_call *call)
{
	struct job *job = (struct job *)call;
	struct queue *queue = data;
	struct zcmu_io *io = job->io;

	if (store != io->store || !pthread_equal(queue->user, pthread_self()))
		atomic_store(&s.complains, true);
	free(job);
	if (io->op == ZCMU_IO_READ)
		zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	atomic_fetch_add(&s.answered, 1);
	zcmu_io_done(io, 0);
}

static void *work(void *argument)
{
	struct job *job;

	(void)argument;
	pthread_mutex_lock(&s.lock);
	for (;;) {
		while (!(job = s.jobs) && !s.ends)
			pthread_cond_wait(&s.changed, &s.lock);
		if (!job)
			break;
		s.jobs = job->next;
		if (!s.jobs)
			s.jobs_end = &s.jobs;
		pthread_mutex_unlock(&s.lock);
		if (zcmu_queue_call(job->io->store, job->io->queue, &job->call))
			atomic_store(&s.complains, true);
		pthread_mutex_lock(&s.lock);
	}
	pthread_mutex_unlock(&s.lock);
	return NULL;
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct job *job = calloc(1, sizeof(*job));

	(void)store;
	/* Requests of a queue come from its own thread. */
	if (!atomic_load(&queue->is_used)) {
		queue->user = pthread_self();
		atomic_store(&queue->is_used, true);
	} else if (!pthread_equal(queue->user, pthread_self())) {
		atomic_store(&s.complains, true);
	}
	job->io = io;
	job->call.function = answer;
	pthread_mutex_lock(&s.lock);
	*s.jobs_end = job;
	s.jobs_end = &job->next;
	pthread_cond_signal(&s.changed);
	pthread_mutex_unlock(&s.lock);
}

static int queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	(void)store;
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s.queues[atomic_fetch_add(&s.nr_queues, 1)] = queue;
	*ret = queue;
	return 0;
}

static void queue_close(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct zcmu_call call = { .function = answer };

	/* It is none any more. */
	if (zcmu_queue_call(store, data, &call) != -ENOTCONN)
		atomic_store(&s.complains, true);
	/* The other one isn't closed, but its thread is over. */
	if (s.last.function && queue == s.queues[0] &&
	    zcmu_queue_call(store, s.queues[1], &s.last))
		atomic_store(&s.complains, true);
	if (s.last.function && queue == s.queues[1] && !atomic_load(&s.runs))
		atomic_store(&s.complains, true);
	close(queue->fd);
	free(queue);
	atomic_fetch_add(&s.closed, 1);
}

static int queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->fd;
}

static void queue_submit(struct zcmu_store *store, void *queue)
{
	(void)store;
	(void)queue;
	atomic_fetch_add(&s.submits, 1);
}

static void queue_reap(struct zcmu_store *store, void *queue)
{
	(void)store;
	(void)queue;
	atomic_store(&s.complains, true);
}

static int open_late(struct zcmu_store *store, const char *argument)
{
	(void)argument;
	store->size = SCRIPTED_BYTES;
	return 0;
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI, .size = sizeof(ops), .store_size = sizeof(struct zcmu_store),
	.name = "called", .open = open_late,
	.queue_open = queue_open, .queue_close = queue_close, .queue_fd = queue_fd,
	.queue_submit = queue_submit, .queue_reap = queue_reap,
	.read = request, .write = request, .flush = request, .trim = request, .zero = request,
};

static int setup(void **state)
{
	memset(&s, 0, sizeof(s));
	s.store = (struct zcmu_store){
		.ops = &ops, .size = SCRIPTED_BYTES, .block_size = 512,
		.physical_block_size = 512,
	};
	s.jobs_end = &s.jobs;
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.changed, NULL);
	if (pthread_create(&s.thread, NULL, work, NULL))
		return -1;
	return server_setup(state);
}

static int teardown(void **state)
{
	int err = server_teardown(state);

	pthread_mutex_lock(&s.lock);
	s.ends = true;
	pthread_cond_signal(&s.changed);
	pthread_mutex_unlock(&s.lock);
	pthread_join(s.thread, NULL);
	pthread_cond_destroy(&s.changed);
	pthread_mutex_destroy(&s.lock);
	return err;
}

#define CALL_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Nothing else wakes the queue's thread, so a wake-up that is lost shows. */
static void load(struct server *server, int commands)
{
	int i;

	for (i = 0; i < commands; i++) {
		if (i >= 16)
			assert_true(fake_kernel_wait_for_answers(server->kernel,
								 (unsigned int)i - 15));
		put_read(server, (uint32_t)i % 1024, 1);
	}
	assert_true(fake_kernel_wait_for_answers(server->kernel, (unsigned int)commands));
}

static void calls_are_run_in_the_thread_of_their_queue(void **state)
{
	struct server *server = *state;

	server->store = &s.store;
	server_start(server, 3);
	load(server, 1000);
	assert_int_equal(server_stop(server), 0);
	assert_true(atomic_load(&s.answered) >= 1000);
	assert_int_equal(atomic_load(&s.closed), 3);
	assert_false(atomic_load(&s.complains));
}

static void the_thread_that_leads_runs_them_as_well(void **state)
{
	struct server *server = *state;

	server->store = &s.store;
	server_start(server, 1);
	load(server, 1000);
	assert_int_equal(server_stop(server), 0);
	assert_false(atomic_load(&s.complains));
}

/* A call that keeps the queue's thread until the test says so, or notes its turn. */
struct noted {
	struct zcmu_call call;
	sem_t begun, go_on;
	int turn;
};

static int turns;

static void keep(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	struct noted *noted = (struct noted *)call;

	(void)store;
	(void)queue;
	sem_post(&noted->begun);
	sem_wait(&noted->go_on);
}

static void note(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	struct noted *noted = (struct noted *)call;

	(void)store;
	(void)queue;
	noted->turn = ++turns;
	sem_post(&noted->begun);
}

static void call(struct noted *noted, void (*function)(struct zcmu_store *store, void *queue,
						      struct zcmu_call *call))
{
	sem_init(&noted->begun, 0, 0);
	sem_init(&noted->go_on, 0, 0);
	noted->call.function = function;
	assert_int_equal(zcmu_queue_call(&s.store, s.queues[0], &noted->call), 0);
}

static void calls_of_one_queue_are_run_in_their_order_and_followed_by_a_submit(void **state)
{
	static struct noted kept, calls[3];
	struct server *server = *state;
	time_t end = time(NULL) + FAKE_PATIENCE_SECONDS;
	int i, submits;

	server->store = &s.store;
	turns = 0;
	server_start(server, 1);
	load(server, 1);
	call(&kept, keep);
	sem_wait(&kept.begun);
	submits = atomic_load(&s.submits);
	for (i = 0; i < 3; i++)
		call(&calls[i], note);
	sem_post(&kept.go_on);
	for (i = 0; i < 3; i++) {
		sem_wait(&calls[i].begun);
		assert_int_equal(calls[i].turn, i + 1);
	}
	while (atomic_load(&s.submits) == submits && time(NULL) < end)
		sched_yield();
	assert_true(atomic_load(&s.submits) > submits);
	assert_int_equal(server_stop(server), 0);
}

/* It has itself run again, so many times: the thread of its queue is over. */
static void again(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	if (atomic_fetch_add(&s.runs, 1) < 100 && zcmu_queue_call(store, queue, call))
		atomic_store(&s.complains, true);
}

static void what_was_not_run_at_the_end_is_run_before_the_queue_is_closed(void **state)
{
	struct server *server = *state;

	server->store = &s.store;
	s.last.function = again;
	server_start(server, 2);
	load(server, 1);
	assert_int_equal(server_stop(server), 0);
	assert_int_equal(atomic_load(&s.runs), 101);
	assert_false(atomic_load(&s.complains));
	assert_int_equal(zcmu_queue_call(&s.store, &s, &s.last), -ENOTCONN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CALL_TEST(calls_are_run_in_the_thread_of_their_queue),
		CALL_TEST(the_thread_that_leads_runs_them_as_well),
		CALL_TEST(calls_of_one_queue_are_run_in_their_order_and_followed_by_a_submit),
		CALL_TEST(what_was_not_run_at_the_end_is_run_before_the_queue_is_closed),
	};

	return cmocka_run_group_tests_name("serve-call", tests, NULL, NULL);
}
