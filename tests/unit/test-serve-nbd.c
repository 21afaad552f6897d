// SPDX-License-Identifier: MIT
/*
 * A disk on the store nbd, served by several threads, each with its own connection, while
 * servers are killed and come back. From CDBs to a server's file.
 */
#include "nbd-server.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define THREADS		4u
#define COMMANDS	48u
#define BLOCKS		64u		/* of a command */
#define BYTES		(COMMANDS * BLOCKS * 512)

struct remote {
	struct nbd_server *at;
	struct server *disk;
	uint8_t *pattern;
};

static int set_up(void **state)
{
	struct remote *r = calloc(1, sizeof(*r));
	void *inner;
	size_t i;

	nbd_server_setup(&inner);
	r->at = inner;
	server_setup(&inner);
	r->disk = inner;
	r->pattern = malloc(BYTES);
	for (i = 0; i < BYTES; i++)
		r->pattern[i] = scripted_pattern(i);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct remote *r = *state;
	struct zcmu_store *store = r->disk->store;
	bool opened = store != &r->disk->script.store;
	void *inner = r->disk;
	int err = server_teardown(&inner);

	if (opened)
		zcmu_store_close(store);
	inner = r->at;
	nbd_server_teardown(&inner);
	free(r->pattern);
	free(r);
	return err;
}

static void serve_file(struct remote *r)
{
	char arguments[512];

	snprintf(arguments, sizeof(arguments), "file %s", r->at->driver->path);
	nbdkit_start(r->at, arguments);
}

static void start(struct remote *r)
{
	driver_make_file(r->at->driver, BYTES, 0);
	serve_file(r);
	assert_int_equal(zcmu_store_open(r->at->uri, NULL, &r->disk->store), 0);
	server_start(r->disk, THREADS);
}

static void write_all(struct remote *r, int *ids)
{
	uint32_t i;

	for (i = 0; i < COMMANDS; i++)
		ids[i] = put_write(r->disk, i * BLOCKS, BLOCKS, r->pattern + i * BLOCKS * 512);
}

static void read_and_compare(struct remote *r)
{
	int ids[COMMANDS];
	uint32_t i;

	for (i = 0; i < COMMANDS; i++)
		ids[i] = put_read(r->disk, i * BLOCKS, BLOCKS);
	for (i = 0; i < COMMANDS; i++)
		expect_contents(r->disk, ids[i], i * BLOCKS);
}

static void threads_share_the_work(void **state)
{
	struct remote *r = *state;
	int ids[COMMANDS];
	uint32_t i;

	start(r);
	write_all(r, ids);
	for (i = 0; i < COMMANDS; i++)
		expect_answer(r->disk, ids[i]);
	read_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

/* Each by its own connection, which the server allows several of. */
static void threads_share_the_work_over_tcp(void **state)
{
	struct remote *r = *state;
	char arguments[512];
	int ids[COMMANDS];
	uint32_t i;

	driver_make_file(r->at->driver, BYTES, 0);
	snprintf(arguments, sizeof(arguments), "file %s", r->at->driver->path);
	nbdkit_start_tcp(r->at, arguments);
	snprintf(r->at->uri, sizeof(r->at->uri), "nbd://127.0.0.1:%u/", r->at->port);
	assert_int_equal(zcmu_store_open(r->at->uri, NULL, &r->disk->store), 0);
	assert_int_equal(r->disk->store->max_threads, 0);
	server_start(r->disk, THREADS);
	write_all(r, ids);
	for (i = 0; i < COMMANDS; i++)
		expect_answer(r->disk, ids[i]);
	read_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

static void no_command_is_lost_with_its_connection(void **state)
{
	struct remote *r = *state;
	int ids[COMMANDS], round;
	uint32_t i;

	start(r);
	for (round = 0; round < 3; round++) {
		write_all(r, ids);
		nbd_server_kill(r->at);
		serve_file(r);
		for (i = 0; i < COMMANDS; i++)
			expect_answer(r->disk, ids[i]);
		read_and_compare(r);
	}
	assert_int_equal(server_stop(r->disk), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_share_the_work, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads_share_the_work_over_tcp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_command_is_lost_with_its_connection, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("serve-nbd", tests, NULL, NULL);
}
