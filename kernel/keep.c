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

/*
 * Is it between its answer and KEPT? Of the commands in these states, only such a one has an id.
 * device->lock is held.
 */
static bool is_in_between(const struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->lock);
	return cmd->state == ZCMU_CMD_ANSWERED || cmd->state == ZCMU_CMD_RETURNED;
}

/* ANSWERED, RETURNED: who was to keep it, doesn't. Its id is free. device->lock is held. */
void zcmu_unkeep(struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->lock);
	xa_erase(&cmd->device->commands, cmd->id);
	cmd->unwanted = true;
}

/*
 * ANSWERED, RETURNED -> KEPT, or freed, if nobody would ever give it back. The initiator has its
 * answer, and its pages.
 */
void zcmu_keep(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	LIST_HEAD(batch);

	spin_lock(&device->lock);
	if (!cmd->unwanted && !test_bit(ZCMU_DEV_OPEN, &device->flags))
		zcmu_unkeep(cmd);
	if (cmd->unwanted) {
		cmd->state = ZCMU_CMD_ANSWERED;
		list_add_tail(&cmd->node, &batch);
	} else {
		cmd->state = ZCMU_CMD_KEPT;
	}
	spin_unlock(&device->lock);
	free_kept(device, &batch);
}

/* action/free_kept_buf. Return: 0, or -EINVAL if no kept payload has that id. */
int zcmu_keep_free(struct zcmu_device *device, u16 id)
{
	struct zcmu_cmd *cmd;
	LIST_HEAD(batch);
	int ret = 0;

	spin_lock(&device->lock);
	cmd = xa_load(&device->commands, id);
	if (cmd && cmd->state == ZCMU_CMD_KEPT)
		take_kept(cmd, &batch);
	else if (cmd && is_in_between(cmd))
		zcmu_unkeep(cmd);
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
		else if (is_in_between(cmd))
			zcmu_unkeep(cmd);
	}
	spin_unlock(&device->lock);
	free_kept(device, &batch);
}
