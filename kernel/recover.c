// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to the commands of a handler that was killed, has crashed or is replaced (I5).
 * attrib/recover says: they stay on the ring as the handler left it (off, as with stock), fail, are
 * answered BUSY, or are put on the ring again for the next handler, as if nobody had seen them.
 *
 * Runs while nobody has the device open: so no page of it is mapped, no fault is
 * under way, and nobody answers. Only a command that has to be cut from a socket first goes on
 * later.
 */
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "payload.h"
#include "zcmu_kernel.h"

/* Take everything off the ring if commands have to fail or be retried. */
static void end_commands(struct zcmu_device *device, u8 mode)
{
	switch (mode) {
	case ZCMU_RECOVER_FAIL:
		zcmu_reset_ring(device, SAM_STAT_CHECK_CONDITION);
		break;
	case ZCMU_RECOVER_RETRY:
		zcmu_reset_ring(device, SAM_STAT_BUSY);
		break;
	case ZCMU_RECOVER_OFF:
	case ZCMU_RECOVER_REISSUE:
		break;
	}
}

/* The handler has closed the device. uio's info_lock is held, as in zcmu_recover_open(). */
void zcmu_recover_close(struct zcmu_device *device)
{
	u8 mode = READ_ONCE(device->recover);

	/* Its answers count, even if it died before it could kick. */
	if (mode != ZCMU_RECOVER_OFF)
		zcmu_complete_answers(device, ZCMU_HANDLER_GONE);
	zcmu_transfer_left(device);
	end_commands(device, mode);
}

/*
 * RING -> NEW (onto @again, in the order of the ring), or given up. Others that the handler has are
 * given up: nobody will ever return them. The ring is empty then. recover_lock and device->lock are
 * held.
 */
static void take_off(struct zcmu_device *device, struct list_head *again, struct list_head *gone)
{
	struct zcmu_cmd *cmd, *next;
	unsigned long id;

	lockdep_assert_held(&device->lock);
	lockdep_assert_held(&device->recover_lock);
	list_for_each_entry_safe(cmd, next, &device->inflight, node) {
		if (zcmu_is_given_up(cmd)) {
			zcmu_take_from_handler(cmd, gone);
			continue;
		}
		cmd->state = ZCMU_CMD_NEW;
		list_move_tail(&cmd->node, again);
	}
	xa_for_each(&device->commands, id, cmd)
		zcmu_take_from_handler(cmd, gone);
	zcmu_empty_ring(device);
}

/*
 * NEW -> RING, once more, as many as find room. They all were on the ring before, but those
 * whose place another's answer took had got the other's, which may have been shorter; see
 * zcmu_ring_swap_spans(). device->lock is held.
 */
static void publish_again(struct zcmu_device *device, struct list_head *again)
{
	struct zcmu_cmd *cmd, *next;
	struct zcmu_plan plan;
	u32 len, offset;
	void *entry;

	lockdep_assert_held(&device->lock);
	list_for_each_entry_safe(cmd, next, again, node) {
		if (cmd->lent)
			zcmu_payload_plan(&plan, cmd->se_cmd);
		len = zcmu_entry_length(cmd, &plan);
		if (!zcmu_ring_has_room(&device->ring, len))
			return;
		entry = zcmu_ring_begin(&device->ring, &cmd->span, len, &offset);
		zcmu_entry_fill(cmd, &plan, entry, offset, len);
		cmd->state = ZCMU_CMD_RING;
		list_move_tail(&cmd->node, &device->inflight);
		zcmu_ring_publish(&device->ring, &cmd->span);
		device->counters.reissues++;
	}
}

/*
 * NEW -> WAITING: no socket of the last handler sends it any more. It comes behind what the next
 * one was given meanwhile.
 */
static void wait_for_next(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	LIST_HEAD(one);

	list_add(&cmd->node, &one);
	spin_lock(&device->lock);
	zcmu_deadline_set(device, cmd, device->cmd_time_out);
	device->counters.reissues++;
	spin_unlock(&device->lock);
	zcmu_wait_again(device, &one);
	zcmu_retry_waiting(device);
}

/*
 * Those of @again that a socket may still send come later; the next handler finds no page of them.
 */
static void cut(struct zcmu_device *device, struct list_head *again)
{
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(sent);

	list_for_each_entry_safe(cmd, next, again, node) {
		if (cmd->sent_by)
			list_move_tail(&cmd->node, &sent);
	}
	zcmu_lend_take_back(device, &sent);
	list_for_each_entry_safe(cmd, next, &sent, node) {
		list_del_init(&cmd->node);
		zcmu_cmd_unprepare(cmd);
		zcmu_stream_cut_first(cmd, wait_for_next);
	}
}

/*
 * Make the ring anew: it has every command that is out and wanted, but for those that are cut from
 * a socket first, and nothing else.
 */
static void reissue(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(again);
	LIST_HEAD(gone);

	mutex_lock(&device->recover_lock);
	spin_lock(&device->lock);
	/* From here on new commands wait, because they come after these on the ring. */
	device->reissuing = true;
	take_off(device, &again, &gone);
	spin_unlock(&device->lock);

	cut(device, &again);
	list_for_each_entry(cmd, &again, node)
		zcmu_restore_payload(cmd);

	spin_lock(&device->lock);
	publish_again(device, &again);
	spin_unlock(&device->lock);
	zcmu_wait_again(device, &again);
	spin_lock(&device->lock);
	device->reissuing = false;
	spin_unlock(&device->lock);
	zcmu_answer_all(device, &gone, SAM_STAT_TASK_ABORTED);
	mutex_unlock(&device->recover_lock);
	zcmu_retry_waiting(device);
}

/*
 * A handler opens the device. A ring that is still broken was so before attrib/recover was
 * set to what it is, and commands wait for its mending.
 */
void zcmu_recover_open(struct zcmu_device *device)
{
	u8 mode = READ_ONCE(device->recover);

	/* Transfers of its predecessor must not use its descriptors. */
	zcmu_complete_answers(device, ZCMU_HANDLER_GONE);
	zcmu_transfer_left(device);
	if (mode == ZCMU_RECOVER_REISSUE)
		reissue(device);
	else if (test_bit(ZCMU_DEV_BROKEN, &device->flags))
		end_commands(device, mode);
}
