// SPDX-License-Identifier: MIT
/*
 * Messages between a keeper and its store's process: one packet each, all of one size. Their
 * meaning is in keeper.c and confined.c.
 */
#include <errno.h>

#include "confine/message.h"
#include "../../lib/program/packet.h"

/* @passed_fd: sent along, or -1 */
int message_send(int fd, const struct message *message, int passed_fd)
{
	return packet_send(fd, message, sizeof(*message), passed_fd, 0);
}

/*
 * @passed_fd: the descriptor that came along, or -1; NULL: none is taken. -EPIPE: the other side
 * has gone; -EPROTO: the packet isn't a valid message.
 */
int message_receive(int fd, struct message *message, int *passed_fd)
{
	ssize_t n = packet_receive(fd, message, sizeof(*message), passed_fd);

	if (n <= 0)
		return n ? (int)n : -EPIPE;
	if (n != sizeof(*message))
		return -EPROTO;
	message->text[sizeof(message->text) - 1] = '\0';
	return 0;
}
