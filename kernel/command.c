// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a command is, whichever way its payload goes: how it begins, its id, its deadline, and what
 * its initiator is told. command.h says who owns it in which state, finish.c how it ends.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "trace.h"
#include "zcmu_kernel.h"

/*
 * From the memory there is, or the device's own. If the device's own are all in use, so many
 * commands are under way: the initiator retries (TASK SET FULL) when some are answered.
 */
struct zcmu_cmd *zcmu_cmd_alloc(struct se_cmd *se_cmd)
{
	struct zcmu_device *device = zcmu_device(se_cmd->se_dev);
	struct zcmu_cmd *cmd = mempool_alloc(&device->reserve.cmds, ZCMU_GFP_NOW);

	if (!cmd) {
		zcmu_plug_end(device);
		cmd = kmem_cache_alloc(zcmu_cmd_cache, ZCMU_GFP_TRY);
	}
	if (!cmd)
		return NULL;
	memset(cmd, 0, offsetof(struct zcmu_cmd, move));
	cmd->device = device;
	cmd->se_cmd = se_cmd;
	cmd->state = ZCMU_CMD_NEW;
	INIT_LIST_HEAD(&cmd->node);
	INIT_LIST_HEAD(&cmd->span.node);
	zcmu_stats_submitted(cmd);
	return cmd;
}

/*
 * Ids are 16 bits wide, and 0 means none. If the handler holds all of them, nobody waits for one.
 */
int zcmu_cmd_take_id(struct zcmu_cmd *cmd, gfp_t gfp)
{
	u32 id;
	int ret = xa_alloc(&cmd->device->commands, &id, cmd, XA_LIMIT(1, U16_MAX), gfp);

	if (ret)
		return ret == -EBUSY ? -ENOBUFS : ret;
	cmd->id = id;
	return 0;
}

/* A command that is found by its id is only used under the lock. */
void zcmu_cmd_give_id(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	if (!cmd->id)
		return;
	spin_lock(&device->lock);
	xa_erase(&device->commands, cmd->id);
	spin_unlock(&device->lock);
	cmd->id = 0;
}

/*
 * Has its initiator given it up: aborted it, or left? It then waits for the answer only to drop it,
 * and may have acted meanwhile, for example on another path.
 */
bool zcmu_is_given_up(const struct zcmu_cmd *cmd)
{
	return READ_ONCE(cmd->se_cmd->transport_state) & (CMD_T_ABORTED | CMD_T_FABRIC_STOP);
}

/* Make sure that the work runs at @deadline at the latest. device->lock is held. */
static void look_at(struct zcmu_device *device, unsigned long deadline)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&device->lock);
	if (delayed_work_pending(&device->expiry.work) &&
	    !time_before(deadline, device->expiry.next_look))
		return;
	device->expiry.next_look = deadline;
	mod_delayed_work(device->reserve.expire_wq, &device->expiry.work,
			 time_after(deadline, now) ? deadline - now : 1);
}

/*
 * Give a command that was just put on a list its deadline. @ms of 0: none.
 * device->lock is held.
 */
void zcmu_deadline_set(struct zcmu_device *device, struct zcmu_cmd *cmd, unsigned int ms)
{
	lockdep_assert_held(&device->lock);
	cmd->has_deadline = ms;
	cmd->deadline = jiffies + msecs_to_jiffies(ms);
	zcmu_deadline_keep(device, cmd);
}

/* The same for a command that already has its deadline. */
void zcmu_deadline_keep(struct zcmu_device *device, const struct zcmu_cmd *cmd)
{
	if (cmd->has_deadline)
		look_at(device, cmd->deadline);
}

/* Is it a status of SAM-5? Any other one must not be taken for success. */
bool zcmu_is_sam_status(u8 status)
{
	switch (status) {
	case SAM_STAT_GOOD:
	case SAM_STAT_CHECK_CONDITION:
	case SAM_STAT_CONDITION_MET:
	case SAM_STAT_BUSY:
	case SAM_STAT_RESERVATION_CONFLICT:
	case SAM_STAT_TASK_SET_FULL:
	case SAM_STAT_ACA_ACTIVE:
	case SAM_STAT_TASK_ABORTED:
		return true;
	default:
		return false;
	}
}

/*
 * Answer the initiator without data. The command is the caller's, nobody finds it
 * through se_cmd->priv any more.
 */
void zcmu_cmd_answer(struct zcmu_cmd *cmd, u8 scsi_status)
{
	struct se_cmd *se_cmd = cmd->se_cmd;

	trace_zcmu_complete(cmd->device, cmd->id, scsi_status);
	zcmu_stats_ended(cmd);
	cmd->se_cmd = NULL;
	target_complete_cmd(se_cmd, scsi_status);
}

/* The same with sense data. */
void zcmu_cmd_fail(struct zcmu_cmd *cmd, sense_reason_t reason)
{
	struct se_cmd *se_cmd = cmd->se_cmd;
	u8 status = SAM_STAT_CHECK_CONDITION;

	if (reason == TCM_LUN_BUSY)
		status = SAM_STAT_BUSY;
	else if (reason == TCM_OUT_OF_RESOURCES)
		status = SAM_STAT_TASK_SET_FULL;
	trace_zcmu_complete(cmd->device, cmd->id, status);
	zcmu_stats_ended(cmd);
	cmd->se_cmd = NULL;
	target_complete_cmd_with_sense(se_cmd, status, reason);
}
