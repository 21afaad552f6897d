// SPDX-License-Identifier: MIT
/*
 * nbd: a queue, which is a thread's connection. A lost connection is made again, with growing
 * pauses, and commands wait meanwhile. When nothing was heard from the server for too long, they
 * fail. A server that is connected and silent is treated in the same way.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"

#define MIN_BACK_OFF	50u
#define MAX_BACK_OFF	2000u

enum { EVENT_SOCKET, EVENT_TIMER, EVENT_WAKE };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * Events
 */

/* Poll the socket for the events that libnbd waits for. It may be another socket than before. */
static void watch_socket(struct queue *queue)
{
	struct epoll_event e = { .data.u32 = EVENT_SOCKET };
	unsigned int direction;
	int fd;

	if (!queue->handle)
		return;
	fd = nbd_aio_get_fd(queue->handle);
	if (fd < 0)
		return;
	direction = nbd_aio_get_direction(queue->handle);
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		e.events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		e.events |= EPOLLOUT;
	/* While it connects, a socket may have the number of the one before. */
	if (queue->link == LINK_UP && fd == queue->socket && e.events == queue->events)
		return;
	if (epoll_ctl(queue->epoll_fd, EPOLL_CTL_MOD, fd, &e) && errno == ENOENT)
		epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, fd, &e);
	queue->socket = fd;
	queue->events = e.events;
}

static void socket_event(struct queue *queue, uint32_t events)
{
	unsigned int direction = nbd_aio_get_direction(queue->handle);

	if (direction & LIBNBD_AIO_DIRECTION_READ && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		nbd_aio_notify_read(queue->handle);
	else if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(queue->handle);
}

static bool is_expecting(const struct queue *queue)
{
	return queue->sent.first || queue->waiting.first;
}

/* The time when the server is given up. 0: not yet known, or never. */
static uint64_t give_up_at(const struct queue *queue)
{
	if (!queue->nbd->give_up || queue->given_up)
		return 0;
	if (queue->link == LINK_UP && !is_expecting(queue))
		return 0;
	return queue->silent_since + queue->nbd->give_up * 1000ull;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* A timer that expires too early does no harm, and costs less than setting it each time. */
static void set_timer(struct queue *queue)
{
	uint64_t want = give_up_at(queue);
	struct itimerspec at = { 0 };

	if (queue->link == LINK_DOWN)
		want = earlier(want, queue->retry_at);
	else if (queue->link == LINK_CONNECTING)
		want = earlier(want, queue->deadline);
	if (!want || (queue->armed_for && queue->armed_for <= want))
		return;
	at.it_value.tv_sec = (time_t)(want / 1000);
	at.it_value.tv_nsec = (long)(want % 1000) * 1000000 + 1;
	timerfd_settime(queue->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	queue->armed_for = want;
}

/* Something was heard from the server, or is expected from now on. */
void nbd_queue_expect(struct queue *queue)
{
	queue->silent_since = now();
}

/* Losing the connection, and making it again */

static void connection_failed(struct queue *queue, const char *reason);

/* libnbd doesn't touch a payload after this. */
static void drop_handle(struct queue *queue)
{
	if (queue->handle)
		nbd_close(queue->handle);
	queue->handle = NULL;
	queue->has_spare = false;
	queue->socket = -1;
	queue->link = LINK_DOWN;
	queue->renews = false;
	nbd_parts_take_back(queue);
	nbd_stable_disconnected(queue);
}

static void start_connecting(struct queue *queue)
{
	const char *why_not;

	queue->handle = nbd_server_handle();
	queue->link = LINK_CONNECTING;
	queue->deadline = now() + nbd_server_patience(queue->nbd) * 1000;
	if (nbd_server_begin(queue->nbd, queue->handle, &why_not))
		connection_failed(queue, why_not);
}

/* An outage is reported once, with its first reason. */
static void tell_of_outage(struct queue *queue, const char *reason)
{
	unsigned int seconds = queue->nbd->give_up;

	if (queue->told)
		return;
	queue->told = true;
	if (seconds)
		zcmu_warning("%s: the connection is lost (%s); commands wait up to %u s for it to come back",
			     queue->nbd->uri, reason, seconds);
	else
		zcmu_warning("%s: the connection is lost (%s); commands wait for it to come back",
			     queue->nbd->uri, reason);
}

/* Connect again after a pause, which grows until the server has answered something. */
static void connection_failed(struct queue *queue, const char *reason)
{
	bool was_up = queue->link == LINK_UP, expected = is_expecting(queue);

	tell_of_outage(queue, reason);
	drop_handle(queue);
	if (was_up && !expected)
		queue->silent_since = now();
	queue->retry_at = now() + queue->back_off;
	queue->back_off = queue->back_off ? queue->back_off * 2 : MIN_BACK_OFF;
	if (queue->back_off > MAX_BACK_OFF)
		queue->back_off = MAX_BACK_OFF;
}

/*
 * The disk has grown, and this connection was made before. It is closed when nothing is under way
 * any more and all answered changes are stable: a flush on the next connection may not cover them.
 */
static void renew(struct queue *queue)
{
	if (queue->sent.first || queue->ended.first || queue->own_is_out)
		return;
	if (nbd_stable_is_unstable(queue) && !queue->own_failed) {
		nbd_flush_own(queue);
		return;
	}
	drop_handle(queue);
	queue->retry_at = now();
}

static void connected(struct queue *queue)
{
	const char *why_not;
	struct server server;

	if (nbd_server_describe(queue->handle, &server)) {
		connection_failed(queue, nbd_server_reason());
		return;
	}
	why_not = nbd_server_changed(queue->nbd, &server);
	if (why_not) {
		connection_failed(queue, why_not);
		return;
	}
	nbd_stable_connected(queue);
	queue->link = LINK_UP;
	queue->size = server.size;
	queue->given_up = false;
	queue->own_failed = false;
	if (queue->told)
		zcmu_warning("%s: the connection is back", queue->nbd->uri);
	queue->told = false;
	if (is_expecting(queue))
		nbd_queue_expect(queue);
	nbd_parts_send(queue);
}

static void give_up(struct queue *queue)
{
	bool was_up = queue->link == LINK_UP;
	unsigned int seconds = queue->nbd->give_up;

	if (was_up) {
		zcmu_error("%s: the server has not answered for %u s: what it was asked for fails, and the connection is made anew",
			   queue->nbd->uri, seconds);
		queue->told = true;
		drop_handle(queue);
		queue->retry_at = now();
	} else {
		zcmu_error("%s: the server has been gone for %u s: commands fail until it is back; connecting is still tried",
			   queue->nbd->uri, seconds);
	}
	queue->given_up = true;
	nbd_parts_fail(queue, ENOTCONN);
}

/* Another thread has woken this one: its flush waits for ours, or ours waits for its flush. */
static void woken(struct queue *queue)
{
	queue->woken = false;
	if (nbd_stable_is_asked(queue) && queue->link == LINK_UP && !queue->own_is_out)
		nbd_flush_own(queue);
	nbd_parts_look_again(queue);
}

static void step(struct queue *queue)
{
	uint64_t t;

	if (queue->link == LINK_UP)
		nbd_parts_send(queue);
	if (!nbd_parts_settle(queue) && queue->link == LINK_UP)
		connection_failed(queue, nbd_aio_is_dead(queue->handle) ? nbd_server_reason() :
				  "the server is shutting down");
	if (queue->woken)
		woken(queue);
	if (queue->link == LINK_UP && queue->renews)
		renew(queue);
	else if (queue->link == LINK_UP && queue->own_failed)
		connection_failed(queue, "it can't be flushed");
	t = now();
	if (queue->handle && (nbd_aio_is_dead(queue->handle) || nbd_aio_is_closed(queue->handle)))
		connection_failed(queue, nbd_server_reason());
	else if (queue->link == LINK_CONNECTING && nbd_aio_is_ready(queue->handle))
		connected(queue);
	else if (queue->link == LINK_CONNECTING && t >= queue->deadline)
		connection_failed(queue, "it has not answered");
	if (give_up_at(queue) && t >= give_up_at(queue))
		give_up(queue);
	if (queue->link == LINK_DOWN && t >= queue->retry_at)
		start_connecting(queue);
}

/* Is there more to do before the next event? An answer may have led to a request. */
static bool has_more(const struct queue *queue)
{
	return queue->ended.first ||
	       (queue->link == LINK_UP && queue->waiting.first && !queue->renews);
}

/* After any event: bring the queue to a state where it waits for the next one. */
static void go_on(struct queue *queue)
{
	do {
		step(queue);
	} while (has_more(queue));
	watch_socket(queue);
	set_timer(queue);
}

/*
 * Callbacks
 */

void nbd_queue_reap(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct epoll_event events[3];
	uint64_t count;
	int i, n;

	(void)store;
	n = epoll_wait(queue->epoll_fd, events, 3, 0);
	for (i = 0; i < n; i++) {
		if (events[i].data.u32 == EVENT_TIMER) {
			queue->armed_for = 0;
			if (read(queue->timer_fd, &count, sizeof(count)) < 0)
				continue;
		} else if (events[i].data.u32 == EVENT_WAKE) {
			eventfd_read(queue->wake_fd, &count);
			queue->woken = true;
		} else if (queue->handle) {
			socket_event(queue, events[i].events);
		}
	}
	go_on(queue);
}

void nbd_queue_submit(struct zcmu_store *store, void *data)
{
	(void)store;
	go_on(data);
}

int nbd_queue_fd(struct zcmu_store *store, void *data)
{
	(void)store;
	return ((struct queue *)data)->epoll_fd;
}

/*
 * Once this connection is gone, no flush on another one may cover its changes, so flush it first.
 * The wait has the same limit as connecting.
 */
static void flush_at_the_end(struct queue *queue)
{
	uint64_t end = now() + nbd_server_patience(queue->nbd) * 1000, t;

	if (!nbd_stable_is_unstable(queue))
		return;
	if (!queue->own_is_out)
		nbd_flush_own(queue);
	while (nbd_parts_settle(queue) && queue->own_is_out) {
		t = now();
		if (t >= end || nbd_poll(queue->handle, (int)(end - t)) < 0)
			break;
	}
}

/*
 * Leave the connection that open() has made to the next queue, if nothing is under way on it. A new
 * connection may be impossible (zcmu serve --user), and a server may end with its last one.
 */
static bool keep_spare(struct queue *queue)
{
	struct nbd_handle *none = NULL;

	if (!queue->has_spare || queue->own_is_out || nbd_stable_is_unstable(queue) ||
	    nbd_aio_is_ready(queue->handle) != 1 || nbd_aio_in_flight(queue->handle) ||
	    !__atomic_compare_exchange_n(&queue->nbd->spare, &none, queue->handle, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	queue->handle = NULL;
	return true;
}

void nbd_queue_close(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;

	(void)store;
	if (queue->link == LINK_UP)
		flush_at_the_end(queue);
	/* This is polite, but no reason to wait. */
	if (queue->link == LINK_UP && !keep_spare(queue))
		nbd_aio_disconnect(queue->handle, 0);
	drop_handle(queue);
	/* At most a flush of our own is left. */
	nbd_parts_fail(queue, ENOTCONN);
	nbd_stable_remove(queue);
	if (queue->timer_fd >= 0)
		close(queue->timer_fd);
	if (queue->wake_fd >= 0)
		close(queue->wake_fd);
	if (queue->epoll_fd >= 0)
		close(queue->epoll_fd);
	free(queue);
}

static int get_connection(struct queue *queue)
{
	struct nbd *nbd = queue->nbd;
	const char *why_not;
	struct server server;
	int err;

	queue->handle = __atomic_exchange_n(&nbd->spare, NULL, __ATOMIC_ACQ_REL);
	if (queue->handle) {
		queue->has_spare = true;
		queue->size = nbd->server.size;
		return 0;
	}
	err = nbd_server_connect(nbd, &queue->handle, &server);
	if (err)
		return err;
	queue->size = server.size;
	why_not = nbd_server_changed(nbd, &server);
	if (why_not) {
		zcmu_error("%s: %s; serve it again", nbd->uri, why_not);
		return -ESTALE;
	}
	return 0;
}

int nbd_queue_open(struct zcmu_store *store, void **ret)
{
	struct epoll_event timer = { .events = EPOLLIN, .data.u32 = EVENT_TIMER };
	struct epoll_event wake = { .events = EPOLLIN, .data.u32 = EVENT_WAKE };
	struct queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->nbd = store->data;
	queue->socket = -1;
	queue->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	queue->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	queue->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	nbd_stable_add(queue);
	if (queue->epoll_fd < 0 || queue->timer_fd < 0 || queue->wake_fd < 0 ||
	    epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, queue->wake_fd, &wake) ||
	    epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, queue->timer_fd, &timer))
		err = -errno;
	else
		err = get_connection(queue);
	if (err) {
		nbd_queue_close(store, queue);
		return err;
	}
	nbd_stable_connected(queue);
	queue->link = LINK_UP;
	watch_socket(queue);
	*ret = queue;
	return 0;
}
