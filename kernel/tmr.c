// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aborts: the initiator takes commands back. Those that wait for room are answered
 * here; those on the ring are the handler's, which is told of it by a notification
 * if attrib/tmr_notification asks for that. The core waits until they are answered,
 * or time out.
 */
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "zcmu_kernel.h"

/* No more are kept for a handler that doesn't read them. */
#define MAX_WAITING	256

/* A notification, until the handler's tail has passed it. */
struct zcmu_tmr {
	struct list_head node;		/* device->tmrs.waiting: no room on the ring yet */
	struct zcmu_span span;
	u8 type;
	u32 nr_ids;
	u16 ids[];
};

static u8 type_of(enum tcm_tmreq_table tmf)
{
	switch (tmf) {
	case TMR_ABORT_TASK:
		return ZCMU_TMR_ABORT_TASK;
	case TMR_ABORT_TASK_SET:
		return ZCMU_TMR_ABORT_TASK_SET;
	case TMR_CLEAR_ACA:
		return ZCMU_TMR_CLEAR_ACA;
	case TMR_CLEAR_TASK_SET:
		return ZCMU_TMR_CLEAR_TASK_SET;
	case TMR_LUN_RESET:
		return ZCMU_TMR_LUN_RESET;
	case TMR_TARGET_WARM_RESET:
		return ZCMU_TMR_TARGET_WARM_RESET;
	case TMR_TARGET_COLD_RESET:
		return ZCMU_TMR_TARGET_COLD_RESET;
	case TMR_LUN_RESET_PRO:
		return ZCMU_TMR_LUN_RESET_PRO;
	default:
		return ZCMU_TMR_UNKNOWN;
	}
}

static u32 entry_length(const struct zcmu_tmr *tmr)
{
	return round_up(sizeof(struct zcmu_tmr_entry) + tmr->nr_ids * sizeof(u16),
			ZCMU_ENTRY_ALIGN);
}

/* Does the handler have the command, and the core wait for it? device->lock is held. */
static bool is_on_ring(const struct se_cmd *se_cmd)
{
	const struct zcmu_cmd *cmd = se_cmd->priv;

	lockdep_assert_held(&zcmu_device(se_cmd->se_dev)->lock);
	return cmd && (cmd->state == ZCMU_CMD_RING || cmd->state == ZCMU_CMD_REVOKING);
}

/* Is it still the command that was aborted, or has another one its id by now? device->lock. */
static bool is_still_aborted(struct zcmu_device *device, u16 id)
{
	const struct zcmu_cmd *cmd = xa_load(&device->commands, id);

	lockdep_assert_held(&device->lock);
	/* Not by its se_cmd: that is gone once the command has timed out. */
	return cmd && cmd->aborted;
}

/* It had to wait: leave out commands that the handler has answered meanwhile. */
static void drop_answered(struct zcmu_device *device, struct zcmu_tmr *tmr)
{
	u32 i, n = 0;

	for (i = 0; i < tmr->nr_ids; i++) {
		if (is_still_aborted(device, tmr->ids[i]))
			tmr->ids[n++] = tmr->ids[i];
	}
	tmr->nr_ids = n;
}

/* Put a notification on the ring. device->lock is held. Return: false if there is no room. */
static bool publish(struct zcmu_device *device, struct zcmu_tmr *tmr)
{
	struct zcmu_tmr_entry *entry;
	u32 offset, len;

	lockdep_assert_held(&device->lock);
	drop_answered(device, tmr);
	len = entry_length(tmr);
	if (device->reissuing || !zcmu_ring_has_room(&device->ring, len))
		return false;
	entry = zcmu_ring_begin(&device->ring, &tmr->span, len, &offset);
	entry->hdr.len_op = len | ZCMU_OP_TMR;
	entry->tmr_type = tmr->type;
	entry->cmd_cnt = tmr->nr_ids;
	memcpy((void *)entry + offsetof(struct zcmu_tmr_entry, cmd_ids), tmr->ids,
	       tmr->nr_ids * sizeof(u16));
	zcmu_ring_publish(&device->ring, &tmr->span);
	zcmu_wake_now(device);
	return true;
}

/* There may be room now: send waiting notifications, in order. device->lock is held. */
void zcmu_tmr_publish_waiting(struct zcmu_device *device)
{
	struct zcmu_tmr *tmr, *next;

	lockdep_assert_held(&device->lock);
	list_for_each_entry_safe(tmr, next, &device->tmrs.waiting, node) {
		if (!publish(device, tmr))
			return;
		list_del_init(&tmr->node);
		device->tmrs.nr_waiting--;
	}
}

/* The tail has passed it. device->lock is held. */
void zcmu_tmr_free(struct zcmu_device *device, struct zcmu_span *span)
{
	lockdep_assert_held(&device->lock);
	kfree(container_of(span, struct zcmu_tmr, span));
}

/*
 * The ring is about to be reset: forget all notifications, on the ring or waiting. device->lock is
 * held.
 */
void zcmu_tmr_forget(struct zcmu_device *device)
{
	struct zcmu_span *span, *next_span;
	struct zcmu_tmr *tmr, *next;

	lockdep_assert_held(&device->lock);
	list_for_each_entry_safe(span, next_span, &device->ring.spans, node) {
		if (span->is_cmd)
			continue;
		list_del(&span->node);
		zcmu_tmr_free(device, span);
	}
	list_for_each_entry_safe(tmr, next, &device->tmrs.waiting, node) {
		list_del(&tmr->node);
		kfree(tmr);
	}
	device->tmrs.nr_waiting = 0;
}

static u32 count_on_ring(struct zcmu_device *device, struct list_head *aborted)
{
	struct se_cmd *se_cmd;
	u32 n = 0;

	spin_lock(&device->lock);
	list_for_each_entry(se_cmd, aborted, state_list)
		n += is_on_ring(se_cmd);
	spin_unlock(&device->lock);
	return n;
}

static void notify(struct zcmu_device *device, enum tcm_tmreq_table tmf,
		   struct list_head *aborted)
{
	/* Commands only leave the ring meanwhile: the core holds what it aborts. */
	u32 max_ids = min_t(u32, count_on_ring(device, aborted), U16_MAX);
	struct zcmu_tmr *tmr = kzalloc(struct_size(tmr, ids, max_ids), ZCMU_GFP_TRY);
	struct se_cmd *se_cmd;

	if (!tmr)
		return;
	tmr->type = type_of(tmf);
	spin_lock(&device->lock);
	list_for_each_entry(se_cmd, aborted, state_list) {
		struct zcmu_cmd *cmd = se_cmd->priv;

		if (!is_on_ring(se_cmd) || tmr->nr_ids == max_ids)
			continue;
		cmd->aborted = true;
		tmr->ids[tmr->nr_ids++] = cmd->id;
	}
	if (!test_bit(ZCMU_DEV_BROKEN, &device->flags) && device->tmrs.nr_waiting < MAX_WAITING) {
		list_add_tail(&tmr->node, &device->tmrs.waiting);
		device->tmrs.nr_waiting++;
		tmr = NULL;
		zcmu_tmr_publish_waiting(device);
	}
	spin_unlock(&device->lock);
	kfree(tmr);
}

/**
 * zcmu_tmr_notify - the initiator has aborted commands
 * @se_dev: the device
 * @tmf: by which function
 * @aborted: the commands, linked by state_list; the core holds them
 */
void zcmu_tmr_notify(struct se_device *se_dev, enum tcm_tmreq_table tmf,
		     struct list_head *aborted)
{
	struct zcmu_device *device = zcmu_device(se_dev);
	struct se_cmd *se_cmd;
	LIST_HEAD(waiting);

	spin_lock(&device->lock);
	list_for_each_entry(se_cmd, aborted, state_list) {
		struct zcmu_cmd *cmd = se_cmd->priv;

		if (!cmd || cmd->state != ZCMU_CMD_WAITING)
			continue;
		se_cmd->priv = NULL;
		cmd->state = ZCMU_CMD_NEW;
		list_move_tail(&cmd->node, &waiting);
	}
	spin_unlock(&device->lock);

	/* Note the ids first: commands that are answered below may leave the core's list. */
	if (READ_ONCE(device->tmrs.are_wanted))
		notify(device, tmf, aborted);
	zcmu_answer_waiting(&waiting, SAM_STAT_TASK_ABORTED);
}
