/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transfers: payloads that the kernel moves for the handler, between a command's own pages and
 * files that the handler has open (zcmu-abi.h, "Have it moved").
 *
 *	transfer.c	takes one from an answer, looks its files up, as the handler
 *	move.c		moves the bytes; stream.c does, if it is a socket
 *	turn.c		whose turn it is on a socket
 *	moved.c		runs that, and has the command answered, or given back to the handler
 *
 * A command that is moved is MOVING: the kernel's. Whoever begins, runs or ends its transfer owns
 * cmd->move, one after the other; is_anew, is_reset and reset_status are device->lock's, because
 * they are what others tell of the handler. So is where it is in turn.c's lists, in which the
 * transfers of a socket wait for each other. Its pages aren't exchanged for others, so nothing
 * answers it before the transfer is over, neither a time-out nor an abort. A socket's peer may
 * never be ready: there a time-out breaks the stream.
 */
#ifndef ZCMU_MOVE_H
#define ZCMU_MOVE_H

#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "zcmu-abi.h"

struct cred;
struct iov_iter;
struct zcmu_answer;
struct zcmu_cmd;
struct zcmu_device;

/* A small payload's parts need no memory of their own. */
#define ZCMU_OWN_BVECS		2

/*
 * What a command that comes back takes on the ring; so many bytes are kept there for each that
 * is moved, and once more for the PAD in front of one.
 */
#define ZCMU_MOVED_BYTES	((u32)sizeof(struct zcmu_cmd_entry))

/* A command's transfer */
struct zcmu_move {
	struct work_struct work;	/* moved.c: begin, or go on; stream.c: cut, then */
	void (*then)(struct zcmu_cmd *cmd);
	struct llist_node ended;	/* device->moving.ended */
	struct kiocb iocb;
	struct zcmu_transfer what;	/* the handler's word, copied; transfer.c has checked it */
	struct file *files[ZCMU_MAX_PIECES];
	const struct cred *cred;	/* the handler's */
	struct bio_vec *bvecs;		/* the whole payload; own, or memory of its own */
	struct bio_vec own[ZCMU_OWN_BVECS];
	u32 piece;			/* which one is moved */
	u32 piece_bytes;		/* of it that were */
	u32 bytes;			/* of the payload that were */
	long result;			/* of what was asynchronous */
	atomic_t refs;			/* to that: who has begun it, and its end */
	int error;
	bool is_over;
	bool is_anew;			/* the handler that wanted it has gone */
	bool is_reset;			/* the ring was reset: if it fails, end it with */
	u8 reset_status;		/* this */
	/* of a socket */
	bool is_stream;
	bool may_splice;		/* the handler may have its pages in a socket's queue */
	u8 header_sent;			/* bytes */
	/* device->lock */
	bool has_turn;			/* it is on a list of turn.c's */
	bool is_broken;			/* the stream was, by turn.c */
	bool is_late;			/* that was counted */
	struct work_struct break_work;	/* turn.c: of one that has a turn */
	struct list_head turn;		/* device->moving.turns, or the first one's behind */
	struct list_head behind;	/* of the first one: those after it */
};

struct zcmu_moving {
	struct llist_head ended;	/* asynchronous I/O that is over, and what never began */
	struct work_struct ended_work;
	work_func_t run;		/* moved.c's, for move.work */
	u32 count;			/* commands that are MOVING; device->lock */
	struct list_head turns;		/* for each way of a socket the first one; device->lock */
};

/* move.c */
void zcmu_move_queue(struct zcmu_cmd *cmd);
bool zcmu_move_go_on(struct zcmu_cmd *cmd);
bool zcmu_move_note(struct zcmu_move *move, long result);
void zcmu_move_end(struct zcmu_cmd *cmd, int error);
void zcmu_move_release(struct zcmu_cmd *cmd);

/* stream.c */
bool zcmu_stream_is_one(const struct file *file);
ssize_t zcmu_stream_move(struct zcmu_cmd *cmd, struct iov_iter *iter);
void zcmu_stream_break(struct file *file);
bool zcmu_stream_cut_first(struct zcmu_cmd *cmd, void (*then)(struct zcmu_cmd *cmd));

/* turn.c */
bool zcmu_turn_take(struct zcmu_cmd *cmd);
void zcmu_turn_pass(struct zcmu_cmd *cmd);
void zcmu_turn_look(struct zcmu_device *device);

/* transfer.c */
bool zcmu_transfer_is_wanted(const struct zcmu_cmd *cmd, const struct zcmu_answer *answer);
void zcmu_transfer_take(struct zcmu_cmd *cmd, const struct zcmu_answer *answer,
			struct list_head *moves, bool is_anew);
void zcmu_transfer_note(struct zcmu_device *device, u16 id);
bool zcmu_transfer_is_awaited(const struct zcmu_device *device);
void zcmu_transfer_begin(struct zcmu_device *device, struct list_head *moves, int refusal);
void zcmu_transfer_left(struct zcmu_device *device);
void zcmu_transfer_reset(struct zcmu_device *device, u8 scsi_status);

/* moved.c */
void zcmu_moved_run(struct work_struct *work);
void zcmu_moved_ended(struct work_struct *work);

#endif /* ZCMU_MOVE_H */
