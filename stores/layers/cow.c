// SPDX-License-Identifier: MIT
/*
 * cow: what is written goes to a file, the overlay; what is below stays as it is. A block
 * that is in the overlay is read there.
 *
 * The overlay is the disk's bytes, sparse; a bit for each block that is in it; a page that
 * says whose it is; and the bits once more. Those in front go to the file with a flush, after
 * the blocks they speak of: a machine that crashes loses what was not flushed, and nothing else.
 * Those behind (the live ones) go to the page cache with each write, before it is answered: a
 * process that dies loses nothing. They count until the machine is booted again.
 */
#include "layer.h"
#include "../file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC		0x776f632d756d637aull	/* "zcmu-cow" */
#define PAGE		4096u
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"

struct trailer {
	uint64_t magic, size, block_size;
	char boot[40];			/* in which the live bits are right; or empty */
};

struct cow {
	struct layer layer;
	char path[512];
	char name[520];			/* "cow: PATH", for messages */
	int fd;
	uint64_t map_bytes;		/* whole pages */
	_Atomic unsigned char *map;	/* a bit for each block: it is in the overlay */
	atomic_bool *dirty;		/* for each page of the map: the file hasn't got it */
	pthread_mutex_t flush_lock;	/* one flushes at a time, so it has all the errors */
	pthread_mutex_t live_lock;	/* bits are set and written: none goes back */
	struct loss loss;
};

/* A read that comes in part from below: the runs that are asked for there. */
struct cow_read {
	struct layer_io *lio;
	atomic_uint left;
	atomic_int error;
};

struct run {
	struct zcmu_io io;
	struct cow_read *read;
	struct iovec iov[];
};

static struct cow *cow_of(struct layer *layer)
{
	return (struct cow *)layer;
}

static int cow_option(struct layer *layer, const char *name, const char *value)
{
	if (strcmp(name, "overlay") || !*value)
		return -EINVAL;
	snprintf(cow_of(layer)->path, sizeof(cow_of(layer)->path), "%s", value);
	snprintf(cow_of(layer)->name, sizeof(cow_of(layer)->name), "cow: %s", value);
	return 0;
}

/*
 * The map
 */

static bool is_in(const struct cow *cow, uint64_t block)
{
	return atomic_load_explicit(&cow->map[block / 8], memory_order_acquire) & 1u << block % 8;
}

/* Where the live bits begin. */
static uint64_t live_start(const struct cow *cow)
{
	return cow->layer.below->size + cow->map_bytes + PAGE;
}

static int write_all(int fd, const void *data, size_t len, uint64_t offset)
{
	ssize_t put;

	do {
		put = pwrite(fd, data, len, (off_t)offset);
	} while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : (size_t)put < len ? -EIO : 0;
}

static bool are_in(const struct cow *cow, uint64_t first, uint64_t end)
{
	while (first < end && is_in(cow, first))
		first++;
	return first == end;
}

/* Set the bits of blocks, at most a page of them, live ones first. live_lock is held. */
static int set_bits(struct cow *cow, uint64_t first, uint64_t end)
{
	uint64_t start = first / 8, n = (end - 1) / 8 - start + 1, block, i;
	unsigned char bytes[PAGE + 1];
	int err;

	for (i = 0; i < n; i++)
		bytes[i] = atomic_load(&cow->map[start + i]);
	for (block = first; block < end; block++)
		bytes[block / 8 - start] |= (unsigned char)(1u << block % 8);
	err = write_all(cow->fd, bytes, n, live_start(cow) + start);
	for (i = 0; !err && i < n; i++) {
		atomic_store(&cow->map[start + i], bytes[i]);
		atomic_store(&cow->dirty[(start + i) / PAGE], true);
	}
	return err;
}

/*
 * The blocks are written: whoever sees the bit finds them, and so does the next process, which
 * has it from the file. If that can't be, the blocks are what they were.
 */
static int put_in(struct cow *cow, uint64_t first, uint64_t end)
{
	uint64_t next;
	int err = 0;

	if (are_in(cow, first, end))
		return 0;
	pthread_mutex_lock(&cow->live_lock);
	for (; first < end && !err; first = next) {
		next = end - first > PAGE * 8 ? first + PAGE * 8 : end;
		err = set_bits(cow, first, next);
	}
	pthread_mutex_unlock(&cow->live_lock);
	return err;
}

/* Pages of the map as they were before the blocks were made stable. */
struct copied {
	struct copied *next;
	uint64_t page;
	unsigned char bytes[PAGE];
};

static int copy_pages(struct cow *cow, struct copied **list)
{
	struct copied *copy;
	uint64_t page;
	size_t i;

	for (page = 0; page < cow->map_bytes / PAGE; page++) {
		if (!atomic_load(&cow->dirty[page]))
			continue;
		copy = malloc(sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		/* A bit that comes after this makes it dirty again. */
		atomic_store(&cow->dirty[page], false);
		for (i = 0; i < PAGE; i++)
			copy->bytes[i] = atomic_load(&cow->map[page * PAGE + i]);
		copy->page = page;
		copy->next = *list;
		*list = copy;
	}
	return 0;
}

static int write_pages(const struct cow *cow, const struct copied *copy)
{
	uint64_t start = cow->layer.below->size;
	int err = 0;

	for (; copy && !err; copy = copy->next)
		err = write_all(cow->fd, copy->bytes, PAGE, start + copy->page * PAGE);
	return err;
}

/*
 * Make what was written stable. Blocks that are gone stay gone, and so do bits: they are not
 * vouched for any more.
 */
static int sync_overlay(struct cow *cow)
{
	int err;

	do {
		err = fdatasync(cow->fd) ? -errno : 0;
	} while (err == -EINTR);
	return loss_of_flush(&cow->loss, cow->name, err);
}

/* First the blocks, then the bits that speak of them. */
static int flush(struct cow *cow)
{
	struct copied *list = NULL, *copy;
	int err;

	pthread_mutex_lock(&cow->flush_lock);
	err = loss_is_known(&cow->loss) ? -EIO : copy_pages(cow, &list);
	if (!err)
		err = sync_overlay(cow);
	if (!err)
		err = write_pages(cow, list);
	if (!err && list)
		err = sync_overlay(cow);
	while ((copy = list)) {
		list = copy->next;
		if (err)
			atomic_store(&cow->dirty[copy->page], true);
		free(copy);
	}
	pthread_mutex_unlock(&cow->flush_lock);
	return err;
}

/*
 * Requests
 */

/* All of it, whatever the kernel does at a time. */
static int move(int fd, bool writes, struct iovec *iov, int n, uint64_t offset)
{
	ssize_t got;

	while (n) {
		got = writes ? pwritev(fd, iov, n, (off_t)offset) :
			       preadv(fd, iov, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		offset += (uint64_t)got;
		while (n && (size_t)got >= iov->iov_len) {
			got -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + got;
			iov->iov_len -= (size_t)got;
		}
	}
	return 0;
}

static void read_ended(struct cow_read *read, int error)
{
	struct layer_io *lio = read->lio;
	int none = 0;

	if (error)
		atomic_compare_exchange_strong(&read->error, &none, error);
	if (atomic_fetch_sub(&read->left, 1) != 1)
		return;
	error = atomic_load(&read->error);
	free(read);
	layer_done(&lio->io, error);
}

static void run_done(struct zcmu_io *io, int error)
{
	struct run *run = (struct run *)io;
	struct cow_read *read = run->read;

	free(run);
	read_ended(read, error);
}

/* Read a run of blocks that are all in the overlay, or none. */
static int read_run(struct cow *cow, struct cow_read *read, uint64_t offset, uint64_t length,
		    bool in)
{
	const struct zcmu_io *io = &read->lio->io;
	struct run *run = calloc(1, sizeof(*run) + (size_t)io->iovcnt * sizeof(run->iov[0]));
	int n, err;

	if (!run)
		return -ENOMEM;
	n = zcmu_iov_cut(io->iov, io->iovcnt, offset - io->offset, length, run->iov);
	if (in) {
		err = move(cow->fd, false, run->iov, n, offset);
		free(run);
		return err;
	}
	run->read = read;
	run->io = *io;
	run->io.offset = offset;
	run->io.length = length;
	run->io.iov = run->iov;
	run->io.iovcnt = n;
	run->io.data = NULL;
	run->io.done = run_done;
	atomic_fetch_add(&read->left, 1);
	zcmu_store_ask(cow->layer.below, &run->io);
	return 0;
}

static void cow_read(struct cow *cow, struct layer_io *lio)
{
	struct cow_read *read = malloc(sizeof(*read));
	uint64_t block = cow->layer.below->block_size, at = lio->io.offset, end, next;
	int err = 0;
	bool in;

	if (!read) {
		layer_done(&lio->io, -ENOMEM);
		return;
	}
	/* One of those left is this function. */
	*read = (struct cow_read){ .lio = lio, .left = 1 };
	for (end = at + lio->io.length; at < end && !err; at = next) {
		in = is_in(cow, at / block);
		for (next = at + block; next < end && is_in(cow, next / block) == in; next += block)
			;
		err = read_run(cow, read, at, next - at, in);
	}
	read_ended(read, err);
}

static void cow_write(struct cow *cow, struct layer_io *lio)
{
	uint64_t block = cow->layer.below->block_size;
	const struct zcmu_io *io = &lio->io;
	int err = move(cow->fd, true, io->iov, io->iovcnt, io->offset);

	if (!err)
		err = put_in(cow, lio->upper->offset / block,
			     (lio->upper->offset + lio->upper->length) / block);
	layer_done(&lio->io, err);
}

static void cow_request(struct layer *layer, struct layer_io *lio)
{
	struct cow *cow = cow_of(layer);

	if (lio->io.op == ZCMU_IO_READ)
		cow_read(cow, lio);
	else if (lio->io.op == ZCMU_IO_WRITE)
		cow_write(cow, lio);
	else
		layer_done(&lio->io, flush(cow));
}

/*
 * Opening
 */

static int fail(const struct cow *cow, const char *what, int err)
{
	zcmu_error("cow: %s: %s: %s", cow->path, what, strerror(-err));
	return err;
}

/* Which start of the machine is this? Empty if that can't be told. */
static void read_boot(char *boot, size_t size)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, boot, size - 1);

	if (fd >= 0)
		close(fd);
	memset(boot + (got > 0 ? got : 0), 0, size - (size_t)(got > 0 ? got : 0));
	boot[strcspn(boot, "\n")] = '\0';
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
	return write_all(cow->fd, &trailer, sizeof(trailer), end);
}

/* One that was half made is made anew the next time: it is empty. */
static int make_overlay(struct cow *cow, uint64_t end)
{
	int err = ftruncate(cow->fd, (off_t)(end + PAGE)) ? -errno : write_trailer(cow, end, false);

	if (!err)
		err = loss_make_lasting(cow->fd, cow->path);
	if (!err)
		return 0;
	fail(cow, "can't make it", err);
	if (ftruncate(cow->fd, 0))
		zcmu_warning("cow: %s: it can't be emptied either; remove it", cow->path);
	return err;
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
	err = read_map(cow, *is_live ? live_start(cow) : below->size);
	/* What only the live bits know is not stable yet. */
	for (page = 0; !err && *is_live && page < cow->map_bytes / PAGE; page++)
		atomic_store(&cow->dirty[page], true);
	return err;
}

static bool is_empty(const struct cow *cow, uint64_t page)
{
	size_t i;

	for (i = 0; i < PAGE; i++) {
		if (atomic_load_explicit(&cow->map[page * PAGE + i], memory_order_relaxed))
			return false;
	}
	return true;
}

/*
 * From now on the live bits are kept. Those of an earlier start of the machine go; then come all
 * that are known, and then the word that they are right.
 */
static int begin_live(struct cow *cow, uint64_t end)
{
	uint64_t page, at = live_start(cow);
	int err = 0;

	if (ftruncate(cow->fd, (off_t)at) || ftruncate(cow->fd, (off_t)(at + cow->map_bytes)))
		return fail(cow, "can't make room for its bits", -errno);
	for (page = 0; page < cow->map_bytes / PAGE && !err; page++) {
		if (!is_empty(cow, page))
			err = write_all(cow->fd, (const void *)(cow->map + page * PAGE), PAGE,
					at + page * PAGE);
	}
	if (!err)
		err = write_trailer(cow, end, true);
	return err ? fail(cow, "can't write its bits", err) : 0;
}

static int cow_start(struct layer *layer)
{
	struct cow *cow = cow_of(layer);
	struct zcmu_store *store = layer->store, *below = layer->below;
	struct zcmu_store_ops *ops = (struct zcmu_store_ops *)store->ops;
	uint64_t blocks = below->size / below->block_size, end;
	bool is_live = false;
	struct stat st;
	int err;

	cow->fd = -1;
	if (!cow->path[0]) {
		zcmu_error("cow: where to? Say cow,overlay=PATH:STORE");
		return -EINVAL;
	}
	pthread_mutex_init(&cow->flush_lock, NULL);
	pthread_mutex_init(&cow->live_lock, NULL);
	cow->map_bytes = (blocks / 8 + PAGE) / PAGE * PAGE;
	cow->map = calloc(1, cow->map_bytes);
	cow->dirty = calloc(cow->map_bytes / PAGE, sizeof(*cow->dirty));
	if (!cow->map || !cow->dirty)
		return -ENOMEM;
	cow->fd = open(cow->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (cow->fd < 0 || fstat(cow->fd, &st))
		return fail(cow, "can't open it", -errno);
	if (flock(cow->fd, LOCK_EX | LOCK_NB))
		return fail(cow, "another process has it in use", -errno);
	/* What is below can't be written to, but this can, and this way. */
	store->read_only = layer->read_only;
	store->can_flush = ZCMU_CAN_NATIVE;
	store->can_fua = ZCMU_CAN_EMULATED;
	store->can_trim = ZCMU_CAN_NONE;
	store->can_zero = ZCMU_CAN_EMULATED;
	store->max_io = 0;
	store->max_trim = 0;
	store->max_zero = 0;
	store->trim_granularity = 0;
	store->trim_alignment = 0;
	ops->flags = ZCMU_STORE_BLOCKS |
		     (below->ops->flags &
		      (ZCMU_STORE_VOLATILE | ZCMU_STORE_NETWORK | ZCMU_STORE_OPENS_FILES));
	ops->write = layer_request;
	ops->resize = NULL;
	ops->map = NULL;
	end = below->size + cow->map_bytes;
	err = st.st_size ? take_overlay(cow, end, &is_live) : make_overlay(cow, end);
	/* A read-only disk has nothing to keep. */
	return err || is_live || store->read_only ? err : begin_live(cow, end);
}

static void cow_stop(struct layer *layer)
{
	struct cow *cow = cow_of(layer);

	if (cow->fd >= 0 && cow->map) {
		if (flush(cow))
			zcmu_warning("cow: %s: what was written last may be lost: it can't be written to",
				     cow->path);
		if (close(cow->fd))
			zcmu_error("cow: %s: closing it has failed: %s; what was written last may be gone",
				   cow->path, strerror(errno));
	}
	free((void *)cow->map);
	free(cow->dirty);
}

static const struct layer_kind kind = {
	.name = "cow",
	.size = sizeof(struct cow),
	.read_only = true,
	.option = cow_option,
	.start = cow_start,
	.stop = cow_stop,
	.request = cow_request,
};

static int cow_open(struct zcmu_store *store, const char *argument)
{
	return layer_open(store, argument, &kind);
}

/* Its disk is made of both, so both must be the same ones. */
static int cow_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	char overlay[ZCMU_STORE_IDENTITY_MAX], below[ZCMU_STORE_IDENTITY_MAX] = "";
	struct cow named = { .layer.kind = &kind };
	int err;

	if (!store && !layer_parse(&named.layer, argument))
		return -EINVAL;
	err = zcmu_file_tell(store ? cow_of(store->data)->fd : -1, named.path, overlay,
			     sizeof(overlay));
	if (!err)
		err = layer_identity(store, argument, below, sizeof(below));
	/* Of what is below the name has to do. */
	if (err && err != -EOPNOTSUPP)
		return err;
	return (size_t)snprintf(text, size, "%s,%s", overlay, below) < size ? 0 : -ERANGE;
}

const struct zcmu_store_ops zcmu_cow_layer = {
	LAYER_OPS,
	.identity = cow_identity,
	.name = "cow",
	.usage = "cow,overlay=PATH:STORE",
	.summary = "writes go to a file, STORE stays as it is",
	.open = cow_open,
};
