// SPDX-License-Identifier: MIT
/*
 * Requests whose bytes the kernel moves without this process (zcmu_io_transfer()): which, to which
 * descriptor, and what happens if it fails. Everything else, and what the kernel won't move, goes
 * through the page cache as ever: file.c, spot.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

const struct zcmu_option zcmu_file_option_table[] = {
	{ .name = "direct", .summary = "bypass the page cache (O_DIRECT) where the kernel moves payloads",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct file_options, direct) },
	{ .name = "transfer", .value = "auto|always|never", .standard = "auto",
	  .summary = "have the kernel move payloads, without this process; auto: with direct",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct file_options, transfer) },
	{ 0 }
};

/* The same file once more, past the page cache. Its path may mean another one by now. */
static int open_direct(const struct zcmu_store *store, const struct file *file, const char *path)
{
	int fd = open(path, O_DIRECT | O_CLOEXEC | (store->read_only ? O_RDONLY : O_RDWR));
	struct stat st, its;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || fstat(file->fd, &its))
		err = -errno;
	else if (st.st_dev != its.st_dev || st.st_ino != its.st_ino || st.st_rdev != its.st_rdev)
		err = -ESTALE;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Right after the file was opened. What is wrong is reported. */
int zcmu_file_move_open(const struct zcmu_store *store, struct file *file, const char *path)
{
	const struct file_options *options = store->options;
	int fd;

	file->direct_fd = -1;
	atomic_store(&file->moves, options->transfer == TRANSFER_ALWAYS ||
				   (options->transfer == TRANSFER_AUTO && options->direct));
	if (!options->direct)
		return 0;
	if (options->transfer == TRANSFER_NEVER) {
		zcmu_error("file:%s: direct means that the kernel moves payloads, and transfer=never that it doesn't; choose one",
			   path);
		return -EINVAL;
	}
	fd = open_direct(store, file, path);
	if (fd < 0) {
		zcmu_error("file:%s: can't open it for direct I/O: %s", path,
			   fd == -EINVAL ? "its file system has none; leave out \"direct\"" :
					   strerror(-fd));
		return fd;
	}
	file->direct_fd = fd;
	return 0;
}

void zcmu_file_move_close(struct file *file)
{
	if (file->direct_fd >= 0)
		close(file->direct_fd);
}

/* Will no other request of this file fare better? */
static bool is_about_the_file(int error)
{
	return error == -EOPNOTSUPP || error == -EDEADLK;
}

static void note_error(struct file *file, int error)
{
	if (!is_about_the_file(error) || !atomic_exchange(&file->moves, false))
		return;
	if (error == -EDEADLK)
		zcmu_error("%s: it lies on the very disk that it is the store of, which would wait for itself: requests fail",
			   file->name);
	else
		zcmu_warning("%s: the kernel doesn't move its payloads (%s): they go through this process",
			     file->name, strerror(-error));
}

/* The kernel could not move all of a request. Its rest is done, or fails, as if it was new. */
static void come_back(struct zcmu_io *io, int error, uint64_t bytes)
{
	struct file *file = file_of(io->store);

	note_error(file, error);
	if (bytes && bytes < io->length)
		zcmu_file_advance(io, bytes);
	if (error == -EDEADLK)
		zcmu_io_done(io, error);
	else
		zcmu_file_start(io->store, io);
}

/**
 * zcmu_file_move - have the kernel do a READ or WRITE that needn't be stable
 *
 * Return: false if this process must do it.
 */
bool zcmu_file_move(struct file *file, struct zcmu_io *io)
{
	int fd = file->direct_fd >= 0 ? file->direct_fd : file->fd;

	if (file->is_limited || !atomic_load_explicit(&file->moves, memory_order_relaxed))
		return false;
	return !zcmu_io_transfer(io, fd, io->offset, 0, come_back);
}
