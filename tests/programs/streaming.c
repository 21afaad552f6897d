// SPDX-License-Identifier: MIT
/*
 * Handlers that have the kernel send and receive payloads by a socket, in ways that libzcmu doesn't
 * use (zcmu-abi.h, "Have it moved"): all commands share one connection for WRITEs and one for READs.
 * The other end is a thread here, which has the disk's 64 MiB in memory.
 *
 *	streaming NAME tcp|unix MODE
 *
 *	plain	what is moved is answered when the other end has acknowledged it
 *	stuck	the other end takes nothing before SIGUSR1
 *	early	as stuck, and a WRITE is answered when it is in the socket's queue; then says its
 *		first byte as the other end finds it
 *	locked	as stuck, and when a WRITE is in the socket's queue, another process keeps the
 *		socket locked; WRITEs of 4 KiB aren't handed over, and not answered either; the
 *		other end gives nothing from then on
 *	wrong	each WRITE of 64 KiB asks for something else that can't be; says why not
 *
 * Commands without blocks are answered by libzcmu's SCSI layer.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "locker.h"
#include "probe.h"
#include "scsi/scsi.h"
#include "stub_store.h"

#define BLOCK	512u
#define BYTES	(64u << 20)
#define MAGIC	0x7a636d7500000000ull

/* In front of each payload; behind it is what makes it as long as a header can be. */
struct header {
	uint64_t magic, offset, length, id;
	uint8_t rest[ZCMU_MAX_HEADER - 32];
};

/* A READ or WRITE that was handed over */
struct handed {
	struct header what;
	bool writes;
	bool is_acknowledged;
	struct zcmu_cmd *cmd;
};

static const char *mode;
static struct zcmu_disk *disk;
static uint8_t *memory;
static int up[2], down[2], asks[2], acks[2];	/* ours, and the other end's */
static struct handed handed[65536];
static atomic_bool is_locked;

static const struct zcmu_store_ops ops = STUB_STORE("streaming", stub_done);

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static bool get(int fd, void *to, size_t bytes)
{
	return recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool put(int fd, const void *from, size_t bytes)
{
	return send(fd, from, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* The other end, of WRITEs */
static void *take_writes(void *arg)
{
	struct header header;

	if (is("stuck") || is("early") || is("locked"))
		probe_wait_usr1();
	while (get(up[1], &header, sizeof(header))) {
		if (header.magic != MAGIC || header.offset + header.length > BYTES) {
			say("not a header: 0x%llx", (unsigned long long)header.magic);
			break;
		}
		if (!get(up[1], memory + header.offset, header.length)) {
			say("a payload was cut off");
			break;
		}
		if (is("early"))
			say("arrived: 0x%02x", memory[header.offset]);
		if (!put(acks[1], &header, sizeof(header)))
			break;
	}
	say("the stream has ended");
	return arg;
}

/* The other end, of READs */
static void *give_reads(void *arg)
{
	struct header header;

	while (get(asks[1], &header, sizeof(header)) &&
	       (atomic_load(&is_locked) || put(down[1], memory + header.offset, header.length)))
		;
	return arg;
}

static void connect_tcp(int *ends)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) ||
	    connect(ends[0], (struct sockaddr *)&address, length)) {
		perror("streaming: TCP");
		exit(1);
	}
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void connect_unix(int *ends)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		exit(1);
}

static void kick(void)
{
	const int32_t value = ZCMU_KICK_TRANSFERS;

	if (write(disk->uio_fd, &value, sizeof(value)) != sizeof(value))
		exit(1);
}

/* A transfer that can't be, another one each time. */
static void spoil(struct zcmu_transfer *t)
{
	static unsigned int turn;
	static int other[2], unconnected, messages = -1;

	if (!turn) {
		unconnected = socket(AF_INET, SOCK_STREAM, 0);
		messages = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other))
			exit(1);
	}
	switch (turn++) {
	case 0: t->flags &= (uint8_t)~ZCMU_TRANSFER_TELL; break;
	case 1: t->stream.offset = 512; break;
	case 2: t->piece_flags[0] = ZCMU_PIECE_DSYNC; break;
	case 3: t->piece_flags[0] = ZCMU_PIECE_NOWAIT; break;
	case 4: t->header_bytes = ZCMU_MAX_HEADER + 1; break;
	case 5:
		t->header_bytes = 0;
		memset(t->header, 0, sizeof(t->header));
		t->nr_pieces = 2;
		t->pieces[0].len -= 512;
		t->pieces[1] = (struct zcmu_piece){ .fd = up[0], .len = 512 };
		break;
	case 6: t->stream.fd = other[0]; break;		/* no stream */
	case 7: t->stream.fd = disk->uio_fd; break;	/* no socket, and a header */
	case 8: t->stream.fd = unconnected; break;
	case 9:
		if (messages >= 0) {	/* in order, but in pieces */
			t->stream.fd = messages;
			break;
		}
		/* fallthrough */
	default: say("no more"); break;
	}
}

static void hand_over(struct handed *h)
{
	const uint32_t bytes = (uint32_t)h->cmd->req.bytes;
	struct zcmu_transfer t = { .nr_pieces = 1, .flags = ZCMU_TRANSFER_TELL };
	struct zcmu_hanswer a = { .id = h->cmd->req.id, .transfer = &t };

	t.stream = (struct zcmu_piece){ .fd = h->writes ? up[0] : down[0], .len = bytes };
	if (h->writes) {
		t.flags |= ZCMU_TRANSFER_WRITE;
		t.header_bytes = sizeof(h->what);
		memcpy(t.header, &h->what, sizeof(h->what));
	} else if (!put(asks[0], &h->what, sizeof(h->what))) {
		exit(1);
	}
	if (is("wrong") && h->writes && bytes == 65536)
		spoil(&t);
	zcmu_hring_answer(&disk->ring, &a);
}

/* Wait for the other end's word; others' may come first. Return: whether it came. */
static bool await_acknowledgement(const struct handed *h)
{
	struct header header;

	if (!h->writes || !is("plain"))
		return true;
	while (!h->is_acknowledged) {
		if (!get(acks[0], &header, sizeof(header)))
			return false;
		handed[header.id].is_acknowledged = true;
	}
	return true;
}

/* By the process */
static bool move(const struct handed *h)
{
	const struct zcmu_cmd *cmd = h->cmd;

	zcmu_iov_get(cmd->payload, cmd->req.iovcnt, 0, memory + h->what.offset, h->what.length);
	return is("wrong");
}

static bool moved(struct zcmu_hring *ring, const struct zcmu_hmoved *m)
{
	struct handed *h = &handed[m->id];
	/* HARDWARE ERROR, INTERNAL TARGET FAILURE: an initiator doesn't try again. */
	static const uint8_t sense[18] = { 0x70, [2] = 0x04, [7] = 10, [12] = 0x44 };
	struct zcmu_hanswer a = { .id = m->id, .sense = sense };

	(void)ring;
	if (!h->cmd || !m->is_back)
		return false;
	if (m->error || is("early"))
		say("back: %s", m->error ? strerrorname_np(-m->error) : "moved");
	if (is("locked") && h->writes && !m->error && !atomic_exchange(&is_locked, true)) {
		locker_lock();
		say("locked");
	}
	if (m->error ? !move(h) : !await_acknowledgement(h))
		a.scsi_status = 2;
	/* Nothing is acknowledged there. */
	if (m->error || !(is("stuck") || is("locked")) || !h->writes)
		zcmu_hring_answer(&disk->ring, &a);
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

	if ((cdb[0] != 0x28 && cdb[0] != 0x2a) || !cmd->req.bytes)
		return false;
	block = zcmu_get32(cdb + 2);
	*h = (struct handed){ .writes = cdb[0] == 0x2a, .cmd = cmd };
	h->what = (struct header){
		.magic = MAGIC, .offset = block * BLOCK, .length = cmd->req.bytes,
		.id = cmd->req.id,
	};
	if (!is("locked") || !h->writes || h->what.length != 4096)
		hand_over(h);
	return true;
}

static void serve(struct zcmu_thread *thread)
{
	struct zcmu_cmd *cmd;
	int32_t count;

	/* All that is on the ring is handed over before one kick. */
	do {
		while ((cmd = zcmu_cmd_take(disk, thread))) {
			if (!take(cmd))
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(thread);
		kick();
	} while (read(disk->uio_fd, &count, sizeof(count)) == sizeof(count));
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = { .struct_size = sizeof(options) };
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	pthread_t ids[2];

	if (argc != 4) {
		fprintf(stderr, "streaming: wrong arguments; the source's head has them\n");
		return 2;
	}
	mode = argv[3];
	probe_block_usr1();
	memory = calloc(1, BYTES);
	(strcmp(argv[2], "tcp") ? connect_unix : connect_tcp)(up);
	(strcmp(argv[2], "tcp") ? connect_unix : connect_tcp)(down);
	connect_unix(asks);
	connect_unix(acks);
	if (is("locked"))
		say("locker: %d", locker_begin(up[0]));
	if (!memory || pthread_create(&ids[0], NULL, take_writes, NULL) ||
	    pthread_create(&ids[1], NULL, give_reads, NULL) ||
	    zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	disk->ring.moved = moved;
	thread.disk = disk;
	disk->threads = &thread;
	zcmu_disk_identify(disk, &options);
	say("ready");
	serve(&thread);
	return 0;
}
