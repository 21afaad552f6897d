// SPDX-License-Identifier: MIT
/*
 * Which file it is, whatever its name. Another process compares this before it continues to serve a
 * disk. The name isn't enough: another file may have it by now.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

/*
 * The inode's generation: file systems that have it don't give two files the same. 0: it has none.
 */
static unsigned int generation_of(int fd)
{
	unsigned int generation = 0;
	char path[32];
	int file;

	/* A descriptor of O_PATH can't be asked. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file >= 0) {
		if (ioctl(file, FS_IOC_GETVERSION, &generation))
			generation = 0;
		close(file);
	}
	return generation;
}

/* The number alone may belong to another file by now. */
static void tell_file(int fd, const struct statx *st, char *text, size_t size)
{
	bool has_birth = st->stx_mask & STATX_BTIME;

	snprintf(text, size, "file:%u:%u/%llu@%lld.%09u/%x", st->stx_dev_major,
		 st->stx_dev_minor, (unsigned long long)st->stx_ino,
		 has_birth ? (long long)st->stx_btime.tv_sec : 0,
		 has_birth ? st->stx_btime.tv_nsec : 0, generation_of(fd));
}

/* The first line of a device's file in sysfs. Return: is it non-empty? */
static bool read_sysfs(const char *device, const char *file, char *text, size_t size)
{
	char path[128];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%s/%s", device, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text[0];
}

/*
 * A device's own name stays with it, whichever number it gets. If it has none, use the number, and
 * the sequence number of its appearance: a disk that goes and comes back is another one.
 */
static void tell_device(const struct statx *st, char *text, size_t size)
{
	static const char *const names[] = { "dm/uuid", "wwid", "device/wwid" };
	char number[32], disk[40], name[192] = "", start[32] = "";
	size_t i;

	snprintf(number, sizeof(number), "%u:%u", st->stx_rdev_major, st->stx_rdev_minor);
	snprintf(disk, sizeof(disk), "%s", number);
	if (read_sysfs(number, "partition", name, sizeof(name))) {
		read_sysfs(number, "start", start, sizeof(start));
		snprintf(disk, sizeof(disk), "%s/..", number);
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (read_sysfs(disk, names[i], name, sizeof(name)))
			break;
	}
	if (i < sizeof(names) / sizeof(names[0]))
		snprintf(text, size, "device:%s%s%s", name, start[0] ? "+" : "", start);
	else if (read_sysfs(disk, "diskseq", name, sizeof(name)))
		snprintf(text, size, "device:%s#%s%s%s", number, name, start[0] ? "+" : "", start);
	else
		snprintf(text, size, "device:%s%s%s", number, start[0] ? "+" : "", start);
	/* Names of old disks are full of blanks. */
	for (i = 0; text[i]; i++) {
		if (!isgraph((unsigned char)text[i]))
			text[i] = '_';
	}
}

static int tell_open(int fd, char *text, size_t size)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st))
		return -errno;
	if (S_ISBLK(st.stx_mode))
		tell_device(&st, text, size);
	else
		tell_file(fd, &st, text, size);
	return 0;
}

/* @fd: an open file; or -1, then the file that @path leads to is examined without opening it. */
int zcmu_file_tell(int fd, const char *path, char *text, size_t size)
{
	int found, err;

	if (fd >= 0)
		return tell_open(fd, text, size);
	/* A device may be in use by a process that doesn't want others to open it. */
	found = open(path, O_PATH | O_CLOEXEC);
	if (found < 0)
		return -errno;
	err = tell_open(found, text, size);
	close(found);
	return err;
}

int zcmu_file_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	return zcmu_file_tell(store ? file_of(store)->fd : -1, argument, text, size);
}
