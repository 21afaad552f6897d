// SPDX-License-Identifier: MIT
/*
 * Opens a file or block device, or creates it: what may be wrong with it, its size, and
 * changes of that. What is read and written is file.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "file.h"

/* A block device is opened exclusively: so it isn't mounted, nor part of anything. */
static bool is_block_device(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode);
}

static int open_fd(struct zcmu_store *store, const char *path)
{
	int flags = O_CLOEXEC | (store->read_only ? O_RDONLY : O_RDWR);
	int fd = open(path, flags | (is_block_device(path) ? O_EXCL : 0));
	int err;

	if (fd >= 0 || errno != ENOENT)
		goto out;
	if (!store->create_size || store->read_only) {
		zcmu_error("file:%s: there is no such file; give --size to create it", path);
		return -ENOENT;
	}
	if (store->create_size % store->block_size) {
		zcmu_error("file:%s: --size %" PRIu64 " is not a multiple of the block size, %" PRIu32
			   "; nothing was created", path, store->create_size, store->block_size);
		return -EINVAL;
	}
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)store->create_size)) {
		err = -errno;
		zcmu_error("file:%s: can't make it %" PRIu64 " bytes long: %s", path,
			   store->create_size, strerror(-err));
		unlink(path);
		close(fd);
		return err;
	}
out:
	if (fd < 0) {
		err = -errno;
		zcmu_error("file:%s: can't open it for %s: %s", path,
			   store->read_only ? "reading" : "reading and writing",
			   err == -EBUSY ? "it is in use (mounted?)" : strerror(-err));
		return err;
	}
	return fd;
}

static int get_size(struct zcmu_store *store, struct file *file, const char *path)
{
	unsigned int physical;
	struct stat st;
	int block_size, err;

	if (fstat(file->fd, &st))
		goto fail;
	if (S_ISREG(st.st_mode)) {
		store->size = (uint64_t)st.st_size;
		store->physical_block_size = 4096;
		store->trim_granularity = (uint32_t)st.st_blksize;
		return 0;
	}
	if (!S_ISBLK(st.st_mode)) {
		zcmu_error("file:%s: neither a regular file nor a block device", path);
		return -EINVAL;
	}
	file->is_device = true;
	if (ioctl(file->fd, BLKGETSIZE64, &store->size) ||
	    ioctl(file->fd, BLKSSZGET, &block_size) || ioctl(file->fd, BLKPBSZGET, &physical))
		goto fail;
	store->block_size = (uint32_t)block_size;
	store->physical_block_size = physical;
	return 0;
fail:
	err = -errno;
	zcmu_error("file:%s: can't get its size: %s", path, strerror(-err));
	return err;
}

/* Can its file system punch holes? Asked beyond the end, where there is nothing to lose. */
static bool can_punch(const struct file *file, uint64_t size)
{
	return file->is_device ||
	       !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)size, 4096);
}

static int check_and_lock(struct zcmu_store *store, struct file *file, const char *path)
{
	int err = get_size(store, file, path);

	if (err)
		return err;
	if (store->create_size && store->create_size != store->size) {
		zcmu_error("file:%s: it has %" PRIu64 " bytes already, not %" PRIu64
			   "; leave --size out to serve it as it is", path, store->size,
			   store->create_size);
		return -EEXIST;
	}
	if (flock(file->fd, (store->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		err = -errno;
		zcmu_error("file:%s: another process has it in use (%s)", path, strerror(-err));
		return -EBUSY;
	}
	if (!store->read_only && !can_punch(file, store->size)) {
		store->can_trim = ZCMU_CAN_NONE;
		store->can_zero = ZCMU_CAN_EMULATED;
	}
	return 0;
}

int zcmu_file_open(struct zcmu_store *store, const char *path)
{
	struct rlimit limit;
	struct statfs fs;
	struct file *file;
	int err;

	if (!*path) {
		zcmu_error("file: which file? Say file:disk.img, for example");
		return -EINVAL;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = open_fd(store, path);
	err = file->fd < 0 ? file->fd : check_and_lock(store, file, path);
	if (err) {
		if (file->fd >= 0)
			close(file->fd);
		free(file);
		return err;
	}
	file->is_limited = getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur != RLIM_INFINITY;
	file->is_tmpfs = !file->is_device && !fstatfs(file->fd, &fs) && fs.f_type == TMPFS_MAGIC;
	store->data = file;
	return 0;
}

void zcmu_file_close(struct zcmu_store *store)
{
	close(file_of(store)->fd);
	free(file_of(store));
}

/*
 * A file is cut off when it shrinks, and made longer when it grows, but not cut
 * off because it was longer than the disk already. A device has the size it has, which is
 * looked up; the disk may be smaller.
 */
int zcmu_file_resize(struct zcmu_store *store, uint64_t size)
{
	const struct file *file = file_of(store);
	bool shrinks = size == store->size;
	uint64_t device_size;
	struct stat st;
	int err;

	if (file->is_device) {
		if (ioctl(file->fd, BLKGETSIZE64, &device_size))
			goto fail;
		if (size <= device_size)
			return 0;
		zcmu_error("file: the device has %" PRIu64 " bytes, not %" PRIu64 "; make it larger first",
			   device_size, size);
		return -ENOSPC;
	}
	if (fstat(file->fd, &st))
		goto fail;
	if (!shrinks && (uint64_t)st.st_size >= size)
		return 0;
	/* What the initiator was told must be so after a crash, too. */
	if (ftruncate(file->fd, (off_t)size) || fsync(file->fd))
		goto fail;
	return 0;
fail:
	err = -errno;
	zcmu_error("file: can't make it %" PRIu64 " bytes long: %s", size,
		   store->read_only ? "it is served --read-only" : strerror(-err));
	return err;
}
