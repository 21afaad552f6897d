// SPDX-License-Identifier: MIT
/*
 * net: a network store to build your own on. "net,connections=N:HOST:PORT" is a disk on net-server.
 * It never touches a payload: the kernel sends and receives the very pages of the request.
 *
 * Each thread of the disk has connections of its own, and so no locks. A request has one to itself
 * until it is answered; those that find none wait in a list. Once a connection is lost, nobody
 * knows what the server has done and kept: the disk fails.
 *
 *	cc -shared -fPIC -o net.so net.c $(pkg-config --cflags --libs libzcmu)
 *	net-server 127.0.0.1 7000 disk.img 67108864 &
 *	ZCMU_STORE_PATH=. zcmu serve net:127.0.0.1:7000
 */
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zcmu.h>

#include "net.h"

/* Bytes of a payload from which on it pays to have the kernel move it */
#define TRANSFER_MIN	(32u << 10)

/* The disk */
struct net {
	struct sockaddr_storage address;
	socklen_t address_length;
	unsigned int nr_links;		/* of each queue */
	bool here;
	atomic_bool is_lost;
};

struct link {
	int fd;
	struct link *next;		/* if it is free */
	struct zcmu_io *io;		/* else whose it is */
	bool is_sent;			/* a WRITE: all of it is on its way */
	bool is_replied;		/* or there will be none */
	int lost;			/* why not */
	struct net_reply reply;
	size_t got;			/* bytes of the reply */
};

/* What a thread has for itself */
struct queue {
	struct net *net;
	int epoll;			/* becomes readable with replies */
	struct link *free;
	struct zcmu_io *waiting, **last;
	struct link links[];
};

struct net_options {
	uint64_t connections;
	bool here;
};

static const struct zcmu_option net_options[] = {
	{ .name = "connections", .value = "N", .summary = "of each thread", .standard = "8", .min = 1,
	  .max = 256, .type = ZCMU_OPTION_NUMBER,
	  .offset = offsetof(struct net_options, connections) },
	{ .name = "here", .summary = "payloads go by this process, to compare",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct net_options, here) },
	{ 0 }
};

/*
 * A connection
 */

/*
 * A server that has lost its power says nothing. This is less than the time that a command has
 * (cmd_time_out), so that its request ends before the command does.
 */
static int limit_silence(int fd)
{
	const int one = 1, idle_s = 5, interval_s = 5, probes = 3, unacknowledged_ms = 20000;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	       setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
			  sizeof(unacknowledged_ms));
}

static int connect_to(const struct net *net)
{
	int fd, error;

	fd = socket(net->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)&net->address, net->address_length) &&
	    !limit_silence(fd))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static struct net_request request_of(enum net_op op, const struct zcmu_io *io)
{
	return (struct net_request){
		.magic = htole32(NET_MAGIC), .op = htole32(op),
		.offset = htole64(io ? io->offset : 0), .length = htole64(io ? io->length : 0),
	};
}

/* Return: 0, or why the connection is lost. */
static int send_request(const struct link *link, enum net_op op)
{
	const struct net_request request = request_of(op, link->io);
	ssize_t n = send(link->fd, &request, sizeof(request), MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	/* So short a one fits in, or nothing does. */
	return n == sizeof(request) ? 0 : -EPIPE;
}

/* Return: 0, -EAGAIN if it hasn't come yet, or why the connection is lost. */
static int receive_reply(struct link *link, int flags)
{
	size_t left = sizeof(link->reply) - link->got;
	ssize_t n = recv(link->fd, (char *)&link->reply + link->got, left, flags);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -ECONNRESET;
	link->got += (size_t)n;
	if (link->got < sizeof(link->reply))
		return -EAGAIN;
	return le32toh(link->reply.magic) == NET_MAGIC ? 0 : -EPROTO;
}

static int error_of(const struct link *link)
{
	return (int)le32toh((uint32_t)link->reply.error);
}

/*
 * Requests
 */

static void start_waiting(struct queue *queue);

/* @lost: 0, or why nothing more comes over this connection */
static void finish(struct queue *queue, struct link *link, int error, int lost)
{
	struct zcmu_io *io = link->io;

	if (lost && !atomic_exchange(&queue->net->is_lost, true))
		zcmu_error("net: a connection is lost (%s): the disk fails", strerror(-lost));
	link->io = NULL;
	link->next = queue->free;
	queue->free = link;
	zcmu_io_done(io, lost ? -EIO : error);
}

/* A WRITE is on its way. Its reply may have come before this. */
static void sent(struct zcmu_io *io, int error, uint64_t bytes)
{
	struct queue *queue = io->queue;
	struct link *link = io->data;

	(void)bytes;
	link->is_sent = true;
	if (error || link->is_replied)
		finish(queue, link, error_of(link), error ? error : link->lost);
	start_waiting(queue);
}

/* A READ's payload is there. */
static void received(struct zcmu_io *io, int error, uint64_t bytes)
{
	struct queue *queue = io->queue;

	(void)bytes;
	finish(queue, io->data, 0, error);
	start_waiting(queue);
}

/* Have queue_fd tell of a reply, once: what comes after that of a READ is the kernel's. */
static int expect_reply(const struct queue *queue, struct link *link)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = link };

	return epoll_ctl(queue->epoll, EPOLL_CTL_MOD, link->fd, &event) ? -errno : 0;
}

static unsigned int flags_of(const struct queue *queue, const struct zcmu_io *io)
{
	return queue->net->here || io->length < TRANSFER_MIN ? ZCMU_MOVE_HERE : ZCMU_MOVE_ANYHOW;
}

static int start_write(struct queue *queue, struct link *link)
{
	const struct net_request request = request_of(NET_WRITE, link->io);

	return zcmu_io_stream(link->io, link->fd, &request, sizeof(request),
			      flags_of(queue, link->io), sent);
}

static void start(struct queue *queue, struct link *link, struct zcmu_io *io)
{
	int lost;

	io->data = link;
	link->io = io;
	link->is_sent = link->is_replied = false;
	link->reply.error = 0;
	link->got = 0;
	link->lost = 0;
	lost = expect_reply(queue, link);
	if (!lost)
		lost = io->op == ZCMU_IO_WRITE ? start_write(queue, link) :
		       send_request(link, io->op == ZCMU_IO_READ ? NET_READ : NET_FLUSH);
	if (lost)
		finish(queue, link, 0, lost);
}

static void start_waiting(struct queue *queue)
{
	while (queue->waiting && (queue->free || queue->net->is_lost)) {
		struct zcmu_io *io = queue->waiting;
		struct link *link = queue->free;

		queue->waiting = io->next;
		if (!queue->waiting)
			queue->last = &queue->waiting;
		if (queue->net->is_lost) {
			zcmu_io_done(io, -ENOTCONN);
			continue;
		}
		queue->free = link->next;
		start(queue, link, io);
	}
}

/* A READ's payload follows; a WRITE may still have to come back from the kernel. */
static void go_on(struct queue *queue, struct link *link)
{
	struct zcmu_io *io = link->io;
	int error = error_of(link);

	link->is_replied = true;
	if (io->op == ZCMU_IO_READ && !error) {
		error = zcmu_io_stream(io, link->fd, NULL, 0, flags_of(queue, io), received);
		if (error)
			finish(queue, link, 0, error);	/* it would be taken for a reply */
	} else if (io->op != ZCMU_IO_WRITE || link->is_sent) {
		finish(queue, link, error, 0);
	}
}

static void look_at(struct queue *queue, struct link *link)
{
	int ret;

	if (!link->io || link->is_replied)
		return;
	ret = receive_reply(link, MSG_DONTWAIT);
	if (!ret)
		go_on(queue, link);
	else if (ret == -EAGAIN)
		ret = expect_reply(queue, link);
	if (!ret)
		return;
	link->is_replied = true;
	link->lost = ret;
	/* Until it has been sent, or can't be, a WRITE is the kernel's. */
	if (link->io->op != ZCMU_IO_WRITE || link->is_sent)
		finish(queue, link, 0, ret);
}

static void net_reap(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct epoll_event events[16];
	int n = epoll_wait(queue->epoll, events, 16, 0), i;

	(void)store;
	for (i = 0; i < n; i++)
		look_at(queue, events[i].data.ptr);
	start_waiting(queue);
}

static void net_request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;

	(void)store;
	io->next = NULL;
	*queue->last = io;
	queue->last = &io->next;
	start_waiting(queue);
}

/*
 * Opening and closing
 */

static void net_queue_close(struct zcmu_store *store, void *data)
{
	struct net *net = store->data;
	struct queue *queue = data;
	unsigned int i;

	for (i = 0; i < net->nr_links; i++) {
		if (queue->links[i].fd >= 0)
			close(queue->links[i].fd);
	}
	if (queue->epoll >= 0)
		close(queue->epoll);
	free(queue);
}

static int connect_all(struct queue *queue)
{
	struct epoll_event event = { .events = 0 };
	unsigned int i;

	for (i = 0; i < queue->net->nr_links; i++) {
		struct link *link = &queue->links[i];

		link->fd = connect_to(queue->net);
		if (link->fd < 0)
			return link->fd;
		event.data.ptr = link;
		if (epoll_ctl(queue->epoll, EPOLL_CTL_ADD, link->fd, &event))
			return -errno;
		link->next = queue->free;
		queue->free = link;
	}
	return 0;
}

static int net_queue_open(struct zcmu_store *store, void **data)
{
	struct net *net = store->data;
	struct queue *queue = calloc(1, sizeof(*queue) + net->nr_links * sizeof(queue->links[0]));
	unsigned int i;
	int ret;

	if (!queue)
		return -ENOMEM;
	queue->net = net;
	queue->last = &queue->waiting;
	for (i = 0; i < net->nr_links; i++)
		queue->links[i].fd = -1;
	queue->epoll = epoll_create1(EPOLL_CLOEXEC);
	ret = queue->epoll < 0 ? -errno : connect_all(queue);
	if (ret)
		net_queue_close(store, queue);
	else
		*data = queue;
	return ret;
}

static int net_queue_fd(struct zcmu_store *store, void *data)
{
	const struct queue *queue = data;

	(void)store;
	return queue->epoll;
}

static int resolve(struct net *net, const char *argument)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(argument, ':');
	struct addrinfo *info;
	char host[256];
	int ret;

	if (!colon || !colon[1] || (size_t)(colon - argument) >= sizeof(host)) {
		zcmu_error("net:%s: say net:HOST:PORT", argument);
		return -EINVAL;
	}
	memcpy(host, argument, (size_t)(colon - argument));
	host[colon - argument] = '\0';
	ret = getaddrinfo(host, colon + 1, &hints, &info);
	if (ret) {
		zcmu_error("net:%s: %s", argument, gai_strerror(ret));
		return -EINVAL;
	}
	memcpy(&net->address, info->ai_addr, info->ai_addrlen);
	net->address_length = info->ai_addrlen;
	freeaddrinfo(info);
	return 0;
}

/* By a connection of its own */
static int ask_size(const struct net *net, uint64_t *size)
{
	struct link link = { .fd = connect_to(net) };
	int ret = link.fd;

	if (ret < 0)
		return ret;
	ret = send_request(&link, NET_SIZE);
	if (!ret) {
		do {
			ret = receive_reply(&link, 0);
		} while (ret == -EAGAIN);
	}
	*size = le64toh(link.reply.value);
	close(link.fd);
	return ret ? ret : error_of(&link);
}

static void net_close(struct zcmu_store *store)
{
	free(store->data);
}

static int net_open(struct zcmu_store *store, const char *argument)
{
	const struct net_options *options = store->options;
	struct net *net = calloc(1, sizeof(*net));
	int ret;

	if (!net)
		return -ENOMEM;
	net->nr_links = (unsigned int)options->connections;
	net->here = options->here;
	ret = resolve(net, argument);
	if (!ret) {
		ret = ask_size(net, &store->size);
		if (ret)
			zcmu_error("net:%s: %s", argument, strerror(-ret));
	}
	if (ret)
		free(net);
	else
		store->data = net;
	return ret;
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.flags = ZCMU_STORE_NETWORK,
	.name = "net",
	.usage = "net:HOST:PORT",
	.summary = "an example: a disk on another machine (net-server)",
	.open = net_open,
	.close = net_close,
	.queue_open = net_queue_open,
	.queue_close = net_queue_close,
	.queue_fd = net_queue_fd,
	.queue_reap = net_reap,
	.read = net_request,
	.write = net_request,
	.flush = net_request,
	.options = net_options,
	.options_size = sizeof(struct net_options),
};
