// SPDX-License-Identifier: MIT
/* Names of iSCSI, and portals. fabric.c has what its targets have in common with others. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "attach/iscsi.h"

#define DEFAULT_PORT	3260

/*
 * An iSCSI name, RFC 7143 4.2.7. The kernel compares initiators byte by byte, and some break the
 * rules: they may have capital letters and underscores.
 */
bool iscsi_name_is_valid(const char *name, bool is_initiator)
{
	unsigned int year, month;
	size_t i, len = strlen(name);
	int end = 0;

	if (len > TARGET_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    !strchr(".:-", name[i]) &&
		    !(is_initiator && (isupper((unsigned char)name[i]) || name[i] == '_')))
			return false;
	}
	if (!strncmp(name, "iqn.", 4))
		return sscanf(name, "iqn.%4u-%2u.%n", &year, &month, &end) == 2 && end == 12 &&
		       month >= 1 && month <= 12 && isalnum((unsigned char)name[end]);
	if (!strncmp(name, "eui.", 4))
		return len == 20 && strspn(name + 4, "0123456789abcdefABCDEF") == 16;
	if (!strncmp(name, "naa.", 4))
		return (len == 20 || len == 36) &&
		       strspn(name + 4, "0123456789abcdefABCDEF") == len - 4;
	return false;
}

/* Convert "1.2.3.4", "1.2.3.4:3260", "::1", "[::1]:3260" to the form of configfs. Quiet. */
int iscsi_portal_parse(const char *text, struct iscsi_portal *ret)
{
	const char *colon = strrchr(text, ':'), *end = text + strlen(text);
	char address[INET6_ADDRSTRLEN];
	unsigned char in[16];
	unsigned long port = DEFAULT_PORT;
	char *rest;

	/* A bare IPv6 address has several colons; the last one isn't followed by a port. */
	if (*text == '[' ? colon && colon[-1] == ']' : colon && colon == strchr(text, ':')) {
		end = colon;
		port = strtoul(colon + 1, &rest, 10);
		if (!isdigit((unsigned char)colon[1]) || *rest || !port || port > 65535)
			return -EINVAL;
	}
	if (*text == '[') {
		text++;
		if (*--end != ']')
			return -EINVAL;
	}
	if ((size_t)(end - text) >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)(end - text), text);
	if (inet_pton(AF_INET, address, in) == 1)
		ret->family = AF_INET;
	else if (inet_pton(AF_INET6, address, in) == 1)
		ret->family = AF_INET6;
	else
		return -EINVAL;
	memcpy(ret->address, in, sizeof(ret->address));
	ret->port = (uint16_t)port;
	inet_ntop(ret->family, in, address, sizeof(address));
	snprintf(ret->name, sizeof(ret->name), ret->family == AF_INET ? "%s:%lu" : "[%s]:%lu",
		 address, port);
	return 0;
}

/* Return: 0 if this address and port could be bound, or a negative errno. Quiet. */
static int try_bind(const struct iscsi_portal *portal, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd, one = 1, err = 0;

	memcpy(&in.sin_addr, portal->address, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, portal->address, sizeof(in6.sin6_addr));
	fd = socket(portal->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* As the kernel's target does: old connections don't block a port. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (portal->family == AF_INET ? bind(fd, (const struct sockaddr *)&in, sizeof(in)) :
					bind(fd, (const struct sockaddr *)&in6, sizeof(in6)))
		err = -errno;
	close(fd);
	return err;
}

/* Is it an address of this machine, or the wildcard address? */
bool iscsi_portal_is_local(const struct iscsi_portal *portal)
{
	/* Use any free port: a target may have this one already. */
	return !try_bind(portal, 0);
}

/* Does a process listen there? */
bool iscsi_portal_is_taken(const struct iscsi_portal *portal)
{
	return try_bind(portal, portal->port) == -EADDRINUSE;
}
