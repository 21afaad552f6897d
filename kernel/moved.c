// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs transfers in workers, and ends them. If the transfer was the answer, the command is answered
 * and the handler gets a note; otherwise the command goes back to the handler. move.c moves the
 * bytes.
 */
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "payload.h"
#include "trace.h"
#include "zcmu_kernel.h"

/* Is the initiator to be answered, without the handler? */
static bool is_the_answer(const struct zcmu_move *move)
{
	return !move->error && !(move->what.flags & ZCMU_TRANSFER_TELL);
}

/*
 * The place on the ring that was kept for its return is free for others now. device->lock is held.
 */
static void stop_moving(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	lockdep_assert_held(&device->lock);
	device->moving.count--;
	device->ring.kept -= ZCMU_MOVED_BYTES;
	device->counters.transfers++;
	device->counters.bytes_transferred += cmd->move.bytes;
	trace_zcmu_moved(device, cmd->id, cmd->move.bytes, cmd->move.error);
}

/* MOVING -> ANSWERED. device->lock is held. */
static void answer(struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->lock);
	stop_moving(cmd);
	xa_erase(&cmd->device->commands, cmd->id);
	cmd->se_cmd->priv = NULL;
	cmd->state = ZCMU_CMD_ANSWERED;
}

/* Does no handler know of it any more? */
static bool is_forgotten(const struct zcmu_move *move)
{
	return move->is_anew;
}

/* Prepare what the handler finds in a payload that comes back. */
static void show_payload(struct zcmu_cmd *cmd, bool anew)
{
	const struct se_cmd *se_cmd = cmd->se_cmd;

	if (anew) {
		zcmu_restore_payload(cmd);
		return;
	}
	if (zcmu_is_write(se_cmd) || !cmd->move.bytes)
		return;
	if (cmd->lent)
		zcmu_lend_show(cmd, cmd->move.bytes);
	else if (cmd->out.nr)
		zcmu_copy_from_sgl(&cmd->device->copy, &cmd->out, se_cmd->t_data_sg,
				   se_cmd->t_data_nents, cmd->move.bytes);
}

/*
 * MOVING -> RING: the command comes back, or as a new one to another handler. device->lock is held.
 * Return: false if a new one finds no room.
 */
static bool put_back(struct zcmu_cmd *cmd, bool anew)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_cmd_entry *entry;
	u32 len = ZCMU_MOVED_BYTES, offset;
	struct zcmu_plan plan;

	lockdep_assert_held(&device->lock);
	stop_moving(cmd);
	device->counters.transfers_returned++;
	if (anew) {
		if (cmd->lent)
			zcmu_payload_plan(&plan, cmd->se_cmd);
		len = zcmu_entry_length(cmd, &plan);
	}
	cmd->uflags = 0;
	/* Room is kept for commands that this handler has handed over. */
	if (anew ? !zcmu_ring_has_room(&device->ring, len) :
		   WARN_ON_ONCE(!zcmu_ring_has_kept_room(&device->ring, len)))
		return false;
	entry = zcmu_ring_begin(&device->ring, &cmd->span, len, &offset);
	if (anew) {
		zcmu_entry_fill(cmd, &plan, entry, offset, len);
	} else {
		entry->hdr.len_op = len | ZCMU_OP_CMD;
		entry->hdr.cmd_id = cmd->id;
		entry->hdr.kflags = ZCMU_KFLAG_MOVED;
		entry->req.moved_error = cmd->move.error;
		entry->req.moved_bytes = cmd->move.bytes;
	}
	cmd->state = ZCMU_CMD_RING;
	list_add_tail(&cmd->node, &device->inflight);
	/* Its time begins now: the handler is not responsible for how long the transfer took. */
	zcmu_deadline_set(device, cmd, device->cmd_time_out);
	zcmu_ring_publish(&device->ring, &cmd->span);
	zcmu_wake_count(device);
	/* Once the lock is dropped, it may be answered, and with the last one the device may go. */
	zcmu_wake(device);
	return true;
}

/*
 * A transfer that is not the answer is over. Whether the handler is still the one that wanted it is
 * looked at last: another one gets the payload as it was.
 */
static void give_back(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	bool anew = false, is_reset, is_back = false;
	u8 status = 0;
	LIST_HEAD(one);

	for (;;) {
		if (anew && zcmu_stream_cut_first(cmd, give_back))
			return;
		show_payload(cmd, anew);
		spin_lock(&device->lock);
		is_reset = cmd->move.is_reset;
		if (is_reset || cmd->move.is_anew == anew)
			break;
		anew = true;
		spin_unlock(&device->lock);
	}
	if (is_reset) {
		if (!is_forgotten(&cmd->move))
			zcmu_transfer_note(device, cmd->id);
		answer(cmd);
		status = cmd->move.reset_status;
	} else {
		is_back = put_back(cmd, anew);
	}
	spin_unlock(&device->lock);
	if (is_back)
		return;
	list_add(&cmd->node, &one);
	if (is_reset)
		zcmu_answer_all(device, &one, status);
	else
		zcmu_wait_again(device, &one);
	zcmu_retry_waiting(device);
}

/* MOVING -> ANSWERED, with a note, for those of @over that are; they go to @answered. */
static void answer_some(struct zcmu_device *device, struct list_head *over,
			struct list_head *answered)
{
	struct zcmu_cmd *cmd, *next;

	spin_lock(&device->lock);
	list_for_each_entry_safe(cmd, next, over, node) {
		if (!is_the_answer(&cmd->move))
			continue;
		if (!is_forgotten(&cmd->move))
			zcmu_transfer_note(device, cmd->id);
		answer(cmd);
		list_move_tail(&cmd->node, answered);
	}
	if (!list_empty(answered) && zcmu_transfer_is_awaited(device))
		zcmu_wake_now(device);
	spin_unlock(&device->lock);
}

/* Transfers are over: their commands go on. Sleeps. */
static void end(struct zcmu_device *device, struct list_head *over)
{
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(answered);

	/* Before anybody is told, because the owner of the files may close or remove them then. */
	list_for_each_entry(cmd, over, node) {
		zcmu_turn_pass(cmd);
		zcmu_move_release(cmd);
	}
	answer_some(device, over, &answered);
	list_for_each_entry_safe(cmd, next, over, node) {
		list_del_init(&cmd->node);
		give_back(cmd);
	}
	if (list_empty(&answered))
		return;
	zcmu_answer_all(device, &answered, SAM_STAT_GOOD);
	zcmu_retry_waiting(device);
}

/* Work: a transfer begins, or has more to move. */
void zcmu_moved_run(struct work_struct *work)
{
	struct zcmu_cmd *cmd = container_of(work, struct zcmu_cmd, move.work);
	struct zcmu_device *device = cmd->device;
	LIST_HEAD(over);

	if (!zcmu_move_go_on(cmd))
		return;
	list_add(&cmd->node, &over);
	end(device, &over);
}

/* Work: some asynchronous I/O is over, or transfers that never began. */
void zcmu_moved_ended(struct work_struct *work)
{
	struct zcmu_device *device = container_of(work, struct zcmu_device, moving.ended_work);
	struct llist_node *node = llist_reverse_order(llist_del_all(&device->moving.ended));
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(over);

	llist_for_each_entry_safe(cmd, next, node, move.ended) {
		if (cmd->move.is_over || zcmu_move_note(&cmd->move, cmd->move.result))
			list_add_tail(&cmd->node, &over);
		else
			zcmu_move_queue(cmd);
	}
	end(device, &over);
}
