// SPDX-License-Identifier: MIT
/*
 * Requests whose bytes the kernel moves without this process (zcmu_io_transfer()): which, and what
 * happens if it fails. Everything else, and what the kernel won't move, is file.c's, spot.c's or,
 * past the page cache, bounce.c's.
 */
#include <errno.h>
#include <string.h>

#include "file.h"

const struct zcmu_option zcmu_file_option_table[] = {
	{ .name = "direct", .summary = "past the page cache (O_DIRECT)",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct file_options, direct) },
	{ .name = "transfer", .value = "auto|always|never", .standard = "auto",
	  .summary = "have the kernel move payloads, without this process; auto: with direct",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct file_options, transfer) },
	{ 0 }
};

/* Right after the file was opened. What is wrong is reported. */
int zcmu_file_move_open(struct zcmu_store *store, struct file *file, const char *path)
{
	const struct file_options *options = store->options;
	int size;

	file->is_direct = options->direct;
	atomic_store(&file->moves, options->transfer == TRANSFER_ALWAYS ||
				   (options->transfer == TRANSFER_AUTO && options->direct));
	if (!options->direct)
		return 0;
	size = zcmu_file_direct_block_size(file->fd);
	if (size < 0) {
		zcmu_error("file:%s: its file system has no direct I/O (%s); leave out \"direct\"", path,
			   strerror(-size));
		return size;
	}
	if ((uint32_t)size <= store->block_size)
		return 0;
	store->block_size = (uint32_t)size;
	if (store->size % store->block_size == 0)
		return 0;
	zcmu_error("file:%s: direct I/O on it takes blocks of %d bytes, and its size is no multiple of that",
		   path, size);
	return -EINVAL;
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
		zcmu_error("%s: it is on the disk that it serves, which would wait for itself: requests fail",
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
	if (file->is_limited || !atomic_load_explicit(&file->moves, memory_order_relaxed))
		return false;
	return !zcmu_io_transfer(io, file->fd, io->offset, 0, come_back);
}
