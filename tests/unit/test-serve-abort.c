// SPDX-License-Identifier: MIT
/*
 * Commands that are aborted while they are under way: who is told of it, where, and what isn't
 * asked any more. The store here keeps its requests until it is told, or the test answers them.
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "zcmu.h"

#define MOST	64u

struct queue {
	int fd;
	pthread_t user;			/* who asks by it */
	bool is_used;
};

/* A request, as it came */
struct kept {
	struct zcmu_io *io;
	struct queue *queue;
	struct zcmu_call call;
	int cancels;
	bool is_answered;
};

static struct {
	struct zcmu_store store;
	struct zcmu_store_ops ops;
	pthread_mutex_t lock;		/* what follows */
	struct kept kept[MOST];
	unsigned int nr;
	bool answers_at_once;		/* requests; or if not, */
	bool ends_cancelled;		/* those that are cancelled */
	const char *complaint;
	bool meet;			/* the first two requests wait for each other */
	pthread_barrier_t barrier;
	sem_t asked, cancelled;
} s;

static int queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	(void)store;
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*ret = queue;
	return 0;
}

static void queue_close(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;

	(void)store;
	close(queue->fd);
	free(queue);
}

static int queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->fd;
}

static void queue_reap(struct zcmu_store *store, void *queue)
{
	(void)store;
	(void)queue;
}

static void answer(struct kept *kept, int error)
{
	struct zcmu_io *io = kept->io;

	kept->is_answered = true;
	if (io->op == ZCMU_IO_READ && !error)
		zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	zcmu_io_done(io, error);
}

static void answer_well(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	(void)store;
	(void)queue;
	answer((struct kept *)((char *)call - offsetof(struct kept, call)), 0);
}

static void complain(const char *text)
{
	pthread_mutex_lock(&s.lock);
	s.complaint = text;
	pthread_mutex_unlock(&s.lock);
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct kept *kept;
	bool meets;

	(void)store;
	if (io->op == ZCMU_IO_FLUSH) {
		zcmu_io_done(io, 0);
		return;
	}
	pthread_mutex_lock(&s.lock);
	kept = &s.kept[s.nr++ % MOST];
	*kept = (struct kept){ .io = io, .queue = queue };
	io->data = kept;
	queue->user = pthread_self();
	meets = s.meet && s.nr <= 2;
	pthread_mutex_unlock(&s.lock);
	if (meets)
		pthread_barrier_wait(&s.barrier);
	if (s.answers_at_once)
		answer(kept, 0);
	sem_post(&s.asked);
}

static void cancel(struct zcmu_store *store, struct zcmu_io *io)
{
	struct kept *kept = io->data;

	if (store != &s.store || kept->io != io)
		complain("a request was cancelled that isn't the store's");
	if (!pthread_equal(kept->queue->user, pthread_self()))
		complain("cancel was called in another thread than the queue's");
	if (kept->is_answered)
		complain("a request was cancelled that was answered");
	if (kept->cancels++)
		complain("a request was cancelled twice");
	if (s.ends_cancelled)
		answer(kept, -ECANCELED);
	sem_post(&s.cancelled);
}

static int setup(void **state)
{
	struct server *server;
	int err;

	memset(&s, 0, sizeof(s));
	s.ops = (struct zcmu_store_ops){
		.abi = ZCMU_STORE_ABI, .size = sizeof(s.ops),
		.store_size = sizeof(struct zcmu_store), .name = "kept",
		.flags = ZCMU_STORE_NETWORK,
		.queue_open = queue_open, .queue_close = queue_close, .queue_fd = queue_fd,
		.queue_reap = queue_reap,
		.read = request, .write = request, .flush = request, .cancel = cancel,
	};
	s.store = (struct zcmu_store){
		.struct_size = sizeof(s.store), .ops = &s.ops, .size = SCRIPTED_BYTES,
		.block_size = 512, .physical_block_size = 512,
	};
	s.ends_cancelled = true;
	pthread_mutex_init(&s.lock, NULL);
	pthread_barrier_init(&s.barrier, NULL, 2);
	sem_init(&s.asked, 0, 0);
	sem_init(&s.cancelled, 0, 0);
	err = server_setup(state);
	if (!err) {
		server = *state;
		server->store = &s.store;
	}
	return err;
}

static int teardown(void **state)
{
	int err = server_teardown(state);

	if (s.complaint) {
		print_error("store: %s\n", s.complaint);
		err = -1;
	}
	return err;
}

#define ABORT_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

static void wait_for(sem_t *semaphore, const char *what)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FAKE_PATIENCE_SECONDS;
	if (sem_timedwait(semaphore, &end))
		fail_msg("expected %s, got nothing", what);
}

static unsigned int requests(void)
{
	unsigned int n;

	pthread_mutex_lock(&s.lock);
	n = s.nr;
	pthread_mutex_unlock(&s.lock);
	return n;
}

/* ABORTED COMMAND */
static void expect_aborted(struct server *server, int id)
{
	expect_error(server, id);
	assert_int_equal(fake_kernel_answer(server->kernel, id)->sense[2], 0x0b);
}

static void let_go(unsigned int index)
{
	s.kept[index].call.function = answer_well;
	assert_int_equal(zcmu_queue_call(&s.store, s.kept[index].queue, &s.kept[index].call), 0);
}

static void the_store_is_told_and_may_answer_there(void **state)
{
	struct server *server = *state;
	int id;

	server_start(server, 1);
	id = put_read(server, 0, 8);
	wait_for(&s.asked, "a request");
	assert_true(fake_kernel_abort(server->kernel, &id, 1) > 0);
	wait_for(&s.cancelled, "it to be cancelled");
	expect_aborted(server, id);
	assert_int_equal(server_stop(server), 0);
}

static void the_store_may_go_on_and_is_told_once(void **state)
{
	struct server *server = *state;
	int ids[2];

	s.ends_cancelled = false;
	server_start(server, 1);
	ids[0] = put_read(server, 0, 8);
	ids[1] = put_read(server, 8, 8);
	wait_for(&s.asked, "a request");
	wait_for(&s.asked, "a request");
	assert_true(fake_kernel_abort(server->kernel, ids, 1) > 0);
	assert_true(fake_kernel_abort(server->kernel, ids, 2) > 0);
	wait_for(&s.cancelled, "it to be cancelled");
	wait_for(&s.cancelled, "the other one to be cancelled");
	let_go(0);
	let_go(1);
	expect_answer(server, ids[0]);
	expect_answer(server, ids[1]);
	assert_int_equal(server_stop(server), 0);
	assert_int_equal(s.kept[0].cancels, 1);
	assert_int_equal(s.kept[1].cancels, 1);
}

static void what_was_answered_or_never_came_is_not_told(void **state)
{
	struct server *server = *state;
	int ids[3];

	s.answers_at_once = true;
	server_start(server, 1);
	ids[0] = put_read(server, 0, 8);
	expect_answer(server, ids[0]);
	s.answers_at_once = false;
	wait_for(&s.asked, "a request");
	ids[1] = put_read(server, 0, 8);
	wait_for(&s.asked, "a request");
	ids[2] = 4711;
	assert_true(fake_kernel_abort(server->kernel, ids, 3) > 0);
	expect_aborted(server, ids[1]);
	assert_int_equal(s.kept[0].cancels, 0);
	assert_int_equal(server_stop(server), 0);
}

static void what_still_waits_is_not_begun(void **state)
{
	struct server *server = *state;
	uint8_t data[512] = { 0 };
	int first, second;

	server_start(server, 1);
	first = put_write(server, 0, 1, data);
	wait_for(&s.asked, "a request");
	/* It waits for the other one's block. */
	second = put_write(server, 0, 1, data);
	assert_true(fake_kernel_abort(server->kernel, &second, 1) > 0);
	/* Whoever comes behind it sees that it was read. */
	expect_answer(server, put_inquiry(server));
	let_go(0);
	expect_answer(server, first);
	expect_aborted(server, second);
	assert_int_equal(requests(), 1);
	assert_int_equal(server_stop(server), 0);
}

static void of_a_request_in_parts_the_one_under_way_is_told_and_no_other_follows(void **state)
{
	struct server *server = *state;
	int id;

	s.store.max_io = 1024;
	s.ends_cancelled = false;
	server_start(server, 1);
	id = put_read(server, 0, 8);
	wait_for(&s.asked, "a request");
	let_go(0);
	wait_for(&s.asked, "another part");
	assert_true(fake_kernel_abort(server->kernel, &id, 1) > 0);
	wait_for(&s.cancelled, "the part to be cancelled");
	/* It goes well, but there are two more. */
	let_go(1);
	expect_aborted(server, id);
	assert_int_equal(requests(), 2);
	assert_int_equal(s.kept[0].cancels, 0);
	assert_int_equal(server_stop(server), 0);
}

static void of_a_command_in_steps_no_other_step_follows(void **state)
{
	struct server *server = *state;
	/* VERIFY with BYTCHK 0 reads 1 MiB at a time. */
	static const uint8_t verify[10] = { 0x2f, [7] = 4096 >> 8 };
	struct fake_request of_two = { .cdb = verify };
	int id;

	s.ends_cancelled = false;
	server_start(server, 1);
	id = fake_kernel_put(server->kernel, &of_two);
	wait_for(&s.asked, "a request");
	assert_true(fake_kernel_abort(server->kernel, &id, 1) > 0);
	wait_for(&s.cancelled, "the step to be cancelled");
	let_go(0);
	expect_aborted(server, id);
	assert_int_equal(requests(), 1);
	assert_int_equal(server_stop(server), 0);
}

static void each_is_told_in_the_thread_of_its_queue(void **state)
{
	struct server *server = *state;
	int ids[48], i;

	/* So two threads have some at least. */
	s.ops.flags |= ZCMU_STORE_BLOCKS;
	s.meet = true;
	server_start(server, 4);
	for (i = 0; i < 48; i++)
		ids[i] = put_read(server, (uint32_t)i * 8, 8);
	for (i = 0; i < 48; i++)
		wait_for(&s.asked, "all requests");
	assert_true(fake_kernel_abort(server->kernel, ids, 48) > 0);
	for (i = 0; i < 48; i++)
		expect_aborted(server, ids[i]);
	assert_int_equal(server_stop(server), 0);
}

static void a_store_with_cancel_needs_queues(void **state)
{
	struct zcmu_store *store;

	(void)state;
	s.ops.queue_open = NULL;
	s.ops.open = (int (*)(struct zcmu_store *, const char *))abort;
	assert_int_equal(zcmu_store_open_ops(&s.ops, "", NULL, &store), -EINVAL);
}

/*
 * Layers: one thread asks for a command before it reads what comes behind it on the ring.
 */

static void expect_delay_ends(struct server *server, const char *spec)
{
	int id;

	assert_int_equal(server_open_store(server, spec), 0);
	server_start(server, 1);
	id = put_read(server, 0, 8);
	assert_true(fake_kernel_abort(server->kernel, &id, 1) > 0);
	expect_aborted(server, id);
	assert_int_equal(server_stop(server), 0);
}

static void a_delay_ends(void **state)
{
	expect_delay_ends(*state, "fault,delay=3600000:ram:4M");
}

static void layers_pass_it_on(void **state)
{
	expect_delay_ends(*state, "log,file=/dev/null:limit,rate=1P:fault,delay=3600000:ram:4M");
}

/* What hangs comes when the file is gone, and not before. */
static void what_hangs_goes_on_hanging(void **state)
{
	char file[] = "/tmp/zcmu-hangs-XXXXXX", spec[128];
	struct server *server = *state;
	int fd = mkstemp(file), id;

	assert_true(fd >= 0);
	snprintf(spec, sizeof(spec), "fault,hang,while=%s:ram:4M", file);
	assert_int_equal(server_open_store(server, spec), 0);
	server_start(server, 1);
	id = put_read(server, 0, 8);
	assert_true(fake_kernel_abort(server->kernel, &id, 1) > 0);
	expect_answer(server, put_inquiry(server));
	expect_no_answer(server, id);
	close(fd);
	unlink(file);
	expect_answer(server, id);
	assert_int_equal(server_stop(server), 0);
}

static struct {
	int (*kick)(struct zcmu_disk *disk);
	pthread_t leader;
	atomic_bool was_elsewhere;
} kicks;

static int kick_here(struct zcmu_disk *disk)
{
	if (!pthread_equal(kicks.leader, pthread_self()))
		atomic_store(&kicks.was_elsewhere, true);
	return kicks.kick(disk);
}

/* Whoever answers on the ring kicks. */
static void a_layer_answers_in_its_queue_s_thread_whoever_is_below(void **state)
{
	struct server *server = *state;
	int i;

	assert_int_equal(server_open_store(server, "log,file=/dev/null:elsewhere:4M"), 0);
	kicks.kick = server->disk->kick;
	server->disk->kick = kick_here;
	server_start(server, 1);
	kicks.leader = server->handle;
	for (i = 0; i < 100; i++)
		expect_answer(server, put_read(server, (uint32_t)i * 8, 8));
	assert_int_equal(server_stop(server), 0);
	assert_false(atomic_load(&kicks.was_elsewhere));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ABORT_TEST(the_store_is_told_and_may_answer_there),
		ABORT_TEST(the_store_may_go_on_and_is_told_once),
		ABORT_TEST(what_was_answered_or_never_came_is_not_told),
		ABORT_TEST(what_still_waits_is_not_begun),
		ABORT_TEST(of_a_request_in_parts_the_one_under_way_is_told_and_no_other_follows),
		ABORT_TEST(of_a_command_in_steps_no_other_step_follows),
		ABORT_TEST(each_is_told_in_the_thread_of_its_queue),
		ABORT_TEST(a_store_with_cancel_needs_queues),
		ABORT_TEST(a_delay_ends),
		ABORT_TEST(layers_pass_it_on),
		ABORT_TEST(what_hangs_goes_on_hanging),
		ABORT_TEST(a_layer_answers_in_its_queue_s_thread_whoever_is_below),
	};

	return cmocka_run_group_tests_name("serve-abort", tests, NULL, NULL);
}
