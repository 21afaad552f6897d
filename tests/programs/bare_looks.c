// SPDX-License-Identifier: MIT
/*
 * bare's modes that look at a payload in ways of their own: see bare.c. Each gets the first large
 * WRITE.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "probe.h"

/* Without an answer: its command is seen once more when the ring is mapped again. */
void bare_reopen(const struct zcmu_io *io)
{
	uint8_t *map = bare_disk.ring.map;
	int fd;

	bare_say_look("before", io->iov[0].iov_base);
	close(bare_disk.uio_fd);
	bare_say_look("closed, still mapped", io->iov[0].iov_base);
	fd = bare_open_uio();
	say("opened while it is still mapped: %s", fd < 0 ? strerrorname_np(errno) : "yes");
	munmap(map, bare_map_size);
	bare_disk.uio_fd = bare_open_uio();
	bare_must(bare_disk.uio_fd >= 0, "open");
	say("opened again");
	bare_must(!zcmu_hring_init(&bare_disk.ring, bare_map_uio(), bare_map_size), "ring");
}

struct child {
	pid_t pid;
	int ask[2], tell[2];
};

static void fork_child(struct child *child)
{
	const void *p;
	int value;

	bare_must(!pipe(child->ask) && !pipe(child->tell), "pipe");
	child->pid = fork();
	bare_must(child->pid >= 0, "fork");
	if (child->pid)
		return;
	close(child->ask[1]);
	while (read(child->ask[0], &p, sizeof(p)) == sizeof(p)) {
		value = try_load(p);
		if (write(child->tell[1], &value, sizeof(value)) < 0)
			break;
	}
	_exit(0);
}

static void say_childs_look(struct child *child, const char *when, const void *p)
{
	int value;

	bare_must(write(child->ask[1], &p, sizeof(p)) == sizeof(p), "pipe");
	bare_must(read(child->tell[0], &value, sizeof(value)) == sizeof(value), "child");
	if (value < 0)
		say("%s: SIGBUS", when);
	else
		say("%s: 0x%02x", when, value);
}

static void end_child(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

/* One knows nothing of the payload, one inherits its page table entries. */
void bare_children(struct zcmu_io *io)
{
	const uint8_t *p = io->iov[0].iov_base;
	struct child early, late;

	fork_child(&early);
	bare_say_look("parent", p);
	fork_child(&late);
	say_childs_look(&early, "early child", p);
	zcmu_io_done(io, 0);
	bare_say_look("parent afterwards", p);
	say_childs_look(&early, "early child afterwards", p);
	say_childs_look(&late, "late child afterwards", p);
	end_child(&early);
	end_child(&late);
}

void bare_twice(struct zcmu_io *io)
{
	const uint8_t *p = io->iov[0].iov_base;
	uint8_t *second = bare_map_uio();
	const uint8_t *q = bare_elsewhere(second, &io->iov[0]);

	bare_say_look("first", p);
	bare_say_look("second", q);
	zcmu_io_done(io, 0);
	bare_say_look("first afterwards", p);
	bare_say_look("second afterwards", q);
	munmap(second, bare_map_size);
}

/* Its last page goes its own way, after it was touched. */
void bare_moved(struct zcmu_io *io)
{
	size_t last = (io->iov[0].iov_len - 1) / PROBE_PAGE * PROBE_PAGE;
	uint8_t *second = bare_map_uio(), *at, *part, *room;

	bare_say_look("touched", bare_elsewhere(second, &io->iov[0]));
	room = mmap(NULL, bare_map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bare_must(room != MAP_FAILED, "mmap");
	second = mremap(second, bare_map_size, bare_map_size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	bare_must(second == room, "mremap");
	at = bare_elsewhere(second, &io->iov[0]);
	bare_say_look("moved", at);
	part = mremap(at + last, PROBE_PAGE, PROBE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      mmap(NULL, PROBE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	bare_must(part != MAP_FAILED, "mremap of a part");
	bare_say_look("moved part", part);
	bare_say_look("rest", at + last - PROBE_PAGE);
	if (mremap(part, PROBE_PAGE, 2 * PROBE_PAGE, MREMAP_MAYMOVE) == MAP_FAILED)
		say("grown: %s", strerrorname_np(errno));
	else
		say("grown: yes");
	zcmu_io_done(io, 0);
	bare_say_look("moved, afterwards", at);
	bare_say_look("moved part, afterwards", part);
	munmap(second, bare_map_size);
	munmap(part, PROBE_PAGE);
}

/* Holes in front of the payload and in it; what was dropped comes back. */
void bare_torn(struct zcmu_io *io)
{
	uint8_t *second = bare_map_uio(), *at = bare_elsewhere(second, &io->iov[0]);

	bare_must(!munmap(second, (size_t)(at - second) / PROBE_PAGE * PROBE_PAGE), "munmap");
	bare_must(!munmap(at + PROBE_PAGE, 2 * PROBE_PAGE), "munmap");
	bare_say_look("behind the hole", at + 3 * PROBE_PAGE);
	bare_say_look("before the hole", at);
	bare_must(!madvise(at + 3 * PROBE_PAGE, PROBE_PAGE, MADV_DONTNEED), "madvise");
	bare_say_look("dropped", at + 3 * PROBE_PAGE);
	zcmu_io_done(io, 0);
	bare_say_look("behind the hole, afterwards", at + 3 * PROBE_PAGE);
	bare_say_look("before the hole, afterwards", at);
	munmap(second, bare_map_size);
}

void bare_hold(struct zcmu_io *io)
{
	bare_say_look("holding", io->iov[0].iov_base);
	probe_wait_usr1();
	bare_say_look("released", io->iov[0].iov_base);
	bare_disk.ring.taken = bare_disk.ring.mailbox->cmd_tail;
	/* The command stays with us: it was answered by somebody else. */
}

static void try_map(const char *what, size_t length, int flags, off_t offset)
{
	void *map = mmap(NULL, length, PROT_READ, flags, bare_disk.uio_fd, offset);

	say("%s: %s", what, map == MAP_FAILED ? strerrorname_np(errno) : "mapped");
}

void bare_try_maps(void)
{
	try_map("private", bare_map_size, MAP_PRIVATE, 0);
	try_map("shorter", bare_map_size - PROBE_PAGE, MAP_SHARED, 0);
	try_map("longer", bare_map_size + PROBE_PAGE, MAP_SHARED, 0);
	try_map("map 1", bare_map_size, MAP_SHARED, PROBE_PAGE);
	try_map("whole", bare_map_size, MAP_SHARED, 0);
}
