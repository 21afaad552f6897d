// SPDX-License-Identifier: MIT
/*
 * Payloads that the kernel moves for a store behind layers: they are moved, each layer does its
 * work, and what fails or is aborted meanwhile ends as without layers.
 */
#include "moving-fixture.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zcmu.h"

/* Another disk: one is served once. */
static struct server *again(void **state)
{
	assert_int_equal(teardown(state), 0);
	assert_int_equal(setup(state), 0);
	return *state;
}

/* "@": the folder */
static void open_store(struct server *s, const char *pattern)
{
	char spec[512], *to = spec;

	for (; *pattern; pattern++) {
		if (*pattern == '@')
			to += sprintf(to, "%s", folder);
		else
			*to++ = *pattern;
	}
	*to = '\0';
	assert_int_equal(server_open_store(s, spec), 0);
	fake_kernel_move(s->kernel);
}

static unsigned int lines_of(const char *name, const char *word)
{
	FILE *file = fopen(path_of(name), "re");
	unsigned int n = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, word) != NULL;
	if (file)
		fclose(file);
	return n;
}

/* Write and read @blocks, and say how many of the two were moved. */
static unsigned int moved_of_two(struct server *s, uint32_t lba, uint32_t blocks)
{
	unsigned int before = fake_kernel_moves(s->kernel);

	expect_answer(s, put_write(s, lba, blocks, data));
	expect_read(s, put_read(s, lba, blocks), blocks * 512);
	return fake_kernel_moves(s->kernel) - before;
}

static void layers_pass_on_what_is_moved(void **state)
{
	static const char *const specs[] = {
		"limit,rate=1G:file,transfer=always:@/disk",
		"log,file=@/log:file,transfer=always:@/disk",
		"fault,delay=1,on=flush:file,transfer=always:@/disk",
		"limit,rate=1G:log,file=@/log:fault,delay=1:limit,iops=100K:file,transfer=always:@/disk",
	};
	size_t i;

	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct server *s = again(state);

		open_store(s, specs[i]);
		server_start(s, i % 2 ? 3 : 1);
		assert_int_equal(moved_of_two(s, 8 + (uint32_t)i, 64), 2);
		expect_in_file("disk", (off_t)(8 + i) * 512, 64 * 512);
		if (strstr(specs[i], "log")) {
			assert_int_equal(lines_of("log", "write offset="), 1);
			assert_int_equal(lines_of("log", "read offset="), 1);
		}
		assert_int_equal(server_stop(s), 0);
		assert_int_equal(atomic_load(&s->disk->counts.commands), 2);
		assert_int_equal(atomic_load(&s->disk->counts.errors), 0);
	}
}

static void readonly_passes_on_what_is_moved(void **state)
{
	struct server *s = *state;
	int fd = open(path_of("disk"), O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, data, 4096, 512), 4096);
	close(fd);
	open_store(s, "readonly:file,transfer=always:@/disk");
	server_start(s, 1);
	expect_read(s, put_read(s, 1, 8), 4096);
	assert_int_equal(fake_kernel_moves(s->kernel), 1);
	expect_error(s, put_write(s, 1, 8, data));
	assert_int_equal(server_stop(s), 0);
}

/* When it is answered, and not when somebody looks at the ring again. */
static void a_request_is_logged_before_its_initiator_knows(void **state)
{
	struct server *s = *state;

	open_store(s, "log,file=@/log:file,transfer=always:@/disk");
	server_start(s, 1);
	expect_answer(s, put_write(s, 0, 8, data));
	assert_int_equal(lines_of("log", "write offset=0 length=4096 error=0"), 1);
	expect_answer(s, put_read(s, 0, 8));
	assert_int_equal(lines_of("log", "read offset=0 length=4096 error=0"), 1);
	assert_int_equal(fake_kernel_moves(s->kernel), 2);
	assert_int_equal(server_stop(s), 0);
}

static void what_is_to_fail_is_not_moved(void **state)
{
	struct server *s = *state;
	int id;

	open_store(s, "log,file=@/log:fault,error=EIO,at=2048,while=@/trigger:file,transfer=always:@/disk");
	fclose(fopen(path_of("trigger"), "we"));
	server_start(s, 1);
	id = put_write(s, 0, 8, data);
	expect_error(s, id);
	assert_int_equal(lines_of("log", "write offset=0 length=4096 error=-5"), 1);
	/* What is in front of the place was written, and isn't all of the payload. */
	assert_int_equal(fake_kernel_moves(s->kernel), 0);
	expect_in_file("disk", 0, 2048);
	unlink(path_of("trigger"));
	assert_int_equal(moved_of_two(s, 0, 8), 2);
	assert_int_equal(server_stop(s), 0);
}

static void what_can_not_be_moved_is_done_behind_layers_as_well(void **state)
{
	struct server *s = *state;
	int id;

	open_store(s, "limit,rate=1G:log,file=@/log:file,transfer=always:@/disk");
	server_start(s, 2);
	fake_kernel_hold_moves(s->kernel);
	id = put_write(s, 3, 8, data);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	expect_no_answer(s, id);
	fake_kernel_let_moves_go(s->kernel, -ENOMEM);
	expect_answer(s, id);
	expect_in_file("disk", 3 * 512, 4096);
	expect_read(s, put_read(s, 3, 8), 4096);
	assert_int_equal(lines_of("log", " length=4096 error=0"), 2);
	assert_int_equal(server_stop(s), 0);
}

/* Nobody is told as long as the kernel has it; and then it goes on. */
static void what_is_aborted_while_it_is_moved_ends_once(void **state)
{
	int ids[2], error;

	for (error = 0; error >= -ENOMEM; error -= ENOMEM) {
		struct server *s = again(state);

		open_store(s, "limit,rate=1G:log,file=@/log:file,transfer=always:@/disk");
		server_start(s, 1);
		fake_kernel_hold_moves(s->kernel);
		ids[0] = put_write(s, 0, 8, data);
		ids[1] = put_read(s, 64, 8);
		assert_true(fake_kernel_wait_for_moves(s->kernel, 2));
		assert_true(fake_kernel_abort(s->kernel, ids, 2) > 0);
		/* Whoever comes behind it sees that it was read. */
		expect_answer(s, put_inquiry(s));
		expect_no_answer(s, ids[0]);
		fake_kernel_let_moves_go(s->kernel, error);
		expect_answer(s, ids[0]);
		expect_answer(s, ids[1]);
		assert_int_equal(server_stop(s), 0);
	}
}

/* A store that has a request moved, and is told what becomes of it. */
static struct {
	struct zcmu_store store;
	struct zcmu_store_ops ops;
	int fd, error, cancels;
	sem_t came_back, cancelled;
	struct zcmu_io *io;
	struct zcmu_call call;
} t;

static int queue_open(struct zcmu_store *store, void **ret)
{
	(void)store;
	*ret = malloc(1);
	return 0;
}

static void queue_close(struct zcmu_store *store, void *queue)
{
	(void)store;
	free(queue);
}

static int queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	(void)queue;
	return t.fd;
}

static void queue_reap(struct zcmu_store *store, void *queue)
{
	(void)store;
	(void)queue;
}

static void come_back(struct zcmu_io *io, int error, uint64_t bytes)
{
	(void)bytes;
	t.error = error;
	t.io = io;
	sem_post(&t.came_back);
	if (!error || error == -ESHUTDOWN)
		zcmu_io_done(io, error);
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	if (zcmu_io_transfer(io, t.fd, io->offset, ZCMU_MOVE_TELL, come_back))
		zcmu_io_done(io, -EIO);
}

static void cancel(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	t.cancels++;
	zcmu_io_done(io, -ECANCELED);
	sem_post(&t.cancelled);
}

static void use_teller(struct server *s)
{
	memset(&t, 0, sizeof(t));
	t.ops = (struct zcmu_store_ops){
		.abi = ZCMU_STORE_ABI, .size = sizeof(t.ops),
		.store_size = sizeof(struct zcmu_store), .name = "teller", .queue_open = queue_open, .queue_close = queue_close,
		.queue_fd = queue_fd, .queue_reap = queue_reap, .read = request, .write = request,
		.cancel = cancel,
	};
	t.store = (struct zcmu_store){
		.struct_size = sizeof(t.store), .ops = &t.ops, .size = BYTES, .block_size = 512,
		.physical_block_size = 512,
	};
	t.fd = eventfd(0, EFD_CLOEXEC);
	sem_init(&t.came_back, 0, 0);
	sem_init(&t.cancelled, 0, 0);
	s->store = &t.store;
	fake_kernel_move(s->kernel);
}

static bool wait_on(sem_t *semaphore)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FAKE_PATIENCE_SECONDS;
	return !sem_timedwait(semaphore, &end);
}

static void give_up(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	(void)store;
	(void)queue;
	(void)call;
	zcmu_io_done(t.io, -EIO);
}

/* It was aborted while the kernel had it; the store is told when it has it again. */
static void a_store_is_told_of_an_abort_when_it_has_its_request_again(void **state)
{
	struct server *s = *state;
	int id;

	use_teller(s);
	server_start(s, 1);
	fake_kernel_hold_moves(s->kernel);
	id = put_read(s, 0, 8);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	assert_true(fake_kernel_abort(s->kernel, &id, 1) > 0);
	expect_answer(s, put_inquiry(s));
	assert_int_equal(t.cancels, 0);
	fake_kernel_let_moves_go(s->kernel, -ENOMEM);
	assert_true(wait_on(&t.came_back));
	if (!wait_on(&t.cancelled)) {
		/* It must end all the same. */
		t.call.function = give_up;
		zcmu_queue_call(&t.store, t.io->queue, &t.call);
		fail_msg("expected the store to be told of the abort, got nothing");
	}
	expect_error(s, id);
	assert_int_equal(t.cancels, 1);
	assert_int_equal(server_stop(s), 0);
	close(t.fd);
}

/* Bits that are valid until the machine is booted again: behind the bytes, others, and a page. */
static uint8_t live_bits_of(uint32_t lba)
{
	int fd = open(path_of("overlay"), O_RDONLY | O_CLOEXEC);
	uint8_t bits;

	assert_int_equal(pread(fd, &bits, 1, BYTES + 4096 + 4096 + lba / 8), 1);
	close(fd);
	return bits;
}

static void cow_has_large_payloads_moved_and_sets_bits_afterwards(void **state)
{
	struct server *s = *state;
	int fd = open(path_of("disk"), O_WRONLY | O_CLOEXEC), id;
	unsigned int moves;

	assert_int_equal(pwrite(fd, data, 65536, 0), 65536);
	close(fd);
	open_store(s, "cow,overlay=@/overlay:file,transfer=always:@/disk");
	server_start(s, 2);
	/* From below */
	expect_read(s, put_read(s, 0, 128), 65536);
	assert_int_equal(fake_kernel_moves(s->kernel), 1);
	fake_kernel_hold_moves(s->kernel);
	id = put_write(s, 256, 128, data);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 2));
	assert_int_equal(live_bits_of(256), 0);
	fake_kernel_let_moves_go(s->kernel, 0);
	expect_answer(s, id);
	assert_int_equal(live_bits_of(256), 0xff);
	expect_in_file("overlay", 256 * 512, 65536);
	/* From the overlay */
	expect_read(s, put_read(s, 256, 128), 65536);
	assert_int_equal(fake_kernel_moves(s->kernel), 3);
	/* From both; and little */
	moves = fake_kernel_moves(s->kernel);
	expect_answer(s, put_read(s, 200, 128));
	expect_answer(s, put_write(s, 300, 8, data));
	assert_int_equal(fake_kernel_moves(s->kernel), moves);
	assert_int_equal(server_stop(s), 0);
	expect_in_file("disk", 0, 65536);
}

static void what_cow_can_not_have_moved_it_does_itself(void **state)
{
	struct server *s = *state;
	int id;

	open_store(s, "cow,overlay=@/overlay:file,transfer=always:@/disk");
	server_start(s, 2);
	fake_kernel_hold_moves(s->kernel);
	id = put_write(s, 8, 128, data);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	fake_kernel_let_moves_go(s->kernel, -ENOSPC);
	expect_answer(s, id);
	assert_int_equal(live_bits_of(8), 0xff);
	expect_read(s, put_read(s, 8, 128), 65536);
	assert_int_equal(fake_kernel_moves(s->kernel), 2);
	/* It asks no more for what can't be. */
	fake_kernel_let_moves_go(s->kernel, -EOPNOTSUPP);
	expect_read(s, put_read(s, 8, 128), 65536);
	expect_read(s, put_read(s, 8, 128), 65536);
	expect_answer(s, put_write(s, 8, 128, data));
	assert_int_equal(fake_kernel_moves(s->kernel), 3);
	assert_int_equal(server_stop(s), 0);
}

/* Nobody knows whether it was written: no bit says so. */
static void cow_sets_no_bit_for_what_the_kernel_would_not_do(void **state)
{
	struct server *s = *state;
	int id;

	open_store(s, "cow,overlay=@/overlay:file,transfer=always:@/disk");
	server_start(s, 2);
	fake_kernel_hold_moves(s->kernel);
	id = put_write(s, 8, 128, data);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	fake_kernel_let_moves_go(s->kernel, -EDEADLK);
	expect_error(s, id);
	assert_int_equal(live_bits_of(8), 0);
	assert_int_equal(server_stop(s), 0);
}

static void spoil(struct zcmu_cmd_entry *entry)
{
	entry->hdr.len_op = 4 | ZCMU_OP_CMD;
}

/* Nothing more is found on the ring. */
static void break_ring(struct server *s)
{
	static const uint8_t cdb[10] = { 0 };
	struct fake_request request = { .cdb = cdb, .spoil = spoil };

	assert_true(fake_kernel_put(s->kernel, &request) > 0);
}

static void who_is_to_be_told_is_also_when_the_ring_is_broken(void **state)
{
	struct server *s = *state;

	use_teller(s);
	server_start(s, 1);
	fake_kernel_hold_moves(s->kernel);
	put_read(s, 0, 8);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	break_ring(s);
	zcmu_disk_stop(s->disk);
	assert_true(wait_on(&t.came_back));
	assert_int_equal(t.error, -ESHUTDOWN);
	server_join(s);
	close(t.fd);
}

/* The payload may be gone: a store that has left the request to the kernel doesn't get it. */
static void a_layer_is_told_when_the_ring_is_broken_and_the_store_is_not(void **state)
{
	struct server *s = *state;
	struct stat st;

	open_store(s, "log,file=@/log:file,transfer=always:@/disk");
	server_start(s, 1);
	fake_kernel_hold_moves(s->kernel);
	put_write(s, 0, 8, data);
	assert_true(fake_kernel_wait_for_moves(s->kernel, 1));
	break_ring(s);
	server_stop(s);
	assert_int_equal(lines_of("log", "write offset=0 length=4096 error=-108"), 1);
	assert_int_equal(stat(path_of("disk"), &st), 0);
	assert_int_equal(st.st_blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVING_TEST(layers_pass_on_what_is_moved),
		MOVING_TEST(readonly_passes_on_what_is_moved),
		MOVING_TEST(a_request_is_logged_before_its_initiator_knows),
		MOVING_TEST(what_is_to_fail_is_not_moved),
		MOVING_TEST(what_can_not_be_moved_is_done_behind_layers_as_well),
		MOVING_TEST(what_is_aborted_while_it_is_moved_ends_once),
		MOVING_TEST(a_store_is_told_of_an_abort_when_it_has_its_request_again),
		MOVING_TEST(cow_has_large_payloads_moved_and_sets_bits_afterwards),
		MOVING_TEST(what_cow_can_not_have_moved_it_does_itself),
		MOVING_TEST(cow_sets_no_bit_for_what_the_kernel_would_not_do),
		MOVING_TEST(who_is_to_be_told_is_also_when_the_ring_is_broken),
		MOVING_TEST(a_layer_is_told_when_the_ring_is_broken_and_the_store_is_not),
	};

	return cmocka_run_group_tests_name("serve-moving", tests, NULL, NULL);
}
