// SPDX-License-Identifier: MIT
/*
 * Handlers that do what they shouldn't, or what is rarely done, on top of libzcmu: a
 * disk in memory, with a twist per mode. What they see goes to stdout, a line each.
 *
 *	handler NAME MODE
 *
 * If HANDLER_MEMORY names a file, that is the memory, and outlives the handler.
 *
 *	plain		nothing but a disk in memory
 *	stale		touches the payload of each WRITE once more after its answer
 *	neighbours	looks at the bytes around each payload, in its pages, and overwrites
 *			those around a READ's
 *	scribble	stores into each WRITE's payload, and has the kernel store into it
 *	hold		keeps the first request of 64 KiB and more until SIGUSR1, then
 *			serves it as if nothing had happened
 *	mute		answers the first request of 64 KiB and more, and never tells the kernel
 *	tamper		changes the first WRITE's payload of 64 KiB and more as far as it can, and
 *			never answers it
 *	litter		fills each READ's payload of 16 KiB and more with bytes that are not the
 *			disk's, and never answers it
 *	fork		lets a child do the work
 *	lazy		looks for bytes other than 0 in each READ's payload, answers, and has put
 *			nothing there
 *	readonly-map	drops the mapping's write permission around each READ's first touch
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve/disk.h"
#include "probe.h"

static struct zcmu_disk *disk;
static const char *mode;
static uint8_t *memory;

static bool is_mode(const char *name)
{
	return !strcmp(mode, name);
}

/*
 * The disk in memory
 */

static void move(const struct zcmu_io *io)
{
	uint8_t *at = memory + io->offset;

	if (io->op == ZCMU_IO_READ)
		zcmu_iov_put(io->iov, io->iovcnt, 0, at, io->length);
	else
		zcmu_iov_get(io->iov, io->iovcnt, 0, at, io->length);
}

/*
 * The twists
 */

static struct iovec stale;

/* The request before this one was answered, and the initiator has the answer. */
static void look_at_stale(void)
{
	int value;

	if (!stale.iov_base)
		return;
	value = try_load(stale.iov_base);
	if (value < 0)
		say("stale SIGBUS");
	else
		say("stale READABLE 0x%02x", value);
	stale.iov_base = NULL;
}

/* What the initiator has around its payload; bytes of it in [from, to) */
#define SECRET	0xa5

static unsigned int secrets(const uint8_t *from, const uint8_t *to)
{
	unsigned int n = 0;

	for (; from < to; from++)
		n += *from == SECRET;
	return n;
}

static void look_around(const struct zcmu_io *io)
{
	uintptr_t first = (uintptr_t)io->iov[0].iov_base;
	uintptr_t end = (uintptr_t)io->iov[io->iovcnt - 1].iov_base +
			io->iov[io->iovcnt - 1].iov_len;
	uintptr_t page_end = (end + PROBE_PAGE - 1) / PROBE_PAGE * PROBE_PAGE;
	uintptr_t page = first / PROBE_PAGE * PROBE_PAGE;
	unsigned int before = secrets((uint8_t *)page, (uint8_t *)first);
	unsigned int after = secrets((uint8_t *)end, (uint8_t *)page_end);
	int next = try_load((uint8_t *)page_end);

	say("%s of %" PRIu64 ": secrets %u, next page %s",
	    io->op == ZCMU_IO_READ ? "READ" : "WRITE", io->length, before + after,
	    next < 0 ? "SIGBUS" : next == SECRET ? "SECRET" : "harmless");
	/* What is put there must not arrive at the initiator. */
	if (io->op == ZCMU_IO_READ) {
		memset((void *)page, 0x77, first - page);
		memset((void *)end, 0x77, page_end - end);
	}
}

static void scribble(const struct zcmu_io *io)
{
	uint8_t *p = io->iov[0].iov_base;
	int zero = open("/dev/zero", O_RDONLY), self = open("/proc/self/mem", O_RDWR);
	size_t i;

	say("store first %s", try_store(p, 0x55) ? "DONE" : "SIGBUS");
	say("load 0x%02x", try_load(p));
	/* Touched for reading, every page is mapped: stores must fail all the same. */
	for (i = 0; i < io->iov[0].iov_len; i += PROBE_PAGE) {
		if (try_store(p + i, 0x55))
			say("store DONE at %zu", i);
	}
	if (read(zero, p, 16) >= 0)
		say("read(2) DONE");
	else
		say("read(2) %s", errno == EFAULT ? "EFAULT" : strerror(errno));
	/* As a debugger does, which may write to what is read-only. */
	if (pwrite(self, "scribble", 8, (off_t)(uintptr_t)p) >= 0)
		say("/proc/self/mem DONE");
	else
		say("/proc/self/mem %s", strerror(errno));
	if (mprotect(disk->ring.map, disk->ring.map_size, PROT_READ) ||
	    mprotect(disk->ring.map, disk->ring.map_size, PROT_READ | PROT_WRITE))
		say("mprotect %s", strerror(errno));
	say("store after mprotect %s", try_store(p, 0x55) ? "DONE" : "SIGBUS");
	close(zero);
	close(self);
}

static struct zcmu_io *held;

static uint64_t sum(const struct zcmu_io *io)
{
	uint64_t total = 0;
	size_t j;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		const uint8_t *p = io->iov[i].iov_base;

		for (j = 0; j < io->iov[i].iov_len; j++)
			total = total * 31 + p[j];
	}
	return total;
}

static void *serve_held(void *argument)
{
	struct zcmu_io *io = argument;

	probe_wait_usr1();
	if (io->op == ZCMU_IO_WRITE)
		say("held WRITE still reads %016" PRIx64, sum(io));
	else
		zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	say("held %s touched", io->op == ZCMU_IO_WRITE ? "WRITE" : "READ");
	zcmu_io_done(io, 0);
	return NULL;
}

static bool holds(struct zcmu_io *io)
{
	pthread_t thread;

	if (held || io->length < 65536)
		return false;
	held = io;
	if (io->op == ZCMU_IO_WRITE)
		say("holding WRITE %016" PRIx64, sum(io));
	else
		say("holding READ 0x%02x", *(uint8_t *)io->iov[0].iov_base);
	return !pthread_create(&thread, NULL, serve_held, io);
}

static int mute_kick(struct zcmu_disk *mute)
{
	(void)mute;
	return 0;
}

/* By a pin, which exchanges the payload for one that can be written to. */
static bool tampers(const struct zcmu_io *io)
{
	int self, i;

	if (io->op != ZCMU_IO_WRITE || io->length < 65536)
		return false;
	self = open("/proc/self/mem", O_RDWR);
	for (i = 0; i < io->iovcnt; i++) {
		const struct iovec *iov = &io->iov[i];

		if (pwrite(self, memory, iov->iov_len, (off_t)(uintptr_t)iov->iov_base) !=
		    (ssize_t)iov->iov_len)
			say("pwrite %s", strerror(errno));
	}
	close(self);
	say("tampered");
	return true;
}

static bool litters(const struct zcmu_io *io)
{
	int i;

	if (io->op != ZCMU_IO_READ || io->length < 16384)
		return false;
	for (i = 0; i < io->iovcnt; i++)
		memset(io->iov[i].iov_base, 0x4c, io->iov[i].iov_len);
	say("littered");
	return true;
}

static void move_in_child(const struct zcmu_io *io)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		move(io);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		say("child failed: status 0x%x", status);
}

static void move_through_readonly_map(const struct zcmu_io *io)
{
	if (io->op == ZCMU_IO_READ) {
		mprotect(disk->ring.map, disk->ring.map_size, PROT_READ);
		try_load(io->iov[0].iov_base);
		mprotect(disk->ring.map, disk->ring.map_size, PROT_READ | PROT_WRITE);
	}
	move(io);
}

static void look_inside(const struct zcmu_io *io)
{
	uint64_t n = 0;
	size_t j;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		for (j = 0; j < io->iov[i].iov_len; j++)
			n += ((uint8_t *)io->iov[i].iov_base)[j] != 0;
	}
	say("READ of %" PRIu64 " at %" PRIu64 ": old bytes %" PRIu64, io->length, io->offset, n);
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	if (is_mode("stale"))
		look_at_stale();
	if (is_mode("neighbours"))
		look_around(io);
	if (is_mode("scribble") && io->op == ZCMU_IO_WRITE)
		scribble(io);
	if (is_mode("hold") && holds(io))
		return;
	if (is_mode("tamper") && tampers(io))
		return;
	if (is_mode("litter") && litters(io))
		return;
	if (is_mode("lazy") && io->op == ZCMU_IO_READ)
		look_inside(io);
	else if (is_mode("fork"))
		move_in_child(io);
	else if (is_mode("readonly-map"))
		move_through_readonly_map(io);
	else
		move(io);
	if (io->op == ZCMU_IO_WRITE)
		stale = io->iov[0];
	if (is_mode("mute") && io->length >= 65536) {
		disk->kick = mute_kick;
		zcmu_io_done(io, 0);
		say("answered");
		return;
	}
	zcmu_io_done(io, 0);
}

static void flush(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

static int open_store(struct zcmu_store *store, const char *argument)
{
	const char *path = getenv("HANDLER_MEMORY");
	int fd;

	(void)argument;
	store->size = 64u << 20;
	fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) :
		    memfd_create("disk", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)store->size))
		return -errno;
	/* The child of mode "fork" writes to it, too. */
	memory = mmap(NULL, store->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? -ENOMEM : 0;
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(ops),
	.name = "probe",
	.open = open_store,
	.read = request,
	.write = request,
	.flush = flush,
};

static void ready(void *argument)
{
	(void)argument;
	say("ready");
}

static void end_handler(int number)
{
	(void)number;
	zcmu_disk_stop(disk);
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options), .ready = ready,
	};
	struct zcmu_store *store;

	if (argc < 3) {
		fprintf(stderr, "handler: wrong arguments; the source's head has them\n");
		return 2;
	}
	mode = argv[2];
	probe_catch_bus();
	probe_block_usr1();
	signal(SIGTERM, end_handler);
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	return zcmu_disk_serve(disk, store, &options) ? 1 : 0;
}
