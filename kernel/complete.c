// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the handler's answers off the ring and passes them on. Commands that are
 * answered without the handler are expire.c's.
 *
 * The order is always the same: read the answer once, take the payload back,
 * bring home what was read, and only then tell the target core, which gives the
 * pages back to the initiator.
 */
#include <linux/scatterlist.h>
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "trace.h"
#include "zcmu_kernel.h"

/*
 * Once per reset, and not too often: where attrib/recover mends the ring at each open, a
 * handler could fill the log by breaking it again and again.
 */
static void mark_broken(struct zcmu_device *device, const char *why, u32 value)
{
	if (test_and_set_bit(ZCMU_DEV_BROKEN, &device->flags))
		return;
	if (READ_ONCE(device->recover) == ZCMU_RECOVER_OFF)
		pr_err_ratelimited("%s: the handler broke the ring: %s %u; commands fail until action/reset_ring is written\n",
				   device->name, why, value);
	else
		pr_err_ratelimited("%s: the handler broke the ring: %s %u; commands wait until it is replaced\n",
				   device->name, why, value);
	/* What waits for room fails like new ones, unless attrib/recover will mend the ring. */
	zcmu_look_again(device);
}

/* May the handler answer a command in this state? */
static bool is_answerable(const struct zcmu_cmd *cmd)
{
	return cmd->state == ZCMU_CMD_RING || cmd->state == ZCMU_CMD_REVOKING ||
	       cmd->state == ZCMU_CMD_EXPIRED;
}

/*
 * RING -> ANSWERED, EXPIRED -> ANSWERED (onto the batch), REVOKING -> RETURNED, or RING -> MOVING
 * (onto @moves). One that is to be kept has its id on. device->lock is held.
 * Return: 0, or -EPROTO if no command has that id.
 */
static int take_answer(struct zcmu_device *device, const struct zcmu_answer *answer,
		       enum zcmu_kick kick, struct zcmu_moment *moment, struct list_head *batch,
		       struct list_head *moves)
{
	struct zcmu_cmd *cmd = xa_load(&device->commands, answer->cmd_id);

	lockdep_assert_held(&device->lock);
	if (!cmd || !is_answerable(cmd))
		return -EPROTO;

	if (zcmu_transfer_is_wanted(cmd, answer)) {
		moment->is_delayed = true;
		zcmu_transfer_take(cmd, answer, moves, kick == ZCMU_HANDLER_GONE);
		return 0;
	}
	zcmu_ring_swap_spans(answer->span, &cmd->span);
	cmd->uflags = answer->uflags;
	/*
	 * Answered without the handler, which waits for the end of the transfer that it handed
	 * over.
	 */
	if (answer->uflags & ZCMU_UFLAG_TRANSFER) {
		zcmu_transfer_note(device, cmd->id);
		if (zcmu_transfer_is_awaited(device))
			zcmu_wake_now(device);
	}
	if (!zcmu_is_to_be_kept(cmd))
		xa_erase(&device->commands, cmd->id);
	if (cmd->state == ZCMU_CMD_REVOKING) {
		cmd->state = ZCMU_CMD_RETURNED;
		return 0;
	}
	if (cmd->se_cmd)
		cmd->se_cmd->priv = NULL;
	cmd->state = ZCMU_CMD_ANSWERED;
	cmd->scsi_status = answer->scsi_status;
	cmd->read_len = answer->read_len;
	if (cmd->scsi_status == SAM_STAT_CHECK_CONDITION)
		memcpy(cmd->sense, answer->sense, sizeof(cmd->sense)); /* shared: */
	cmd->times.answered = moment->now;
	moment->is_delayed |= cmd->lent;
	list_move_tail(&cmd->node, batch);
	trace_zcmu_answer(device, cmd->id, cmd->scsi_status, cmd->uflags);
	if (cmd->se_cmd)
		zcmu_second_try_decide(cmd);
	return 0;
}

/* Does the answer limit the Data-In to read_len bytes? */
static bool has_read_len(const struct zcmu_cmd *cmd)
{
	return cmd->uflags & ZCMU_UFLAG_READ_LEN && !(cmd->uflags & ZCMU_UFLAG_CDB_LEN) &&
	       cmd->read_len && cmd->se_cmd->data_direction == DMA_FROM_DEVICE;
}

/* Copy @bytes of Data-In to where the initiator expects them. Return: how much was copied. */
static u32 finish_data_in(struct zcmu_cmd *cmd, u32 bytes)
{
	struct zcmu_copy_area *area = &cmd->device->copy;
	struct se_cmd *se_cmd = cmd->se_cmd;

	if (se_cmd->se_cmd_flags & SCF_BIDI) {
		/* @bytes are Data-Out's. */
		if (cmd->in.nr)
			zcmu_copy_to_sgl(area, &cmd->in, se_cmd->t_bidi_data_sg,
					 se_cmd->t_bidi_data_nents, cmd->in.bytes);
		return cmd->in.bytes;
	}
	if (se_cmd->data_direction != DMA_FROM_DEVICE)
		return 0;
	if (cmd->lent)
		zcmu_lend_finish_read(cmd, bytes);
	else if (cmd->out.nr)
		zcmu_copy_to_sgl(area, &cmd->out, se_cmd->t_data_sg, se_cmd->t_data_nents, bytes);
	/* The bytes behind a short answer are cleared (I6). */
	if (bytes < se_cmd->data_length)
		sg_zero_buffer(se_cmd->t_data_sg, se_cmd->t_data_nents,
			       se_cmd->data_length - bytes, bytes);
	return cmd->lent && !cmd->loan.private ? 0 : se_cmd->data_length;
}

/*
 * The fabric tells the initiator by how much CDB and payload differ. The handler's number goes
 * nowhere else. A short READ is reported by target_complete_cmd_with_length().
 */
static void set_residual(const struct zcmu_cmd *cmd)
{
	struct se_cmd *se_cmd = cmd->se_cmd;
	u32 asked = cmd->read_len;

	if (!(cmd->uflags & ZCMU_UFLAG_CDB_LEN) || se_cmd->se_cmd_flags & SCF_BIDI)
		return;
	if (asked > se_cmd->data_length) {
		se_cmd->se_cmd_flags |= SCF_OVERFLOW_BIT;
		se_cmd->residual_count = asked - se_cmd->data_length;
	} else if (asked < se_cmd->data_length && zcmu_is_write(se_cmd)) {
		se_cmd->se_cmd_flags |= SCF_UNDERFLOW_BIT;
		se_cmd->residual_count = se_cmd->data_length - asked;
	}
}

/* Is it nothing that an initiator could be told? */
static bool is_unknown(const struct zcmu_cmd *cmd)
{
	return cmd->uflags & ZCMU_UFLAG_UNKNOWN_OP || !zcmu_is_sam_status(cmd->scsi_status);
}

static void count_error(const struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	if (is_unknown(cmd)) {
		zcmu_stats_error(device, cmd->uflags & ZCMU_UFLAG_UNKNOWN_OP ?
					 ZCMU_ERROR_handler_unknown_opcode :
					 ZCMU_ERROR_handler_no_status);
		return;
	}
	switch (cmd->scsi_status) {
	case SAM_STAT_GOOD:
	case SAM_STAT_CONDITION_MET:
		break;
	case SAM_STAT_CHECK_CONDITION:
		zcmu_stats_sense(device, cmd->sense);
		break;
	case SAM_STAT_BUSY:
		zcmu_stats_error(device, ZCMU_ERROR_handler_busy);
		break;
	case SAM_STAT_TASK_SET_FULL:
		zcmu_stats_error(device, ZCMU_ERROR_handler_task_set_full);
		break;
	case SAM_STAT_RESERVATION_CONFLICT:
		zcmu_stats_error(device, ZCMU_ERROR_handler_reservation_conflict);
		break;
	default:
		zcmu_stats_error(device, ZCMU_ERROR_handler_other);
		break;
	}
}

/* Pass the handler's answer on. The payload was taken back. */
static void pass_on(struct zcmu_cmd *cmd, struct zcmu_moment *moment)
{
	struct se_cmd *se_cmd = cmd->se_cmd;
	u32 bytes = se_cmd->data_length;
	bool short_read;

	count_error(cmd);
	if (is_unknown(cmd)) {
		zcmu_cmd_answer(cmd, SAM_STAT_CHECK_CONDITION);
		return;
	}
	set_residual(cmd);
	short_read = has_read_len(cmd);
	if (short_read)
		bytes = min(bytes, cmd->read_len);
	if (cmd->scsi_status == SAM_STAT_CHECK_CONDITION) {
		transport_copy_sense_to_cmd(se_cmd, cmd->sense);
		if (!short_read) {
			zcmu_cmd_answer(cmd, SAM_STAT_CHECK_CONDITION);
			return;
		}
		/* Sense data and Data-In: an ILI of a tape, say. */
		se_cmd->se_cmd_flags |= SCF_TREAT_READ_AS_NORMAL;
	}
	zcmu_stats_ends(cmd, moment, finish_data_in(cmd, bytes));
	if (!short_read) {
		zcmu_cmd_answer(cmd, cmd->scsi_status);
		return;
	}
	trace_zcmu_complete(cmd->device, cmd->id, cmd->scsi_status);
	zcmu_stats_ended(cmd);
	cmd->se_cmd = NULL;
	target_complete_cmd_with_length(se_cmd, cmd->scsi_status, bytes);
}

/* Those of @batch that the handler keeps the payload of. */
static void finish_kept(struct list_head *batch, struct zcmu_moment *moment)
{
	struct zcmu_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, batch, node) {
		if (!zcmu_is_to_be_kept(cmd))
			continue;
		list_del_init(&cmd->node);
		if (cmd->se_cmd) {
			if (cmd->lent) {
				zcmu_lend_part(cmd);
				moment->now = 0;
			}
			pass_on(cmd, moment);
		}
		zcmu_keep(cmd);
	}
}

/* @moment: when their answers were read; if nothing delays them, it is when they are passed on. */
static void finish_batch(struct zcmu_device *device, struct list_head *batch,
			 struct zcmu_moment *moment)
{
	struct zcmu_cmd *cmd, *next;

	zcmu_second_try_begin(device, batch);
	if (moment->is_delayed)
		moment->now = 0;
	finish_kept(batch, moment);
	zcmu_lend_take_back(device, batch);
	if (moment->is_delayed)
		moment->now = 0;
	list_for_each_entry_safe(cmd, next, batch, node) {
		list_del_init(&cmd->node);
		/* Answered already when it expired: this was the handler's late answer. */
		if (cmd->se_cmd)
			pass_on(cmd, moment);
		zcmu_cmd_free(cmd);
	}
}

/*
 * All answers up to the tail as it is now; a tail that moves later is followed by
 * another call. device->lock is held.
 */
static u32 take_answers(struct zcmu_device *device, enum zcmu_kick kick,
			struct zcmu_moment *moment, struct list_head *batch,
			struct list_head *moves)
{
	struct zcmu_answer answer;
	u32 bytes, n = 0;
	int ret;

	lockdep_assert_held(&device->lock);
	if (zcmu_ring_answered(&device->ring, &bytes)) {
		mark_broken(device, "impossible tail; answers were taken up to",
			    device->ring.cleaned);
		return 0;
	}
	while ((ret = zcmu_ring_next_answer(&device->ring, &bytes, &answer)) > 0) {
		/* One moment for all of them: the clock has its price. */
		if (!n++ && READ_ONCE(device->stats.measures))
			moment->now = zcmu_stats_now();
		if (!answer.span->is_cmd) {
			zcmu_tmr_free(device, answer.span);
		} else if (take_answer(device, &answer, kick, moment, batch, moves)) {
			mark_broken(device, "no command has id", answer.cmd_id);
			return n;
		}
	}
	if (ret)
		mark_broken(device, "tail inside the entry at", device->ring.cleaned);
	return n;
}

/**
 * zcmu_complete_answers - the handler says that its tail has moved
 * @device: the device
 * @kick: who has said so
 *
 * May run in several threads at once. Sleeps.
 */
void zcmu_complete_answers(struct zcmu_device *device, enum zcmu_kick kick)
{
	LIST_HEAD(batch);
	LIST_HEAD(moves);
	struct zcmu_moment moment = { };
	u32 taken = 0;

	spin_lock(&device->lock);
	device->counters.kicks++;
	if (!test_bit(ZCMU_DEV_BROKEN, &device->flags))
		taken = take_answers(device, kick, &moment, &batch, &moves);
	if (taken) {
		zcmu_stats_note_answers(device);
		zcmu_tmr_publish_waiting(device);
	}
	if (zcmu_ring_is_empty(&device->ring))
		zcmu_wake_note_empty(device);
	spin_unlock(&device->lock);

	zcmu_transfer_begin(device, &moves, kick == ZCMU_NO_KICK ? -EAGAIN :
					    kick == ZCMU_KICK_MOVES ? 0 : -EBADF);
	finish_batch(device, &batch, &moment);
	if (taken)
		zcmu_retry_waiting(device);
}
