// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second try, as a copy: for a lent READ or WRITE that the handler has failed. What has
 * touched a lent payload can't pin it any more, and a handler that was written for stock
 * doesn't know why its system call fails (zcmu-abi.h, "Once more, as a copy"). Not for
 * commands of a handler that has gone: recover.c has those.
 *
 * Lent commands are READs and WRITEs of blocks alone, which are done twice as well as once.
 */
#include <scsi/scsi_common.h>
#include <scsi/scsi_eh.h>
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "trace.h"
#include "zcmu_kernel.h"

/* Does the handler itself say when a copy would help? It may lie, to its own harm. */
static bool is_knowing(struct zcmu_device *device)
{
	return zcmu_ring_handler_flags(&device->ring) & ZCMU_HANDLER_KNOWS_LENDING;
}

static bool is_failure(const struct zcmu_cmd *cmd)
{
	return cmd->uflags & ZCMU_UFLAG_UNKNOWN_OP ||
	       (cmd->scsi_status != SAM_STAT_GOOD && cmd->scsi_status != SAM_STAT_CONDITION_MET);
}

/*
 * Could a system call have failed that works with stock? One that pins what was touched, or
 * stores into a WRITE's payload; or the exchange for a pin had no memory. What nobody has
 * touched, or what was exchanged, behaves as a copy does.
 */
static bool was_in_the_way(const struct zcmu_loan *loan)
{
	return loan->refused || (loan->mapped && !loan->private);
}

/*
 * Is it a failure of the I/O itself, as far as is said? Handlers make a MEDIUM or HARDWARE
 * ERROR of an errno that they don't know, or an ABORTED COMMAND, or give no sense data, or put
 * the errno where the status belongs. What names a reason of its own (the CDB, the state of
 * the disk, a reservation, write protection, a miscompare) or asks the initiator to come again
 * (BUSY, TASK SET FULL) has nothing to do with lending, nor has an opcode that isn't known.
 */
static bool is_failure_of_io(const struct zcmu_cmd *cmd)
{
	struct scsi_sense_hdr sense;

	if (cmd->uflags & ZCMU_UFLAG_UNKNOWN_OP)
		return false;
	if (!zcmu_is_sam_status(cmd->scsi_status))
		return true;
	if (cmd->scsi_status != SAM_STAT_CHECK_CONDITION)
		return false;
	if (!scsi_normalize_sense(cmd->sense, sizeof(cmd->sense), &sense))
		return true;
	/* A deferred error is another command's. */
	if (scsi_sense_is_deferred(&sense))
		return false;
	switch (sense.sense_key) {
	case NO_SENSE:
	case MEDIUM_ERROR:
	case HARDWARE_ERROR:
	case ABORTED_COMMAND:
		return true;
	default:
		return false;
	}
}

/* Has the command failed because its payload was lent? */
static bool is_wanted(const struct zcmu_cmd *cmd)
{
	if (cmd->uflags & ZCMU_UFLAG_TRY_COPIED)
		return is_failure(cmd);
	return !is_knowing(cmd->device) && was_in_the_way(&cmd->loan) && is_failure_of_io(cmd);
}

/* Does somebody still wait for it, and does nobody have its payload? */
static bool is_possible(const struct zcmu_cmd *cmd)
{
	return !zcmu_is_to_be_kept(cmd) && !zcmu_is_given_up(cmd) &&
	       zcmu_copy_holds(&cmd->device->copy, cmd->se_cmd->data_length, 0);
}

/**
 * zcmu_second_try_decide - a handler has answered; is that the last word?
 * @cmd: the command, ANSWERED and in time: so its initiator waits for it
 *
 * The second try isn't lent, so there is no third. device->lock is held.
 */
void zcmu_second_try_decide(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	lockdep_assert_held(&device->lock);
	if (!cmd->lent)
		return;
	if (is_wanted(cmd) && is_possible(cmd)) {
		cmd->is_second_try = true;
		device->counters.second_tries++;
		zcmu_lend_pause(device);
	} else if (cmd->loan.mapped && !cmd->loan.private && !is_failure(cmd)) {
		/* Touched and well: lending pays again. */
		device->lending.copies_step = 0;
	}
}

/**
 * zcmu_second_try_begin - have those of @batch done once more that are to be
 * @device: the device
 * @batch: commands in state ANSWERED, whose ids are free
 *
 * They wait in front of all others, as the older ones they are, and with the deadlines that
 * they have. If they can't be had on the ring any more (BUSY, no memory), they end with that.
 * Sleeps.
 */
void zcmu_second_try_begin(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(again);

	list_for_each_entry_safe(cmd, next, batch, node) {
		if (!cmd->lent || !cmd->is_second_try)
			continue;
		trace_zcmu_second_try(device, cmd->id, cmd->scsi_status);
		/* Its id was given back when it was answered, and may be another's by now. */
		cmd->id = 0;
		cmd->uflags = 0;
		cmd->times.answered = 0;
		list_move_tail(&cmd->node, &again);
	}
	if (list_empty(&again))
		return;
	zcmu_wait_again(device, &again);
	zcmu_retry_waiting(device);
}
