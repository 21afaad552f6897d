// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that are answered without the handler: time-outs, and a blocked device. reset.c resets
 * the ring and ends a device, tmr.c handles aborts, complete.c ordinary answers.
 *
 * recover_lock admits one of these at a time. A command whose entry the handler
 * still has (EXPIRED) keeps its id, its entry and its addresses until the handler
 * gives it back or the ring is reset; its payload is a private copy by then.
 */
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "zcmu_kernel.h"

/*
 * Move what is overdue to @overdue, and see that the rest is looked at in time. The
 * time-outs may have been changed meanwhile: a list needn't be in the order of its
 * deadlines. device->lock is held. Return: how many are.
 */
static u32 collect(struct zcmu_device *device, struct list_head *list,
		   enum zcmu_cmd_state state, struct list_head *overdue)
{
	struct zcmu_cmd *cmd, *next;
	u32 n = 0;

	lockdep_assert_held(&device->lock);
	list_for_each_entry_safe(cmd, next, list, node) {
		if (!zcmu_is_overdue(cmd)) {
			zcmu_deadline_keep(device, cmd);
			continue;
		}
		/* REVOKING ones keep it: their se_cmd is answered later. */
		if (state == ZCMU_CMD_NEW)
			cmd->se_cmd->priv = NULL;
		cmd->state = state;
		list_move_tail(&cmd->node, overdue);
		n++;
	}
	device->counters.timeouts += n;
	return n;
}

/* RETURNED -> KEPT or freed: the handler has given it back while it was revoked. */
static void end_returned(struct zcmu_device *device, struct zcmu_cmd *cmd)
{
	LIST_HEAD(one);

	if (zcmu_is_to_be_kept(cmd)) {
		zcmu_keep(cmd);
		return;
	}
	list_add(&cmd->node, &one);
	zcmu_drop(device, &one);
	zcmu_retry_waiting(device);
}

/*
 * REVOKING -> EXPIRED, or gone if the handler has returned it meanwhile. Nobody but the initiator
 * has its pages any more. recover_lock is held.
 */
static void expire_cmd(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	bool returned;

	lockdep_assert_held(&device->recover_lock);
	spin_lock(&device->lock);
	cmd->se_cmd->priv = NULL;
	spin_unlock(&device->lock);
	zcmu_stats_error(device, ZCMU_ERROR_module_timed_out);
	zcmu_cmd_answer(cmd, SAM_STAT_CHECK_CONDITION);

	spin_lock(&device->lock);
	returned = cmd->state == ZCMU_CMD_RETURNED;
	if (!returned)
		cmd->state = ZCMU_CMD_EXPIRED;
	spin_unlock(&device->lock);
	if (returned)
		end_returned(device, cmd);
}

static void expire_cut(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	mutex_lock(&device->recover_lock);
	expire_cmd(cmd);
	mutex_unlock(&device->recover_lock);
}

/* The answer gives the pages back to the initiator, so they are taken from the handler first. */
static void begin_to_expire(struct zcmu_device *device, struct zcmu_cmd *cmd)
{
	list_del_init(&cmd->node);
	pr_debug("%s: command %u timed out\n", device->name, cmd->id);
	if (cmd->lent)
		zcmu_lend_revoke(cmd);
	if (!zcmu_stream_cut_first(cmd, expire_cut))
		expire_cmd(cmd);
}

/* Work: some deadline has come. */
void zcmu_expire(struct work_struct *work)
{
	struct zcmu_device *device = container_of(to_delayed_work(work), struct zcmu_device,
						  expiry.work);
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(waiting);
	LIST_HEAD(ring);

	mutex_lock(&device->recover_lock);
	spin_lock(&device->lock);
	collect(device, &device->waiting.cmds, ZCMU_CMD_NEW, &waiting);
	zcmu_stats_note_late(device,
			     collect(device, &device->inflight, ZCMU_CMD_REVOKING, &ring));
	zcmu_turn_look(device);
	spin_unlock(&device->lock);

	zcmu_answer_waiting(&waiting, SAM_STAT_TASK_SET_FULL);
	list_for_each_entry_safe(cmd, next, &ring, node)
		begin_to_expire(device, cmd);
	mutex_unlock(&device->recover_lock);
}

static void fail_waiting(struct zcmu_device *device, u8 scsi_status)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(waiting);

	spin_lock(&device->lock);
	list_for_each_entry(cmd, &device->waiting.cmds, node) {
		cmd->se_cmd->priv = NULL;
		cmd->state = ZCMU_CMD_NEW;
	}
	list_splice_init(&device->waiting.cmds, &waiting);
	spin_unlock(&device->lock);
	zcmu_answer_waiting(&waiting, scsi_status);
}

/* action/block_dev: new commands are refused with BUSY until zcmu_unblock(). */
void zcmu_block(struct zcmu_device *device)
{
	if (test_and_set_bit(ZCMU_DEV_BLOCKED, &device->flags))
		return;
	/* What the handler has answered so far counts. */
	zcmu_complete_answers(device, ZCMU_NO_KICK);
	fail_waiting(device, SAM_STAT_BUSY);
}

void zcmu_unblock(struct zcmu_device *device)
{
	clear_bit(ZCMU_DEV_BLOCKED, &device->flags);
}
