// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mailbox and the command ring: room, entries, answers. entry.c says what is in an entry, and
 * complete.c what an answer means.
 *
 * Reads of shared memory are tagged "shared:", and each happens once.
 */
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <asm/barrier.h>

#include "ring.h"

static u32 used_bytes(const struct zcmu_ring *ring)
{
	return ring->head >= ring->cleaned ? ring->head - ring->cleaned :
					     ring->size - ring->cleaned + ring->head;
}

static u32 advance(const struct zcmu_ring *ring, u32 position, u32 bytes)
{
	position += bytes;
	return position >= ring->size ? position - ring->size : position;
}

/* PAD bytes that go in front of an entry that must not wrap. */
static u32 padding_before(const struct zcmu_ring *ring, u32 len)
{
	u32 to_end = ring->size - ring->head;

	return to_end < len ? to_end : 0;
}

/**
 * zcmu_ring_init - lay out mailbox and ring in fresh, zeroed memory
 * @ring: to be filled in
 * @map: the start of map 0, at least the mailbox and @size bytes
 * @size: bytes of the ring, a multiple of ZCMU_ENTRY_ALIGN
 */
void zcmu_ring_init(struct zcmu_ring *ring, void *map, u32 size)
{
	BUILD_BUG_ON(sizeof(struct zcmu_mailbox) != 128);
	BUILD_BUG_ON(sizeof(struct zcmu_cmd_entry) != 112);
	BUILD_BUG_ON(sizeof(struct zcmu_tmr_entry) != 32);

	ring->mailbox = map;
	ring->entries = ring->mailbox + 1;
	ring->size = size;
	INIT_LIST_HEAD(&ring->spans);
	zcmu_ring_reset(ring);
}

/*
 * Empty the ring. The caller has taken every command off it. The mailbox becomes what it was
 * at first (but for its flags, which are the caller's): a handler may have written to all of
 * it, and the next one has to find its way.
 */
void zcmu_ring_reset(struct zcmu_ring *ring)
{
	struct zcmu_mailbox *mailbox = ring->mailbox;

	INIT_LIST_HEAD(&ring->spans);
	ring->head = 0;
	ring->cleaned = 0;
	ring->notes = 0;
	WRITE_ONCE(mailbox->version, ZCMU_MAILBOX_VERSION);
	WRITE_ONCE(mailbox->cmdr_off, sizeof(*mailbox));
	WRITE_ONCE(mailbox->cmdr_size, ring->size);
	WRITE_ONCE(mailbox->cmd_tail, 0);
	WRITE_ONCE(mailbox->cmd_head, 0);
}

/* Has the handler answered all there is but notes, and were its answers taken? */
bool zcmu_ring_is_empty(const struct zcmu_ring *ring)
{
	return list_empty(&ring->spans);
}

/*
 * Does an entry of @len bytes fit now, with its PAD and the byte that stays free, into what is not
 * kept for those that must find room?
 */
bool zcmu_ring_has_room(const struct zcmu_ring *ring, u32 len)
{
	return used_bytes(ring) + padding_before(ring, len) + len + ring->kept < ring->size;
}

/* The same for one of those. */
bool zcmu_ring_has_kept_room(const struct zcmu_ring *ring, u32 len)
{
	return used_bytes(ring) + padding_before(ring, len) + len < ring->size;
}

/* The entry for what comes at the head, behind the PAD that it takes. */
static void *place_entry(struct zcmu_ring *ring, u32 pad_bytes, u32 *position)
{
	struct zcmu_entry_hdr pad = { .len_op = pad_bytes | ZCMU_OP_PAD };

	*position = ring->head;
	if (pad_bytes) {
		memcpy(ring->entries + *position, &pad, sizeof(pad));
		*position = 0;
	}
	return ring->entries + *position;
}

/**
 * zcmu_ring_begin - start an entry at the head; nothing is visible yet
 * @ring: the ring, with room for @len
 * @span: the entry's note, to be kept until the handler's tail has passed it
 * @len: bytes, a multiple of ZCMU_ENTRY_ALIGN; at least a command or TMR entry's
 * @offset: the entry's offset from the start of map 0
 *
 * Return: the zeroed entry, for the caller to fill in and then publish.
 */
void *zcmu_ring_begin(struct zcmu_ring *ring, struct zcmu_span *span, u32 len, u32 *offset)
{
	u32 position;
	void *entry;

	span->len = len;
	span->pad = padding_before(ring, len);
	entry = place_entry(ring, span->pad, &position);
	memset(entry, 0, len);
	*offset = sizeof(struct zcmu_mailbox) + position;
	return entry;
}

/* Make the entry that zcmu_ring_begin() started visible to the handler. */
void zcmu_ring_publish(struct zcmu_ring *ring, struct zcmu_span *span)
{
	ring->head = advance(ring, ring->head, span->pad);
	ring->head = advance(ring, ring->head, span->len);
	span->notes = ring->notes;
	ring->notes = 0;
	list_add_tail(&span->node, &ring->spans);
	/* The entry must be visible before the head that covers it. */
	smp_store_release(&ring->mailbox->cmd_head, ring->head);
}

/**
 * zcmu_ring_note - put a note on the ring
 * @ring: the ring, with room for it: zcmu_ring_has_kept_room()
 * @note: the entry
 * @len: its bytes, a multiple of ZCMU_ENTRY_ALIGN
 */
void zcmu_ring_note(struct zcmu_ring *ring, const void *note, u32 len)
{
	u32 pad = padding_before(ring, len), position;

	memcpy(place_entry(ring, pad, &position), note, len);
	ring->head = advance(ring, position, len);
	ring->notes += pad + len;
	/* The note must be visible before the head that covers it. */
	smp_store_release(&ring->mailbox->cmd_head, ring->head);
}

/* What the handler says of itself. It may lie, but only to its own harm. */
u32 zcmu_ring_handler_flags(const struct zcmu_ring *ring)
{
	/* shared: */
	return READ_ONCE(ring->mailbox->handler_flags);
}

/* There is another handler, which hasn't said anything yet. */
void zcmu_ring_forget_handler(struct zcmu_ring *ring)
{
	WRITE_ONCE(ring->mailbox->handler_flags, 0);
}

/**
 * zcmu_ring_answered - how far has the handler's tail come?
 * @ring: the ring
 * @bytes: how many bytes it has passed since answers were last taken
 *
 * Return: 0, or -EPROTO if the tail is where no tail can be.
 */
int zcmu_ring_answered(const struct zcmu_ring *ring, u32 *bytes)
{
	/* shared: the answers must be read after the tail that covers them. */
	u32 tail = smp_load_acquire(&ring->mailbox->cmd_tail);

	if (tail >= ring->size)
		return -EPROTO;
	*bytes = tail >= ring->cleaned ? tail - ring->cleaned :
					 ring->size - ring->cleaned + tail;
	return *bytes <= used_bytes(ring) ? 0 : -EPROTO;
}

/* The tail has passed @bytes; as many of @notes as there are of them are over. */
static void pass_notes(struct zcmu_ring *ring, u32 *notes, u32 *bytes)
{
	u32 passed = min(*notes, *bytes);

	*notes -= passed;
	*bytes -= passed;
	ring->cleaned = advance(ring, ring->cleaned, passed);
}

/**
 * zcmu_ring_next_answer - take the oldest entry that the tail has passed
 * @ring: the ring
 * @bytes: what zcmu_ring_answered() said; reduced by what is taken
 * @answer: filled in
 *
 * The entry's place on the ring is free again when this returns.
 *
 * Return: 1 if @answer is filled in, 0 if there is none left, -EPROTO if the
 * tail stands inside an entry.
 */
int zcmu_ring_next_answer(struct zcmu_ring *ring, u32 *bytes, struct zcmu_answer *answer)
{
	const struct zcmu_cmd_entry *entry;
	struct zcmu_span *span;

	span = list_first_entry_or_null(&ring->spans, struct zcmu_span, node);
	pass_notes(ring, span ? &span->notes : &ring->notes, bytes);
	if (!*bytes)
		return 0;
	/* Behind the last span there are only notes, and the tail isn't behind the head. */
	if (!span)
		return -EPROTO;
	if (span->pad) {
		if (*bytes < span->pad)
			return -EPROTO;
		*bytes -= span->pad;
		ring->cleaned = advance(ring, ring->cleaned, span->pad);
		span->pad = 0;
		if (!*bytes)
			return 0;
	}
	if (*bytes < span->len)
		return -EPROTO;

	answer->span = span;
	if (span->is_cmd) {
		entry = ring->entries + ring->cleaned;
		/* shared: */
		answer->cmd_id = READ_ONCE(entry->hdr.cmd_id);
		/* shared: */
		answer->uflags = READ_ONCE(entry->hdr.uflags);
		/* shared: */
		answer->scsi_status = READ_ONCE(entry->rsp.scsi_status);
		/* shared: */
		answer->read_len = READ_ONCE(entry->rsp.read_len);
		answer->sense = entry->rsp.sense;
		answer->transfer = &entry->transfer;
	}
	*bytes -= span->len;
	ring->cleaned = advance(ring, ring->cleaned, span->len);
	list_del_init(&span->node);
	return 1;
}

/**
 * zcmu_ring_swap_spans - an entry was used to answer another entry's command
 * @passed: the span that zcmu_ring_next_answer() took off the ring
 * @answered: the span of the command that was answered
 *
 * @passed takes @answered's place, because its command is still out, and
 * @answered is off the ring.
 */
void zcmu_ring_swap_spans(struct zcmu_span *passed, struct zcmu_span *answered)
{
	if (passed == answered)
		return;
	passed->notes = answered->notes;
	passed->pad = answered->pad;
	passed->len = answered->len;
	list_replace_init(&answered->node, &passed->node);
}
