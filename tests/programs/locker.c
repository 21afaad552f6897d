// SPDX-License-Identifier: MIT
/*
 * Keeps a socket locked, see locker.h. The page is userfaultfd's: who copies from it waits.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "locker.h"

static int asks[2], locked[2];	/* pipes */
static int socket_fd;
static void *page;
static size_t page_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *send_page(void *arg)
{
	if (send(socket_fd, page, page_size, MSG_NOSIGNAL) < 0)
		perror("locker: send");
	return arg;
}

/* Return: a descriptor from which touches of the page are read */
static int watch_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	page = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)page;
	range.range.len = page_size;
	if (fd < 0 || page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range))
		die("locker: userfaultfd");
	return fd;
}

static void lock_for_ever(void)
{
	struct uffd_msg touch;
	pthread_t id;
	char byte;
	int fd;

	if (read(asks[0], &byte, 1) != 1)
		exit(0);
	fd = watch_page();
	if (pthread_create(&id, NULL, send_page, NULL))
		die("locker: a thread");
	if (read(fd, &touch, sizeof(touch)) != sizeof(touch) || write(locked[1], &byte, 1) != 1)
		die("locker: a touch");
	for (;;)
		pause();
}

pid_t locker_begin(int socket)
{
	pid_t pid;

	socket_fd = socket;
	if (pipe(asks) || pipe(locked))
		die("locker: a pipe");
	pid = fork();
	if (pid < 0)
		die("locker: a process");
	if (!pid) {
		/* It ends with who would ask. */
		close(asks[1]);
		lock_for_ever();
	}
	close(asks[0]);
	close(locked[1]);
	return pid;
}

void locker_lock(void)
{
	char byte = 0;

	if (write(asks[1], &byte, 1) != 1 || read(locked[0], &byte, 1) != 1)
		die("locker: it has ended");
}
