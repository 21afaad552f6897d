// SPDX-License-Identifier: MIT
/*
 * Handlers that open and map their UIO device themselves: late, twice, in pieces, again.
 * A disk in memory of which they tell; what a handler does with a payload that is simply
 * there is handler.c's.
 *
 *	bare NAME MODE [HEX]
 *
 *	plain		open, map, serve; what is on the ring already as well
 *	late-map	opens, maps and serves at SIGUSR1
 *	locked		with all memory locked, present and future
 *	maps		tries mappings that must be refused, and doesn't serve
 *	stomp HEX	overwrites each entry that it has taken, its length with HEX
 *	outlive		serves; when the device is gone, touches what it still has mapped
 *
 * with the first payload of 64 KiB and more:
 *
 *	reopen		closes the device while it is out, looks at it, opens the device again
 *	children	children look at it while it is out and afterwards
 *	twice		maps the device twice, and looks at it in both
 *	moved		looks at it in a mapping that mremap() moves, as a whole and in part
 *	torn		looks at it in a mapping with holes
 *	check		touches it, answers CHECK CONDITION
 *	unknown		touches it, answers UNKNOWN_OP
 *	keep		answers with KEEP_BUF, and looks at it at each READ from then on
 *	hold		touches it and waits for SIGUSR1; touches it once more, and then goes on
 *			with an empty ring
 *
 * A look is said as the byte that was there, or as SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bare.h"
#include "probe.h"
#include "scsi/scsi.h"

#define DISK_BYTES	(64u << 20)
#define BIG		65536u

struct zcmu_disk bare_disk;
static struct zcmu_thread thread = { .wake_fd = -1 };
static const char *name, *mode;
static uint32_t argument;
static uint8_t *memory;
static char uio_path[32];
size_t bare_map_size;

static bool is_mode(const char *wanted)
{
	return !strcmp(mode, wanted);
}

void bare_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(1);
}

void bare_say_look(const char *when, const void *p)
{
	int value = try_load(p);

	if (value < 0)
		say("%s: SIGBUS", when);
	else
		say("%s: 0x%02x", when, value);
}

/*
 * The device
 */

static bool read_line(const char *path, char *line, int size)
{
	FILE *from = fopen(path, "r");
	bool ok = from && fgets(line, size, from);

	if (from)
		fclose(from);
	return ok;
}

static void find_uio(void)
{
	char path[64], line[256], found[64];
	int i;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/sys/class/uio/uio%d/name", i);
		if (!read_line(path, line, sizeof(line)) ||
		    sscanf(line, "tcm-user/%*u/%63[^/\n]", found) != 1 || strcmp(found, name))
			continue;
		snprintf(uio_path, sizeof(uio_path), "/dev/uio%d", i);
		snprintf(path, sizeof(path), "/sys/class/uio/uio%d/maps/map0/size", i);
		bare_must(read_line(path, line, sizeof(line)), path);
		bare_map_size = strtoull(line, NULL, 0);
		return;
	}
	errno = ENOENT;
	bare_must(false, name);
}

int bare_open_uio(void)
{
	return open(uio_path, O_RDWR | O_CLOEXEC);
}

uint8_t *bare_map_uio(void)
{
	void *map = mmap(NULL, bare_map_size, PROT_READ | PROT_WRITE, MAP_SHARED, bare_disk.uio_fd,
			 0);

	bare_must(map != MAP_FAILED, "mmap");
	return map;
}

/* Where a payload is in another mapping than the disk's. */
uint8_t *bare_elsewhere(uint8_t *map, const struct iovec *iov)
{
	return map + ((uint8_t *)iov->iov_base - bare_disk.ring.map);
}

static const uint8_t *last_big, *last_small;

/* The device is gone; the mapping isn't. */
static void outlive(void)
{
	const struct zcmu_mailbox *mailbox = bare_disk.ring.mailbox;
	int32_t one = 1;

	bare_say_look("lent before", last_big);
	bare_say_look("window", bare_disk.ring.map + bare_map_size - PROBE_PAGE);
	bare_say_look("copy area, touched before",
		      bare_disk.ring.map + mailbox->cmdr_off + mailbox->cmdr_size);
	bare_say_look("copy area, first touch", last_small + PROBE_PAGE);
	say("ring: version %u", mailbox->version);
	say("kick: %s", write(bare_disk.uio_fd, &one, sizeof(one)) < 0 ? strerrorname_np(errno) : "ok");
	say("done");
	pause();
}

/*
 * Serving
 */

static void move(const struct zcmu_io *io)
{
	uint8_t *at = memory + io->offset;

	if (io->op == ZCMU_IO_READ)
		zcmu_iov_put(io->iov, io->iovcnt, 0, at, io->length);
	else
		zcmu_iov_get(io->iov, io->iovcnt, 0, at, io->length);
}

static const uint8_t *kept;

static void keep(struct zcmu_io *io)
{
	struct zcmu_cmd *cmd = (struct zcmu_cmd *)((char *)io - offsetof(struct zcmu_cmd, io));
	struct zcmu_hanswer answer = { .id = cmd->req.id, .uflags = ZCMU_UFLAG_KEEP_BUF };

	move(io);
	kept = io->iov[0].iov_base;
	bare_say_look("before", kept);
	say("id %u", answer.id);
	zcmu_hring_answer(&bare_disk.ring, &answer);
	bare_disk.kick(&bare_disk);
	bare_say_look("kept", kept);
	zcmu_cmd_free(cmd);
}

/* Return: whether the request was seen to, in the mode's way. */
static bool twist(struct zcmu_io *io)
{
	static bool had;

	if (had || io->length < BIG)
		return false;
	had = true;
	if (is_mode("reopen"))
		bare_reopen(io);
	else if (is_mode("hold"))
		bare_hold(io);
	else if (is_mode("keep"))
		keep(io);
	else if (is_mode("children"))
		bare_children(io);
	else if (is_mode("twice"))
		bare_twice(io);
	else if (is_mode("moved"))
		bare_moved(io);
	else if (is_mode("torn"))
		bare_torn(io);
	else
		return false;
	return true;
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	if (io->length >= BIG)
		last_big = io->iov[0].iov_base;
	else
		last_small = io->iov[0].iov_base;
	if (io->op == ZCMU_IO_READ && kept)
		bare_say_look("at a READ", kept);
	if (io->op == ZCMU_IO_READ || !twist(io)) {
		move(io);
		zcmu_io_done(io, 0);
	} else if (is_mode("hold") || is_mode("reopen")) {
		/* It will not be answered: nobody shall wait for it. */
		zcmu_range_unlock((struct zcmu_cmd *)((char *)io - offsetof(struct zcmu_cmd, io)));
	} else {
		say("answered");
	}
}

/* Answer a WRITE of 64 KiB and more as libzcmu wouldn't. */
static bool answer_badly(struct zcmu_cmd *cmd)
{
	static const uint8_t medium_error[18] = { 0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0c };
	struct zcmu_hanswer answer = { .id = cmd->req.id };
	const uint8_t *p = cmd->payload[0].iov_base;
	bool is_write = cmd->req.cdb[0] == 0x2a || cmd->req.cdb[0] == 0x8a;

	if (!is_write || cmd->req.bytes < BIG || (!is_mode("check") && !is_mode("unknown")))
		return false;
	bare_say_look("before", p);
	if (is_mode("check")) {
		answer.scsi_status = 2;
		answer.sense = medium_error;
	} else {
		answer.uflags = ZCMU_UFLAG_UNKNOWN_OP;
	}
	zcmu_hring_answer(&bare_disk.ring, &answer);
	bare_disk.kick(&bare_disk);
	bare_say_look("afterwards", p);
	zcmu_cmd_free(cmd);
	return true;
}

/* The entry that the next answer goes to */
static struct zcmu_cmd_entry *stomped;
static int (*kick_kernel)(struct zcmu_disk *disk);

/* What the kernel has no business to read any more: the request. */
static void stomp(void)
{
	struct zcmu_mailbox *mailbox = bare_disk.ring.mailbox;

	stomped = (struct zcmu_cmd_entry *)(bare_disk.ring.entries + mailbox->cmd_tail);
	memset(&stomped->req, 0xff, sizeof(stomped->req));
	mailbox->cmdr_off = 1;
	mailbox->cmdr_size = 1;
	mailbox->version = 0;
	mailbox->flags = 0;
}

static int stomp_and_kick(struct zcmu_disk *kicked)
{
	stomped->hdr.len_op = argument;
	stomped->hdr.kflags = 0xff;
	return kick_kernel(kicked);
}

static void serve(void)
{
	struct zcmu_cmd *cmd;
	int32_t count;

	do {
		while ((cmd = zcmu_cmd_take(&bare_disk, &thread))) {
			if (is_mode("stomp"))
				stomp();
			if (!answer_badly(cmd))
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(&thread);
	} while (read(bare_disk.uio_fd, &count, sizeof(count)) == sizeof(count));
	say("no more events: %s", strerrorname_np(errno));
}

static void done(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

static int open_store(struct zcmu_store *store, const char *unused)
{
	(void)unused;
	store->size = DISK_BYTES;
	return 0;
}

static const struct zcmu_store_ops ops = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(ops),
	.name = "bare",
	.open = open_store,
	.read = request,
	.write = request,
	.flush = done,
};

static void begin(void)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct zcmu_store *store;
	int fd = bare_disk.uio_fd;

	if (zcmu_disk_init(&bare_disk, bare_map_uio(), bare_map_size) ||
	    zcmu_store_open_ops(&ops, "", NULL, &store))
		exit(1);
	bare_disk.uio_fd = fd;
	bare_disk.name = strdup(name);
	bare_disk.store = store;
	bare_disk.threads = &thread;
	thread.disk = &bare_disk;
	kick_kernel = bare_disk.kick;
	if (is_mode("stomp"))
		bare_disk.kick = stomp_and_kick;
	zcmu_disk_identify(&bare_disk, &options);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "bare: wrong arguments; the source's head has them\n");
		return 2;
	}
	name = argv[1];
	mode = argv[2];
	argument = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 0;
	probe_catch_bus();
	probe_block_usr1();
	memory = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bare_must(memory != MAP_FAILED, "memory");
	find_uio();
	bare_disk.uio_fd = bare_open_uio();
	bare_must(bare_disk.uio_fd >= 0, uio_path);
	if (is_mode("maps")) {
		bare_try_maps();
		say("ready");
		return 0;
	}
	if (is_mode("locked"))
		bare_must(!mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall");
	if (is_mode("late-map")) {
		say("ready, but not mapped");
		probe_wait_usr1();
	}
	begin();
	say("ready");
	serve();
	if (is_mode("outlive"))
		outlive();
	return 0;
}
