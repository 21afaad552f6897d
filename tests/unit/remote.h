/* SPDX-License-Identifier: MIT */
/*
 * A disk that is served by several threads on a store whose bytes are elsewhere, and a
 * pattern that fills it. For the way from CDBs to a real server; where that is, and how it
 * is lost, is the test's.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include "server.h"

#define REMOTE_COMMANDS	48u
#define REMOTE_BLOCKS	64u		/* of a command */
#define REMOTE_BYTES	(REMOTE_COMMANDS * REMOTE_BLOCKS * 512)

struct remote {
	void *at;			/* what the test's own setup has made */
	struct server *disk;
	uint8_t *pattern;
};

/* cmocka's, around those of what the store is at. */
int remote_setup(void **state, int (*setup_at)(void **state));
int remote_teardown(void **state, int (*teardown_at)(void **state));

/* Open the store, which is there, and serve it. */
void remote_start(struct remote *r, const char *spec);

/* All of the disk, a command for each piece. @ids: REMOTE_COMMANDS of them */
void remote_write_all(struct remote *r, int *ids);
void remote_expect_answers(struct remote *r, const int *ids);
void remote_read_and_compare(struct remote *r);

#endif /* REMOTE_H */
