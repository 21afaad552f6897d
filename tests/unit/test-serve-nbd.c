// SPDX-License-Identifier: MIT
/*
 * A disk on the store nbd, served by several threads, each with its own connection, while
 * servers are killed and come back. From CDBs to a server's file.
 */
#include "nbd-server.h"
#include "remote.h"

#include <errno.h>
#include <stdio.h>

static int set_up(void **state)
{
	return remote_setup(state, nbd_server_setup);
}

static int tear_down(void **state)
{
	return remote_teardown(state, nbd_server_teardown);
}

static void serve_file(struct nbd_server *at)
{
	char arguments[512];

	snprintf(arguments, sizeof(arguments), "file %s", at->driver->path);
	nbdkit_start(at, arguments);
}

static void start(struct remote *r)
{
	struct nbd_server *at = r->at;

	driver_make_file(at->driver, REMOTE_BYTES, 0);
	serve_file(at);
	remote_start(r, at->uri);
}

static void threads_share_the_work(void **state)
{
	struct remote *r = *state;
	int ids[REMOTE_COMMANDS];

	start(r);
	remote_write_all(r, ids);
	remote_expect_answers(r, ids);
	remote_read_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

/* Each by its own connection, which the server allows several of. */
static void threads_share_the_work_over_tcp(void **state)
{
	struct remote *r = *state;
	struct nbd_server *at = r->at;
	char arguments[512];
	int ids[REMOTE_COMMANDS];

	driver_make_file(at->driver, REMOTE_BYTES, 0);
	snprintf(arguments, sizeof(arguments), "file %s", at->driver->path);
	nbdkit_start_tcp(at, arguments);
	snprintf(at->uri, sizeof(at->uri), "nbd://127.0.0.1:%u/", at->port);
	remote_start(r, at->uri);
	assert_int_equal(r->disk->store->max_threads, 0);
	remote_write_all(r, ids);
	remote_expect_answers(r, ids);
	remote_read_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

static void no_command_is_lost_with_its_connection(void **state)
{
	struct remote *r = *state;
	int ids[REMOTE_COMMANDS], round;

	start(r);
	for (round = 0; round < 3; round++) {
		remote_write_all(r, ids);
		nbd_server_kill(r->at);
		serve_file(r->at);
		remote_expect_answers(r, ids);
		remote_read_and_compare(r);
	}
	/* What the servers that were killed had answered was never flushed. */
	assert_int_equal(server_stop(r->disk), -EIO);
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
