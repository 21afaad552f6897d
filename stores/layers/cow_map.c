// SPDX-License-Identifier: MIT
/*
 * Which blocks are in the overlay: the bits, in memory and in the file, and how blocks and bits
 * become stable. cow.c says why the bits are there twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cow.h"

bool cow_is_in(const struct cow *cow, uint64_t block)
{
	return atomic_load_explicit(&cow->map[block / 8], memory_order_acquire) & 1u << block % 8;
}

/* Where the live bits begin. */
uint64_t cow_live_start(const struct cow *cow)
{
	return cow->layer.below->size + cow->map_bytes + COW_PAGE;
}

int cow_write_all(int fd, const void *data, size_t len, uint64_t offset)
{
	ssize_t put;

	do {
		put = pwrite(fd, data, len, (off_t)offset);
	} while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : (size_t)put < len ? -EIO : 0;
}

static bool are_in(const struct cow *cow, uint64_t first, uint64_t end)
{
	while (first < end && cow_is_in(cow, first))
		first++;
	return first == end;
}

/* Set the bits of blocks, at most a page of them, live bits first. live_lock is held. */
static int set_bits(struct cow *cow, uint64_t first, uint64_t end)
{
	uint64_t start = first / 8, n = (end - 1) / 8 - start + 1, block, i;
	unsigned char bytes[COW_PAGE + 1];
	int err;

	for (i = 0; i < n; i++)
		bytes[i] = atomic_load(&cow->map[start + i]);
	for (block = first; block < end; block++)
		bytes[block / 8 - start] |= (unsigned char)(1u << block % 8);
	err = cow_write_all(cow->fd, bytes, n, cow_live_start(cow) + start);
	for (i = 0; !err && i < n; i++) {
		atomic_store(&cow->map[start + i], bytes[i]);
		atomic_store(&cow->dirty[(start + i) / COW_PAGE], true);
	}
	return err;
}

/*
 * The blocks are written. A thread that sees the bit finds them, and so does the next process,
 * which reads the bit from the file. If the bit can't be written, the blocks are read as before.
 */
int cow_put_in(struct cow *cow, uint64_t first, uint64_t end)
{
	uint64_t next;
	int err = 0;

	if (are_in(cow, first, end))
		return 0;
	pthread_mutex_lock(&cow->live_lock);
	for (; first < end && !err; first = next) {
		next = end - first > COW_PAGE * 8 ? first + COW_PAGE * 8 : end;
		err = set_bits(cow, first, next);
	}
	pthread_mutex_unlock(&cow->live_lock);
	return err;
}

/* Pages of the map as they were before the blocks were made stable. */
struct copied {
	struct copied *next;
	uint64_t page;
	unsigned char bytes[COW_PAGE];
};

static int copy_pages(struct cow *cow, struct copied **list)
{
	struct copied *copy;
	uint64_t page;
	size_t i;

	for (page = 0; page < cow->map_bytes / COW_PAGE; page++) {
		if (!atomic_load(&cow->dirty[page]))
			continue;
		copy = malloc(sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		/* A bit that is set after this makes the page dirty again. */
		atomic_store(&cow->dirty[page], false);
		for (i = 0; i < COW_PAGE; i++)
			copy->bytes[i] = atomic_load(&cow->map[page * COW_PAGE + i]);
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
		err = cow_write_all(cow->fd, copy->bytes, COW_PAGE, start + copy->page * COW_PAGE);
	return err;
}

/*
 * Make written blocks stable. Lost blocks stay lost, and so do bits: later flushes don't vouch for
 * them.
 */
static int sync_overlay(struct cow *cow)
{
	int err;

	do {
		err = fdatasync(cow->fd) ? -errno : 0;
	} while (err == -EINTR);
	return loss_of_flush(&cow->loss, cow->name, err);
}

/* First the blocks, then the bits that describe them. */
int cow_flush(struct cow *cow)
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
