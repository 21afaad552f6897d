// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNIT ATTENTION, CAPACITY DATA HAS CHANGED: each initiator is told once, with its
 * next command, that the disk has another size now. The core has unit attentions
 * of its own, but lets no backend raise them.
 */
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

/*
 * Sessions that were told are noted by their address. One that comes later is told,
 * too, and one that gets an old one's memory isn't: neither has an old size to lose.
 */
static unsigned long nexus_of(const struct se_cmd *se_cmd)
{
	return (unsigned long)se_cmd->se_sess;
}

/* Everybody is to be told anew. */
void zcmu_attention_raise(struct zcmu_device *device)
{
	xa_destroy(&device->attended);
	WRITE_ONCE(device->has_attention, true);
}

/* SPC-4 5.14: these are executed as if there were no unit attention. */
static bool ignores_attention(const struct se_cmd *se_cmd)
{
	switch (se_cmd->t_task_cdb[0]) {
	case INQUIRY:
	case REPORT_LUNS:
	case REQUEST_SENSE:
		return true;
	default:
		return false;
	}
}

/*
 * Must this command be answered with a unit attention? That clears it. (No memory
 * to note that: then later.)
 */
bool zcmu_attention_due(struct zcmu_device *device, const struct se_cmd *se_cmd)
{
	if (likely(!READ_ONCE(device->has_attention)) || !nexus_of(se_cmd) ||
	    ignores_attention(se_cmd) || xa_load(&device->attended, nexus_of(se_cmd)))
		return false;
	return !xa_insert(&device->attended, nexus_of(se_cmd), xa_mk_value(1), GFP_NOIO);
}

void zcmu_attention_answer(struct se_cmd *se_cmd)
{
	unsigned char sense[TRANSPORT_SENSE_BUFFER] = {
		[0] = 0x70,	/* fixed format, SPC-4 4.5.3 */
		[2] = UNIT_ATTENTION,
		[7] = 10,
		[12] = 0x2a,	/* CAPACITY DATA HAS CHANGED */
		[13] = 0x09,
	};

	transport_copy_sense_to_cmd(se_cmd, sense);
	target_complete_cmd(se_cmd, SAM_STAT_CHECK_CONDITION);
}
