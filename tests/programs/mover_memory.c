// SPDX-License-Identifier: MIT
/*
 * Ways to move payloads to and from memory: by a socket, a pipe, another process; see
 * mover.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mover.h"
#include "probe.h"

/*
 * Memory behind a socket: a thread that answers for it
 */

struct header {
	uint64_t offset;
	uint64_t length;
	bool read;
};

static int client = -1;

static bool transfer(int fd, void *data, size_t length, bool out)
{
	uint8_t *p = data;

	while (length) {
		ssize_t n = out ? send(fd, p, length, 0) : recv(fd, p, length, 0);

		if (n <= 0)
			return false;
		p += n;
		length -= (size_t)n;
	}
	return true;
}

static void *serve_memory(void *argument)
{
	int fd = *(int *)argument;
	struct header header;
	uint8_t ok = 1;

	while (transfer(fd, &header, sizeof(header), false)) {
		must(transfer(fd, memory + header.offset, header.length, header.read), "socket");
		if (!header.read)
			must(transfer(fd, &ok, 1, true), "socket");
	}
	return NULL;
}

void open_socket(void)
{
	static int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	client = fds[0];
	start_thread(serve_memory, &fds[1]);
}

void open_zerocopy(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	static int server;

	must(!bind(listener, (struct sockaddr *)&address, len) && !listen(listener, 1), "listen");
	must(!getsockname(listener, (struct sockaddr *)&address, &len), "getsockname");
	client = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(client, (struct sockaddr *)&address, len), "connect to 127.0.0.1");
	must(!setsockopt(client, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), "SO_ZEROCOPY");
	server = accept(listener, NULL, NULL);
	must(server >= 0, "accept");
	start_thread(serve_memory, &server);
}

/* Wait until the kernel has let go of all @sends so far. */
static void await_zerocopy(uint32_t sends)
{
	static uint32_t completed;

	while (completed != sends) {
		char control[128];
		struct msghdr message = {
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		struct pollfd poll_errors = { .fd = client };
		struct sock_extended_err *error;

		poll(&poll_errors, 1, -1);
		if (recvmsg(client, &message, MSG_ERRQUEUE) < 0)
			continue;
		error = (struct sock_extended_err *)CMSG_DATA(CMSG_FIRSTHDR(&message));
		must(error->ee_origin == SO_EE_ORIGIN_ZEROCOPY, "error queue");
		completed += error->ee_data - error->ee_info + 1;
	}
}

static ssize_t send_iov(struct zcmu_io *io, int flags)
{
	static uint32_t sends;
	ssize_t total = 0;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		uint8_t *p = io->iov[i].iov_base;
		size_t left = io->iov[i].iov_len;

		while (left) {
			ssize_t n = send(client, p, left, flags);

			if (n < 0 && errno == ENOBUFS && flags & MSG_ZEROCOPY) {
				await_zerocopy(sends);
				continue;
			}
			if (n <= 0)
				return n;
			sends += !!(flags & MSG_ZEROCOPY);
			p += n;
			left -= (size_t)n;
			total += n;
		}
	}
	if (flags & MSG_ZEROCOPY)
		await_zerocopy(sends);
	return total;
}

static ssize_t receive_iov(struct zcmu_io *io)
{
	ssize_t total = 0;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		if (!transfer(client, io->iov[i].iov_base, io->iov[i].iov_len, false))
			return -1;
		total += (ssize_t)io->iov[i].iov_len;
	}
	return total;
}

static int move_by_socket_with(struct zcmu_io *io, int flags)
{
	struct header header = { .offset = io->offset, .length = io->length, .read = is_read(io) };
	uint8_t ok = 0;
	ssize_t n;
	int error;

	must(transfer(client, &header, sizeof(header), true), "socket");
	n = is_read(io) ? receive_iov(io) : send_iov(io, flags);
	error = errno;
	/* The other end is out of step; it waits for the rest of the payload. */
	if (n < 0 && !is_read(io)) {
		void *rest = calloc(1, io->length);

		must(rest && transfer(client, rest, io->length, true), "socket");
		free(rest);
	}
	if (!is_read(io))
		must(transfer(client, &ok, 1, false), "socket");
	return result(io, n, error);
}

int move_by_socket(struct zcmu_io *io)
{
	return move_by_socket_with(io, 0);
}

int move_by_zerocopy(struct zcmu_io *io)
{
	return move_by_socket_with(io, MSG_ZEROCOPY);
}

/*
 * Memory behind a pipe
 */

#define PIPE_BYTES	(1u << 20)
/* Never more in it than it takes, even misaligned */
#define SPLICE_BYTES	MOVER_SPARE_BYTES

static int pipe_fds[2];
static struct { uint64_t offset; size_t length; } in_pipe;

void open_vmsplice(void)
{
	must(!pipe(pipe_fds), "pipe");
	must(fcntl(pipe_fds[1], F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES, "F_SETPIPE_SZ");
}

static void drain_pipe(void)
{
	while (in_pipe.length) {
		ssize_t n = read(pipe_fds[0], memory + in_pipe.offset, in_pipe.length);

		must(n > 0, "pipe");
		in_pipe.offset += (uint64_t)n;
		in_pipe.length -= (size_t)n;
	}
}

static ssize_t splice_piece(const struct zcmu_io *io, struct iovec *piece, uint64_t offset)
{
	ssize_t n;

	drain_pipe();
	if (is_read(io)) {
		n = write(pipe_fds[1], memory + offset, piece->iov_len);
		must(n == (ssize_t)piece->iov_len, "pipe");
		n = vmsplice(pipe_fds[0], piece, 1, 0);
		/* What is left after an error goes nowhere. */
		in_pipe.offset = MOVER_DISK_BYTES;
		in_pipe.length = piece->iov_len - (size_t)(n > 0 ? n : 0);
	} else {
		n = vmsplice(pipe_fds[1], piece, 1, 0);
		in_pipe.offset = offset;
		in_pipe.length = (size_t)(n > 0 ? n : 0);
	}
	if (!is_twist("late"))
		drain_pipe();
	return n;
}

int move_by_vmsplice(struct zcmu_io *io)
{
	uint64_t done = 0;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		struct iovec piece = io->iov[i];
		size_t left = piece.iov_len;

		while (left) {
			ssize_t n;

			piece.iov_len = left < SPLICE_BYTES ? left : SPLICE_BYTES;
			n = splice_piece(io, &piece, io->offset + done);
			if (n <= 0)
				return result(io, n, errno);
			piece.iov_base = (uint8_t *)piece.iov_base + n;
			left -= (size_t)n;
			done += (uint64_t)n;
		}
	}
	return 0;
}

/*
 * Memory of another process
 */

struct remote {
	struct header header;
	int iovcnt;
	struct iovec iov[64];
};

static void serve_remote(int fd, pid_t pid)
{
	struct remote r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(fd, &r, sizeof(r), 0) == sizeof(r)) {
		struct iovec own = {
			.iov_base = memory + r.header.offset, .iov_len = r.header.length,
		};
		ssize_t reply = r.header.read ?
			process_vm_writev(pid, &own, 1, r.iov, (unsigned long)r.iovcnt, 0) :
			process_vm_readv(pid, &own, 1, r.iov, (unsigned long)r.iovcnt, 0);

		if (reply < 0)
			reply = -errno;
		send(fd, &reply, sizeof(reply), 0);
	}
	_exit(0);
}

/* Before the disk is opened: the other process doesn't have its mapping. */
void fork_remote(void)
{
	pid_t self = getpid();
	int fds[2];
	pid_t pid;

	must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), "socketpair");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		serve_remote(fds[1], self);
	close(fds[1]);
	client = fds[0];
}

int move_by_process(struct zcmu_io *io)
{
	struct remote r = {
		.header = { .offset = io->offset, .length = io->length, .read = is_read(io) },
		.iovcnt = io->iovcnt,
	};
	ssize_t reply;

	memcpy(r.iov, io->iov, (size_t)io->iovcnt * sizeof(*io->iov));
	must(send(client, &r, sizeof(r), 0) == sizeof(r), "socket");
	must(recv(client, &reply, sizeof(reply), 0) == sizeof(reply), "socket");
	return result(io, reply, (int)-reply);
}
