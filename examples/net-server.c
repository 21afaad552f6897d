// SPDX-License-Identifier: MIT
/*
 * net-server: keeps the bytes of net disks (net.h) in a file, for who may connect. It knows no
 * users and encrypts nothing.
 *
 *	net-server ADDRESS PORT FILE BYTES
 *	net-server ADDRESS PORT discard BYTES	throws away what is written, unread: to measure
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

#define CHUNK	(256u << 10)

static int file = -1;	/* -1: discard */
static uint64_t size;
static atomic_int flush_error;	/* told once by the kernel, and by us until we are started anew */

/* Return: whether all of it came. @to NULL: it is dropped. */
static bool receive(int fd, void *to, size_t bytes)
{
	while (bytes) {
		ssize_t n = recv(fd, to, bytes, to ? MSG_WAITALL : MSG_WAITALL | MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes -= (size_t)n;
		if (to)
			to = (char *)to + n;
	}
	return true;
}

static bool send_all(int fd, const void *from, size_t bytes, int flags)
{
	while (bytes) {
		ssize_t n = send(fd, from, bytes, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes -= (size_t)n;
		from = (const char *)from + n;
	}
	return true;
}

static bool reply(int fd, int error, uint64_t value, int flags)
{
	const struct net_reply reply = {
		.magic = htole32(NET_MAGIC), .error = (int32_t)htole32((uint32_t)error),
		.value = htole64(value),
	};

	return send_all(fd, &reply, sizeof(reply), flags);
}

static int write_all(const char *from, size_t bytes, uint64_t offset)
{
	while (bytes) {
		ssize_t n = pwrite(file, from, bytes, (off_t)offset);

		if (n <= 0)
			return n ? -errno : -EIO;
		from += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Whatever becomes of it, all of the payload is taken. */
static bool serve_write(int fd, char *buffer, uint64_t offset, uint64_t length)
{
	int error = 0;

	while (length) {
		size_t part = length < CHUNK ? length : CHUNK;

		if (!receive(fd, file < 0 ? NULL : buffer, part))
			return false;
		if (!error && file >= 0)
			error = write_all(buffer, part, offset);
		offset += part;
		length -= part;
	}
	return reply(fd, error, 0, 0);
}

/* An error that shows after the reply ends the connection. */
static bool serve_read(int fd, char *buffer, uint64_t offset, uint64_t length)
{
	if (!reply(fd, 0, 0, MSG_MORE))
		return false;
	while (length) {
		size_t part = length < CHUNK ? length : CHUNK;
		ssize_t n = file < 0 ? (ssize_t)part : pread(file, buffer, part, (off_t)offset);

		if (n <= 0 || !send_all(fd, buffer, (size_t)n, 0))
			return false;
		offset += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return true;
}

static bool serve_flush(int fd)
{
	if (file >= 0 && fdatasync(file))
		atomic_store(&flush_error, -errno);
	return reply(fd, atomic_load(&flush_error), 0, 0);
}

static bool serve_request(int fd, char *buffer)
{
	struct net_request request;
	uint64_t offset, length;

	if (!receive(fd, &request, sizeof(request)) || le32toh(request.magic) != NET_MAGIC)
		return false;
	offset = le64toh(request.offset);
	length = le64toh(request.length);
	if (offset > size || length > size - offset)
		return false;
	switch (le32toh(request.op)) {
	case NET_SIZE: return reply(fd, 0, size, 0);
	case NET_READ: return serve_read(fd, buffer, offset, length);
	case NET_WRITE: return serve_write(fd, buffer, offset, length);
	case NET_FLUSH: return serve_flush(fd);
	default: return false;
	}
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char *buffer = calloc(1, CHUNK);

	while (buffer && serve_request(fd, buffer))
		;
	free(buffer);
	close(fd);
	return NULL;
}

static int fail(const char *what)
{
	fprintf(stderr, "net-server: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener, one = 1;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: net-server ADDRESS PORT FILE|discard BYTES\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	size = strtoull(argv[4], NULL, 10);
	if (strcmp(argv[3], "discard")) {
		file = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (file < 0 || ftruncate(file, (off_t)size))
			return fail(argv[3]);
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 256))
		return fail(argv[2]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			continue;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			close(fd);
		else
			pthread_detach(thread);
	}
}
