/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command: its states, who owns it in each, and what it has.
 *
 * The owner changes a command; what others look at too (state, id, lists, se_cmd->priv) is
 * changed under device->lock.
 *
 * Memory on the way of a command: the disk may be what memory reclaim waits for, so nothing
 * there waits for memory. ZCMU_GFP_NOW is tried first, then, with nothing on the ring that the
 * handler isn't told of, ZCMU_GFP_TRY; if there is none, the command waits as for room. Each
 * device has some commands and edge pages of its own for such times (reserve.h).
 */
#ifndef ZCMU_COMMAND_H
#define ZCMU_COMMAND_H

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/types.h>
#include <target/target_core_base.h>

#include "copy.h"
#include "loan.h"
#include "ring.h"
#include "move.h"
#include "stats.h"

struct zcmu_device;

/* Doesn't sleep, and fails rather than wait until others give memory back. */
#define ZCMU_GFP_NOW		(GFP_NOWAIT | __GFP_NOWARN)
#define ZCMU_GFP_TRY		(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

/*
 * Who owns a command, and so may change it. Every transition is one function.
 *
 *	NEW -> WAITING -> NEW		waiting.c: no room yet; tried again in order
 *	NEW -> RING			submit.c: published, the handler has it
 *	RING -> ANSWERED		complete.c: the handler's answer was taken
 *	RING -> REVOKING -> EXPIRED	expire.c: answered without the handler, who still
 *					has the entry and now sees private pages
 *	REVOKING -> RETURNED		complete.c: the handler answered meanwhile;
 *					reset.c: or its ring was emptied
 *	EXPIRED -> ANSWERED		complete.c: its late answer; or reset, or removal
 *	ANSWERED, RETURNED -> freed	by the function that made them so
 *	ANSWERED, RETURNED -> KEPT	keep.c: the handler keeps the payload; still has its id
 *	ANSWERED -> WAITING		second_try.c: once more, with a copy of the payload
 *	KEPT -> freed			keep.c: free_kept_buf, close; or reset, or removal
 *	RING -> MOVING			transfer.c: the handler has it moved
 *	MOVING -> ANSWERED		moved.c: and that was the answer
 *	MOVING -> RING			moved.c: and is told of it, or that it has failed;
 *		 or WAITING		to another handler, on whose ring there is no room
 *	RING -> NEW -> RING		recover.c: put on the ring again for the next handler,
 *		 or WAITING		if there is no room, or it was cut from a socket first,
 *	RING -> ANSWERED		or its initiator has given it up
 */
enum zcmu_cmd_state {
	ZCMU_CMD_NEW,		/* the submitting thread's; or recover.c's */
	ZCMU_CMD_WAITING,	/* on device->waiting */
	ZCMU_CMD_RING,		/* the handler's; on device->inflight */
	ZCMU_CMD_MOVING,	/* whoever's the transfer is; see move.h */
	ZCMU_CMD_ANSWERED,	/* the completing thread's, or, cut from a socket, finish.c's */
	ZCMU_CMD_REVOKING,	/* expire.c's */
	ZCMU_CMD_RETURNED,	/* the same, and the handler has given it back */
	ZCMU_CMD_EXPIRED,	/* nobody's but the handler's entry; se_cmd is NULL */
	ZCMU_CMD_KEPT,		/* nobody's but the handler's payload; se_cmd is NULL */
};

struct zcmu_cmd {
	struct zcmu_device *device;
	struct se_cmd *se_cmd;		/* NULL once it was answered without the handler */
	u8 state;
	bool lent;
	bool scrubbed;			/* a READ: its memory was cleared for the handler */
	bool is_second_try;		/* it failed while it was lent: copied from now on */
	bool aborted;			/* by its initiator, and the handler is to be told */
	bool unwanted;			/* ANSWERED, RETURNED: not to be kept after all; lock */
	u16 id;				/* 0: none yet */
	struct list_head node;		/* waiting, inflight, or a list of the owner's */
	struct zcmu_span span;
	bool has_deadline;
	unsigned long deadline;		/* jiffies */
	struct zcmu_times times;

	struct zcmu_loan loan;		/* if lent */
	struct zcmu_extents out;	/* else: Data-Out, or the only payload */
	struct zcmu_extents in;		/* Data-In of a bidirectional command */

	/* the answer */
	u8 scsi_status;
	u8 uflags;
	u32 read_len;
	u8 sense[ZCMU_SENSE_SIZE];

	/* A socket whose queue may have pages of it: see stream.c; or NULL. The owner's */
	struct file *sent_by;

	/* The last member: it isn't cleared before there is one. */
	struct zcmu_move move;
};

extern struct kmem_cache *zcmu_cmd_cache;

/* Is its payload Data-Out, the initiator's to be written? */
static inline bool zcmu_is_write(const struct se_cmd *se_cmd)
{
	return se_cmd->data_direction == DMA_TO_DEVICE;
}

static inline bool zcmu_is_bidi(const struct se_cmd *se_cmd)
{
	return se_cmd->se_cmd_flags & SCF_BIDI;
}

static inline bool zcmu_is_overdue(const struct zcmu_cmd *cmd)
{
	return cmd->has_deadline && time_after_eq(jiffies, cmd->deadline);
}

struct zcmu_cmd *zcmu_cmd_alloc(struct se_cmd *se_cmd);
int zcmu_cmd_take_id(struct zcmu_cmd *cmd, gfp_t gfp);
void zcmu_cmd_give_id(struct zcmu_cmd *cmd);
bool zcmu_is_given_up(const struct zcmu_cmd *cmd);
void zcmu_deadline_set(struct zcmu_device *device, struct zcmu_cmd *cmd, unsigned int ms);
void zcmu_deadline_keep(struct zcmu_device *device, const struct zcmu_cmd *cmd);
bool zcmu_is_sam_status(u8 status);
void zcmu_cmd_answer(struct zcmu_cmd *cmd, u8 scsi_status);
void zcmu_cmd_fail(struct zcmu_cmd *cmd, sense_reason_t reason);

#endif /* ZCMU_COMMAND_H */
