// SPDX-License-Identifier: MIT
/*
 * Takes a file or device for this process alone. Who has it may be a process that is dead already:
 * what it had under way goes on, by io_uring or by the kernel that moves payloads, and keeps the
 * file until it is done. So that is waited for, a little; whoever else has it, keeps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "hold.h"

#define WAIT_MS		3000
#define PAUSE_MS	10

static bool may_wait(unsigned int *waited)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	if (*waited >= WAIT_MS)
		return false;
	*waited += PAUSE_MS;
	nanosleep(&pause, NULL);
	return true;
}

int zcmu_hold_open(const char *path, int flags)
{
	unsigned int waited = 0;
	int fd;

	/* Without O_CREAT, O_EXCL has no effect on a file. */
	do {
		fd = open(path, O_EXCL | O_CLOEXEC | flags);
	} while (fd < 0 && errno == EBUSY && may_wait(&waited));
	return fd < 0 ? -errno : fd;
}

int zcmu_hold_lock(int fd, bool shared)
{
	unsigned int waited = 0;
	int ret;

	do {
		ret = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
	} while (ret && errno == EWOULDBLOCK && may_wait(&waited));
	if (!ret)
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}
