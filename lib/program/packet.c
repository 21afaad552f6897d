// SPDX-License-Identifier: MIT
/* Sends and receives a packet with a descriptor, see packet.h. What is in it is the caller's. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "packet.h"

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int packet_send(int fd, const void *packet, size_t size, int passed, int flags)
{
	union control control = { .space = "" };
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (passed >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
	}
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

ssize_t packet_receive(int fd, void *packet, size_t size, int *passed)
{
	union control control;
	struct iovec iov = { .iov_base = packet, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;
	ssize_t n;

	if (passed) {
		*passed = -1;
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
	}
	do {
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	header = passed && n ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(header), sizeof(int));
	return n;
}
