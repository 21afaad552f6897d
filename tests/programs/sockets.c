// SPDX-License-Identifier: MIT
/*
 * To be preloaded into a store's process that is locked in with a network: whenever it makes a
 * socket of its own, sockets of other families are asked for, and what comes of it is reported as
 * a message of the store's: "sockets: family 1: EPERM".
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void try(int family, int type)
{
	void (*say)(const char *format, ...) = dlsym(RTLD_DEFAULT, "zcmu_warning");
	int fd = (int)syscall(SYS_socket, family, type, 0);

	say("sockets: family %d: %s", family, fd < 0 ? strerrorname_np(errno) : "DONE");
	if (fd >= 0)
		close(fd);
}

/* The C library declares it with other names for its arguments; that is all the same. */
int socket(int domain, int type, int protocol)
{
	if (domain == AF_INET || domain == AF_INET6) {
		try(AF_UNIX, SOCK_STREAM);
		try(AF_NETLINK, SOCK_RAW);
		try(AF_PACKET, SOCK_RAW);
		try(AF_VSOCK, SOCK_STREAM);
		try(AF_ALG, SOCK_SEQPACKET);
		try(AF_INET6, SOCK_DGRAM);
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}
