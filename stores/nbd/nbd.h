/* SPDX-License-Identifier: MIT */
/*
 * The nbd store's insides. A queue is a thread's connection to the server; nothing of
 * it is touched by any other thread, so there is no lock.
 *
 *	nbd.c		the store: opening, what it can do, its size
 *	uri.c		options of ours that stand in the URI
 *	server.c	one connection: making it, and whether the server is still the same
 *	queue.c		a queue's life: connected, lost, tried again, given up
 *	request.c	requests: cut in parts, sent, sent again, answered
 */
#ifndef STORE_NBD_H
#define STORE_NBD_H

#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>

#include "zcmu.h"

/* What a server says of an export when a connection is made. */
struct server {
	uint64_t size;
	uint32_t min_block, preferred_block, max_block;	/* bytes; 0: not told */
	bool read_only, flush, fua, trim, zero, multi_conn, extents;
};

struct nbd {
	struct zcmu_store *store;
	char *uri;			/* libnbd's, without our options */
	unsigned int give_up;		/* seconds; 0: never */
	struct server server;		/* as the disk was told it is */
	struct nbd_handle *spare;	/* what open() has connected; the first queue takes it */
	uint32_t max_part;		/* bytes of a READ or WRITE */
};

struct request;

/* What is sent at a time: one command of NBD. */
struct part {
	struct request *request;
	struct part *next, *previous;	/* waiting, sent or ended */
	char *buffer;			/* READ, WRITE */
	uint64_t offset, length;
	uint64_t seen;			/* READ: bytes that came */
	int error;			/* an errno, 0 or positive; when it has ended */
};

/* A list of parts, in order. */
struct parts {
	struct part *first, *last;
};

enum link {
	LINK_DOWN,		/* there is no handle; the next try is at retry_at */
	LINK_CONNECTING,	/* until deadline */
	LINK_UP,
};

struct queue {
	struct nbd *nbd;
	enum link link;
	struct nbd_handle *handle;
	int epoll_fd;			/* of the socket and the timer: what the library polls */
	int timer_fd;
	int socket;			/* that epoll_fd has, and for what */
	uint32_t events;
	uint64_t size;			/* bytes, as this connection knows them */
	struct parts waiting;		/* for a connection */
	struct parts sent;
	struct parts ended;		/* by libnbd's callback, under its lock: to be looked at */
	/* milliseconds of the monotonic clock; 0: none */
	uint64_t silent_since;		/* when it was last heard, if something is expected */
	uint64_t retry_at, deadline, armed_for;
	unsigned int back_off;		/* milliseconds */
	bool given_up;			/* everything fails until there is a connection */
	bool told;			/* of this outage */
};

/* uri.c */
int nbd_uri_parse(struct nbd *nbd, const char *argument);
const char *nbd_uri_trusts_anybody(const struct nbd *nbd);

/* server.c */
struct nbd_handle *nbd_server_handle(void);
int nbd_server_connect(struct nbd *nbd, struct nbd_handle **ret, struct server *server);
int nbd_server_describe(struct nbd_handle *handle, struct server *server);
const char *nbd_server_changed(const struct nbd *nbd, const struct server *server);
const char *nbd_server_reason(void);
unsigned int nbd_server_patience(const struct nbd *nbd);

/* queue.c */
int nbd_queue_open(struct zcmu_store *store, void **queue);
void nbd_queue_close(struct zcmu_store *store, void *queue);
int nbd_queue_fd(struct zcmu_store *store, void *queue);
void nbd_queue_reap(struct zcmu_store *store, void *queue);
void nbd_queue_submit(struct zcmu_store *store, void *queue);
void nbd_queue_too_small(struct queue *queue);
void nbd_queue_expect(struct queue *queue);

/* request.c */
void nbd_request(struct zcmu_store *store, struct zcmu_io *io);
void nbd_parts_send(struct queue *queue);
void nbd_parts_take_back(struct queue *queue);
bool nbd_parts_settle(struct queue *queue);
void nbd_parts_fail(struct queue *queue, int error);

#endif /* STORE_NBD_H */
