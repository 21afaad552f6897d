// SPDX-License-Identifier: GPL-2.0-only
/*
 * Empties the ring: action/reset_ring, and a device that goes. Later answers to its commands mean
 * nothing. recover.c begins like that, too.
 */
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "zcmu_kernel.h"

/*
 * The handler is told by a flag that the ring is as zcmu_recover_open() left it.
 * device->lock is held; who isn't sure that there is a ring, which comes and goes where "enable"
 * fails, holds config_lock as well.
 */
void zcmu_tell_caps(struct zcmu_device *device)
{
	struct zcmu_mailbox *mailbox = device->map;
	u16 flags = ZCMU_CAPS;

	lockdep_assert_held(&device->lock);
	if (!mailbox)
		return;
	if (READ_ONCE(device->recover) == ZCMU_RECOVER_REISSUE)
		flags |= ZCMU_CAP_RECOVER;
	WRITE_ONCE(mailbox->flags, flags);
}

/* The ring as it was at first; its commands were taken off. device->lock is held. */
void zcmu_empty_ring(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	zcmu_tmr_forget(device);
	zcmu_ring_reset(&device->ring);
	zcmu_tell_caps(device);
	clear_bit(ZCMU_DEV_BROKEN, &device->flags);
}

/* RING, EXPIRED, KEPT -> ANSWERED, onto @batch. device->lock is held. */
static void take(struct zcmu_cmd *cmd, struct list_head *batch)
{
	lockdep_assert_held(&cmd->device->lock);
	xa_erase(&cmd->device->commands, cmd->id);
	if (cmd->se_cmd)
		cmd->se_cmd->priv = NULL;
	cmd->state = ZCMU_CMD_ANSWERED;
	list_move_tail(&cmd->node, batch);
}

/*
 * Has the handler an entry of it, or a payload that it keeps? Then what it says of it from now on
 * means nothing. Those that somebody else is about to answer or to end aren't put onto @batch.
 * device->lock and recover_lock are held.
 */
void zcmu_take_from_handler(struct zcmu_cmd *cmd, struct list_head *batch)
{
	lockdep_assert_held(&cmd->device->lock);
	lockdep_assert_held(&cmd->device->recover_lock);
	switch (cmd->state) {
	case ZCMU_CMD_RING:
	case ZCMU_CMD_EXPIRED:
	case ZCMU_CMD_KEPT:
		take(cmd, batch);
		break;
	case ZCMU_CMD_REVOKING:
		cmd->state = ZCMU_CMD_RETURNED;
		zcmu_unkeep(cmd);
		break;
	case ZCMU_CMD_RETURNED:
		zcmu_unkeep(cmd);
		break;
	}
}

/* Take everything away from the handler. device->lock and recover_lock are held. */
static void take_all(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd;
	unsigned long id;

	lockdep_assert_held(&device->lock);
	lockdep_assert_held(&device->recover_lock);
	xa_for_each(&device->commands, id, cmd)
		zcmu_take_from_handler(cmd, batch);
	zcmu_empty_ring(device);
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
	zcmu_transfer_reset(device, scsi_status);
	spin_unlock(&device->lock);
	zcmu_answer_all(device, &batch, scsi_status);
	mutex_unlock(&device->recover_lock);
	zcmu_retry_waiting(device);
}

/* Each of the two may queue the other: neither is queued when this returns. */
void zcmu_stop_work(struct zcmu_device *device)
{
	cancel_delayed_work_sync(&device->expiry.work);
	cancel_delayed_work_sync(&device->waiting.work);
	cancel_delayed_work_sync(&device->expiry.work);
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
	WARN_ON(!list_empty(&device->waiting.cmds));
	spin_unlock(&device->lock);
	list_for_each_entry(cmd, &batch, node)
		WARN_ON(cmd->se_cmd);
	zcmu_answer_all(device, &batch, SAM_STAT_CHECK_CONDITION);
	mutex_unlock(&device->recover_lock);
}
