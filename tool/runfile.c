// SPDX-License-Identifier: MIT
/*
 * /run/zcmu/NAME: holds the pid of the process that serves the disk, which keeps it
 * locked. A file that isn't locked is a crashed run's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* Did its owner remove the file between our open() and our lock? Once more, then. */
static bool was_removed(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_nlink)
		return false;
	close(fd);
	return true;
}

int runfile_create(const char *name, struct runfile *ret)
{
	int err;

	if (mkdir(RUN_DIR, 0755) && errno != EEXIST) {
		err = -errno;
		zcmu_error("can't make " RUN_DIR ": %s", strerror(-err));
		return err;
	}
	snprintf(ret->path, sizeof(ret->path), RUN_DIR "/%s", name);
	do {
		ret->fd = open(ret->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (ret->fd < 0) {
			err = -errno;
			zcmu_error("can't make %s: %s", ret->path, strerror(-err));
			return err;
		}
		if (flock(ret->fd, LOCK_EX | LOCK_NB)) {
			zcmu_error("%s: this name is in use; choose another with --name, or end that disk with \"zcmu stop %s\"",
				   name, name);
			close(ret->fd);
			return -EEXIST;
		}
	} while (was_removed(ret->fd));
	err = runfile_renew(ret);
	if (err)
		runfile_remove(ret);
	return err;
}

/* Write our pid to it. */
int runfile_renew(const struct runfile *runfile)
{
	char pid[32];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	if (!ftruncate(runfile->fd, 0) && pwrite(runfile->fd, pid, (size_t)n, 0) == n)
		return 0;
	zcmu_error("can't write %s", runfile->path);
	return -EIO;
}

/* From the process that has served the disk so far; with its lock. */
void runfile_inherit(const char *name, int fd, struct runfile *ret)
{
	ret->fd = fd;
	snprintf(ret->path, sizeof(ret->path), RUN_DIR "/%s", name);
}

/* The name is given free by the unlock: so the file goes first. */
void runfile_remove(struct runfile *runfile)
{
	unlink(runfile->path);
	close(runfile->fd);
	runfile->fd = -1;
}

/* Return: an open descriptor if somebody has the file locked, or -1. */
static int open_locked(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), RUN_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
		return fd;
	close(fd);
	return -1;
}

pid_t runfile_pid(const char *name)
{
	char text[32] = "";
	int fd = open_locked(name);
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0)
		pid = (pid_t)strtol(text, NULL, 10);
	close(fd);
	return pid;
}

int runfile_wait_until_gone(const char *name, int seconds)
{
	struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 }, now;
	time_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + seconds;
	while (runfile_pid(name)) {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

void runfile_clean_up(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), RUN_DIR "/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		control_clean_up(name);
		unlink(path);
	}
	close(fd);
}
