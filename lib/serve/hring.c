// SPDX-License-Identifier: MIT
/*
 * The handler's end of the ring; the rules are in zcmu-abi.h. It neither knows SCSI nor waits for
 * anything.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "serve/hring.h"
#include "scsi/sense.h"

static uint32_t load_head(const struct zcmu_hring *ring)
{
	/* The entries must be read after the head that covers them. */
	return __atomic_load_n(&ring->mailbox->cmd_head, __ATOMIC_ACQUIRE);
}

static uint32_t advance(const struct zcmu_hring *ring, uint32_t position, uint32_t bytes)
{
	return (position + bytes) % ring->size;
}

static struct zcmu_cmd_entry *entry_at(const struct zcmu_hring *ring, uint32_t position)
{
	return (struct zcmu_cmd_entry *)(ring->entries + position);
}

static bool is_position(const struct zcmu_hring *ring, uint32_t position)
{
	return position < ring->size && !(position & ZCMU_OP_MASK);
}

/* An entry's first word, read once, because it is shared memory. */
struct first_word {
	uint32_t op, len;
};

/*
 * Which entry is at a position of the ring, in front of @end? The kernel makes no mistakes here,
 * but an earlier, broken handler may have written anything. Return: false if the entry is invalid.
 * If all entries are valid, going from one to the next ends at @end.
 */
static bool look_at(const struct zcmu_hring *ring, uint32_t position, uint32_t end,
		    struct first_word *word)
{
	uint32_t len_op;

	/* There is no entry at the end: the kernel may be writing the next one there. */
	if (position == end || !is_position(ring, position) || !is_position(ring, end))
		return false;
	len_op = __atomic_load_n(&entry_at(ring, position)->hdr.len_op, __ATOMIC_RELAXED);
	word->op = len_op & ZCMU_OP_MASK;
	word->len = len_op & ~ZCMU_OP_MASK;
	return word->len >= sizeof(struct zcmu_entry_hdr) && word->len <= ring->size - position &&
	       word->len <= advance(ring, end, ring->size - position) &&
	       (word->op != ZCMU_OP_CMD || word->len >= sizeof(struct zcmu_cmd_entry));
}

/*
 * What the kernel is told of us. It needn't guess why we fail a command: command.c says when a copy
 * would help.
 */
static void say(struct zcmu_hring *ring, bool awaits_notes)
{
	uint32_t flags = (ring->tries_copied ? ZCMU_HANDLER_KNOWS_LENDING : 0) |
			 (awaits_notes ? ZCMU_HANDLER_AWAITS_NOTES : 0);

	__atomic_store_n(&ring->mailbox->handler_flags, flags, __ATOMIC_SEQ_CST);
}

/*
 * Is the ring's event to be sent when the kernel puts a note there? After this is switched on, the
 * ring must be looked at once more: notes that came before have sent none. One caller at a time.
 */
void zcmu_hring_await_notes(struct zcmu_hring *ring, bool on)
{
	say(ring, on);
	/* The kernel must find our word before we find that there is no note. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Take over a mapped ring. Requests that aren't answered yet (an earlier handler may have left
 * them) are seen first. -EPROTO: it is no mailbox that we know.
 */
int zcmu_hring_init(struct zcmu_hring *ring, void *map, size_t map_size)
{
	struct zcmu_mailbox *mailbox = map;

	if (map_size < sizeof(*mailbox) || mailbox->version != ZCMU_MAILBOX_VERSION ||
	    !(mailbox->flags & ZCMU_CAP_OOOC) || !mailbox->cmdr_size ||
	    (mailbox->cmdr_off | mailbox->cmdr_size) & ZCMU_OP_MASK ||
	    (uint64_t)mailbox->cmdr_off + mailbox->cmdr_size > map_size)
		return -EPROTO;
	/* An earlier, broken handler may have left it anywhere. */
	if (mailbox->cmd_tail >= mailbox->cmdr_size || mailbox->cmd_tail & ZCMU_OP_MASK)
		return -EPROTO;
	*ring = (struct zcmu_hring){
		.map = map,
		.map_size = map_size,
		.mailbox = mailbox,
		.entries = (uint8_t *)map + mailbox->cmdr_off,
		.size = mailbox->cmdr_size,
		.gives_part = mailbox->flags & ZCMU_CAP_READ_LEN,
		.tries_copied = mailbox->flags & ZCMU_CAP_TRY_COPIED,
		.transfers = mailbox->flags & ZCMU_CAP_TRANSFER,
		.taken = mailbox->cmd_tail,
	};
	if (ring->tries_copied || ring->transfers)
		say(ring, false);
	pthread_mutex_init(&ring->lock, NULL);
	return 0;
}

void zcmu_hring_deinit(struct zcmu_hring *ring)
{
	pthread_mutex_destroy(&ring->lock);
}

/* Return: bytes of the CDB that were copied; 0 if it isn't inside the map. */
static uint16_t take_cdb(const struct zcmu_hring *ring, uint64_t offset, uint8_t *cdb)
{
	size_t len;

	if (offset > ring->map_size - 8)
		return 0;
	len = zcmu_cdb_length(ring->map + offset);
	if (len > ZCMU_CDB_MAX || len > ring->map_size - offset)
		return 0;
	memcpy(cdb, ring->map + offset, len);
	return (uint16_t)len;
}

/*
 * The port that the command came in by. The name is always terminated. Return: false if the kernel
 * doesn't say.
 */
static bool take_port(const struct zcmu_hring *ring, uint64_t offset, struct zcmu_port *port)
{
	if (!offset || offset > ring->map_size - sizeof(*port))
		return false;
	memcpy(port, ring->map + offset, sizeof(*port));
	port->name[sizeof(port->name) - 1] = '\0';
	return true;
}

/* Commands were aborted. The count can't exceed what the entry can hold; see look_at(). */
static void take_aborts(struct zcmu_hring *ring, const void *entry, uint32_t len)
{
	const size_t offset = offsetof(struct zcmu_tmr_entry, cmd_ids);
	const struct zcmu_tmr_entry *tmr = entry;
	const uint16_t *ids = (const void *)((const uint8_t *)entry + offset);
	uint32_t i, count;

	if (!ring->aborted || len < sizeof(*tmr))
		return;
	count = tmr->cmd_cnt;
	for (i = 0; i < count && i < (len - offset) / sizeof(*ids); i++)
		ring->aborted(ring, ids[i]);
}

/* A transfer was the answer. Nobody may know of it: it was an earlier handler's. */
static void take_note(struct zcmu_hring *ring, const struct zcmu_cmd_entry *entry)
{
	const struct zcmu_hmoved moved = { .id = entry->hdr.cmd_id };

	if (ring->moved)
		ring->moved(ring, &moved);
}

/*
 * A command comes back whose payload was moved, or should have been. Its entry is taken before that
 * is told: it may be the place of the answer. Return: is it known?
 */
static bool take_back(struct zcmu_hring *ring, const struct zcmu_cmd_entry *entry, uint32_t len)
{
	const struct zcmu_hmoved moved = {
		.id = entry->hdr.cmd_id,
		.is_back = true,
		.error = entry->req.moved_error,
		.bytes = entry->req.moved_bytes,
	};

	ring->taken = advance(ring, ring->taken, len);
	return ring->moved && ring->moved(ring, &moved);
}

/* @len: the entry's length */
static int take_iovecs(const struct zcmu_hring *ring, const struct zcmu_cmd_entry *entry,
		       uint32_t len, struct zcmu_hreq *req)
{
	const size_t offset = offsetof(struct zcmu_cmd_entry, req.iov);
	const struct zcmu_iovec *from = (const void *)((const uint8_t *)entry + offset);
	uint32_t i, count = entry->req.iov_cnt;

	req->bytes = 0;
	req->iovcnt = 0;
	if (count > (len - offset) / sizeof(*from))
		return -EPROTO;
	req->iovcnt = (int)count;
	if (!req->iov)
		return 0;
	if (count > (uint32_t)req->iov_max)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		if (from[i].base > ring->map_size || from[i].len > ring->map_size - from[i].base)
			return -EPROTO;
		req->iov[i].iov_base = ring->map + from[i].base;
		req->iov[i].iov_len = from[i].len;
		req->bytes += from[i].len;
	}
	return 0;
}

/* The tail passes taken entries that need no answer. ring->lock is held. */
static uint32_t skip_unanswerable(const struct zcmu_hring *ring, uint32_t tail)
{
	struct first_word word;

	while (look_at(ring, tail, ring->taken, &word) && word.op != ZCMU_OP_CMD)
		tail = advance(ring, tail, word.len);
	return tail;
}

static void publish_tail(struct zcmu_hring *ring, uint32_t tail)
{
	/* An answer must be visible before the tail that covers it. */
	__atomic_store_n(&ring->mailbox->cmd_tail, tail, __ATOMIC_RELEASE);
}

/* Take an entry that nobody will answer. The tail may have to pass it now. */
static void take_unanswerable(struct zcmu_hring *ring, uint32_t len)
{
	uint32_t before, tail;

	pthread_mutex_lock(&ring->lock);
	ring->taken = advance(ring, ring->taken, len);
	before = __atomic_load_n(&ring->mailbox->cmd_tail, __ATOMIC_RELAXED);
	tail = skip_unanswerable(ring, before);
	if (tail != before) {
		publish_tail(ring, tail);
		ring->room_made = true;
	}
	pthread_mutex_unlock(&ring->lock);
}

/*
 * Take the next request. Only one thread at a time may call it.
 *
 * Return: 1 with @req filled in; 0 if the ring is empty; -E2BIG if the request has req->iovcnt
 * iovecs and there is room for less: it is not taken then. An invalid request is -EPROTO: it is
 * taken, with its id, to be answered with an error. If the ring itself is invalid, the result is
 * -EBADMSG, once, and 0 from then on: nothing more is taken.
 */
int zcmu_hring_next(struct zcmu_hring *ring, struct zcmu_hreq *req)
{
	uint32_t head = load_head(ring);

	while (!ring->is_broken && ring->taken != head) {
		const struct zcmu_cmd_entry *entry = entry_at(ring, ring->taken);
		struct first_word word;
		int ret;

		if (!look_at(ring, ring->taken, head, &word)) {
			ring->is_broken = true;
			return -EBADMSG;
		}
		if (word.op != ZCMU_OP_CMD) {
			if (word.op == ZCMU_OP_TMR)
				take_aborts(ring, entry, word.len);
			else if (word.op == ZCMU_OP_MOVED)
				take_note(ring, entry);
			take_unanswerable(ring, word.len);
			continue;
		}
		if (entry->hdr.kflags & ZCMU_KFLAG_MOVED) {
			req->id = entry->hdr.cmd_id;
			req->iovcnt = 0;
			if (!take_back(ring, entry, word.len))
				return -EPROTO;
			continue;
		}
		req->id = entry->hdr.cmd_id;
		req->lent = entry->hdr.kflags & ZCMU_KFLAG_LENT;
		ret = take_iovecs(ring, entry, word.len, req);
		if (ret == -E2BIG)
			return ret;
		req->cdb_len = take_cdb(ring, entry->req.cdb_off, req->cdb);
		req->has_port = take_port(ring, entry->req.port_off, &req->port);
		ring->taken = advance(ring, ring->taken, word.len);
		return ret ? ret : req->cdb_len ? 1 : -EPROTO;
	}
	return 0;
}

/* How many requests wait, up to a handful: enough to share them out. */
unsigned int zcmu_hring_backlog(const struct zcmu_hring *ring)
{
	uint32_t head = load_head(ring), position = ring->taken;
	unsigned int n = 0;

	struct first_word word;

	while (n < 64 && look_at(ring, position, head, &word)) {
		n += word.op == ZCMU_OP_CMD;
		position = advance(ring, position, word.len);
	}
	return n;
}

/*
 * Has the tail passed entries that nobody answers, with no answer since? Then no kick is due for
 * them, and commands may wait for that room. A call resets it.
 */
bool zcmu_hring_room_made(struct zcmu_hring *ring)
{
	return ring->room_made && atomic_exchange(&ring->room_made, false);
}

static void put_status(struct zcmu_cmd_entry *entry, const struct zcmu_hanswer *answer)
{
	entry->hdr.uflags = answer->uflags;
	if (answer->read_len && !(answer->uflags & ZCMU_UFLAG_CDB_LEN))
		entry->hdr.uflags |= ZCMU_UFLAG_READ_LEN;
	entry->rsp.scsi_status = answer->scsi_status;
	entry->rsp.read_len = answer->read_len;
	if (answer->sense) {
		memset(entry->rsp.sense, 0, sizeof(entry->rsp.sense));
		memcpy(entry->rsp.sense, answer->sense, 8 + (size_t)answer->sense[7]);
	}
}

/*
 * Answer a request that was taken, in any order, from any thread. The answer uses the entry at the
 * tail, whichever request that was. The kernel looks when it is kicked. Return: false if there is
 * no place for it: then the command ends by its time-out.
 */
bool zcmu_hring_answer(struct zcmu_hring *ring, const struct zcmu_hanswer *answer)
{
	struct zcmu_cmd_entry *entry;
	struct first_word word;
	uint32_t tail;

	pthread_mutex_lock(&ring->lock);
	tail = skip_unanswerable(ring, ring->mailbox->cmd_tail);
	if (!look_at(ring, tail, ring->taken, &word) || word.op != ZCMU_OP_CMD) {
		pthread_mutex_unlock(&ring->lock);
		return false;
	}
	entry = entry_at(ring, tail);
	entry->hdr.cmd_id = answer->id;
	if (answer->transfer) {
		entry->hdr.uflags = ZCMU_UFLAG_TRANSFER;
		entry->transfer = *answer->transfer;
	} else {
		put_status(entry, answer);
	}
	publish_tail(ring, skip_unanswerable(ring, advance(ring, tail, word.len)));
	ring->room_made = false;
	pthread_mutex_unlock(&ring->lock);
	return true;
}
