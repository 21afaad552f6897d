// SPDX-License-Identifier: MIT
/*
 * Opens a file or block device, or creates it: checks it, and gets and changes its size. Reading
 * and writing are in file.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "file.h"
#include "hold.h"

/* Linux moves 2 GiB less a page at a time. Half of that is as fast, and a whole number of pages. */
#define MAX_IO	(1u << 30)
/*
 * A trim holds the file's lock, and writers wait meanwhile: this many bytes at a time. In blocks of
 * 512 bytes they are 2^20. Some initiators (libiscsi's test suite) think that a higher limit is
 * insane.
 */
#define MAX_RANGE	(512u << 20)

/*
 * A block device is opened exclusively; a file isn't, so the type needn't be checked first. A
 * write-protected device may refuse to be opened for writing. Return: a descriptor, or -errno.
 */
static int open_it(struct zcmu_store *store, const char *path)
{
	int direct = ((const struct file_options *)store->options)->direct ? O_DIRECT : 0;
	int fd = zcmu_hold_open(path, direct | (store->read_only ? O_RDONLY : O_RDWR));
	struct stat st;

	if (fd != -EROFS || store->read_only)
		return fd;
	fd = zcmu_hold_open(path, direct | O_RDONLY);
	if (fd >= 0 && !fstat(fd, &st) && S_ISBLK(st.st_mode)) {
		store->read_only = true;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -EROFS;
}

/* @is_new: the file was created, and is removed again if it can't be used. */
static int open_fd(struct zcmu_store *store, const char *path, bool *is_new)
{
	int fd = open_it(store, path);
	int err;

	if (fd != -ENOENT)
		goto out;
	if (!store->create_size || store->read_only) {
		zcmu_error("file:%s: there is no such file; it can be created if it is given a size", path);
		return -ENOENT;
	}
	if (store->create_size % store->block_size) {
		zcmu_error("file:%s: a size of %" PRIu64 " is not a multiple of the block size, %" PRIu32
			   "; nothing was created", path, store->create_size, store->block_size);
		return -EINVAL;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
			((const struct file_options *)store->options)->direct * O_DIRECT, 0600);
	if (fd < 0) {
		fd = -errno;
		goto out;
	}
	err = ftruncate(fd, (off_t)store->create_size) ? -errno : loss_make_lasting(fd, path);
	if (err) {
		zcmu_error("file:%s: can't make it %" PRIu64 " bytes long: %s", path,
			   store->create_size, strerror(-err));
		unlink(path);
		close(fd);
		return err;
	}
	*is_new = true;
out:
	if (fd < 0)
		zcmu_error("file:%s: can't open it for %s: %s", path,
			   store->read_only ? "reading" : "reading and writing",
			   fd == -EBUSY ? "it is in use (mounted?)" : strerror(-fd));
	return fd;
}

static int get_size(struct zcmu_store *store, struct file *file, const char *path)
{
	struct stat st;
	int err;

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
	err = zcmu_file_describe_device(store, file);
	if (!err)
		return 0;
	errno = -err;
fail:
	err = -errno;
	zcmu_error("file:%s: can't get its size: %s", path, strerror(-err));
	return err;
}

static bool punch(const struct file *file, off_t at)
{
	return !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 1);
}

/*
 * Can its file system punch holes? The test is done where there is nothing to lose: beyond the end,
 * or in a hole if the file has the largest size possible.
 */
static bool can_punch(const struct file *file, uint64_t size)
{
	off_t hole;

	if (punch(file, (off_t)size))
		return true;
	if (errno != EFBIG && errno != EINVAL)
		return false;
	hole = lseek(file->fd, 0, SEEK_HOLE);
	return hole >= 0 && (uint64_t)hole < size && punch(file, hole);
}

static int check_and_lock(struct zcmu_store *store, struct file *file, const char *path)
{
	int err = get_size(store, file, path);

	if (err)
		return err;
	if (store->create_size && store->create_size != store->size) {
		zcmu_error("file:%s: it has %" PRIu64 " bytes already, not %" PRIu64
			   "; leave the size out to take it as it is", path, store->size,
			   store->create_size);
		return -EEXIST;
	}
	err = zcmu_hold_lock(file->fd, store->read_only);
	if (err) {
		if (err == -EBUSY)
			zcmu_error("file:%s: another process has it in use", path);
		else
			zcmu_error("file:%s: can't lock it: %s", path, strerror(-err));
		return err;
	}
	if (!store->read_only && !file->is_device && !can_punch(file, store->size)) {
		store->can_trim = ZCMU_CAN_NONE;
		store->can_zero = ZCMU_CAN_EMULATED;
	}
	return 0;
}

static void free_file(struct file *file)
{
	if (file->fd >= 0 && close(file->fd))
		zcmu_error("%s: closing it has failed: %s; what was written last may be gone",
			   file->name, strerror(errno));
	pthread_mutex_destroy(&file->syncs.lock);
	free(file->name);
	free(file);
}

static struct file *make_file(const char *path)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = -1;
	pthread_mutex_init(&file->syncs.lock, NULL);
	if (asprintf(&file->name, "file:%s", path) >= 0)
		return file;
	file->name = NULL;
	free_file(file);
	return NULL;
}

/* Limits and properties of the file system */
static void ask_file_system(struct file *file)
{
	struct statfs fs;

	if (file->is_device || fstatfs(file->fd, &fs))
		return;
	file->is_tmpfs = fs.f_type == TMPFS_MAGIC;
	file->is_synchronous = fs.f_flags & ST_SYNCHRONOUS;
}

int zcmu_file_open(struct zcmu_store *store, const char *path)
{
	struct rlimit limit;
	struct file *file;
	bool is_new = false;
	int err;

	if (!*path) {
		zcmu_error("file: which file? Say file:disk.img, for example");
		return -EINVAL;
	}
	file = make_file(path);
	if (!file)
		return -ENOMEM;
	file->fd = open_fd(store, path, &is_new);
	err = file->fd < 0 ? file->fd : check_and_lock(store, file, path);
	err = err ?: zcmu_file_move_open(store, file, path);
	if (err) {
		/* A file that another process has locked belongs to it by now. */
		if (is_new && err != -EBUSY)
			unlink(path);
		free_file(file);
		return err;
	}
	file->is_limited = getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur != RLIM_INFINITY;
	ask_file_system(file);
	store->max_io = MAX_IO;
	if (!file->is_device) {
		store->max_trim = MAX_RANGE;
		store->max_zero = MAX_RANGE;
	}
	store->created = is_new;
	store->data = file;
	return 0;
}

void zcmu_file_close(struct zcmu_store *store)
{
	free_file(file_of(store));
}

/* A size that the initiator was told must survive a crash. */
static int make_stable(struct file *file)
{
	unsigned int epoch = zcmu_file_sync_begin(file);
	int err = fsync(file->fd) ? -errno : 0;

	err = loss_of_flush(&file->loss, file->name, err);
	zcmu_file_sync_end(file, epoch, err, NULL);
	return err;
}

/*
 * A file is cut off when it shrinks, and made longer when it grows. It isn't cut off because it was
 * longer than the disk already. A device has a fixed size, which is looked up; the disk may be
 * smaller.
 */
int zcmu_file_resize(struct zcmu_store *store, uint64_t size)
{
	struct file *file = file_of(store);
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
	/* It would fail at the end, when the file has its new size already. */
	if (loss_is_known(&file->loss)) {
		errno = EIO;
		goto fail;
	}
	zcmu_file_lock_begin(file);
	err = ftruncate(file->fd, (off_t)size) ? -errno : 0;
	zcmu_file_lock_end(file);
	if (err) {
		errno = -err;
		goto fail;
	}
	err = make_stable(file);
	/* The file is cut off already, and the disk must not be larger. The loss was reported. */
	if (!err || shrinks)
		return 0;
	errno = -err;
fail:
	err = -errno;
	zcmu_error("file: can't make it %" PRIu64 " bytes long: %s", size,
		   store->read_only ? "it was opened for reading only" : strerror(-err));
	return err;
}
