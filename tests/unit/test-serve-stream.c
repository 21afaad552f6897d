// SPDX-License-Identifier: MIT
/*
 * zcmu_io_stream() and zcmu_io_transfer() in a store that says only where: by the kernel, or by
 * the thread that asks, where the kernel doesn't or isn't to.
 */
#include "moving-fixture.h"

#include <semaphore.h>
#include <sys/socket.h>

static const char header[] = "a header of the store's own";

static struct {
	struct zcmu_store store;
	struct zcmu_store_ops ops;
	int ours, theirs, file;
	unsigned int flags;
	int error;
	uint64_t bytes;
	sem_t came_back;
} t;

static void come_back(struct zcmu_io *io, int error, uint64_t bytes)
{
	t.error = error;
	t.bytes = bytes;
	sem_post(&t.came_back);
	zcmu_io_done(io, error);
}

static void stream(struct zcmu_store *store, struct zcmu_io *io)
{
	bool writes = io->op == ZCMU_IO_WRITE;
	int ret = zcmu_io_stream(io, t.ours, writes ? header : NULL, writes ? sizeof(header) : 0,
				 t.flags, come_back);

	(void)store;
	if (ret)
		zcmu_io_done(io, ret);
}

static void transfer(struct zcmu_store *store, struct zcmu_io *io)
{
	int ret = zcmu_io_transfer(io, t.file, io->offset, t.flags, come_back);

	(void)store;
	if (ret)
		zcmu_io_done(io, ret);
}

static void use_store(struct server *s, unsigned int flags,
		      void (*request)(struct zcmu_store *store, struct zcmu_io *io))
{
	int ends[2];

	memset(&t, 0, sizeof(t));
	t.ops = (struct zcmu_store_ops){
		.abi = ZCMU_STORE_ABI, .size = sizeof(t.ops), .flags = ZCMU_STORE_BLOCKS,
		.store_size = sizeof(struct zcmu_store), .name = "streams", .read = request,
		.write = request,
	};
	t.store = (struct zcmu_store){
		.struct_size = sizeof(t.store), .ops = &t.ops, .size = BYTES, .block_size = 512,
		.physical_block_size = 512,
	};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	t.ours = ends[0];
	t.theirs = ends[1];
	t.file = open(path_of("disk"), O_RDWR | O_CLOEXEC);
	t.flags = flags;
	sem_init(&t.came_back, 0, 0);
	s->store = &t.store;
}

static void close_all(struct server *s)
{
	assert_int_equal(server_stop(s), 0);
	close(t.ours);
	close(t.theirs);
	close(t.file);
}

/* Bytes that fit into a socket's queue, whoever reads them. */
#define BLOCKS	16u

static void expect_both_ways(struct server *s)
{
	char got[sizeof(header)];
	int id = put_write(s, 8, BLOCKS, data);

	expect_answer(s, id);
	assert_int_equal(t.error, 0);
	assert_int_equal(t.bytes, t.flags & ZCMU_MOVE_HERE ? BLOCKS * 512 : t.bytes);
	assert_int_equal(recv(t.theirs, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(got, header, sizeof(got));
	assert_int_equal(recv(t.theirs, back, BLOCKS * 512, MSG_WAITALL), BLOCKS * 512);
	assert_memory_equal(back, data, BLOCKS * 512);
	assert_int_equal(send(t.theirs, data, BLOCKS * 512, 0), BLOCKS * 512);
	expect_read(s, put_read(s, 8, BLOCKS), BLOCKS * 512);
}

static void the_kernel_sends_a_header_and_a_payload_and_receives_one(void **state)
{
	struct server *s = *state;

	use_store(s, 0, stream);
	fake_kernel_move(s->kernel);
	server_start(s, 2);
	expect_both_ways(s);
	assert_int_equal(fake_kernel_moves(s->kernel), 2);
	close_all(s);
}

static void the_thread_does_if_it_is_to(void **state)
{
	struct server *s = *state;

	use_store(s, ZCMU_MOVE_HERE, stream);
	fake_kernel_move(s->kernel);
	server_start(s, 2);
	expect_both_ways(s);
	assert_int_equal(fake_kernel_moves(s->kernel), 0);
	close_all(s);
}

static void the_thread_does_where_the_kernel_can_not(void **state)
{
	struct server *s = *state;

	use_store(s, ZCMU_MOVE_ANYHOW, stream);
	server_start(s, 1);
	expect_both_ways(s);
	close_all(s);
}

static void where_nobody_can_the_request_is_still_the_stores(void **state)
{
	struct server *s = *state;

	use_store(s, 0, stream);
	server_start(s, 1);
	expect_error(s, put_write(s, 8, BLOCKS, data));
	assert_int_not_equal(sem_trywait(&t.came_back), 0);
	close_all(s);
}

static void a_connection_of_which_a_payload_fails_is_broken(void **state)
{
	struct server *s = *state;
	char byte;

	use_store(s, ZCMU_MOVE_HERE, stream);
	server_start(s, 1);
	assert_int_equal(send(t.theirs, data, 512, 0), 512);
	shutdown(t.theirs, SHUT_WR);
	expect_error(s, put_read(s, 8, BLOCKS));
	assert_int_equal(t.error, -ENODATA);
	assert_int_equal(t.bytes, 512);
	assert_int_equal(recv(t.theirs, &byte, 1, 0), 0);
	close_all(s);
}

static void a_file_is_moved_by_the_thread_where_the_kernel_refuses(void **state)
{
	struct server *s = *state;

	use_store(s, ZCMU_MOVE_ANYHOW, transfer);
	fake_kernel_move(s->kernel);
	server_start(s, 1);
	fake_kernel_hold_moves(s->kernel);
	fake_kernel_let_moves_go(s->kernel, -EOPNOTSUPP);
	expect_answer(s, put_write(s, 8, 128, data));
	expect_in_file("disk", 8 * 512, 65536);
	expect_read(s, put_read(s, 8, 128), 65536);
	assert_int_equal(fake_kernel_moves(s->kernel), 2);
	assert_int_not_equal(sem_trywait(&t.came_back), 0);
	close_all(s);
}

static void a_file_is_moved_by_the_thread_with_the_stock_module(void **state)
{
	struct server *s = *state;

	use_store(s, ZCMU_MOVE_ANYHOW | ZCMU_MOVE_TELL | ZCMU_MOVE_DSYNC, transfer);
	server_start(s, 1);
	expect_answer(s, put_write(s, 8, 128, data));
	expect_in_file("disk", 8 * 512, 65536);
	assert_int_equal(sem_trywait(&t.came_back), 0);
	assert_int_equal(t.bytes, 65536);
	close_all(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVING_TEST(the_kernel_sends_a_header_and_a_payload_and_receives_one),
		MOVING_TEST(the_thread_does_if_it_is_to),
		MOVING_TEST(the_thread_does_where_the_kernel_can_not),
		MOVING_TEST(where_nobody_can_the_request_is_still_the_stores),
		MOVING_TEST(a_connection_of_which_a_payload_fails_is_broken),
		MOVING_TEST(a_file_is_moved_by_the_thread_where_the_kernel_refuses),
		MOVING_TEST(a_file_is_moved_by_the_thread_with_the_stock_module),
	};

	return cmocka_run_group_tests_name("serve-stream", tests, NULL, NULL);
}
