// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves the bytes of a transfer whose file is a stream socket: a header of the handler's and a
 * payload are sent, or a payload is received. Waits for the peer, for as long as the stream isn't
 * broken. Whose turn it is on a socket is turn.c's.
 */
#include <linux/file.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "zcmu_kernel.h"

static bool is_tcp(const struct socket *sock)
{
	return (sock->sk->sk_family == AF_INET || sock->sk->sk_family == AF_INET6) &&
	       sock->sk->sk_protocol == IPPROTO_TCP;
}

/* Is it a connection whose bytes arrive in order, or not at all? */
bool zcmu_stream_is_one(const struct file *file)
{
	const struct socket *sock = sock_from_file((struct file *)file);

	if (!sock || sock->type != SOCK_STREAM || !sock->sk)
		return false;
	return is_tcp(sock) || sock->sk->sk_family == AF_UNIX;
}

/* Can a socket hold references to each of these pages? It can't to a slab's. */
static bool are_countable(const struct iov_iter *iter)
{
	const struct bio_vec *bvec = iter->bvec;
	size_t skip = iter->iov_offset, left = iov_iter_count(iter);

	for (; left; bvec++, skip = 0) {
		size_t begin = bvec->bv_offset + skip, bytes = min(bvec->bv_len - skip, left);
		size_t i;

		for (i = begin / PAGE_SIZE; i <= (begin + bytes - 1) / PAGE_SIZE; i++) {
			if (!sendpage_ok(zcmu_nth_page(bvec->bv_page, i)))
				return false;
		}
		left -= bytes;
	}
	return true;
}

/*
 * May the pages themselves be sent? Else the bytes are copied. Only one socket is remembered that
 * may have them.
 */
static bool may_splice(const struct zcmu_cmd *cmd, const struct socket *sock,
		       const struct iov_iter *iter)
{
	return cmd->move.may_splice && is_tcp(sock) && are_countable(iter) &&
	       (!cmd->sent_by || cmd->sent_by == cmd->move.files[0]);
}

/* Return: 0, or -errno */
static int send_header(struct zcmu_move *move, struct socket *sock)
{
	while (move->header_sent < move->what.header_bytes) {
		struct kvec rest = {
			.iov_base = move->what.header + move->header_sent,
			.iov_len = move->what.header_bytes - move->header_sent,
		};
		struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | MSG_MORE };
		int ret;

		iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &rest, 1, rest.iov_len);
		ret = sock_sendmsg(sock, &msg);
		if (ret <= 0)
			return ret ?: -EPIPE;
		move->header_sent += ret;
	}
	return 0;
}

static int send(struct zcmu_cmd *cmd, struct socket *sock, struct iov_iter *iter)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	int ret = send_header(&cmd->move, sock);

	if (ret)
		return ret;
	if (may_splice(cmd, sock, iter)) {
		if (!cmd->sent_by)
			cmd->sent_by = get_file(cmd->move.files[0]);
		return zcmu_send_pages(sock, iter);
	}
	msg.msg_iter = *iter;
	return sock_sendmsg(sock, &msg);
}

static int receive(struct socket *sock, struct iov_iter *iter)
{
	struct msghdr msg = { .msg_iter = *iter };

	return sock_recvmsg(sock, &msg, MSG_WAITALL);
}

/* Was its stream broken before its turn, or before it went on? */
static bool is_broken(struct zcmu_cmd *cmd)
{
	bool ret;

	spin_lock(&cmd->device->lock);
	ret = cmd->move.is_broken;
	spin_unlock(&cmd->device->lock);
	return ret;
}

/**
 * zcmu_stream_move - send or receive what is left of a payload
 * @cmd: a command in state MOVING whose transfer is a stream's, and whose turn it is
 * @iter: its pages
 *
 * Sleeps. Return: bytes, 0 if the peer has ended the stream, or -errno; the stream is broken then.
 */
ssize_t zcmu_stream_move(struct zcmu_cmd *cmd, struct iov_iter *iter)
{
	struct zcmu_move *move = &cmd->move;
	struct file *file = move->files[0];
	struct socket *sock = sock_from_file(file);
	int ret;

	if (is_broken(cmd))
		return -ECONNABORTED;
	if (zcmu_is_write(cmd->se_cmd))
		ret = send(cmd, sock, iter);
	else
		ret = receive(sock, iter);
	/* What came behind it would be taken for the rest of it. */
	if (ret <= 0)
		zcmu_stream_break(file);
	return ret;
}

/**
 * zcmu_stream_break - have a connection carry nothing any more, in either direction
 * @file: its socket
 *
 * Who waits for it, waits no longer. Of TCP nothing that is queued is sent any more: its pages are
 * the initiator's again soon. Sleeps.
 */
void zcmu_stream_break(struct file *file)
{
	struct socket *sock = sock_from_file(file);

	if (!is_tcp(sock) || !sock->sk->sk_prot->diag_destroy ||
	    sock->sk->sk_prot->diag_destroy(sock->sk, ECONNABORTED))
		kernel_sock_shutdown(sock, SHUT_RDWR);
}

static void cut_work(struct work_struct *work)
{
	struct zcmu_cmd *cmd = container_of(work, struct zcmu_cmd, move.work);

	zcmu_stream_break(cmd->sent_by);
	fput(cmd->sent_by);
	cmd->sent_by = NULL;
	cmd->move.then(cmd);
}

/**
 * zcmu_stream_cut_first - what has to be done before a command ends without its handler's word
 * @cmd: a command that ends so, or goes to another handler; the caller owns it
 * @then: how it goes on; the owner from now on. May sleep
 *
 * Its pages are the initiator's again soon, and must not be sent any more. A socket's lock is not
 * waited for by who holds one of ours: its holder may be faulting, behind an mmap() that waits for
 * uio's info_lock.
 *
 * Return: true if @then will be called. Else there was nothing to be cut, and the caller goes on.
 */
bool zcmu_stream_cut_first(struct zcmu_cmd *cmd, void (*then)(struct zcmu_cmd *cmd))
{
	if (!cmd->sent_by)
		return false;
	cmd->move.then = then;
	INIT_WORK(&cmd->move.work, cut_work);
	queue_work(cmd->device->reserve.break_wq, &cmd->move.work);
	return true;
}
