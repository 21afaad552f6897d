// SPDX-License-Identifier: MIT
/*
 * A small ublk server, to compare zcmu with: the kernel's other block device served
 * from user space, without SCSI. Copy mode (the driver copies each payload into or out
 * of the server's buffer), one queue, one thread. It is no example of a good ublk server:
 * no recovery, no discard, no flush, for its stores have no cache.
 *
 *	ublk null|ram SIZE
 *
 * prints the block device and serves until SIGTERM or SIGINT; when killed it leaves /dev/ublkcN
 * behind. Takes Linux 6.4 or later.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEPTH		128
#define MAX_IO		(1u << 20)
#define SECTOR_SHIFT	9

/* Debian 12's header is older than these. */
#define CONTROL(command)	((__u32)_IOWR('u', command, struct ublksrv_ctrl_cmd))
#define IO(command)		((__u32)_IOWR('u', command, struct ublksrv_io_cmd))

/* user_data of what isn't a tag */
enum {
	EVENT_CONTROL = DEPTH,
	EVENT_START,
	EVENT_STOP,
	EVENT_SIGNAL,
};

static struct server {
	struct io_uring ring;
	int control, queue;		/* files */
	__u32 id;
	const struct ublksrv_io_desc *requests;
	char *buffers;			/* MAX_IO for each tag */
	char *ram;			/* or NULL: the null store */
	__u64 size;
	unsigned int fetching;		/* tags that the driver has */
} server;

/* There is always one: no more are prepared than the ring has room for. */
static struct io_uring_sqe *new_sqe(int file, __u32 command, __u64 event)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&server.ring);

	if (!sqe)
		errx(1, "the io_uring is full");
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = file;
	sqe->cmd_op = command;
	sqe->user_data = event;
	return sqe;
}

static void prepare_control(__u32 command, void *buffer, size_t len, __u64 data, __u64 event)
{
	struct ublksrv_ctrl_cmd control = {
		.dev_id = server.id,
		.queue_id = (__u16)-1,
		.len = len,
		.addr = (__u64)(uintptr_t)buffer,
		.data = { data },
	};
	struct io_uring_sqe *sqe = new_sqe(server.control, CONTROL(command), event);

	memcpy(sqe->cmd, &control, sizeof(control));
}

/* While nothing else is under way. */
static int control(__u32 command, void *buffer, size_t len)
{
	struct io_uring_cqe *cqe;
	int ret;

	prepare_control(command, buffer, len, 0, EVENT_CONTROL);
	ret = io_uring_submit_and_wait(&server.ring, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(&server.ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&server.ring, cqe);
	return ret;
}

/* Give a tag to the driver: with the last request's result, if there was one. */
static void prepare_fetch(__u32 command, __u16 tag, __s32 result)
{
	struct ublksrv_io_cmd fetch = {
		.tag = tag,
		.result = result,
		.addr = (__u64)(uintptr_t)(server.buffers + (size_t)tag * MAX_IO),
	};
	struct io_uring_sqe *sqe = new_sqe(server.queue, IO(command), tag);

	memcpy(sqe->cmd, &fetch, sizeof(fetch));
	server.fetching++;
}

/* Bytes done, or -errno: what the driver takes. */
static __s32 serve_request(__u16 tag)
{
	const struct ublksrv_io_desc *request = &server.requests[tag];
	char *buffer = server.buffers + (size_t)tag * MAX_IO;
	__u64 begin = request->start_sector << SECTOR_SHIFT;
	__u64 len = (__u64)request->nr_sectors << SECTOR_SHIFT;
	__u8 op = ublksrv_get_op(request);

	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	if (len > MAX_IO || begin > server.size || len > server.size - begin)
		return -EIO;
	if (server.ram && op == UBLK_IO_OP_READ)
		memcpy(buffer, server.ram + begin, len);
	else if (server.ram)
		memcpy(server.ram + begin, buffer, len);
	return len;
}

/* One completion. Returns false once the device is stopped. */
static bool handle(__u64 event, __s32 result)
{
	switch (event) {
	case EVENT_START:
		if (result)
			errx(1, "starting the device: %s", strerror(-result));
		printf("/dev/ublkb%u\n", server.id);
		fflush(stdout);
		return true;
	case EVENT_SIGNAL:
		prepare_control(UBLK_CMD_STOP_DEV, NULL, 0, 0, EVENT_STOP);
		return true;
	case EVENT_STOP:
		if (result)
			errx(1, "stopping the device: %s", strerror(-result));
		return false;
	default:
		server.fetching--;
		if (result == UBLK_IO_RES_OK)
			prepare_fetch(UBLK_IO_COMMIT_AND_FETCH_REQ, event, serve_request(event));
		else if (result != UBLK_IO_RES_ABORT)
			errx(1, "tag %llu: %s", event, strerror(-result));
		return true;
	}
}

static void serve(void)
{
	bool running = true;
	struct io_uring_cqe *cqe;
	unsigned int head, seen;
	int ret;

	/* Tags come back as aborted, before the answer to UBLK_CMD_STOP_DEV or after it. */
	while (running || server.fetching) {
		ret = io_uring_submit_and_wait(&server.ring, 1);
		if (ret < 0 && ret != -EINTR)
			errx(1, "io_uring: %s", strerror(-ret));
		seen = 0;
		io_uring_for_each_cqe(&server.ring, head, cqe) {
			if (!handle(cqe->user_data, cqe->res))
				running = false;
			seen++;
		}
		io_uring_cq_advance(&server.ring, seen);
	}
}

static void *map(size_t len, int flags)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "%zu bytes of memory", len);
	return memory;
}

static void add_device(void)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1,
		.queue_depth = DEPTH,
		.max_io_buf_bytes = MAX_IO,
		.dev_id = -1,		/* any */
	};
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic = {
			.logical_bs_shift = SECTOR_SHIFT,
			.physical_bs_shift = 12,
			.io_opt_shift = 12,
			.io_min_shift = SECTOR_SHIFT,
			.max_sectors = MAX_IO >> SECTOR_SHIFT,
			.dev_sectors = server.size >> SECTOR_SHIFT,
		},
	};
	char path[32];
	int ret;

	server.id = -1;
	ret = control(UBLK_CMD_ADD_DEV, &info, sizeof(info));
	if (ret)
		errx(1, "adding a device: %s", strerror(-ret));
	server.id = info.dev_id;
	ret = control(UBLK_CMD_SET_PARAMS, &params, sizeof(params));
	if (ret)
		errx(1, "the device's parameters: %s", strerror(-ret));
	snprintf(path, sizeof(path), "/dev/ublkc%u", server.id);
	server.queue = open(path, O_RDWR | O_CLOEXEC);
	if (server.queue < 0)
		err(1, "%s", path);
	server.requests = mmap(NULL, DEPTH * sizeof(*server.requests), PROT_READ,
			       MAP_SHARED | MAP_POPULATE, server.queue, UBLKSRV_CMD_BUF_OFFSET);
	if (server.requests == MAP_FAILED)
		err(1, "%s: mmap", path);
}

/* The driver waits for the last reference to its file. */
static void delete_device(void)
{
	int ret;

	munmap((void *)server.requests, DEPTH * sizeof(*server.requests));
	close(server.queue);
	ret = control(UBLK_CMD_DEL_DEV, NULL, 0);
	if (ret)
		errx(1, "deleting the device: %s", strerror(-ret));
}

/* The device appears while its queue is served: its first sectors are read. */
static void start_device(int signals)
{
	static struct signalfd_siginfo ignored;
	struct io_uring_sqe *sqe;
	unsigned int tag;

	for (tag = 0; tag < DEPTH; tag++)
		prepare_fetch(UBLK_IO_FETCH_REQ, tag, 0);
	prepare_control(UBLK_CMD_START_DEV, NULL, 0, getpid(), EVENT_START);
	sqe = io_uring_get_sqe(&server.ring);
	io_uring_prep_read(sqe, signals, &ignored, sizeof(ignored), 0);
	sqe->user_data = EVENT_SIGNAL;
}

int main(int argc, char **argv)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
	};
	bool ram = argc == 3 && !strcmp(argv[1], "ram");
	sigset_t set;
	char *end;
	int ret;

	if (argc != 3 || (!ram && strcmp(argv[1], "null")))
		errx(2, "usage: ublk null|ram SIZE, with a unit of M or G");
	server.size = strtoull(argv[2], &end, 10);
	server.size <<= *end == 'G' ? 30 : 20;
	if (!server.size || (*end != 'G' && *end != 'M') || end[1])
		errx(2, "\"%s\" is no size; say 64M or 1G, for example", argv[2]);
	server.control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (server.control < 0)
		err(1, "/dev/ublk-control (modprobe ublk_drv?)");
	ret = io_uring_queue_init_params(2 * DEPTH, &server.ring, &params);
	if (ret)
		errx(1, "io_uring: %s", strerror(-ret));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);

	/* There before it is measured: a null store doesn't touch them. */
	server.buffers = map((size_t)DEPTH * MAX_IO, MAP_POPULATE);
	server.ram = ram ? map(server.size, MAP_NORESERVE) : NULL;
	add_device();
	start_device(signalfd(-1, &set, SFD_CLOEXEC));
	serve();
	delete_device();
	return 0;
}
