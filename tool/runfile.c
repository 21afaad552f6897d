// SPDX-License-Identifier: MIT
/*
 * Which process has the name of a disk. The process that serves the disk locks
 * /run/zcmu/.NAME.lock. Only root can open it, so nobody else can lock it. /run/zcmu/NAME shows the
 * pid to people. That number is never used to act on a process: the control socket tells which
 * process it is. Files without a lock are left from a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "control.h"
#include "exports.h"
#include "runfile.h"
#include "zcmu.h"

static void make_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, RUN_DIR "/%s", name);
}

/* Not the name of a disk: those begin with a letter or a digit. */
static void make_lock_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, RUN_DIR "/.%s.lock", name);
}

/* Locked by the programs of the disk's store, as long as one of them runs: see lib/program. */
static void make_program_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, RUN_DIR "/.%s.program", name);
}

/* Does the path still lead to the open file? It may have been removed, and made anew. */
static bool is_at(int fd, const char *path)
{
	struct stat open_file, there;

	return !fstat(fd, &open_file) && !lstat(path, &there) &&
	       open_file.st_dev == there.st_dev && open_file.st_ino == there.st_ino;
}

/*
 * The lock belongs to the open file, not to a process: a process that inherits the descriptor
 * inherits the lock.
 */
static int lock_name(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &whole))
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EEXIST : -errno;
}

/* The same by flock(), which a descriptor that is only for reading can have. */
static int lock_for_programs(int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EEXIST : -errno;
}

/*
 * @access: O_RDWR or O_RDONLY. Return: a descriptor of the locked file; -EEXIST: another process
 * has it locked. Quiet
 */
static int open_and_lock(const char *path, int access, int (*lock)(int fd))
{
	int fd, err;

	for (;;) {
		fd = open(path, access | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		err = lock(fd);
		/*
		 * The owner may have removed the file between our open() and our lock. Then try
		 * again.
		 */
		if (!err && is_at(fd, path))
			return fd;
		close(fd);
		if (err)
			return err;
	}
}

/*
 * Tell by which process and disk the name is used, as far as known: the process may be starting or
 * ending.
 */
void runfile_say_served(const char *name)
{
	struct exports exports = { 0 };
	struct backstore backstore;
	char where[64] = "", by[64] = "";
	pid_t pid = runfile_pid(name);
	const char *device = NULL;

	if (!backstore_find(name, &backstore) && !exports_find(&backstore, &exports))
		device = exports_device(&exports);
	if (device)
		snprintf(where, sizeof(where), ", %s", device);
	if (pid > 0)
		snprintf(by, sizeof(by), ", by process %d", (int)pid);
	zcmu_error("%s: it is served already%s%s; choose another name with --name, or end that disk with \"zcmu stop %s\"",
		   name, where, by, name);
	exports_free(&exports);
}

int runfile_create(const char *name, struct runfile *ret)
{
	char path[PATH_MAX];
	int err = 0;

	*ret = (struct runfile){ .fd = -1 };
	if (mkdir(RUN_DIR, 0755) && errno != EEXIST) {
		err = -errno;
		zcmu_error("can't make " RUN_DIR ": %s", strerror(-err));
		return err;
	}
	make_lock_path(name, path, sizeof(path));
	ret->fd = open_and_lock(path, O_RDWR, lock_name);
	if (ret->fd < 0)
		err = ret->fd;
	/* A process of an older zcmu has another lock. */
	else if (control_is_served(name))
		err = -EEXIST;
	if (err == -EEXIST)
		runfile_say_served(name);
	else if (err)
		zcmu_error("can't lock %s: %s", path, strerror(-err));
	if (err) {
		if (ret->fd >= 0)
			close(ret->fd);
		ret->fd = -1;
		return err;
	}
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

/* Write our pid for people. With this lock the disk is ours from now on. */
int runfile_write_pid(const struct runfile *runfile)
{
	char path[PATH_MAX], pid[32];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	int fd;

	make_path(runfile->name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	/* A process that reads the file meanwhile finds a whole first line. */
	if (fd >= 0 && pwrite(fd, pid, (size_t)n, 0) == n && !ftruncate(fd, n)) {
		close(fd);
		return 0;
	}
	zcmu_error("can't write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -EIO;
}

/* Inherit the files, with their lock, from the process that has served the disk so far. */
int runfile_inherit(const char *name, int fd, struct runfile *ret)
{
	char path[PATH_MAX];

	*ret = (struct runfile){ .fd = fd };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	make_lock_path(name, path, sizeof(path));
	if (is_at(fd, path))
		return 0;
	/* The lock of an older zcmu stays locked as well, because the old process may go on. */
	ret->fd = open_and_lock(path, O_RDWR, lock_name);
	if (ret->fd >= 0)
		return 0;
	zcmu_error("%s: can't lock %s: %s", name, path, strerror(-ret->fd));
	return ret->fd;
}

/*
 * Do the paths still lead to our files? They may have been removed, and another process have the
 * name.
 */
bool runfile_is_ours(const struct runfile *runfile)
{
	char path[PATH_MAX];

	make_lock_path(runfile->name, path, sizeof(path));
	return runfile->fd >= 0 && is_at(runfile->fd, path);
}

/*
 * The lock for the programs of the store, which are about to be started. The caller has the name,
 * so who has locked it are programs that a process of ours has left that was killed. They inherit
 * the descriptor, and may be a user's: so it is only for reading, and the lock is flock()'s.
 * Return: a descriptor; -EEXIST: they have not ended yet. Quiet
 */
int runfile_lock_program(const struct runfile *runfile)
{
	char path[PATH_MAX];

	make_program_path(runfile->name, path, sizeof(path));
	return open_and_lock(path, O_RDONLY, lock_for_programs);
}

/* Until they have ended, or @ms are over. */
void runfile_await_programs(const struct runfile *runfile, int ms)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	char path[PATH_MAX];
	int fd;

	make_program_path(runfile->name, path, sizeof(path));
	if (access(path, F_OK))
		return;
	for (; (fd = runfile_lock_program(runfile)) == -EEXIST && ms > 0; ms -= 20)
		nanosleep(&pause, NULL);
	if (fd >= 0)
		close(fd);
}

/* Programs that have it locked may still write to an image: the next process must see that. */
static void remove_program_lock(const struct runfile *runfile)
{
	char path[PATH_MAX];
	int fd;

	make_program_path(runfile->name, path, sizeof(path));
	if (access(path, F_OK))
		return;
	fd = runfile_lock_program(runfile);
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}

/* The unlock releases the name, so remove the files first. */
void runfile_remove(struct runfile *runfile)
{
	char path[PATH_MAX];

	if (runfile->fd < 0)
		return;
	if (runfile_is_ours(runfile)) {
		make_path(runfile->name, path, sizeof(path));
		unlink(path);
		remove_program_lock(runfile);
		make_lock_path(runfile->name, path, sizeof(path));
		unlink(path);
	}
	close(runfile->fd);
	runfile->fd = -1;
}

/* Seen from outside: nothing is locked, so that nobody is disturbed */

/* A process that may not open the file can still see its lock. */
static bool is_in_list_of_locks(const char *path)
{
	FILE *file = fopen("/proc/locks", "re");
	unsigned int major_number, minor_number;
	uint64_t inode;
	bool found = false;
	char line[256];
	struct stat st;

	if (file && !stat(path, &st)) {
		while (!found && fgets(line, sizeof(line), file))
			found = sscanf(line, "%*d: OFDLCK %*s %*s %*d %x:%x:%" SCNu64,
				       &major_number, &minor_number, &inode) == 3 &&
				makedev(major_number, minor_number) == st.st_dev &&
				inode == st.st_ino;
	}
	if (file)
		fclose(file);
	return found;
}

static bool is_locked(const char *name)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	bool locked;
	int fd;

	make_lock_path(name, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == EACCES && is_in_list_of_locks(path);
	locked = fcntl(fd, F_OFD_GETLK, &whole) || whole.l_type != F_UNLCK;
	close(fd);
	return locked;
}

bool runfile_is_held(const char *name)
{
	return is_locked(name) || control_is_served(name);
}

pid_t runfile_pid(const char *name)
{
	char path[PATH_MAX], text[32];
	pid_t pid;

	if (control_find_server(name, &pid) != -EACCES)
		return pid;
	/* We may not ask the process, so use the file. */
	make_path(name, path, sizeof(path));
	if (!is_locked(name) || attribute_read(text, sizeof(text), "%s", path))
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

int runfile_wait_until_gone(const char *name, int seconds)
{
	struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 }, now;
	time_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + seconds;
	while (runfile_is_held(name)) {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > deadline)
			return -ETIMEDOUT;
	}
	return 0;
}
