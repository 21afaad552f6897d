// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that wait: for room on the ring, in the copy area or in the window, for memory, or for
 * a ring that is to be mended. Their list, its order, and who may be on it. They are tried
 * again by submit.c.
 */
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "zcmu_kernel.h"

/*
 * Is there no usable ring now, but will there be one? One that recover.c rebuilds is nearly ready;
 * one that the handler broke is repaired when the handler has gone, if attrib/recover says so.
 * Until then there is no room. device->lock is held.
 */
bool zcmu_is_to_be_mended(const struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	return device->reissuing || (test_bit(ZCMU_DEV_BROKEN, &device->flags) &&
				     READ_ONCE(device->recover) != ZCMU_RECOVER_OFF);
}

/*
 * May commands be queued at all, and this one? device->lock is held, so an abort
 * that comes later finds the command where the caller puts it.
 * Return: 0, -EBUSY, -EIO, or -ECANCELED.
 */
int zcmu_may_queue(const struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->lock);
	if (test_bit(ZCMU_DEV_BLOCKED, &cmd->device->flags))
		return -EBUSY;
	if (test_bit(ZCMU_DEV_BROKEN, &cmd->device->flags) && !zcmu_is_to_be_mended(cmd->device))
		return -EIO;
	if (cmd->se_cmd->transport_state & CMD_T_ABORTED)
		return -ECANCELED;
	return 0;
}

/* Try waiting commands again. device->lock is held. */
void zcmu_look_again(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	/* It is about to look. */
	if (delayed_work_pending(&device->waiting.work) &&
	    !timer_pending(&device->waiting.work.timer))
		return;
	/* There is no queue before the device is enabled, nor if that has failed. */
	if (device->reserve.waiting_wq)
		mod_delayed_work(device->reserve.waiting_wq, &device->waiting.work, 0);
}

static unsigned int waiting_time_out(const struct zcmu_device *device)
{
	if (device->qfull_time_out >= 0)
		return device->qfull_time_out;
	return device->cmd_time_out ?: ZCMU_TIME_OUT_MS;
}

/*
 * NEW -> WAITING. device->lock is held. Return: 0; as zcmu_may_queue(); or -ETIMEDOUT if
 * waiting is switched off.
 */
int zcmu_waiting_add(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	int ret = zcmu_may_queue(cmd);

	lockdep_assert_held(&device->lock);
	if (!ret && !waiting_time_out(device))
		ret = -ETIMEDOUT;
	if (ret)
		return ret;
	cmd->se_cmd->priv = cmd;
	cmd->state = ZCMU_CMD_WAITING;
	list_add_tail(&cmd->node, &device->waiting.cmds);
	zcmu_deadline_set(device, cmd, waiting_time_out(device));
	device->counters.waits++;
	/* There may be room by now. */
	zcmu_look_again(device);
	return 0;
}

/* Must a new command queue up, behind others that wait for room or alone? device->lock is held. */
bool zcmu_must_queue_up(const struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	return device->waiting.is_trying || zcmu_is_to_be_mended(device) ||
	       !list_empty(&device->waiting.cmds);
}

/* Room was freed: try commands that wait for it. */
void zcmu_retry_waiting(struct zcmu_device *device)
{
	spin_lock(&device->lock);
	if (zcmu_must_queue_up(device))
		zcmu_look_again(device);
	spin_unlock(&device->lock);
}

/* Take the command that has waited longest off the list, to try it. */
struct zcmu_cmd *zcmu_waiting_next(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;

	spin_lock(&device->lock);
	cmd = list_first_entry_or_null(&device->waiting.cmds, struct zcmu_cmd, node);
	if (cmd) {
		list_del_init(&cmd->node);
		cmd->state = ZCMU_CMD_NEW;
		cmd->se_cmd->priv = NULL;
	}
	device->waiting.is_trying = cmd;
	spin_unlock(&device->lock);
	return cmd;
}

/*
 * Without room, it goes back to its place, with its deadline. Without memory, it goes behind the
 * others, which may need none and free some. Return: as zcmu_may_queue().
 */
int zcmu_waiting_put_back(struct zcmu_cmd *cmd, bool behind)
{
	struct zcmu_device *device = cmd->device;
	int ret;

	spin_lock(&device->lock);
	ret = zcmu_may_queue(cmd);
	if (!ret) {
		cmd->se_cmd->priv = cmd;
		cmd->state = ZCMU_CMD_WAITING;
		if (behind)
			list_add_tail(&cmd->node, &device->waiting.cmds);
		else
			list_add(&cmd->node, &device->waiting.cmds);
		zcmu_deadline_keep(device, cmd);
	}
	spin_unlock(&device->lock);
	return ret;
}

/*
 * NEW, ANSWERED -> WAITING, in front of the others and with the deadlines they have: commands that
 * were on the ring, and find no room on the one that was made anew, or are tried again. tmr.c
 * doesn't see commands that are aborted meanwhile: they are answered here.
 */
void zcmu_wait_again(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(aborted);

	zcmu_lend_take_back(device, batch);
	list_for_each_entry(cmd, batch, node)
		zcmu_cmd_unprepare(cmd);
	spin_lock(&device->lock);
	list_for_each_entry_safe(cmd, next, batch, node) {
		if (zcmu_is_given_up(cmd)) {
			cmd->se_cmd->priv = NULL;
			cmd->state = ZCMU_CMD_NEW;
			list_move_tail(&cmd->node, &aborted);
			continue;
		}
		cmd->se_cmd->priv = cmd;
		cmd->state = ZCMU_CMD_WAITING;
		/* A command in front of the others must not wait for room for ever. */
		if (cmd->is_second_try && !cmd->has_deadline)
			zcmu_deadline_set(device, cmd,
					waiting_time_out(device) ?: ZCMU_TIME_OUT_MS);
		else
			zcmu_deadline_keep(device, cmd);
	}
	list_splice_init(batch, &device->waiting.cmds);
	spin_unlock(&device->lock);
	zcmu_answer_waiting(&aborted, SAM_STAT_TASK_ABORTED);
}

u32 zcmu_waiting_count(struct zcmu_device *device)
{
	struct list_head *node;
	u32 n = 0;

	spin_lock(&device->lock);
	list_for_each(node, &device->waiting.cmds)
		n++;
	spin_unlock(&device->lock);
	return n;
}
