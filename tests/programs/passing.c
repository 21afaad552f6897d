// SPDX-License-Identifier: MIT
/*
 * Handlers that have the kernel move payloads between a disk of 64 MiB and files, in ways that
 * libzcmu doesn't use (zcmu-abi.h, "Have it moved"). What comes back is said, and done by hand.
 *
 *	passing NAME MODE FILE [FILE2]
 *
 *	plain		one piece, and that is the answer
 *	tell		one piece, and it is told
 *	split		five pieces: they take turns in the two files, at the same offsets
 *	wrong		each WRITE of 64 KiB asks for something else that can't be; says why not
 *	shy		one piece, and a kick that lends no descriptors
 *	mute		one piece, without a kick; says so
 *	self		one piece, of FILE2 in place of the own one
 *	greedy		as shy; at first, and after each WRITE, says how many pages of the window it
 *			can reach
 *	late		a WRITE is handed over at SIGUSR1; says when it finds a note of it
 *	look		a READ is told, and its first and last bytes are looked at then
 *
 * Commands without blocks are answered by libzcmu's SCSI layer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe.h"
#include "scsi/scsi.h"
#include "stub_store.h"

#define BLOCK	512u

/* A READ or WRITE that was handed over */
struct handed {
	uint64_t offset;
	bool writes;
	struct zcmu_cmd *cmd;
};

static const char *mode;
static struct zcmu_disk *disk;
static int files[2], odd[4];
static struct handed handed[65536];

static const struct zcmu_store_ops ops = STUB_STORE("passing", stub_done);

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void kick(int32_t value)
{
	if (write(disk->uio_fd, &value, sizeof(value)) != sizeof(value))
		exit(1);
}

static void answer(uint16_t id, uint8_t status)
{
	const struct zcmu_hanswer a = { .id = id, .scsi_status = status };

	zcmu_hring_answer(&disk->ring, &a);
	kick(1);
}

/* The payload, by this process. */
static bool move(const struct handed *h)
{
	const struct zcmu_cmd *cmd = h->cmd;
	ssize_t n = h->writes ?
		pwritev(files[0], cmd->payload, cmd->req.iovcnt, (off_t)h->offset) :
		preadv(files[0], cmd->payload, cmd->req.iovcnt, (off_t)h->offset);

	return n == (ssize_t)cmd->req.bytes;
}

/* A transfer that can't be, another one each time. */
static void spoil(struct zcmu_transfer *t)
{
	static unsigned int turn;
	struct zcmu_piece *piece = &t->pieces[0];

	switch (turn++) {
	case 0: piece->fd = 999; break;
	case 1: piece->fd = -1; break;
	case 2: piece->fd = odd[0]; break;		/* for reading only */
	case 3: piece->fd = odd[1]; break;		/* a pipe */
	case 4: piece->fd = odd[2]; break;		/* appends */
	case 5: piece->fd = disk->uio_fd; break;
	case 6: piece->len--; break;
	case 7: piece->len++; break;
	case 8: piece->len = 0; break;
	case 9: piece->offset = UINT64_MAX; break;
	case 10: piece->offset = (uint64_t)INT64_MAX - 1; break;
	case 11: t->nr_pieces = 0; break;
	case 12: t->nr_pieces = 6; break;
	case 13: t->flags |= 0x80; break;
	case 16: t->flags = 0; break;			/* as if it was a READ */
	case 14: t->piece_flags[0] = 0x80; break;
	case 15: t->reserved[1] = 1; break;
	default: say("no more"); break;
	}
}

static void hand_over(struct handed *h)
{
	const uint16_t id = h->cmd->req.id;
	const uint32_t bytes = (uint32_t)h->cmd->req.bytes;
	struct zcmu_transfer t = { .nr_pieces = 1 };
	struct zcmu_hanswer a = { .id = id, .transfer = &t };
	uint32_t i, step = bytes / 5 / BLOCK * BLOCK;

	t.pieces[0] = (struct zcmu_piece){
		.fd = files[is("self")], .len = bytes, .offset = h->offset,
	};
	if (is("split") && step) {
		t.nr_pieces = 5;
		for (i = 0; i < 5; i++)
			t.pieces[i] = (struct zcmu_piece){
				.fd = files[i % 2], .offset = h->offset + i * step,
				.len = i < 4 ? step : bytes - 4 * step,
			};
	}
	t.flags = h->writes ? ZCMU_TRANSFER_WRITE : 0;
	if (is("tell") || is("look"))
		t.flags |= ZCMU_TRANSFER_TELL;
	if (is("wrong") && h->writes && bytes == 65536)
		spoil(&t);
	if (is("late") && h->writes) {
		say("held");
		probe_wait_usr1();
	}
	zcmu_hring_answer(&disk->ring, &a);
	if (is("mute") && h->writes)
		say("handed over");
	else
		kick(is("shy") || is("greedy") ? 1 : ZCMU_KICK_TRANSFERS);
}

#define WINDOW		(256u << 20)	/* as long as nobody has set window_mb */
#define SLOT		65536u

/* The window is the end of the map; a payload begins at a multiple of 64 KiB in it. */
static void reach(void)
{
	const uint8_t *end = disk->ring.map + disk->ring.map_size;
	unsigned int n = 0, i;

	for (i = 1; i <= WINDOW / SLOT; i++)
		n += try_load(end - (size_t)i * SLOT) >= 0;
	say("reached: %u", n);
}

static void look(const struct handed *h)
{
	const struct iovec *last = &h->cmd->payload[h->cmd->req.iovcnt - 1];

	say("looked: 0x%02x 0x%02x", try_load(h->cmd->payload[0].iov_base),
	    try_load((char *)last->iov_base + last->iov_len - 1));
}

static bool moved(struct zcmu_hring *ring, const struct zcmu_hmoved *m)
{
	struct handed *h = &handed[m->id];

	(void)ring;
	if (!h->cmd)
		return false;
	if (m->is_back) {
		if (h->writes || is("look"))
			say("back: %s %llu", m->error ? strerrorname_np(-m->error) : "moved",
			    (unsigned long long)m->bytes);
		if (is("look") && !m->error && !h->writes)
			look(h);
		answer(m->id, !m->error || move(h) ? 0 : 2);
		if (is("greedy") && h->writes)
			reach();
	} else if (is("late")) {
		say("a note");
	}
	zcmu_cmd_free(h->cmd);
	h->cmd = NULL;
	return true;
}

/* Return: whether it is a READ or WRITE of blocks. */
static bool take(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	struct handed *h = &handed[cmd->req.id];
	uint64_t block;

	if (cdb[0] == 0x28 || cdb[0] == 0x2a)
		block = zcmu_get32(cdb + 2);
	else
		return false;
	if (!cmd->req.bytes)
		return false;
	*h = (struct handed){ .offset = block * BLOCK, .writes = cdb[0] == 0x2a, .cmd = cmd };
	hand_over(h);
	return true;
}

static void open_files(char **paths)
{
	int pipe_fds[2], i;

	for (i = 0; i < 2 && paths[i]; i++) {
		files[i] = open(paths[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (files[i] < 0 || ftruncate(files[i], 64 << 20)) {
			perror(paths[i]);
			exit(1);
		}
	}
	odd[0] = open(paths[0], O_RDONLY | O_CLOEXEC);
	odd[2] = open(paths[0], O_WRONLY | O_APPEND | O_CLOEXEC);
	if (pipe(pipe_fds) || odd[0] < 0 || odd[2] < 0)
		exit(1);
	odd[1] = pipe_fds[1];
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = { .struct_size = sizeof(options) };
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	struct zcmu_cmd *cmd;
	int32_t count;

	if (argc < 4) {
		fprintf(stderr, "passing: wrong arguments; the source's head has them\n");
		return 2;
	}
	mode = argv[2];
	probe_catch_bus();
	probe_block_usr1();
	open_files(argv + 3);
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	disk->ring.moved = moved;
	thread.disk = disk;
	disk->threads = &thread;
	zcmu_disk_identify(disk, &options);
	if (is("late"))
		zcmu_hring_await_notes(&disk->ring, true);
	if (is("greedy"))
		reach();
	say("ready");
	for (;;) {
		while ((cmd = zcmu_cmd_take(disk, &thread))) {
			if (!take(cmd))
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(&thread);
		if (read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return 0;
	}
}
