// SPDX-License-Identifier: MIT
/*
 * Connects the kernel's own NBD driver to a server, to compare zcmu's store nbd with. libnbd
 * shakes hands, the driver gets the sockets. It is no nbd-client: no TLS, and a server that
 * goes away takes the disk with it.
 *
 *	nbd DEVICE URI [CONNECTIONS]
 *
 * prints the block device when it is there, and ends with it at SIGTERM or SIGINT.
 */
#include <err.h>
#include <fcntl.h>
#include <libnbd.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX	16
#define BLOCK_SIZE	4096ul

/* A connection as the driver takes it: it knows simple replies only. */
static struct nbd_handle *shake_hands(const char *uri)
{
	struct nbd_handle *handle = nbd_create();

	if (!handle || nbd_set_request_structured_replies(handle, false) ||
	    nbd_connect_uri(handle, uri))
		errx(1, "%s: %s", uri, nbd_get_error());
	return handle;
}

static unsigned long flags_of(struct nbd_handle *handle)
{
	unsigned long flags = NBD_FLAG_HAS_FLAGS;

	flags |= nbd_is_read_only(handle) == 1 ? NBD_FLAG_READ_ONLY : 0;
	flags |= nbd_can_flush(handle) == 1 ? NBD_FLAG_SEND_FLUSH : 0;
	flags |= nbd_can_fua(handle) == 1 ? NBD_FLAG_SEND_FUA : 0;
	flags |= nbd_can_trim(handle) == 1 ? NBD_FLAG_SEND_TRIM : 0;
	flags |= nbd_can_multi_conn(handle) == 1 ? NBD_FLAG_CAN_MULTI_CONN : 0;
	return flags;
}

static void set(int device, unsigned long request, unsigned long value, const char *what)
{
	if (ioctl(device, request, value))
		err(1, "%s", what);
}

static void set_up(int device, struct nbd_handle *handle)
{
	int64_t size = nbd_get_size(handle);

	if (size <= 0)
		errx(1, "the export has no size: %s", nbd_get_error());
	set(device, NBD_CLEAR_SOCK, 0, "NBD_CLEAR_SOCK");
	set(device, NBD_SET_BLKSIZE, BLOCK_SIZE, "NBD_SET_BLKSIZE");
	set(device, NBD_SET_SIZE_BLOCKS, (unsigned long)size / BLOCK_SIZE, "NBD_SET_SIZE_BLOCKS");
	set(device, NBD_SET_FLAGS, flags_of(handle), "NBD_SET_FLAGS");
}

/* The driver wants a thread that does nothing else until the device is disconnected. */
static void *lend_a_thread(void *argument)
{
	if (ioctl(*(int *)argument, NBD_DO_IT))
		warn("NBD_DO_IT");
	kill(getpid(), SIGTERM);
	return NULL;
}

static void wait_until_it_is_there(const char *device)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/%s/pid", device + strlen("/dev/"));
	while (access(path, F_OK))
		nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 3 ? (unsigned int)atoi(argv[3]) : 1, i;
	struct nbd_handle *handles[CONNECTIONS_MAX];
	pthread_t thread;
	sigset_t signals;
	int device, came;

	if (argc < 3 || strncmp(argv[1], "/dev/", 5) || !count || count > CONNECTIONS_MAX)
		errx(2, "usage: nbd DEVICE URI [CONNECTIONS]; up to %d", CONNECTIONS_MAX);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	device = open(argv[1], O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "%s", argv[1]);
	for (i = 0; i < count; i++) {
		handles[i] = shake_hands(argv[2]);
		if (!i)
			set_up(device, handles[0]);
		set(device, NBD_SET_SOCK, (unsigned long)nbd_aio_get_fd(handles[i]), "NBD_SET_SOCK");
	}
	if (pthread_create(&thread, NULL, lend_a_thread, &device))
		errx(1, "no thread");
	wait_until_it_is_there(argv[1]);
	printf("%s\n", argv[1]);
	fflush(stdout);
	sigwait(&signals, &came);
	ioctl(device, NBD_DISCONNECT);
	pthread_join(thread, NULL);
	ioctl(device, NBD_CLEAR_SOCK);
	for (i = 0; i < count; i++)
		nbd_close(handles[i]);
	return 0;
}
