// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of commands that the handler has no say in any more: what they have is given back, and
 * who waits for them is answered. expire.c, reset.c and others decide that; complete.c passes
 * answers of the handler on.
 */
#include <linux/file.h>
#include <linux/mempool.h>
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "zcmu_kernel.h"

/* No page table has its pages, if it was lent. */
static void release_payload(struct zcmu_cmd *cmd)
{
	zcmu_lend_free(cmd);
	zcmu_copy_release(&cmd->device->copy, &cmd->out);
	zcmu_copy_release(&cmd->device->copy, &cmd->in);
}

/* Undo the preparation; the command is NEW and not on the ring. */
void zcmu_cmd_unprepare(struct zcmu_cmd *cmd)
{
	release_payload(cmd);
	zcmu_cmd_give_id(cmd);
}

/* Free a command that is neither on the ring nor on a list, and whose id is free. */
void zcmu_cmd_free(struct zcmu_cmd *cmd)
{
	release_payload(cmd);
	if (cmd->sent_by)
		fput(cmd->sent_by);
	mempool_free(cmd, &cmd->device->reserve.cmds);
}

/* Why is a command answered like that, without its handler? */
static enum zcmu_error reason_of(u8 scsi_status, bool was_on_ring)
{
	if (scsi_status == SAM_STAT_TASK_ABORTED)
		return ZCMU_ERROR_module_aborted;
	if (was_on_ring)
		return ZCMU_ERROR_module_lost;
	return scsi_status == SAM_STAT_BUSY ? ZCMU_ERROR_module_blocked : ZCMU_ERROR_module_no_room;
}

/* WAITING -> answered: the handler never saw these. */
void zcmu_answer_waiting(struct list_head *list, u8 scsi_status)
{
	struct zcmu_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, list, node) {
		list_del_init(&cmd->node);
		zcmu_stats_error(cmd->device, reason_of(scsi_status, false));
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

/*
 * Is somebody told that it has failed, without its handler's word? GOOD: the kernel has moved its
 * payload, and that was the answer.
 */
static bool is_failed(const struct zcmu_cmd *cmd)
{
	return cmd->se_cmd && cmd->scsi_status != SAM_STAT_GOOD;
}

/* The status is scsi_status. */
static void answer_one(struct zcmu_cmd *cmd)
{
	if (is_failed(cmd))
		zcmu_stats_error(cmd->device, reason_of(cmd->scsi_status, true));
	if (cmd->se_cmd)
		zcmu_cmd_answer(cmd, cmd->scsi_status);
	zcmu_cmd_free(cmd);
}

/*
 * End the loans of commands, answer those that somebody waits for, and free them. Sleeps. Some may
 * be answered later, because a socket still has pages of theirs.
 */
void zcmu_answer_all(struct zcmu_device *device, struct list_head *batch, u8 scsi_status)
{
	struct zcmu_cmd *cmd, *next;

	zcmu_lend_take_back(device, batch);
	list_for_each_entry_safe(cmd, next, batch, node) {
		list_del_init(&cmd->node);
		cmd->scsi_status = scsi_status;
		/* Nobody has said that what was sent has arrived. */
		if (!is_failed(cmd) || !zcmu_stream_cut_first(cmd, answer_one))
			answer_one(cmd);
	}
}
