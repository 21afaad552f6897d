// SPDX-License-Identifier: MIT
/*
 * Sockets of the hostile handler, for transfers: connections to itself whose other ends take and
 * give a little of anything now and then, stand still, and end.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "hostile.h"

#define NR	4u	/* the first two are TCP */

static int ends[NR][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };

static void end(unsigned int which)
{
	if (ends[which][0] >= 0)
		close(ends[which][0]);
	if (ends[which][1] >= 0)
		close(ends[which][1]);
	ends[which][0] = ends[which][1] = -1;
}

static void connect_to_itself(int *pair)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!bind(listener, (struct sockaddr *)&address, length) && !listen(listener, 1) &&
	    !getsockname(listener, (struct sockaddr *)&address, &length) &&
	    !connect(pair[0], (struct sockaddr *)&address, length))
		pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
}

static void begin(unsigned int which)
{
	if (which < 2)
		connect_to_itself(ends[which]);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[which]))
		ends[which][0] = ends[which][1] = -1;
}

/* What the other ends do. What comes from a payload is searched for secrets, as what is mapped. */
static void stir(unsigned int which)
{
	static uint8_t bytes[65536];
	ssize_t n;

	if (one_in(4))
		return;
	n = recv(ends[which][1], bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		look_for_secrets(bytes, (size_t)n, "a socket");
	n = send(ends[which][1], bytes, below(sizeof(bytes)), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (one_in(64))
		shutdown(ends[which][one_in(2)], (int)below(3));
	if (one_in(64))
		end(which);
}

/* One of its sockets, or -1 */
int hostile_stream(void)
{
	unsigned int which;

	for (which = 0; which < NR; which++) {
		if (ends[which][1] >= 0)
			stir(which);
	}
	which = below(NR);
	if (ends[which][0] < 0)
		begin(which);
	return ends[which][0];
}
