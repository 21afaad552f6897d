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
#include <sys/mman.h>
#include <unistd.h>

#include "zcmu.h"

static int ram_open(struct zcmu_store *store, const char *argument)
{
	void *memory;

	/* "ram:" and --size is as good as "ram:1G". */
	store->size = store->create_size;
	if ((*argument && (zcmu_parse_size(argument, &store->size) || store->create_size)) ||
	    !store->size) {
		zcmu_error("ram:%s: the size is missing, wrong, or given twice; say ram:1G, for example",
			   argument);
		return -EINVAL;
	}
	memory = mmap(NULL, store->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		int err = -errno;

		zcmu_error("ram:%s: can't reserve %" PRIu64 " bytes of addresses: %s", argument,
			   store->size, strerror(-err));
		return err;
	}
	store->data = memory;
	store->trim_granularity = (uint32_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static void ram_close(struct zcmu_store *store)
{
	munmap(store->data, store->size);
}

static void ram_read(struct zcmu_store *store, struct zcmu_io *io)
{
	zcmu_iov_put(io->iov, io->iovcnt, 0, (char *)store->data + io->offset, io->length);
	zcmu_io_done(io, 0);
}

static void ram_write(struct zcmu_store *store, struct zcmu_io *io)
{
	zcmu_iov_get(io->iov, io->iovcnt, 0, (char *)store->data + io->offset, io->length);
	zcmu_io_done(io, 0);
}

/* Whole pages go back to the kernel and read as zeroes then; the rest is cleared. */
static void ram_zero(struct zcmu_store *store, struct zcmu_io *io)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t end = io->offset + io->length;
	uint64_t first = (io->offset + page - 1) / page * page;
	uint64_t last = end / page * page;
	char *memory = store->data;

	if (first >= last) {
		memset(memory + io->offset, 0, io->length);
	} else {
		memset(memory + io->offset, 0, first - io->offset);
		if (madvise(memory + first, last - first, MADV_DONTNEED))
			memset(memory + first, 0, last - first);
		memset(memory + last, 0, end - last);
	}
	zcmu_io_done(io, 0);
}

/* Does a page take memory, here or in swap? As Documentation/admin-guide/mm/pagemap has it. */
static bool is_allocated(uint64_t entry)
{
	return entry >> 62;
}

/*
 * Pages that nobody has written to since they were trimmed take no memory. One that
 * was only read may count as well: the kernel maps its page of zeroes there.
 */
static void ram_map(struct zcmu_store *store, struct zcmu_io *io)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = io->offset / page, last = (io->offset + io->length - 1) / page;
	uint64_t place = (uintptr_t)store->data / page + first, end;
	/* Opened each time, because it is of the process that opens it: that may fork. */
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entries[1024];
	ssize_t got;
	size_t n, i;

	n = last - first < 1024 ? last - first + 1 : 1024;
	got = pread(fd, entries, n * sizeof(entries[0]), (off_t)(place * sizeof(entries[0])));
	if (fd >= 0)
		close(fd);
	n = got < 0 ? 0 : (size_t)got / sizeof(entries[0]);
	if (n) {		/* otherwise nobody knows, and all of it is mapped */
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
	.name = "ram",
	.usage = "ram:SIZE",
	.summary = "memory; gone when the disk is stopped",
	.flags = ZCMU_STORE_TRIM_ZEROES,
	.open = ram_open,
	.close = ram_close,
	.read = ram_read,
	.write = ram_write,
	.trim = ram_zero,
	.zero = ram_zero,
	.map = ram_map,
};
