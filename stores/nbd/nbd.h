/* SPDX-License-Identifier: MIT */
/*
 * The nbd store's internals. A queue is a thread's connection to the server. No other thread
 * touches any of it, but for the parts under stable.c's lock. The stores of stores/exec are this
 * one as well, with a server that they start.
 *
 * 	nbd.c		the store "nbd": its options
 * 	store.c		opening, what it can do, its size
 * 	uri.c		our own options in the URI
 * 	server.c	one connection: making it, and whether the server is still the same
 * 	queue.c		a queue's life: connected, lost, tried again, given up
 * 	request.c	requests: cut in parts, sent, sent again, answered
 * 	stable.c	answered changes that aren't flushed, and may be lost with a connection
 */
#ifndef STORE_NBD_H
#define STORE_NBD_H

#include <libnbd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "zcmu.h"

/* What a server reports about an export when a connection is made. */
struct server {
	uint64_t size;
	uint32_t min_block, preferred_block, max_block;	/* bytes; 0: not told */
	bool read_only, flush, fua, trim, zero, multi_conn, extents;
};

/*
 * Changes (writes, trims, zeroes) that were answered on a connection and not flushed. They are
 * numbered in the order of their answers, over all connections; there are none if first > last.
 */
struct unstable {
	uint64_t first, last;
	/* A request was answered that was sent when this many connections had been made. */
	uint64_t alive;
};

struct queue;

struct nbd {
	struct zcmu_store *store;
	char *uri;			/* for libnbd, without our options */
	struct program *program;	/* a server that we start: then uri is only for messages */
	char *export;			/* of that server; NULL: "" */
	unsigned int give_up;		/* seconds; 0: never */
	struct server server;		/* as it was when the disk was opened */
	struct nbd_handle *spare;	/* what open() has connected; the first queue takes it */
	uint32_t max_part;		/* bytes of a READ or WRITE */
	pthread_mutex_t lock;		/* stable.c: all below */
	struct queue *queues;
	uint64_t connections;		/* made so far */
	uint64_t changes;		/* answered so far, without those that are stable at once */
	struct unstable gone;		/* on closed connections */
	bool is_lost;			/* a change may be lost: every flush fails */
};

struct request;

/* The unit that is sent: one command of NBD. */
struct part {
	struct request *request;
	struct part *next, *previous;	/* waiting, sent or ended */
	char *buffer;			/* READ, WRITE */
	uint64_t offset, length;
	uint64_t seen;			/* READ: bytes that arrived */
	int error;			/* an errno, 0 or positive; set when it has ended */
	bool answered;			/* by the server */
	/* stable.c: as it was when the part was sent */
	uint64_t connections, changes;	/* struct nbd's */
	uint64_t made;			/* struct queue's */
};

/* A request of the library, or the store's own. */
struct request {
	struct zcmu_io *io;
	struct queue *queue;
	unsigned int left;	/* parts that have not ended */
	int error;		/* of the first part that failed; negative */
	char *bounce;		/* replaces a payload whose pieces are no blocks */
	struct part parts[];
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
	int epoll_fd;			/* of the socket and the timer; the library polls it */
	int timer_fd;
	int wake_fd;			/* eventfd: another thread has something for this one */
	int socket;			/* in epoll_fd, and its events */
	uint32_t events;
	uint64_t size;			/* bytes, as this connection knows them */
	struct parts waiting;		/* for a connection */
	struct parts sent;
	struct parts ended;		/* added by libnbd's callback, under its lock */
	struct parts doubtful;		/* flushes that wait for those of other connections */
	struct zcmu_io own;		/* a flush of the store's own */
	bool has_spare;		/* open() has made its connection */
	bool own_is_out, own_failed;
	bool woken;			/* by wake_fd */
	bool renews;			/* nothing is sent: one with the new size follows */
	/* milliseconds of the monotonic clock; 0: none */
	uint64_t silent_since;		/* when it was last heard, if something is expected */
	uint64_t retry_at, deadline, armed_for;
	unsigned int back_off;		/* milliseconds */
	bool given_up;			/* all requests fail until there is a connection */
	bool told;			/* this outage was reported */
	/* stable.c, under nbd->lock */
	struct queue *next;
	uint64_t made;			/* nbd->connections, including this one */
	struct unstable unstable;
	bool is_asked;			/* to flush its connection */
	bool is_in_doubt;		/* must be woken when others were flushed or lost */
};

/* store.c */
struct nbd *nbd_store_new(struct zcmu_store *store, uint64_t give_up);
int nbd_store_begin(struct nbd *nbd);
void nbd_store_close(struct zcmu_store *store);
int nbd_store_resize(struct zcmu_store *store, uint64_t size);

/* What all stores that are this one have in their struct zcmu_store_ops */
#define NBD_STORE_CALLBACKS \
	.close = nbd_store_close, \
	.queue_open = nbd_queue_open, \
	.queue_close = nbd_queue_close, \
	.queue_fd = nbd_queue_fd, \
	.queue_reap = nbd_queue_reap, \
	.queue_submit = nbd_queue_submit, \
	.read = nbd_request, \
	.write = nbd_request, \
	.flush = nbd_request, \
	.trim = nbd_request, \
	.zero = nbd_request, \
	.resize = nbd_store_resize, \
	.map = nbd_request

#define NBD_DEFAULT_GIVE_UP	"25"	/* seconds: before the disk's time-out, which is 30 */

/* uri.c */
int nbd_uri_take(struct nbd *nbd, const char *argument);
const char *nbd_uri_trusts_anybody(const struct nbd *nbd);

/* server.c */
struct nbd_handle *nbd_server_handle(void);
int nbd_server_begin(const struct nbd *nbd, struct nbd_handle *handle, const char **reason);
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
void nbd_queue_expect(struct queue *queue);

/* request.c */
void nbd_request(struct zcmu_store *store, struct zcmu_io *io);
void nbd_parts_send(struct queue *queue);
void nbd_parts_take_back(struct queue *queue);
bool nbd_parts_settle(struct queue *queue);
void nbd_parts_fail(struct queue *queue, int error);
void nbd_parts_look_again(struct queue *queue);
void nbd_flush_own(struct queue *queue);

/* stable.c */
void nbd_stable_add(struct queue *queue);
void nbd_stable_remove(struct queue *queue);
void nbd_stable_connected(struct queue *queue);
void nbd_stable_disconnected(struct queue *queue);
void nbd_stable_sent(struct queue *queue, struct part *part);
bool nbd_stable_answered(struct queue *queue, struct part *part);
bool nbd_stable_is_decided(struct queue *queue, struct part *part);
bool nbd_stable_is_unstable(struct queue *queue);
bool nbd_stable_is_asked(struct queue *queue);
void nbd_stable_close(struct nbd *nbd);
void nbd_stable_note_loss(struct nbd *nbd, const char *what);

#endif /* STORE_NBD_H */
