// SPDX-License-Identifier: MIT
/*
 * A service manager that wants to know names a socket in NOTIFY_SOCKET, and gets datagrams there
 * (sd_notify(3)): the disk is there, it is about to end, another process serves it now. It isn't
 * asked for anything, and a disk is served whether it listens or not.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/notify.h"

#define VARIABLE	"NOTIFY_SOCKET"

/* Its address: a path, or "@" and a name without a file. Return: its length; 0: there is none. */
static socklen_t find_address(struct sockaddr_un *address)
{
	const char *name = getenv(VARIABLE);
	size_t len = name ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(address->sun_path) || (*name != '/' && *name != '@'))
		return 0;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, len);
	/* A name without a file has no zero at its end, and one at its beginning. */
	if (*name == '@')
		address->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

bool notify_is_wanted(void)
{
	struct sockaddr_un address;

	return find_address(&address);
}

static int notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int notify(const char *format, ...)
{
	struct sockaddr_un address;
	socklen_t len = find_address(&address);
	va_list arguments;
	char text[512];
	ssize_t sent;
	int fd, n, err;

	if (!len)
		return -ENOENT;
	va_start(arguments, format);
	n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (n < 0 || n >= (int)sizeof(text))
		return -EMSGSIZE;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do {
		sent = sendto(fd, text, (size_t)n, MSG_NOSIGNAL,
			      (const struct sockaddr *)&address, len);
	} while (sent < 0 && errno == EINTR);
	err = sent < 0 ? -errno : 0;
	close(fd);
	return err;
}

int notify_ready(const char *name, const char *device)
{
	return notify("READY=1\nMAINPID=%d\nSTATUS=%s is %s", (int)getpid(), name, device);
}

int notify_stopping(void)
{
	return notify("STOPPING=1");
}

int notify_main(pid_t pid)
{
	return notify("MAINPID=%d", (int)pid);
}
