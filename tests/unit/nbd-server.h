/* SPDX-License-Identifier: MIT */
/*
 * NBD servers of Debian, for the tests of the store nbd: started on a socket in the
 * driver's directory, killed, stopped, and started again.
 */
#ifndef NBD_SERVER_H
#define NBD_SERVER_H

#include "store-driver.h"

struct nbd_server {
	struct driver *driver;
	pid_t pid;		/* 0: it doesn't run */
	char program[32];
	char socket[108];
	char uri[256];		/* the export "" by the socket */
	unsigned int port;	/* of 127.0.0.1, after nbdkit_start_tcp() */
};

/* cmocka's; the teardown ends the server. A test's state is the struct nbd_server. */
int nbd_server_setup(void **state);
int nbd_server_teardown(void **state);

#define NBD_TEST(f)	cmocka_unit_test_setup_teardown(f, nbd_server_setup, nbd_server_teardown)

/* Start "nbdkit -f -U socket ARGUMENTS", split at blanks; it listens when this returns. */
void nbdkit_start(struct nbd_server *s, const char *arguments);
/* Start "nbdkit -f ARGUMENTS" on a free port of 127.0.0.1; it answers when this returns. */
void nbdkit_start_tcp(struct nbd_server *s, const char *arguments);
/* Start "PROGRAM ARGUMENTS", which makes the socket: @ in the arguments stands for it. */
void nbd_server_start(struct nbd_server *s, const char *command);
void nbd_server_kill(struct nbd_server *s);
/* Fall silent: all its threads have stopped when this returns. */
void nbd_server_stop(struct nbd_server *s);

/* Wait until the disk's flushes succeed again, by a server that is alive. */
void nbd_server_wait_for_flush(struct nbd_server *s);

/* A path in the driver's directory; a buffer of the next call. */
const char *nbd_server_path(struct nbd_server *s, const char *name);

/* Open "nbd:URI" with options (",give-up=1" or ""). */
int nbd_server_open(struct nbd_server *s, const char *options);

#endif /* NBD_SERVER_H */
