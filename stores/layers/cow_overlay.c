// SPDX-License-Identifier: MIT
/*
 * The overlay's file: it is opened and locked, and then created, or used if it belongs to a disk
 * like this. A file that can't be completed is not left behind.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cow.h"
#include "../file/hold.h"

#define MAGIC		0x776f632d756d637aull	/* "zcmu-cow" */
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"

struct trailer {
	uint64_t magic, size, block_size;
	char boot[40];			/* the boot in which the live bits are right; or empty */
	char below[ZCMU_STORE_IDENTITY_MAX];	/* the store it was made for; empty: unknown */
};

static_assert(sizeof(struct trailer) <= COW_PAGE, "a trailer is a page at most");

static int fail(const struct cow *cow, const char *what, int err)
{
	zcmu_error("cow: %s: %s: %s", cow->path, what, strerror(-err));
	return err;
}

/* The identity of this boot of the machine. Empty if it is unknown. */
static void read_boot(char *boot, size_t size)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, boot, size - 1);

	if (fd >= 0)
		close(fd);
	memset(boot + (got > 0 ? got : 0), 0, size - (size_t)(got > 0 ? got : 0));
	boot[strcspn(boot, "\n")] = '\0';
}

/* The identity of the store below. Empty if it is unknown. */
static void read_below(const struct cow *cow, char *text, size_t size)
{
	memset(text, 0, size);
	if (zcmu_store_identity(cow->layer.below, text, size))
		memset(text, 0, size);
}

/*
 * It may be the same store even so: moved to another file system, for example. Only the user can
 * tell, and the overlay's data exists nowhere else.
 */
static void compare_below(const struct cow *cow, const struct trailer *trailer)
{
	char below[sizeof(trailer->below)];

	read_below(cow, below, sizeof(below));
	if (!below[0] || !trailer->below[0] || !strncmp(below, trailer->below, sizeof(below)))
		return;
	zcmu_warning("cow: %s: it was made for another store than is below it now (%.*s, it is %s): unless that has the same bytes, stop the disk, because its data is wrong",
		     cow->path, (int)sizeof(trailer->below), trailer->below, below);
}

/* @is_live: from now on, and until the machine is booted again, the live bits are right. */
static int write_trailer(const struct cow *cow, uint64_t end, bool is_live)
{
	const struct zcmu_store *below = cow->layer.below;
	struct trailer trailer = {
		.magic = MAGIC, .size = below->size, .block_size = below->block_size,
	};

	if (is_live)
		read_boot(trailer.boot, sizeof(trailer.boot));
	read_below(cow, trailer.below, sizeof(trailer.below));
	return cow_write_all(cow->fd, &trailer, sizeof(trailer), end);
}

static int make_overlay(struct cow *cow, uint64_t end)
{
	int err = ftruncate(cow->fd, (off_t)(end + COW_PAGE)) ? -errno :
		  write_trailer(cow, end, false);

	if (!err)
		err = loss_make_lasting(cow->fd, cow->path);
	return err ? fail(cow, "can't make it", err) : 0;
}

/* The file couldn't be completed. If it exists, and is empty, a new attempt is possible. */
static void undo(const struct cow *cow, bool was_created)
{
	if (was_created ? unlink(cow->path) : ftruncate(cow->fd, 0))
		zcmu_warning("cow: %s: it is half made and can't be %s (%s); remove it", cow->path,
			     was_created ? "removed" : "emptied", strerror(errno));
}

static int read_map(struct cow *cow, uint64_t start)
{
	uint64_t at;
	ssize_t got;

	for (at = 0; at < cow->map_bytes; at += (uint64_t)got) {
		got = pread(cow->fd, (void *)(cow->map + at), cow->map_bytes - at,
			    (off_t)(start + at));
		if (got <= 0)
			return fail(cow, "can't read it", got ? -errno : -EIO);
	}
	return 0;
}

/* Is it the overlay of a disk like this? Then read its map. */
static int take_overlay(struct cow *cow, uint64_t end, bool *is_live)
{
	const struct zcmu_store *below = cow->layer.below;
	struct trailer trailer = { 0 };
	char boot[sizeof(trailer.boot)];
	uint64_t page;
	int err;

	if (pread(cow->fd, &trailer, sizeof(trailer), (off_t)end) != sizeof(trailer) ||
	    trailer.magic != MAGIC || trailer.size != below->size ||
	    trailer.block_size != below->block_size) {
		zcmu_error("cow: %s: it is not the overlay of a disk of %" PRIu64
			   " bytes; name another file, or one that isn't there", cow->path,
			   below->size);
		return -EINVAL;
	}
	read_boot(boot, sizeof(boot));
	*is_live = boot[0] && !strncmp(trailer.boot, boot, sizeof(boot));
	/* Numbers of devices, which an identity may contain, are only valid in this boot. */
	if (*is_live)
		compare_below(cow, &trailer);
	err = read_map(cow, *is_live ? cow_live_start(cow) : below->size);
	/* Blocks that only the live bits know are not stable yet. */
	for (page = 0; !err && *is_live && page < cow->map_bytes / COW_PAGE; page++)
		atomic_store(&cow->dirty[page], true);
	return err;
}

static bool is_empty(const struct cow *cow, uint64_t page)
{
	size_t i;

	for (i = 0; i < COW_PAGE; i++) {
		if (atomic_load_explicit(&cow->map[page * COW_PAGE + i], memory_order_relaxed))
			return false;
	}
	return true;
}

/*
 * From now on the live bits are kept. The bits of an earlier boot are cleared; then all known bits
 * are written, and then the mark that they are right.
 */
static int begin_live(struct cow *cow, uint64_t end)
{
	uint64_t page, at = cow_live_start(cow);
	int err = 0;

	if (ftruncate(cow->fd, (off_t)at) || ftruncate(cow->fd, (off_t)(at + cow->map_bytes)))
		return fail(cow, "can't make room for its bits", -errno);
	for (page = 0; page < cow->map_bytes / COW_PAGE && !err; page++) {
		if (!is_empty(cow, page))
			err = cow_write_all(cow->fd, (const void *)(cow->map + page * COW_PAGE),
					    COW_PAGE, at + page * COW_PAGE);
	}
	if (!err)
		err = write_trailer(cow, end, true);
	return err ? fail(cow, "can't write its bits", err) : 0;
}

/* The file is open, and belongs to this process. */
static int lock(const struct cow *cow)
{
	int err = zcmu_hold_lock(cow->fd, false);

	if (!err)
		return 0;
	if (err != -EBUSY)
		return fail(cow, "can't lock it", err);
	zcmu_error("cow: %s: another process has it in use", cow->path);
	return -EBUSY;
}

/* Its bits and its trailer are behind the disk's bytes. */
static int check_size(const struct cow *cow)
{
	uint64_t size = cow->layer.below->size, more = 2 * cow->map_bytes + COW_PAGE;

	if (size <= INT64_MAX - more)
		return 0;
	zcmu_error("cow: %s: a disk of %" PRIu64 " bytes is too large for an overlay", cow->path, size);
	return -EFBIG;
}

/*
 * Does it lack a trailer? Then the process that was creating it has died, or the machine has
 * crashed: the file has its size, and not a byte of data. If it has another size, it may be the
 * user's new disk image.
 */
static bool is_unmade(const struct cow *cow, const struct stat *st, uint64_t end)
{
	return !st->st_size || ((uint64_t)st->st_size == end + COW_PAGE &&
				lseek(cow->fd, 0, SEEK_DATA) < 0 && errno == ENXIO);
}

/* The process that has created it may have removed it before we could lock it. */
static int check_named(const struct cow *cow, const struct stat *st)
{
	struct stat named;

	if (!stat(cow->path, &named) && named.st_dev == st->st_dev && named.st_ino == st->st_ino)
		return 0;
	zcmu_error("cow: %s: somebody has removed it while it was being opened; try again", cow->path);
	return -ESTALE;
}

/* @is_ours: nobody else uses the file */
static int make_or_take(struct cow *cow, bool *is_ours)
{
	uint64_t end = cow->layer.below->size + cow->map_bytes;
	bool is_live = false;
	struct stat st;
	int err = lock(cow);

	/* A file that another process has locked belongs to it by now, with all its data. */
	if (err) {
		*is_ours = *is_ours && err != -EBUSY;
		return err;
	}
	if (fstat(cow->fd, &st))
		return fail(cow, "can't get its size", -errno);
	*is_ours = false;
	err = check_named(cow, &st);
	if (err)
		return err;
	*is_ours = is_unmade(cow, &st, end);
	err = *is_ours ? make_overlay(cow, end) : take_overlay(cow, end, &is_live);
	/* A read-only disk has nothing to store. */
	return err || is_live || cow->layer.store->read_only ? err : begin_live(cow, end);
}

/* On success cow->path is open, and the map is read. An error was reported, and nothing is left. */
int cow_open_overlay(struct cow *cow)
{
	bool was_created = false, is_ours;
	int err = check_size(cow);

	if (err)
		return err;
	cow->fd = open(cow->path, O_RDWR | O_CLOEXEC);
	if (cow->fd < 0 && errno == ENOENT) {
		cow->fd = open(cow->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		was_created = cow->fd >= 0;
	}
	if (cow->fd < 0)
		return fail(cow, "can't open it", -errno);
	is_ours = was_created;
	err = make_or_take(cow, &is_ours);
	if (err && is_ours)
		undo(cow, was_created);
	/* Then there is nothing to flush, either. */
	if (err) {
		close(cow->fd);
		cow->fd = -1;
	}
	return err;
}
