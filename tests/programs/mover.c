// SPDX-License-Identifier: MIT
/*
 * Handlers that let the kernel move their payloads, each in another way, most of which
 * pin memory. Nothing here looks at a payload unless the twist says so.
 *
 *	mover NAME WAY [TWIST] [FILE]
 *
 * The disk is a file or block device, by O_DIRECT:
 *	direct		preadv() and pwritev()
 *	aio		Linux AIO, many at a time
 *	uring		io_uring, many at a time
 *	registered	io_uring with the payloads' memory registered, for good, in blocks of
 *			64 KiB (data_pages_per_blk=16); as direct where that is refused
 *
 * or it is memory, of this process or of another one:
 *	zerocopy	TCP: send(MSG_ZEROCOPY), recv()
 *	socket		a socket: send(), recv()
 *	vmsplice	through a pipe
 *	process		the other process uses process_vm_readv() and process_vm_writev()
 *	umem		moved by the CPU, but the memory of WRITEs to the first MiB is pinned for
 *			good, in blocks of 64 KiB (data_pages_per_blk=16), and must not change
 *
 * Twists:
 *	mixed		every other payload is moved by the CPU
 *	first		only WRITEs to the first MiB are not
 *	touched		each payload is summed up by the CPU first
 *	unaware		the same, by a handler that knows nothing of lending: it was written for
 *			stock, and every error is an I/O error to it
 *	into		direct: something else is read into each WRITE's payload first
 *	late		vmsplice: a WRITE is answered while its payload is still in the pipe
 *	asked		umem: nothing is pinned before SIGUSR1, and then all that there was so far
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mover.h"
#include "probe.h"

struct zcmu_disk *disk;
uint8_t *memory;
int file = -1;
static const char *twist;

bool is_twist(const char *name)
{
	return !strcmp(twist, name);
}

bool is_read(const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_READ;
}

bool is_first(const struct zcmu_io *io)
{
	return !is_read(io) && io->offset < 1u << 20;
}

int result(const struct zcmu_io *io, ssize_t n, int error)
{
	if (n == (ssize_t)io->length)
		return 0;
	say("failed: %s of %" PRIu64 " bytes: %s", is_read(io) ? "READ" : "WRITE", io->length,
	    n < 0 ? strerrorname_np(error) : "short");
	return n < 0 && !is_twist("unaware") ? -error : -EIO;
}

void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "mover: %s: %s\n", what, strerror(errno));
	exit(1);
}

void start_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, run, argument), "thread");
}

static const struct way {
	const char *name;
	void (*open)(void);
	int (*move)(struct zcmu_io *io);
} ways[] = {
	{ "direct", NULL, move_direct },
	{ "aio", open_aio, move_by_aio },
	{ "uring", open_uring, move_by_uring },
	{ "registered", open_registered, move_registered },
	{ "zerocopy", open_zerocopy, move_by_zerocopy },
	{ "socket", open_socket, move_by_socket },
	{ "vmsplice", open_vmsplice, move_by_vmsplice },
	{ "process", NULL, move_by_process },
	{ "umem", open_umem, move_in_umem },
};
static const struct way *way;

int move_by_cpu(const struct zcmu_io *io)
{
	static uint8_t bounce[8 << 20] __attribute__((aligned(4096)));
	struct iovec iov = { .iov_base = bounce, .iov_len = io->length };
	uint8_t *at = file < 0 ? memory + io->offset : bounce;
	ssize_t n = (ssize_t)io->length;

	if (file >= 0 && is_read(io))
		n = file_io(io, &iov, 1);
	if (is_read(io))
		zcmu_iov_put(io->iov, io->iovcnt, 0, at, io->length);
	else
		zcmu_iov_get(io->iov, io->iovcnt, 0, at, io->length);
	if (file >= 0 && !is_read(io))
		n = file_io(io, &iov, 1);
	return result(io, n, errno);
}

static void sum_up(const struct zcmu_io *io)
{
	static volatile unsigned int sum;
	size_t at;
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		for (at = 0; at < io->iov[i].iov_len; at += PROBE_PAGE / 8) {
			int byte = try_load((uint8_t *)io->iov[i].iov_base + at);

			if (byte < 0) {
				say("failed: a touch is SIGBUS");
				return;
			}
			sum += (unsigned int)byte;
		}
	}
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	static unsigned int requests;
	int ret;

	(void)store;
	if (is_twist("touched") || is_twist("unaware"))
		sum_up(io);
	if ((is_twist("mixed") && requests++ % 2) || (is_twist("first") && !is_first(io)))
		ret = move_by_cpu(io);
	else
		ret = way->move(io);
	if (ret != IN_PROGRESS)
		zcmu_io_done(io, ret);
}

static void flush(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

static int open_store(struct zcmu_store *store, const char *argument)
{
	(void)argument;
	store->size = MOVER_DISK_BYTES;
	return 0;
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(ops),
	.name = "mover",
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
	size_t i;

	for (i = 0; argc > 2 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!strcmp(ways[i].name, argv[2]))
			way = &ways[i];
	}
	if (!way) {
		fprintf(stderr, "mover: wrong arguments; the source's head has them\n");
		return 2;
	}
	twist = argc > 3 ? argv[3] : "";
	if (argc > 4)
		file = open(argv[4], O_RDWR | O_DIRECT);
	must(argc <= 4 || file >= 0, argv[4]);
	/* Shared with the other process. */
	memory = mmap(NULL, MOVER_DISK_BYTES + MOVER_SPARE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "memory");
	if (way->move == move_by_process)
		fork_remote();
	probe_catch_bus();
	signal(SIGTERM, end_handler);
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	if (is_twist("unaware"))
		disk->ring.mailbox->handler_flags = 0;
	if (way->open)
		way->open();
	return zcmu_disk_serve(disk, store, &options) ? 1 : 0;
}
