// SPDX-License-Identifier: MIT
/*
 * Attacks by mappings: more of them, pieces of them, moved, protected, advised upon, gone
 * in the middle of a command. All within addresses that hostile.c has reserved.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"

#ifndef UFFD_FEATURE_WP_ASYNC		/* Linux 6.7 */
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* A few pages, mostly of a payload, never of the ring that is served. */
static uint8_t *any_range(size_t *length)
{
	uint8_t *p = (uint8_t *)((uintptr_t)hostile_any_address() & ~(uintptr_t)(HOSTILE_PAGE - 1));
	size_t pages = 1 + below(one_in(8) ? 4096 : 64);
	uint8_t *begin = hostile.maps[1], *end;
	unsigned int i;

	for (i = 0; i < HOSTILE_MAPS; i++) {
		if (p >= hostile.maps[i] && p < hostile.maps[i] + hostile.map_size)
			begin = hostile.maps[i];
	}
	end = begin + hostile.map_size;
	if (p < begin || p >= end || (begin == hostile.maps[0] && p < begin + hostile.copy_off))
		p = begin + hostile.copy_off;
	if (pages > (size_t)(end - p) / HOSTILE_PAGE)
		pages = (size_t)(end - p) / HOSTILE_PAGE;
	*length = pages * HOSTILE_PAGE;
	return p;
}

static void remap(void)
{
	unsigned int which = below(HOSTILE_MAPS);

	if (which && one_in(4))
		hostile_unmap(which);
	else
		hostile_map(which);
}

/* Nothing of this may succeed, and nothing is lost if it does. */
static void partial(void)
{
	size_t length = HOSTILE_PAGE * (1 + below((uint32_t)(hostile.map_size / HOSTILE_PAGE)));
	int flags = one_in(2) ? MAP_PRIVATE : MAP_SHARED;
	off_t offset = (off_t)HOSTILE_PAGE * below(4);
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, hostile.fd, offset);

	if (p == MAP_FAILED)
		return;
	touch_all(p, length < 64 * HOSTILE_PAGE ? length : 64 * HOSTILE_PAGE);
	munmap(p, length);
}

static void move(void)
{
	uint8_t *to = hostile.maps[1 + below(HOSTILE_MAPS - 1)];
	size_t length, new_length;
	uint8_t *p = any_range(&length);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	to += (size_t)below((uint32_t)((hostile.map_size - length) / HOSTILE_PAGE)) * HOSTILE_PAGE;
	new_length = one_in(4) ? length + HOSTILE_PAGE : length;
	if (one_in(4))
		flags |= 4;	/* MREMAP_DONTUNMAP */
	if (one_in(8))
		length = 0;	/* a second mapping, were it not refused */
	if (to + new_length > p && p + length > to)
		return;
	touch_all(p, length);
	if (mremap(p, length, new_length, flags, to) != MAP_FAILED) {
		look_for_secrets(to, new_length, "a moved mapping");
		/* Our addresses stay ours. */
		if (!(flags & 4))
			mmap(p, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			     MAP_FIXED_NOREPLACE, -1, 0);
	}
}

static void protect(void)
{
	static const int kinds[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_EXEC, PROT_WRITE,
	};
	size_t length;
	uint8_t *p = any_range(&length);

	touch_all(p, length);
	mprotect(p, length, kinds[below(6)]);
	touch_store(p, 1);
	mprotect(p, length, PROT_READ | PROT_WRITE);
	touch_store(p, 1);
}

/* All there are but those that break memory for everybody (HWPOISON, SOFT_OFFLINE). */
static void advise(void)
{
	static const int kinds[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_COLLAPSE, 24 /* DONTNEED_LOCKED */, 102, 103,
	};
	int kind = kinds[below(sizeof(kinds) / sizeof(kinds[0]))];
	size_t length;
	uint8_t *p = any_range(&length);

	touch_all(p, length);
	madvise(p, length, kind);
	look_for_secrets(p, length, "after madvise()");
}

static void hole(void)
{
	size_t length;
	uint8_t *p = any_range(&length);

	touch_all(p, length);
	mmap(p, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static void lock(void)
{
	size_t length;
	uint8_t *p = any_range(&length);

	mlock2(p, length, one_in(2) ? MLOCK_ONFAULT : 0);
	touch_all(p, length);
	munlock(p, length);
	msync(p, length, one_in(2) ? MS_SYNC : MS_INVALIDATE);
}

/* A mapping file's pages can be rearranged no more; the call is still there. */
static void rearrange(void)
{
	size_t length;
	uint8_t *p = any_range(&length);

	syscall(SYS_remap_file_pages, p, length, 0, below(1024), 0);
	syscall(SYS_mbind, p, length, 1 /* MPOL_PREFERRED */, NULL, 0, 7 /* STRICT, MOVE */);
}

/* Whoever looks at the page tables, or picks pages out of them. */
static void inspect(void)
{
	static unsigned char residence[4096];
	static uint64_t entries[64];
	void *pages[64];
	int nodes[64] = { 0 }, status[64], pidfd, fd;
	struct iovec iov;
	size_t length, n;
	uint8_t *p = any_range(&length);

	touch_all(p, length);
	n = length / HOSTILE_PAGE < 64 ? length / HOSTILE_PAGE : 64;
	for (size_t i = 0; i < n; i++)
		pages[i] = p + i * HOSTILE_PAGE;
	mincore(p, length, residence);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (pread(fd, entries, n * 8, (off_t)((uintptr_t)p / HOSTILE_PAGE * 8)) < 0)
			n = 1;
		close(fd);
	}
	syscall(SYS_move_pages, 0, n, pages, one_in(2) ? nodes : NULL, status, 1 << 1);
	iov = (struct iovec){ p, length };
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd >= 0) {
		syscall(SYS_process_madvise, pidfd, &iov, 1,
			one_in(2) ? MADV_PAGEOUT : MADV_COLD, 0);
		close(pidfd);
	}
}

/* Missing pages must not be the handler's to provide; write protection may be. */
static void userfault(void)
{
	size_t length;
	uint8_t *p = any_range(&length);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register reg = { .range = { (uintptr_t)p, length } };
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)p, length } };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)p, length } };

	if (fd < 0)
		return;
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return;
	}
	reg.mode = one_in(2) ? UFFDIO_REGISTER_MODE_WP : 1 + below(7);
	touch_all(p, length);
	if (!ioctl(fd, UFFDIO_REGISTER, &reg)) {
		ioctl(fd, UFFDIO_ZEROPAGE, &zero);
		wp.mode = UFFDIO_WRITEPROTECT_MODE_WP;
		ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
		touch_store(p, 2);
		wp.mode = 0;
		ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
		touch_store(p, 2);
	}
	close(fd);
}

const struct hostile_attack map_attacks[] = {
	{ "map or unmap", 8, remap },
	{ "map a part", 4, partial },
	{ "mremap", 5, move },
	{ "mprotect", 5, protect },
	{ "madvise", 8, advise },
	{ "a hole", 3, hole },
	{ "mlock", 2, lock },
	{ "remap_file_pages, mbind", 2, rearrange },
	{ "pagemap, move_pages", 2, inspect },
	{ "userfaultfd", 3, userfault },
	{ NULL, 0, NULL },
};
