/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox and the command ring, as the kernel sees them. Knows offsets, lengths and order, and
 * nothing about SCSI, payloads or locks (the device's lock is held by every caller). Compiled into
 * the unit tests as well.
 */
#ifndef ZCMU_RING_H
#define ZCMU_RING_H

#include <linux/list.h>
#include <linux/types.h>

#include "zcmu-abi.h"

/*
 * The kernel's own note of one entry on the ring: lengths are never read back
 * from shared memory (I4). It is embedded in the command whose entry it is.
 * A command that is answered out of order leaves its entry behind; the span it
 * then owns moves to the command whose entry was used for the answer.
 */
struct zcmu_span {
	struct list_head node;	/* ring->spans, oldest first */
	u32 notes;		/* bytes of notes in front of that, not yet passed by the tail */
	u32 pad;		/* bytes of PAD in front of the entry, the same */
	u32 len;		/* bytes of the entry */
	bool is_cmd;		/* false: a notification, which nobody answers */
};

/*
 * A note is an entry that nobody answers and of which the kernel remembers nothing but its length:
 * to the tail, which may stand in front of any of them, notes are like padding.
 */

struct zcmu_ring {
	struct zcmu_mailbox *mailbox;	/* shared memory */
	void *entries;			/* shared memory, size bytes */
	u32 size;
	u32 head;			/* as published; mailbox->cmd_head is write-only */
	u32 cleaned;			/* the tail, as far as its answers were taken */
	u32 notes;			/* bytes of notes behind the last span */
	u32 kept;			/* bytes that zcmu_ring_has_room() doesn't give away */
	struct list_head spans;
};

/* What the handler left in an entry that its tail has passed, each value read once. */
struct zcmu_answer {
	struct zcmu_span *span;	/* the entry's; no longer on ring->spans */
	/* the rest only if span->is_cmd */
	u32 read_len;
	u16 cmd_id;
	u8 uflags;
	u8 scsi_status;
	const u8 *sense;	/* ZCMU_SENSE_SIZE bytes of shared memory: copy, then use */
	const struct zcmu_transfer *transfer;	/* the same; in the place of all these */
};

void zcmu_ring_init(struct zcmu_ring *ring, void *map, u32 size);
void zcmu_ring_reset(struct zcmu_ring *ring);

bool zcmu_ring_is_empty(const struct zcmu_ring *ring);
bool zcmu_ring_has_room(const struct zcmu_ring *ring, u32 len);
bool zcmu_ring_has_kept_room(const struct zcmu_ring *ring, u32 len);
void *zcmu_ring_begin(struct zcmu_ring *ring, struct zcmu_span *span, u32 len, u32 *offset);
void zcmu_ring_publish(struct zcmu_ring *ring, struct zcmu_span *span);
void zcmu_ring_note(struct zcmu_ring *ring, const void *note, u32 len);

u32 zcmu_ring_handler_flags(const struct zcmu_ring *ring);
void zcmu_ring_forget_handler(struct zcmu_ring *ring);

int zcmu_ring_answered(const struct zcmu_ring *ring, u32 *bytes);
int zcmu_ring_next_answer(struct zcmu_ring *ring, u32 *bytes, struct zcmu_answer *answer);
void zcmu_ring_swap_spans(struct zcmu_span *passed, struct zcmu_span *answered);

#endif /* ZCMU_RING_H */
