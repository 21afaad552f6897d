// SPDX-License-Identifier: GPL-2.0-only
/*
 * Payloads that the handler keeps: it has answered with ZCMU_UFLAG_KEEP_BUF, and the payload's
 * addresses, and the command's id, stay its own until it writes the id to action/free_kept_buf or
 * closes the device. A lent payload becomes a private copy, because the answer gives the pages back
 * to the initiator.
 */
#include "complete.h"
#include "zcmu_kernel.h"

bool zcmu_is_to_be_kept(const struct zcmu_cmd *cmd)
{
	return cmd->uflags & ZCMU_UFLAG_KEEP_BUF;
}

static void free_kept(struct zcmu_device *device, struct list_head *batch)
{
	if (list_empty(batch))
		return;
	zcmu_drop(device, batch);
	zcmu_retry_waiting(device);
}

/* KEPT -> ANSWERED: its id is free. device->lock is held. */
static void take_kept(struct zcmu_cmd *cmd, struct list_head *batch)
{
	lockdep_assert_held(&cmd->device->lock);
	xa_erase(&cmd->device->commands, cmd->id);
	cmd->state = ZCMU_CMD_ANSWERED;
	list_add_tail(&cmd->node, batch);
}

/* ANSWERED, RETURNED -> KEPT. The initiator has its answer, and its pages. */
void zcmu_keep(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	LIST_HEAD(batch);

	spin_lock(&device->lock);
	cmd->state = ZCMU_CMD_KEPT;
	/* Who would ever give it back? */
	if (!test_bit(ZCMU_DEV_OPEN, &device->flags))
		take_kept(cmd, &batch);
	wake_up_all(&device->lending.wait);
	spin_unlock(&device->lock);
	free_kept(device, &batch);
}

/*
 * Is the command with this id between its answer and KEPT? Other commands in these states have no
 * id. device->lock is held.
 */
static bool is_in_between(struct zcmu_device *device, u16 id, struct zcmu_cmd **cmd)
{
	lockdep_assert_held(&device->lock);
	*cmd = xa_load(&device->commands, id);
	return *cmd && ((*cmd)->state == ZCMU_CMD_ANSWERED ||
			(*cmd)->state == ZCMU_CMD_RETURNED);
}

/* action/free_kept_buf. Return: 0, or -EINVAL if no kept payload has that id. */
int zcmu_keep_free(struct zcmu_device *device, u16 id)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(batch);
	int ret = 0;

	spin_lock(&device->lock);
	wait_event_cmd(device->lending.wait, !is_in_between(device, id, &cmd),
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	if (cmd && cmd->state == ZCMU_CMD_KEPT)
		take_kept(cmd, &batch);
	else
		ret = -EINVAL;
	spin_unlock(&device->lock);
	free_kept(device, &batch);
	return ret;
}

/* The handler has closed the device, and the next one doesn't know what this one kept. */
void zcmu_keep_free_all(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;
	unsigned long id;
	LIST_HEAD(batch);

	spin_lock(&device->lock);
	xa_for_each(&device->commands, id, cmd) {
		if (cmd->state == ZCMU_CMD_KEPT)
			take_kept(cmd, &batch);
	}
	spin_unlock(&device->lock);
	free_kept(device, &batch);
}
