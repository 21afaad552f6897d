// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decides which way a payload goes, by what its command is, and prepares those that are copied.
 * loan.c lends, and submit.c says when.
 */
#include <scsi/scsi_proto.h>

#include "payload.h"
#include "zcmu_kernel.h"

/* Is it one of the READs, all of whose Data-In are the disk's blocks? */
static bool is_block_read(const struct se_cmd *se_cmd)
{
	const u8 *cdb = se_cmd->t_task_cdb;

	switch (cdb[0]) {
	case READ_6:
	case READ_10:
	case READ_12:
	case READ_16:
		return true;
	case VARIABLE_LENGTH_CMD:
		return (cdb[8] << 8 | cdb[9]) == READ_32;
	default:
		return false;
	}
}

/*
 * Can it be repeated? A COMPARE AND WRITE that has written and then failed would find other data:
 * it can't be tried again as a copy.
 */
static bool is_repeatable(const struct se_cmd *se_cmd)
{
	return se_cmd->t_task_cdb[0] != COMPARE_AND_WRITE;
}

/*
 * Is its payload the disk's blocks, on their way in the direction that the CDB has? An
 * initiator may say one thing in the CDB and another on its transport. A READ that brings
 * Data-Out must not be lent: its handler would store into read-only pages. A WRITE that
 * takes Data-In must not show its handler what these pages held before.
 */
static bool moves_blocks(const struct se_cmd *se_cmd)
{
	enum dma_data_direction direction = is_block_read(se_cmd) ? DMA_FROM_DEVICE :
								    DMA_TO_DEVICE;

	return se_cmd->se_cmd_flags & SCF_SCSI_DATA_CDB && se_cmd->data_direction == direction;
}

/* Does the command bring bytes to the initiator that a short answer could leave stale? */
static bool needs_clean_memory(const struct se_cmd *se_cmd)
{
	/*
	 * The handler vouches for what it says it has read from the disk; the rest is up to us
	 * (I6).
	 */
	return se_cmd->data_direction == DMA_FROM_DEVICE && !moves_blocks(se_cmd);
}

/* Bytes of Data-In of a bidirectional command. */
static u64 bidi_length(const struct se_cmd *se_cmd)
{
	struct scatterlist *sg;
	u64 bytes = 0;
	u32 i;

	for_each_sg(se_cmd->t_bidi_data_sg, sg, se_cmd->t_bidi_data_nents, i)
		bytes += sg->length;
	return bytes;
}

/*
 * Should the next payload be lent, as far as its shape is concerned? A handler
 * that has pinned lately gets copies, and now and then another try.
 */
bool zcmu_should_lend(struct zcmu_device *device, const struct se_cmd *se_cmd,
		      struct zcmu_plan *plan)
{
	struct zcmu_lend_policy policy = device->lending.policy;

	if (!policy.enabled || zcmu_is_bidi(se_cmd) || se_cmd->data_length < policy.min_bytes ||
	    !moves_blocks(se_cmd) || !is_repeatable(se_cmd))
		return false;
	/* What the copy area can't hold must be lent. */
	if (se_cmd->data_length <= zcmu_copy_capacity(&device->copy) &&
	    atomic_dec_if_positive(&device->lending.copies_due) >= 0)
		return false;
	zcmu_payload_plan(plan, se_cmd);
	return zcmu_plan_should_lend(plan, &policy);
}

/* Bring a payload's bytes into its blocks of the copy area, if it has any. */
void zcmu_copy_in(struct zcmu_cmd *cmd)
{
	struct zcmu_copy_area *area = &cmd->device->copy;
	struct se_cmd *se_cmd = cmd->se_cmd;

	cmd->scrubbed = zcmu_is_to_be_scrubbed(cmd);
	if (cmd->in.nr)
		zcmu_copy_zero(area, &cmd->in);
	if (!cmd->out.nr)
		return;
	if (zcmu_is_write(se_cmd))
		zcmu_copy_from_sgl(area, &cmd->out, se_cmd->t_data_sg, se_cmd->t_data_nents,
				   cmd->out.bytes);
	else if (cmd->scrubbed || needs_clean_memory(se_cmd))
		zcmu_copy_zero(area, &cmd->out);
}

/* Take blocks for a payload that is copied. Return: as zcmu_copy_reserve(). */
int zcmu_copy_prepare(struct zcmu_cmd *cmd, gfp_t gfp)
{
	struct zcmu_copy_area *area = &cmd->device->copy;
	struct se_cmd *se_cmd = cmd->se_cmd;
	u32 bytes = se_cmd->t_data_nents ? se_cmd->data_length : 0;
	u64 in_bytes = zcmu_is_bidi(se_cmd) ? bidi_length(se_cmd) : 0;
	int ret = 0;

	if (in_bytes > U32_MAX || !zcmu_copy_holds(area, bytes, in_bytes))
		return -EMSGSIZE;
	if (bytes)
		ret = zcmu_copy_reserve(area, &cmd->out, bytes, gfp);
	if (!ret && in_bytes)
		ret = zcmu_copy_reserve(area, &cmd->in, in_bytes, gfp);
	return ret;
}

/* Make the payload as it was before a handler could write to it. */
void zcmu_restore_payload(struct zcmu_cmd *cmd)
{
	if (cmd->lent)
		zcmu_lend_restore(cmd);
	else
		zcmu_copy_in(cmd);
}
