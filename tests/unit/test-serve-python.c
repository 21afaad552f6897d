// SPDX-License-Identifier: MIT
/*
 * zcmu_disk_serve() with a script: what its threads mean to it. Call after call if it says
 * nothing; several at once, wherever Python lets them, if it is parallel.
 */
#include "server.h"

#include <stdio.h>

#include "descriptors.h"
#include "python-script.h"

#define COMMANDS	64

/* A disk that is served, and the driver's folder for its script. */
struct scripted_disk {
	struct server *server;
	struct driver *driver;
};

static int set_up(void **state)
{
	static struct scripted_disk disk;
	void *inner;

	driver_setup(&inner);
	disk.driver = inner;
	server_setup(&inner);
	disk.server = inner;
	*state = &disk;
	return 0;
}

static int tear_down(void **state)
{
	struct scripted_disk *disk = *state;
	void *inner = disk->server;
	int err = server_teardown(&inner);

	inner = disk->driver;
	driver_teardown(&inner);
	return err;
}

/* @layer: "", or what stands in front */
static struct server *serve_script(struct scripted_disk *disk, const char *layer, const char *text,
				   unsigned int threads)
{
	char spec[400];
	int err;

	snprintf(spec, sizeof(spec), "%s%s", layer, python_script(disk->driver, text));
	err = server_open_store(disk->server, spec);
	if (err == -ENOENT) {
		printf("skipped: there is no store python in this build\n");
		skip();
	}
	assert_int_equal(err, 0);
	server_start(disk->server, threads);
	return disk->server;
}

/* While it sleeps, Python lets others run; if any comes in, both fail. */
static void read_much(struct scripted_disk *disk, const char *layer)
{
	struct server *s = serve_script(disk, layer,
		"import threading, time\n"
		"class Store:\n"
		"    size = 1 << 20\n"
		"    def __init__(self, argument, create_size, read_only):\n"
		"        self.inside = 0\n"
		"    def read(self, offset, buffer):\n"
		"        self.inside += 1\n"
		"        time.sleep(0.0001)\n"
		"        assert self.inside == 1\n"
		"        buffer[:] = bytes([9]) * len(buffer)\n"
		"        self.inside -= 1\n", 8);
	int ids[COMMANDS], i;

	for (i = 0; i < COMMANDS; i++)
		ids[i] = put_read(s, (uint32_t)i, 8);
	for (i = 0; i < COMMANDS; i++)
		expect_answer(s, ids[i]);
	assert_int_equal(server_stop(s), 0);
}

static void calls_come_one_after_the_other(void **state)
{
	read_much(*state, "");
}

/* A layer has as many threads as it was asked for. */
static void calls_through_a_layer_come_one_after_the_other(void **state)
{
	read_much(*state, "readonly:");
}

/* Each waits for the others: it returns only if as many are inside as there are threads. */
static void a_parallel_script_is_called_by_all_threads_at_once(void **state)
{
	struct scripted_disk *disk = *state;
	struct server *s = serve_script(disk, "",
		"import threading\n"
		"class Store:\n"
		"    size = 1 << 20\n"
		"    parallel = True\n"
		"    def __init__(self, argument, create_size, read_only):\n"
		"        self.meeting = threading.Barrier(4)\n"
		"        self.local = threading.local()\n"
		"    def read(self, offset, buffer):\n"
		"        self.meeting.wait(10)\n"
		"        self.local.calls = getattr(self.local, 'calls', 0) + 1\n"
		"        buffer[:] = bytes([self.local.calls]) * len(buffer)\n", 4);
	int ids[COMMANDS], i, calls = 0;

	for (i = 0; i < COMMANDS; i++)
		ids[i] = put_read(s, (uint32_t)i, 8);
	for (i = 0; i < COMMANDS; i++) {
		const struct fake_answer *answer;

		expect_answer(s, ids[i]);
		answer = fake_kernel_answer(s->kernel, ids[i]);
		calls = answer->payload[0] > calls ? answer->payload[0] : calls;
	}
	/* A thread is the same for the script from call to call. */
	assert_int_equal(calls, COMMANDS / 4);
	assert_int_equal(server_stop(s), 0);
}

/* The ring is read, and what needs no store answered, while the script is busy. */
static void the_disk_answers_while_the_script_sleeps(void **state)
{
	struct scripted_disk *disk = *state;
	struct server *s = serve_script(disk, "",
		"import threading\n"
		"release = threading.Event()\n"
		"class Store:\n"
		"    size = 1 << 20\n"
		"    parallel = True\n"
		"    def __init__(self, argument, create_size, read_only): pass\n"
		"    def read(self, offset, buffer):\n"
		"        if offset: release.set()\n"
		"        elif not release.wait(10): raise RuntimeError\n"
		"        buffer[:] = bytes(len(buffer))\n", 2);
	int sleeper = put_read(s, 0, 1), inquiry = put_inquiry(s);

	expect_answer(s, inquiry);
	expect_no_answer(s, sleeper);
	expect_answer(s, put_read(s, 1, 1));
	expect_answer(s, sleeper);
	assert_int_equal(server_stop(s), 0);
}

/* The kernel moves them; and if it can't, the store does, and the initiator sees no difference. */
static void payloads_are_left_to_the_kernel(void **state)
{
	static uint8_t data[4096];
	struct scripted_disk *disk = *state;
	unsigned int before;
	struct server *s;
	int ids[8], i, error;

	fake_kernel_move(disk->server->kernel);
	s = serve_script(disk, "",
		"import tempfile\n"
		"class Store:\n"
		"    size, transfers = 1 << 20, True\n"
		"    def __init__(self, argument, create_size, read_only):\n"
		"        self.file = tempfile.TemporaryFile()\n"
		"        self.file.truncate(self.size)\n"
		"    def read(self, offset, buffer, io):\n"
		"        io.transfer(self.file, offset)\n"
		"    write = read\n", 4);
	before = open_descriptors();
	for (error = 0; error >= -ENOMEM; error -= ENOMEM) {
		fake_kernel_let_moves_go(s->kernel, error);
		memset(data, error ? 0x31 : 0x32, sizeof(data));
		/* One after the other: a transfer goes on when its method has returned. */
		fake_kernel_hold_moves(s->kernel);
		for (i = 0; i < 8; i++)
			ids[i] = put_write(s, (uint32_t)i * 8, 8, data);
		assert_true(fake_kernel_wait_for_moves(s->kernel, error ? 24 : 8));
		assert_int_equal(open_descriptors(), before + 8);
		fake_kernel_let_moves_go(s->kernel, error);
		for (i = 0; i < 8; i++)
			expect_answer(s, ids[i]);
		for (i = 0; i < 8; i++) {
			ids[i] = put_read(s, (uint32_t)i * 8, 8);
			expect_answer(s, ids[i]);
			assert_memory_equal(fake_kernel_answer(s->kernel, ids[i])->payload, data,
					    sizeof(data));
		}
	}
	assert_int_equal(fake_kernel_moves(s->kernel), 32);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(server_stop(s), 0);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(calls_come_one_after_the_other),
		TEST(calls_through_a_layer_come_one_after_the_other),
		TEST(a_parallel_script_is_called_by_all_threads_at_once),
		TEST(the_disk_answers_while_the_script_sleeps),
		TEST(payloads_are_left_to_the_kernel),
	};

	return cmocka_run_group_tests_name("serve-python", tests, NULL, NULL);
}
