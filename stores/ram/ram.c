// SPDX-License-Identifier: MIT
/*
 * ram: a disk in memory. Memory is allocated by the kernel when it is first written
 * and given back when it is trimmed; it is gone when the process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcmu.h"

/* Addresses cost nothing: the disk may grow into these without being moved. */
#define ROOM	(1ull << 40)
/* Bytes that are given back or cleared at a time: about a millisecond */
#define MAX_AT_ONCE	(16u << 20)

struct ram {
	char *memory;
	uint64_t room;		/* bytes of addresses */
	uint64_t size;		/* bytes of it that are accessible */
};

/* A thread's queue of long requests, oldest first. */
struct queue {
	int fd;			/* eventfd: readable if there are any */
	struct zcmu_io *first, **end;
};

static struct ram *ram_of(const struct zcmu_store *store)
{
	return store->data;
}

static void append(struct queue *queue, struct zcmu_io *io)
{
	io->next = NULL;
	*queue->end = io;
	queue->end = &io->next;
}

/* There is a request. */
static struct zcmu_io *pop(struct queue *queue)
{
	struct zcmu_io *io = queue->first;

	queue->first = io->next;
	if (!queue->first)
		queue->end = &queue->first;
	return io;
}

/* An eventfd accepts this unless its counter is full; then it is readable already. */
static void signal_queue(const struct queue *queue)
{
	const uint64_t one = 1;
	ssize_t ignored = write(queue->fd, &one, sizeof(one));

	(void)ignored;
}

static bool was_signalled(const struct queue *queue)
{
	uint64_t count;

	return read(queue->fd, &count, sizeof(count)) == sizeof(count) && queue->first;
}

/* If addresses are limited (ulimit -v), the disk can't grow. */
static int reserve(struct ram *ram, uint64_t size)
{
	ram->room = size < ROOM ? ROOM : size;
	ram->memory = mmap(NULL, ram->room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	if (ram->memory == MAP_FAILED && ram->room > size) {
		ram->room = size;
		ram->memory = mmap(NULL, ram->room, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	if (ram->memory == MAP_FAILED)
		return -errno;
	/* zcmu serve locks its memory; the disk's may be swapped out. */
	munlock(ram->memory, ram->room);
	if (mprotect(ram->memory, size, PROT_READ | PROT_WRITE)) {
		int err = -errno;

		munmap(ram->memory, ram->room);
		return err;
	}
	ram->size = size;
	return 0;
}

static int ram_open(struct zcmu_store *store, const char *argument)
{
	struct ram *ram;
	int err;

	/* "ram:" and --size is as good as "ram:1G". */
	store->size = store->create_size;
	if ((*argument && (zcmu_parse_size(argument, &store->size) || store->create_size)) ||
	    !store->size) {
		zcmu_error("ram:%s: the size is missing, wrong, or given twice; say ram:1G, for example",
			   argument);
		return -EINVAL;
	}
	ram = malloc(sizeof(*ram));
	if (!ram)
		return -ENOMEM;
	err = reserve(ram, store->size);
	if (err) {
		zcmu_error("ram:%s: can't reserve %" PRIu64 " bytes of addresses: %s", argument,
			   store->size, strerror(-err));
		free(ram);
		return err;
	}
	store->data = ram;
	store->trim_granularity = (uint32_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static void ram_close(struct zcmu_store *store)
{
	munmap(ram_of(store)->memory, ram_of(store)->room);
	free(ram_of(store));
}

static void ram_read(struct zcmu_store *store, struct zcmu_io *io)
{
	zcmu_iov_put(io->iov, io->iovcnt, 0, ram_of(store)->memory + io->offset, io->length);
	zcmu_io_done(io, 0);
}

static void ram_write(struct zcmu_store *store, struct zcmu_io *io)
{
	zcmu_iov_get(io->iov, io->iovcnt, 0, ram_of(store)->memory + io->offset, io->length);
	zcmu_io_done(io, 0);
}

/* Does a page take memory, here or in swap? See Documentation/admin-guide/mm/pagemap. */
static bool is_allocated(uint64_t entry)
{
	return entry >> 62;
}

/* The kernel's entries for @n pages, from that of @memory on. Return: how many it has. */
static size_t ask_pagemap(const char *memory, uint64_t *entries, size_t n)
{
	uint64_t place = (uintptr_t)memory / (uint64_t)sysconf(_SC_PAGESIZE);
	/*
	 * The file is opened each time, because it describes the process that opens it, which may
	 * fork.
	 */
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t got = pread(fd, entries, n * sizeof(*entries), (off_t)(place * sizeof(*entries)));

	if (fd >= 0)
		close(fd);
	return got < 0 ? 0 : (size_t)got / sizeof(*entries);
}

/*
 * Clear a page, or a part of one. A page that takes no memory reads as zeroes; writing zeroes to
 * it, or even looking, could allocate memory.
 */
static void clear(char *memory, uint64_t length)
{
	uint64_t entry;

	if (length && (!ask_pagemap(memory, &entry, 1) || is_allocated(entry)))
		memset(memory, 0, length);
}

/* Clear whole pages that can't be given back (because they are locked) */
static void clear_pages(char *memory, uint64_t length, uint64_t page)
{
	for (; length; length -= page, memory += page)
		clear(memory, page);
}

/* Give whole pages back to the kernel, after which they read as zeroes; clear the rest. */
static void zero(char *memory, uint64_t offset, uint64_t end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = (offset + page - 1) / page * page;
	uint64_t last = end / page * page;

	if (first > last) {
		clear(memory + offset, end - offset);
		return;
	}
	clear(memory + offset, first - offset);
	if (first < last && madvise(memory + first, last - first, MADV_DONTNEED))
		clear_pages(memory + first, last - first, page);
	clear(memory + last, end - last);
}

/*
 * A long request is done in parts, between other requests: one part each time that the queue is
 * reaped.
 */
static void ram_zero(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;

	if (io->length <= MAX_AT_ONCE || !queue) {
		zero(ram_of(store)->memory, io->offset, io->offset + io->length);
		zcmu_io_done(io, 0);
		return;
	}
	append(queue, io);
	signal_queue(queue);
}

static void ram_queue_reap(struct zcmu_store *store, void *argument)
{
	struct queue *queue = argument;
	uint64_t length;
	struct zcmu_io *io;

	if (!was_signalled(queue))
		return;
	io = pop(queue);
	length = io->length < MAX_AT_ONCE ? io->length : MAX_AT_ONCE;
	zero(ram_of(store)->memory, io->offset, io->offset + length);
	io->offset += length;
	io->length -= length;
	/* Requests take turns. */
	if (io->length)
		append(queue, io);
	if (queue->first)
		signal_queue(queue);
	if (!io->length)
		zcmu_io_done(io, 0);
}

static int ram_queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = malloc(sizeof(*queue));
	int err;

	(void)store;
	if (!queue)
		return -ENOMEM;
	queue->first = NULL;
	queue->end = &queue->first;
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		err = -errno;
		free(queue);
		return err;
	}
	*ret = queue;
	return 0;
}

static void ram_queue_close(struct zcmu_store *store, void *argument)
{
	struct queue *queue = argument;

	(void)store;
	close(queue->fd);
	free(queue);
}

static int ram_queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->fd;
}

/* The part that is cut off is given back, and reads as zeroes if it comes again. */
static int ram_resize(struct zcmu_store *store, uint64_t size)
{
	struct ram *ram = ram_of(store);
	int err;

	if (size > ram->room) {
		zcmu_error("ram: it can grow to %" PRIu64 " bytes, not %" PRIu64 ": there are no more addresses next to it",
			   ram->room, size);
		return -ENOMEM;
	}
	if (size == store->size) {
		zero(ram->memory, size, ram->size);
	} else if (mprotect(ram->memory, size, PROT_READ | PROT_WRITE)) {
		err = -errno;
		zcmu_error("ram: can't get %" PRIu64 " bytes: %s", size, strerror(-err));
		return err;
	}
	ram->size = size;
	return 0;
}

/*
 * Pages that nobody has written to since they were trimmed take no memory. A page that was only
 * read may count as well: the kernel maps its page of zeroes there.
 */
static void ram_map(struct zcmu_store *store, struct zcmu_io *io)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = io->offset / page, last = (io->offset + io->length - 1) / page;
	uint64_t entries[1024], end;
	size_t n, i;

	n = ask_pagemap(ram_of(store)->memory + first * page, entries,
			last - first < 1024 ? last - first + 1 : 1024);
	if (n) {		/* otherwise it is unknown, and all of it counts as mapped */
		io->mapped = is_allocated(entries[0]);
		for (i = 1; i < n && is_allocated(entries[i]) == io->mapped; i++)
			;
		end = (first + i) * page;
		if (end < io->offset + io->length)
			io->length = end - io->offset;
	}
	zcmu_io_done(io, 0);
}

const struct zcmu_store_ops zcmu_ram_store = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_ram_store),
	.store_size = sizeof(struct zcmu_store),
	.name = "ram",
	.usage = "ram:SIZE",
	.summary = "memory; gone when the disk is stopped",
	.flags = ZCMU_STORE_TRIM_ZEROES | ZCMU_STORE_VOLATILE,
	.open = ram_open,
	.close = ram_close,
	.queue_open = ram_queue_open,
	.queue_close = ram_queue_close,
	.queue_fd = ram_queue_fd,
	.queue_reap = ram_queue_reap,
	.read = ram_read,
	.write = ram_write,
	.trim = ram_zero,
	.zero = ram_zero,
	.resize = ram_resize,
	.map = ram_map,
};
