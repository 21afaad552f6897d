// SPDX-License-Identifier: MIT
/*
 * A disk whose bytes are elsewhere, written and read as a whole. See remote.h.
 */
#include "remote.h"

#include <stdlib.h>

#define THREADS		4u

int remote_setup(void **state, int (*setup_at)(void **state))
{
	struct remote *r = calloc(1, sizeof(*r));
	void *inner;
	size_t i;

	setup_at(&r->at);
	server_setup(&inner);
	r->disk = inner;
	r->pattern = malloc(REMOTE_BYTES);
	for (i = 0; i < REMOTE_BYTES; i++)
		r->pattern[i] = scripted_pattern(i);
	*state = r;
	return 0;
}

int remote_teardown(void **state, int (*teardown_at)(void **state))
{
	struct remote *r = *state;
	void *inner = r->disk;
	int err = server_teardown(&inner);

	teardown_at(&r->at);
	free(r->pattern);
	free(r);
	return err;
}

void remote_start(struct remote *r, const char *spec)
{
	assert_int_equal(server_open_store(r->disk, spec), 0);
	server_start(r->disk, THREADS);
}

void remote_write_all(struct remote *r, int *ids)
{
	uint32_t i;

	for (i = 0; i < REMOTE_COMMANDS; i++)
		ids[i] = put_write(r->disk, i * REMOTE_BLOCKS, REMOTE_BLOCKS,
				   r->pattern + i * REMOTE_BLOCKS * 512);
}

void remote_expect_answers(struct remote *r, const int *ids)
{
	uint32_t i;

	for (i = 0; i < REMOTE_COMMANDS; i++)
		expect_answer(r->disk, ids[i]);
}

void remote_read_and_compare(struct remote *r)
{
	int ids[REMOTE_COMMANDS];
	uint32_t i;

	for (i = 0; i < REMOTE_COMMANDS; i++)
		ids[i] = put_read(r->disk, i * REMOTE_BLOCKS, REMOTE_BLOCKS);
	for (i = 0; i < REMOTE_COMMANDS; i++)
		expect_contents(r->disk, ids[i], i * REMOTE_BLOCKS);
}
