// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes commands from the target core and puts them on the ring: lent or copied,
 * or made to wait for room. What happens after publication is complete.c's.
 */
#include <scsi/scsi_proto.h>
#include <target/target_core_backend.h>

#include "complete.h"
#define CREATE_TRACE_POINTS
#include "trace.h"
#include "zcmu_kernel.h"

/* How often a command that waits for memory is tried again */
#define LOOK_FOR_MEMORY	msecs_to_jiffies(20)

static void count_direction(struct zcmu_counters *counters, const struct se_cmd *se_cmd)
{
	if (!se_cmd->data_length)
		return;
	if (zcmu_is_write(se_cmd)) {
		counters->writes++;
		counters->bytes_written += se_cmd->data_length;
	} else {
		counters->reads++;
		counters->bytes_read += se_cmd->data_length;
	}
}

static void count_published(struct zcmu_cmd *cmd, const struct zcmu_plan *plan)
{
	struct zcmu_counters *counters = &cmd->device->counters;

	counters->commands++;
	count_direction(counters, cmd->se_cmd);
	if (cmd->lent) {
		counters->commands_lent++;
		counters->bytes_lent += plan->bytes - plan->edge_bytes;
		counters->bytes_edge += plan->edge_bytes;
	} else if (cmd->out.nr || cmd->in.nr) {
		counters->commands_copied++;
		counters->bytes_copied += (u64)cmd->out.bytes + cmd->in.bytes;
	}
	if (cmd->scrubbed)
		counters->bytes_scrubbed += cmd->lent ? plan->bytes :
					    zcmu_is_bidi(cmd->se_cmd) ? cmd->in.bytes :
									cmd->out.bytes;
}

/*
 * May it be queued, and is there room? Looked for before anything is copied for nothing, and
 * when it is published. device->lock is held.
 * Return: 0; as zcmu_may_queue(); -ENOSPC if the ring has no room, -EXFULL if the window has none.
 */
static int look_for_room(const struct zcmu_cmd *cmd, u32 len)
{
	const struct zcmu_device *device = cmd->device;
	int ret = zcmu_may_queue(cmd);

	lockdep_assert_held(&device->lock);
	if (!ret && (zcmu_is_to_be_mended(device) || !zcmu_ring_has_room(&device->ring, len)))
		ret = -ENOSPC;
	if (!ret && cmd->lent && cmd->loan.nr_slots > device->window.free)
		ret = -EXFULL;
	return ret;
}

/*
 * NEW -> RING, and have the handler woken. device->lock is held: once it is dropped, the
 * command may be answered, and with the last one the device may go.
 *
 * Return: as look_for_room(). The command is as before then.
 */
static int publish(struct zcmu_cmd *cmd, const struct zcmu_plan *plan)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_cmd_entry *entry;
	u32 len = zcmu_entry_length(cmd, plan);
	int ret = look_for_room(cmd, len);
	u32 offset;

	lockdep_assert_held(&device->lock);
	/* What is free of the window may be in too many pieces. */
	if (!ret && cmd->lent && !zcmu_lend_begin(cmd))
		ret = -EXFULL;
	if (ret)
		return ret;

	cmd->span.is_cmd = true;
	entry = zcmu_ring_begin(&device->ring, &cmd->span, len, &offset);
	zcmu_entry_fill(cmd, plan, entry, offset, len);
	cmd->se_cmd->priv = cmd;
	cmd->state = ZCMU_CMD_RING;
	list_add_tail(&cmd->node, &device->inflight);
	/* Its time began when it was put there first. */
	if (cmd->is_second_try && device->cmd_time_out)
		zcmu_deadline_keep(device, cmd);
	else
		zcmu_deadline_set(device, cmd, device->cmd_time_out);
	count_published(cmd, plan);
	trace_zcmu_queue(device, cmd->id, offset, len, cmd->lent);
	zcmu_stats_published(cmd);
	zcmu_ring_publish(&device->ring, &cmd->span);
	zcmu_wake_count(device);
	/* The command must be visible before we rely on the wake-up of whoever unplugs. */
	smp_mb();
	if (!test_bit(ZCMU_DEV_PLUGGED, &device->flags))
		zcmu_wake(device);
	return 0;
}

/* Prepare the payload and publish. Return: as publish(), or -ENOMEM, -EMSGSIZE. */
static int try_submit(struct zcmu_cmd *cmd, bool lend, struct zcmu_plan *plan, gfp_t gfp)
{
	struct zcmu_device *device = cmd->device;
	int ret;

	ret = lend ? zcmu_lend_prepare(cmd, plan, gfp) : zcmu_copy_prepare(cmd, gfp);
	if (!ret)
		ret = zcmu_cmd_take_id(cmd, gfp);
	if (!ret && zcmu_entry_length(cmd, plan) > device->ring.size / 2)
		ret = -EMSGSIZE;
	if (!ret) {
		spin_lock(&device->lock);
		ret = look_for_room(cmd, zcmu_entry_length(cmd, plan));
		spin_unlock(&device->lock);
	}
	if (!ret) {
		if (lend)
			zcmu_lend_fill(cmd);
		else
			zcmu_copy_in(cmd);
		trace_zcmu_decide(device, cmd->id, cmd->se_cmd->data_length, cmd->lent);
		spin_lock(&device->lock);
		ret = publish(cmd, plan);
		spin_unlock(&device->lock);
	}
	if (ret)
		zcmu_cmd_unprepare(cmd);
	return ret;
}

static int submit(struct zcmu_cmd *cmd, gfp_t gfp)
{
	struct zcmu_plan plan;
	bool lend;
	int ret;

	lend = !cmd->is_second_try && zcmu_should_lend(cmd->device, cmd->se_cmd, &plan);
	ret = try_submit(cmd, lend, &plan, gfp);
	/* The window is full: the copy area may not be. If it is too small, wait for the window. */
	if (ret == -EXFULL) {
		ret = try_submit(cmd, false, &plan, gfp);
		return ret == -EMSGSIZE ? -ENOSPC : ret;
	}
	/* Other commands may have all edge pages while the copy area has free pages. */
	if (ret == -ENOMEM && lend && gfpflags_allow_blocking(gfp)) {
		ret = try_submit(cmd, false, &plan, gfp);
		return ret == -EMSGSIZE ? -ENOMEM : ret;
	}
	return ret;
}

/* The command is refused: count why. Return: what its initiator is told. */
static sense_reason_t refuse(struct zcmu_device *device, int err)
{
	switch (err) {
	case -EBUSY:
		zcmu_stats_error(device, ZCMU_ERROR_module_blocked);
		return TCM_LUN_BUSY;
	case -EIO:
		zcmu_stats_error(device, ZCMU_ERROR_module_broken);
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	case -EMSGSIZE:
		zcmu_stats_error(device, ZCMU_ERROR_module_too_large);
		return TCM_INVALID_CDB_FIELD;
	case -ECANCELED:
		zcmu_stats_error(device, ZCMU_ERROR_module_aborted);
		return TCM_CHECK_CONDITION_ABORT_CMD;
	case -ENOMEM:
		zcmu_stats_error(device, ZCMU_ERROR_module_no_memory);
		return TCM_OUT_OF_RESOURCES;
	default:
		zcmu_stats_error(device, ZCMU_ERROR_module_no_room);
		return TCM_OUT_OF_RESOURCES;
	}
}

static sense_reason_t execute(struct se_cmd *se_cmd)
{
	struct zcmu_device *device = zcmu_device(se_cmd->se_dev);
	struct zcmu_cmd *cmd;
	int ret;

	if (zcmu_attention_due(device, se_cmd)) {
		zcmu_attention_answer(se_cmd);
		return TCM_NO_SENSE;
	}
	cmd = zcmu_cmd_alloc(se_cmd);
	if (!cmd)
		return refuse(device, -ENOMEM);
	trace_zcmu_submit(device, se_cmd);

	spin_lock(&device->lock);
	ret = zcmu_may_queue(cmd);
	if (!ret && zcmu_must_queue_up(device))
		ret = -ENOSPC;
	spin_unlock(&device->lock);
	if (!ret)
		ret = submit(cmd, ZCMU_GFP_NOW);
	if (ret == -ENOMEM) {
		zcmu_stats_waits(cmd);
		zcmu_plug_end(device);
		ret = submit(cmd, ZCMU_GFP_TRY);
	}
	/*
	 * A command without memory waits as well, but not here: commands of other devices would
	 * wait, too.
	 */
	if (ret == -ENOSPC || ret == -ENOMEM) {
		zcmu_stats_waits(cmd);
		spin_lock(&device->lock);
		ret = zcmu_waiting_add(cmd);
		spin_unlock(&device->lock);
	}
	/* Published or waiting, it is not ours any more, and the device may be gone. */
	if (!ret)
		return TCM_NO_SENSE;
	zcmu_cmd_free(cmd);
	zcmu_retry_waiting(device);
	return refuse(device, ret);
}

/*
 * Is the core to answer which state the target ports are in? It has the states, and holds commands
 * to them. Not without being asked to: tcmu-runner answers by itself.
 */
static bool core_reports_port_groups(const struct se_cmd *se_cmd)
{
	const u8 *cdb = se_cmd->t_task_cdb;

	return cdb[0] == MAINTENANCE_IN && (cdb[1] & 0x1f) == MI_REPORT_TARGET_PGS &&
	       READ_ONCE(zcmu_device(se_cmd->se_dev)->emulate_rtpg) &&
	       !(se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_ALUA);
}

/**
 * zcmu_parse_cdb - the target core has a command for us
 * @se_cmd: the command
 *
 * REPORT LUNS and reservations are the core's; everything else goes to the handler, but for what
 * it leaves to the core.
 */
sense_reason_t zcmu_parse_cdb(struct se_cmd *se_cmd)
{
	unsigned int size;

	if (core_reports_port_groups(se_cmd))
		return spc_parse_cdb(se_cmd, &size);
	return passthrough_parse_cdb(se_cmd, execute);
}

/*
 * Work: something was freed; try what waits for room, in order, up to the first that has none.
 * Each is tried once: whoever begins to wait meanwhile has this called again.
 */
void zcmu_submit_waiting(struct work_struct *work)
{
	struct zcmu_device *device = container_of(to_delayed_work(work), struct zcmu_device,
						  waiting.work);
	u32 left = zcmu_waiting_count(device);
	struct zcmu_cmd *cmd;
	int err, ret;

	while (left-- && (cmd = zcmu_waiting_next(device))) {
		err = submit(cmd, ZCMU_GFP_TRY);
		ret = err;
		if (err == -ENOSPC || err == -ENOMEM) {
			ret = zcmu_waiting_put_back(cmd, err == -ENOMEM);
			/*
			 * Nothing reports when there is memory; if a command ends, it is tried
			 * sooner.
			 */
			if (!ret && err == -ENOMEM)
				queue_delayed_work(device->reserve.waiting_wq,
						   &device->waiting.work, LOOK_FOR_MEMORY);
			if (!ret && err == -ENOSPC)
				break;
		}
		if (ret) {
			zcmu_cmd_fail(cmd, refuse(device, ret));
			zcmu_cmd_free(cmd);
		}
	}
	spin_lock(&device->lock);
	device->waiting.is_trying = false;
	spin_unlock(&device->lock);
}
