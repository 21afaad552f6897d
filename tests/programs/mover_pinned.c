// SPDX-License-Identifier: MIT
/*
 * Payloads whose memory stays pinned, as that of RDMA and AF_XDP does, on every kernel; see
 * mover.c. The pages are looked at, not used: the disk is memory that the CPU copies to.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mover.h"
#include "probe.h"

#define BLOCK	65536u	/* what is pinned at once: data_pages_per_blk=16 */
#define PAGE	4096u

#ifndef SOL_XDP
#define SOL_XDP	283
#endif

/* The frames of each pinned block of map 0, or NULL. The kernel pins them until the end. */
static uint64_t (*frames)[BLOCK / PAGE];
static bool *is_pinned, *was_used;
static size_t blocks;
static int pagemap;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_frames(size_t block, uint64_t to[BLOCK / PAGE])
{
	uint8_t *base = disk->ring.map + block * BLOCK;
	size_t bytes = sizeof(uint64_t) * (BLOCK / PAGE);
	uint32_t i;

	/* What isn't mapped has no frame to be seen. */
	for (i = 0; i < BLOCK / PAGE; i++)
		try_load(base + i * PAGE);
	must(pread(pagemap, to, bytes, (off_t)((uintptr_t)base / PAGE * sizeof(uint64_t))) ==
	     (ssize_t)bytes, "reading /proc/self/pagemap");
	/* The rest is flags. */
	for (i = 0; i < BLOCK / PAGE; i++)
		to[i] &= (UINT64_C(1) << 55) - 1;
}

/* An area of memory for packets that will never come: the socket stays open. */
static void pin(size_t block)
{
	struct xdp_umem_reg umem = {
		.addr = (uintptr_t)(disk->ring.map + block * BLOCK),
		.len = BLOCK,
		.chunk_size = PAGE,
	};
	int fd = socket(AF_XDP, SOCK_RAW, 0);

	must(fd >= 0, "AF_XDP");
	must(!setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)), "XDP_UMEM_REG");
	read_frames(block, frames[block]);
	is_pinned[block] = true;
	say("pinned");
}

/* Does the kernel still mean the pages that are pinned? */
static void check(size_t block)
{
	uint64_t now[BLOCK / PAGE];
	uint32_t i;

	read_frames(block, now);
	for (i = 0; i < BLOCK / PAGE; i++) {
		if (now[i] != frames[block][i]) {
			say("failed: page %u of pinned block %zu is another", i, block);
			return;
		}
	}
}

static void *pin_when_asked(void *argument)
{
	sigset_t *set = argument;
	size_t block;
	int number;

	must(!sigwait(set, &number), "sigwait");
	pthread_mutex_lock(&lock);
	for (block = 0; block < blocks; block++) {
		if (was_used[block])
			pin(block);
	}
	pthread_mutex_unlock(&lock);
	say("all pinned");
	return NULL;
}

void open_umem(void)
{
	static sigset_t set;

	blocks = disk->ring.map_size / BLOCK;
	frames = calloc(blocks, sizeof(*frames));
	is_pinned = calloc(blocks, sizeof(*is_pinned));
	was_used = calloc(blocks, sizeof(*was_used));
	must(frames && is_pinned && was_used, "memory");
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	must(pagemap >= 0, "/proc/self/pagemap");
	if (!is_twist("asked"))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!pthread_sigmask(SIG_BLOCK, &set, NULL), "signals");
	start_thread(pin_when_asked, &set);
}

int move_in_umem(struct zcmu_io *io)
{
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < io->iovcnt; i++) {
		uint8_t *p = io->iov[i].iov_base, *end = p + io->iov[i].iov_len;
		size_t block = (size_t)(p - disk->ring.map) / BLOCK;

		for (; disk->ring.map + block * BLOCK < end; block++) {
			if (is_pinned[block])
				check(block);
			else if (is_first(io) && !is_twist("asked"))
				pin(block);
			was_used[block] = true;
		}
	}
	pthread_mutex_unlock(&lock);
	return move_by_cpu(io);
}
