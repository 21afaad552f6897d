// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that are answered without the handler: time-outs, a blocked device, a
 * ring that is reset, a device that goes. Aborts are tmr.c's, ordinary answers
 * complete.c's.
 *
 * recover_lock admits one of these at a time. A command whose entry the handler
 * still has (EXPIRED) keeps its id, its entry and its addresses until the handler
 * gives it back or the ring is reset; its payload is a private copy by then.
 */
#include <linux/jiffies.h>
#include <scsi/scsi_proto.h>

#include "trace.h"
#include "zcmu_kernel.h"

/* See to it that somebody looks at @deadline at the latest. device->lock is held. */
static void look_at(struct zcmu_device *device, unsigned long deadline)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&device->lock);
	if (delayed_work_pending(&device->expire_work) &&
	    !time_before(deadline, device->next_look))
		return;
	device->next_look = deadline;
	mod_delayed_work(device->expire_wq, &device->expire_work,
			 time_after(deadline, now) ? deadline - now : 1);
}

/*
 * Give a command that was just put on a list its deadline. @ms of 0: none.
 * device->lock is held.
 */
void zcmu_expire_arm(struct zcmu_device *device, struct zcmu_cmd *cmd, unsigned int ms)
{
	lockdep_assert_held(&device->lock);
	cmd->has_deadline = ms;
	cmd->deadline = jiffies + msecs_to_jiffies(ms);
	zcmu_expire_rearm(device, cmd);
}

/* The same for one that has its deadline already. */
void zcmu_expire_rearm(struct zcmu_device *device, const struct zcmu_cmd *cmd)
{
	if (cmd->has_deadline)
		look_at(device, cmd->deadline);
}

static bool is_overdue(const struct zcmu_cmd *cmd)
{
	return cmd->has_deadline && time_after_eq(jiffies, cmd->deadline);
}

/*
 * Move what is overdue to @overdue, and see that the rest is looked at in time. The
 * time-outs may have been changed meanwhile: a list needn't be in the order of its
 * deadlines. device->lock is held.
 */
static void collect(struct zcmu_device *device, struct list_head *list,
		    enum zcmu_cmd_state state, struct list_head *overdue)
{
	struct zcmu_cmd *cmd, *next;

	lockdep_assert_held(&device->lock);
	list_for_each_entry_safe(cmd, next, list, node) {
		if (!is_overdue(cmd)) {
			zcmu_expire_rearm(device, cmd);
			continue;
		}
		/* REVOKING ones keep it: their se_cmd is answered later. */
		if (state == ZCMU_CMD_NEW)
			cmd->se_cmd->priv = NULL;
		cmd->state = state;
		list_move_tail(&cmd->node, overdue);
		device->counters.timeouts++;
	}
}

/* WAITING -> answered: the handler has never seen these. */
void zcmu_answer_waiting(struct list_head *list, u8 scsi_status)
{
	struct zcmu_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, list, node) {
		list_del_init(&cmd->node);
		zcmu_cmd_answer(cmd, scsi_status);
		zcmu_cmd_free(cmd);
	}
}

/* End the loans of commands that nobody waits for any more, and free them. Sleeps. */
void zcmu_drop(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd, *next;

	zcmu_lend_take_back(device, batch);
	list_for_each_entry_safe(cmd, next, batch, node) {
		list_del_init(&cmd->node);
		zcmu_cmd_free(cmd);
	}
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

/* REVOKING -> EXPIRED, or gone if the handler has returned it meanwhile. */
static void expire_cmd(struct zcmu_device *device, struct zcmu_cmd *cmd)
{
	bool returned;

	list_del_init(&cmd->node);
	pr_debug("%s: command %u timed out\n", device->name, cmd->id);
	/* The initiator gets its pages back with the answer: so first the revoke. */
	if (cmd->lent)
		zcmu_lend_revoke(cmd);

	spin_lock(&device->lock);
	cmd->se_cmd->priv = NULL;
	spin_unlock(&device->lock);
	zcmu_cmd_answer(cmd, SAM_STAT_CHECK_CONDITION);

	spin_lock(&device->lock);
	returned = cmd->state == ZCMU_CMD_RETURNED;
	if (!returned)
		cmd->state = ZCMU_CMD_EXPIRED;
	spin_unlock(&device->lock);
	if (returned)
		end_returned(device, cmd);
}

/* Work: some deadline has come. */
void zcmu_expire(struct work_struct *work)
{
	struct zcmu_device *device = container_of(to_delayed_work(work), struct zcmu_device,
						  expire_work);
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(waiting);
	LIST_HEAD(ring);

	mutex_lock(&device->recover_lock);
	spin_lock(&device->lock);
	collect(device, &device->waiting, ZCMU_CMD_NEW, &waiting);
	collect(device, &device->inflight, ZCMU_CMD_REVOKING, &ring);
	spin_unlock(&device->lock);

	zcmu_answer_waiting(&waiting, SAM_STAT_TASK_SET_FULL);
	list_for_each_entry_safe(cmd, next, &ring, node)
		expire_cmd(device, cmd);
	mutex_unlock(&device->recover_lock);
}

static void fail_waiting(struct zcmu_device *device, u8 scsi_status)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(waiting);

	spin_lock(&device->lock);
	list_for_each_entry(cmd, &device->waiting, node) {
		cmd->se_cmd->priv = NULL;
		cmd->state = ZCMU_CMD_NEW;
	}
	list_splice_init(&device->waiting, &waiting);
	spin_unlock(&device->lock);
	zcmu_answer_waiting(&waiting, scsi_status);
}

/* action/block_dev: new commands are refused with BUSY until zcmu_unblock(). */
void zcmu_block(struct zcmu_device *device)
{
	if (test_and_set_bit(ZCMU_DEV_BLOCKED, &device->flags))
		return;
	/* What the handler has answered so far counts. */
	zcmu_complete_answers(device);
	fail_waiting(device, SAM_STAT_BUSY);
}

void zcmu_unblock(struct zcmu_device *device)
{
	clear_bit(ZCMU_DEV_BLOCKED, &device->flags);
}

/* Has the handler an entry of it, or a payload that it keeps? recover_lock is held. */
static bool is_handlers(const struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->recover_lock);
	return cmd->state == ZCMU_CMD_RING || cmd->state == ZCMU_CMD_EXPIRED ||
	       cmd->state == ZCMU_CMD_KEPT;
}

/* The ring as it was at first; its commands were taken off. device->lock is held. */
void zcmu_empty_ring(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	zcmu_tmr_forget(device);
	zcmu_ring_reset(&device->ring);
	zcmu_recover_tell(device);
	clear_bit(ZCMU_DEV_BROKEN, &device->flags);
}

/*
 * RING, EXPIRED, KEPT -> ANSWERED, onto @batch: what the handler says of it from now on
 * means nothing. device->lock and recover_lock are held.
 */
void zcmu_take_from_handler(struct zcmu_cmd *cmd, struct list_head *batch)
{
	lockdep_assert_held(&cmd->device->lock);
	lockdep_assert_held(&cmd->device->recover_lock);
	xa_erase(&cmd->device->commands, cmd->id);
	if (cmd->se_cmd)
		cmd->se_cmd->priv = NULL;
	cmd->state = ZCMU_CMD_ANSWERED;
	list_move_tail(&cmd->node, batch);
}

/* Take everything away from the handler. device->lock and recover_lock are held. */
static void take_all(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd;
	unsigned long id;

	lockdep_assert_held(&device->lock);
	lockdep_assert_held(&device->recover_lock);
	xa_for_each(&device->commands, id, cmd) {
		/* A NEW one has its id, but is not published yet. */
		if (is_handlers(cmd))
			zcmu_take_from_handler(cmd, batch);
	}
	zcmu_empty_ring(device);
}

/* End the loans of commands, answer those that somebody waits for, and free them. Sleeps. */
void zcmu_answer_all(struct zcmu_device *device, struct list_head *batch, u8 scsi_status)
{
	struct zcmu_cmd *cmd, *next;

	zcmu_lend_take_back(device, batch);
	list_for_each_entry_safe(cmd, next, batch, node) {
		list_del_init(&cmd->node);
		if (cmd->se_cmd)
			zcmu_cmd_answer(cmd, scsi_status);
		zcmu_cmd_free(cmd);
	}
}

/**
 * zcmu_reset_ring - action/reset_ring: start afresh with an empty ring
 * @device: the device
 * @scsi_status: what the commands on the ring are answered with
 *
 * For a handler that has lost track of its commands. Clears BROKEN.
 */
void zcmu_reset_ring(struct zcmu_device *device, u8 scsi_status)
{
	LIST_HEAD(batch);

	mutex_lock(&device->recover_lock);
	spin_lock(&device->lock);
	take_all(device, &batch);
	spin_unlock(&device->lock);
	zcmu_answer_all(device, &batch, scsi_status);
	mutex_unlock(&device->recover_lock);
	zcmu_retry_waiting(device);
}

/* Each of the two may queue the other: none is left when this returns. */
void zcmu_stop_work(struct zcmu_device *device)
{
	cancel_delayed_work_sync(&device->expire_work);
	cancel_delayed_work_sync(&device->waiting_work);
	cancel_delayed_work_sync(&device->expire_work);
}

/*
 * The device goes: its UIO device is unregistered, its work is stopped. The target
 * core has waited for every command; what is left are expired ones that the handler
 * never gave back, and kept ones.
 */
void zcmu_forget_commands(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(batch);

	mutex_lock(&device->recover_lock);
	spin_lock(&device->lock);
	take_all(device, &batch);
	WARN_ON(!list_empty(&device->waiting));
	spin_unlock(&device->lock);
	list_for_each_entry(cmd, &batch, node)
		WARN_ON(cmd->se_cmd);
	zcmu_answer_all(device, &batch, SAM_STAT_CHECK_CONDITION);
	mutex_unlock(&device->recover_lock);
}
