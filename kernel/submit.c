// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes commands from the target core and puts them on the ring: lent or copied,
 * or made to wait for room. What happens after publication is complete.c's.
 */
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#define CREATE_TRACE_POINTS
#include "trace.h"
#include "zcmu_kernel.h"

/* How often a command that waits for memory tries */
#define LOOK_FOR_MEMORY	msecs_to_jiffies(20)

/* Somebody is about to sleep: nothing on the ring waits for the end of the batch any more. */
static void end_plug(struct zcmu_device *device)
{
	if (test_bit(ZCMU_DEV_PLUGGED, &device->flags))
		zcmu_unplug(&device->plug);
}

/*
 * From the memory there is, or the device's own. If that is all out, so are as many
 * commands: the initiator comes again (TASK SET FULL) when some are answered.
 */
static struct zcmu_cmd *cmd_alloc(struct se_cmd *se_cmd)
{
	struct zcmu_device *device = zcmu_device(se_cmd->se_dev);
	struct zcmu_cmd *cmd = mempool_alloc(&device->cmd_pool, ZCMU_GFP_NOW);

	if (!cmd) {
		end_plug(device);
		cmd = kmem_cache_alloc(zcmu_cmd_cache, ZCMU_GFP_TRY);
	}
	if (!cmd)
		return NULL;
	memset(cmd, 0, sizeof(*cmd));
	cmd->device = device;
	cmd->se_cmd = se_cmd;
	cmd->state = ZCMU_CMD_NEW;
	INIT_LIST_HEAD(&cmd->node);
	INIT_LIST_HEAD(&cmd->span.node);
	return cmd;
}

/* Undo what was prepared; the command is NEW and not on the ring. */
static void unprepare(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	zcmu_lend_free(cmd);
	zcmu_copy_release(&device->copy, &cmd->out);
	zcmu_copy_release(&device->copy, &cmd->in);
	if (cmd->id) {
		/* Who finds it by its id looks at it under the lock. */
		spin_lock(&device->lock);
		xa_erase(&device->commands, cmd->id);
		spin_unlock(&device->lock);
		cmd->id = 0;
	}
}

/* Free a command that is neither on the ring nor on a list, and whose id is free. */
void zcmu_cmd_free(struct zcmu_cmd *cmd)
{
	zcmu_lend_free(cmd);
	zcmu_copy_release(&cmd->device->copy, &cmd->out);
	zcmu_copy_release(&cmd->device->copy, &cmd->in);
	mempool_free(cmd, &cmd->device->cmd_pool);
}

/*
 * Ids are 16 bits wide, and 0 is none. Where handlers have them all, for good as it seems,
 * nobody waits for one.
 */
static int take_id(struct zcmu_cmd *cmd, gfp_t gfp)
{
	u32 id;
	int ret = xa_alloc(&cmd->device->commands, &id, cmd, XA_LIMIT(1, U16_MAX), gfp);

	if (ret)
		return ret == -EBUSY ? -ENOBUFS : ret;
	cmd->id = id;
	return 0;
}

static void count_published(struct zcmu_cmd *cmd, const struct zcmu_plan *plan)
{
	struct zcmu_counters *counters = &cmd->device->counters;

	counters->commands++;
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
 * Is there no ring now, but will there be one again? One that recover.c makes anew is
 * nearly there; one that the handler broke is mended when that has gone, if attrib/recover
 * says so. Until then there is no room. device->lock is held.
 */
static bool is_to_be_mended(const struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	return device->reissuing || (test_bit(ZCMU_DEV_BROKEN, &device->flags) &&
				     READ_ONCE(device->recover) != ZCMU_RECOVER_OFF);
}

/*
 * May commands be queued at all, and this one? device->lock is held, so an abort
 * that comes later finds the command where the caller puts it.
 * Return: 0, -EBUSY, -EIO, or -ECANCELED.
 */
static int may_queue(const struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&cmd->device->lock);
	if (test_bit(ZCMU_DEV_BLOCKED, &cmd->device->flags))
		return -EBUSY;
	if (test_bit(ZCMU_DEV_BROKEN, &cmd->device->flags) && !is_to_be_mended(cmd->device))
		return -EIO;
	if (cmd->se_cmd->transport_state & CMD_T_ABORTED)
		return -ECANCELED;
	return 0;
}

/*
 * May it be queued, and is there room? Looked for before anything is copied for nothing, and
 * when it is published. device->lock is held.
 * Return: 0; as may_queue(); -ENOSPC if the ring has no room, -EXFULL if the window has none.
 */
static int look_for_room(const struct zcmu_cmd *cmd, u32 len)
{
	const struct zcmu_device *device = cmd->device;
	int ret = may_queue(cmd);

	lockdep_assert_held(&device->lock);
	if (!ret && (is_to_be_mended(device) || !zcmu_ring_has_room(&device->ring, len)))
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
		zcmu_expire_rearm(device, cmd);
	else
		zcmu_expire_arm(device, cmd, device->cmd_time_out);
	count_published(cmd, plan);
	trace_zcmu_queue(device, cmd->id, offset, len, cmd->lent);
	zcmu_ring_publish(&device->ring, &cmd->span);
	zcmu_wake_count(device, cmd->se_cmd->data_length);
	/* The command must be visible before we rely on the wake-up of whoever unplugs. */
	smp_mb();
	if (!test_bit(ZCMU_DEV_PLUGGED, &device->flags))
		zcmu_wake(device);
	return 0;
}

/* Have what waits tried once more. device->lock is held. */
void zcmu_look_again(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	/* It is about to look. */
	if (delayed_work_pending(&device->waiting_work) &&
	    !timer_pending(&device->waiting_work.timer))
		return;
	/* There is none before the device is enabled, nor where that has failed. */
	if (device->waiting_wq)
		mod_delayed_work(device->waiting_wq, &device->waiting_work, 0);
}

static unsigned int waiting_time_out(const struct zcmu_device *device)
{
	if (device->qfull_time_out >= 0)
		return device->qfull_time_out;
	return device->cmd_time_out ?: ZCMU_TIME_OUT_MS;
}

/*
 * NEW -> WAITING. device->lock is held. Return: 0; as may_queue(); or -ETIMEDOUT if
 * waiting is switched off.
 */
static int make_wait(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	int ret = may_queue(cmd);

	lockdep_assert_held(&device->lock);
	if (!ret && !waiting_time_out(device))
		ret = -ETIMEDOUT;
	if (ret)
		return ret;
	cmd->se_cmd->priv = cmd;
	cmd->state = ZCMU_CMD_WAITING;
	list_add_tail(&cmd->node, &device->waiting);
	zcmu_expire_arm(device, cmd, waiting_time_out(device));
	device->counters.waits++;
	/* Room may have come up since it was looked for. */
	zcmu_look_again(device);
	return 0;
}

/* Prepare the payload and publish. Return: as publish(), or -ENOMEM, -EMSGSIZE. */
static int try_submit(struct zcmu_cmd *cmd, bool lend, struct zcmu_plan *plan, gfp_t gfp)
{
	struct zcmu_device *device = cmd->device;
	int ret;

	ret = lend ? zcmu_lend_prepare(cmd, plan, gfp) : zcmu_copy_prepare(cmd, gfp);
	if (!ret)
		ret = take_id(cmd, gfp);
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
		unprepare(cmd);
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
	/* Others may have all edge pages, and the copy area's own pages be free. */
	if (ret == -ENOMEM && lend && gfpflags_allow_blocking(gfp)) {
		ret = try_submit(cmd, false, &plan, gfp);
		return ret == -EMSGSIZE ? -ENOMEM : ret;
	}
	return ret;
}

static sense_reason_t sense_of(int err)
{
	switch (err) {
	case -EBUSY:
		return TCM_LUN_BUSY;
	case -EIO:
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	case -EMSGSIZE:
		return TCM_INVALID_CDB_FIELD;
	case -ECANCELED:
		return TCM_CHECK_CONDITION_ABORT_CMD;
	default:
		return TCM_OUT_OF_RESOURCES;
	}
}

/* Must a new command queue up, behind others that wait for room or alone? device->lock is held. */
static bool must_queue_up(const struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	return device->retrying || is_to_be_mended(device) || !list_empty(&device->waiting);
}

/* Room was freed: see whether somebody waits for it. */
void zcmu_retry_waiting(struct zcmu_device *device)
{
	spin_lock(&device->lock);
	if (must_queue_up(device))
		zcmu_look_again(device);
	spin_unlock(&device->lock);
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
	cmd = cmd_alloc(se_cmd);
	if (!cmd)
		return TCM_OUT_OF_RESOURCES;
	trace_zcmu_submit(device, se_cmd);

	spin_lock(&device->lock);
	ret = may_queue(cmd);
	if (!ret && must_queue_up(device))
		ret = -ENOSPC;
	spin_unlock(&device->lock);
	if (!ret)
		ret = submit(cmd, ZCMU_GFP_NOW);
	if (ret == -ENOMEM) {
		end_plug(device);
		ret = submit(cmd, ZCMU_GFP_TRY);
	}
	/* What there is no memory for waits as well: not here, where other devices' would. */
	if (ret == -ENOSPC || ret == -ENOMEM) {
		spin_lock(&device->lock);
		ret = make_wait(cmd);
		spin_unlock(&device->lock);
	}
	/* Published or waiting, it is not ours any more, and the device may be gone. */
	if (!ret)
		return TCM_NO_SENSE;
	zcmu_cmd_free(cmd);
	zcmu_retry_waiting(device);
	return sense_of(ret);
}

/**
 * zcmu_parse_cdb - the target core has a command for us
 * @se_cmd: the command
 *
 * REPORT LUNS and reservations are the core's; everything else goes to the handler.
 */
sense_reason_t zcmu_parse_cdb(struct se_cmd *se_cmd)
{
	return passthrough_parse_cdb(se_cmd, execute);
}

/* The submitter begins a batch: one wake-up at its end will do. */
struct se_dev_plug *zcmu_plug(struct se_device *se_dev)
{
	struct zcmu_device *device = zcmu_device(se_dev);

	return test_and_set_bit(ZCMU_DEV_PLUGGED, &device->flags) ? NULL : &device->plug;
}

void zcmu_unplug(struct se_dev_plug *plug)
{
	struct zcmu_device *device = zcmu_device(plug->se_dev);

	clear_bit(ZCMU_DEV_PLUGGED, &device->flags);
	/* Whoever still saw us plugged has put a command on the ring that we see. */
	smp_mb__after_atomic();
	zcmu_wake(device);
}

/* Take the command that has waited longest off the list, to try it. */
static struct zcmu_cmd *next_waiting(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;

	spin_lock(&device->lock);
	cmd = list_first_entry_or_null(&device->waiting, struct zcmu_cmd, node);
	if (cmd) {
		list_del_init(&cmd->node);
		cmd->state = ZCMU_CMD_NEW;
		cmd->se_cmd->priv = NULL;
	}
	device->retrying = cmd;
	spin_unlock(&device->lock);
	return cmd;
}

/*
 * Still no room: back to its place, with the deadline it has. Or no memory: behind the others,
 * which may need none, and give some back. Return: as may_queue().
 */
static int wait_on(struct zcmu_cmd *cmd, bool behind)
{
	struct zcmu_device *device = cmd->device;
	int ret;

	spin_lock(&device->lock);
	ret = may_queue(cmd);
	if (!ret) {
		cmd->se_cmd->priv = cmd;
		cmd->state = ZCMU_CMD_WAITING;
		if (behind)
			list_add_tail(&cmd->node, &device->waiting);
		else
			list_add(&cmd->node, &device->waiting);
		zcmu_expire_rearm(device, cmd);
	}
	spin_unlock(&device->lock);
	return ret;
}

/*
 * NEW, ANSWERED -> WAITING, in front of the others and with the deadlines they have: commands
 * that were on the ring, and find no room on the one that was made anew, or are tried again.
 * Whoever is aborted meanwhile was not seen by tmr.c: it is answered here.
 */
void zcmu_wait_again(struct zcmu_device *device, struct list_head *batch)
{
	struct zcmu_cmd *cmd, *next;
	LIST_HEAD(aborted);

	zcmu_lend_take_back(device, batch);
	list_for_each_entry(cmd, batch, node)
		unprepare(cmd);
	spin_lock(&device->lock);
	list_for_each_entry_safe(cmd, next, batch, node) {
		if (zcmu_is_given_up(cmd)) {
			cmd->se_cmd->priv = NULL;
			cmd->state = ZCMU_CMD_NEW;
			list_move_tail(&cmd->node, &aborted);
			continue;
		}
		cmd->se_cmd->priv = cmd;
		cmd->state = ZCMU_CMD_WAITING;
		/* Nobody waits for room for ever, in front of all others. */
		if (cmd->is_second_try && !cmd->has_deadline)
			zcmu_expire_arm(device, cmd,
					waiting_time_out(device) ?: ZCMU_TIME_OUT_MS);
		else
			zcmu_expire_rearm(device, cmd);
	}
	list_splice_init(batch, &device->waiting);
	spin_unlock(&device->lock);
	zcmu_answer_waiting(&aborted, SAM_STAT_TASK_ABORTED);
}

static u32 count_waiting(struct zcmu_device *device)
{
	struct list_head *node;
	u32 n = 0;

	spin_lock(&device->lock);
	list_for_each(node, &device->waiting)
		n++;
	spin_unlock(&device->lock);
	return n;
}

/*
 * Work: something was freed; try what waits for room, in order, up to the first that has none.
 * Each is tried once: whoever begins to wait meanwhile has this called again.
 */
void zcmu_submit_waiting(struct work_struct *work)
{
	struct zcmu_device *device = container_of(to_delayed_work(work), struct zcmu_device,
						  waiting_work);
	u32 left = count_waiting(device);
	struct zcmu_cmd *cmd;
	int err, ret;

	while (left-- && (cmd = next_waiting(device))) {
		err = submit(cmd, ZCMU_GFP_TRY);
		ret = err;
		if (err == -ENOSPC || err == -ENOMEM) {
			ret = wait_on(cmd, err == -ENOMEM);
			/* Nobody says when there is memory; sooner if a command ends. */
			if (!ret && err == -ENOMEM)
				queue_delayed_work(device->waiting_wq, &device->waiting_work,
						   LOOK_FOR_MEMORY);
			if (!ret && err == -ENOSPC)
				break;
		}
		if (ret) {
			zcmu_cmd_fail(cmd, sense_of(ret));
			zcmu_cmd_free(cmd);
		}
	}
	spin_lock(&device->lock);
	device->retrying = false;
	spin_unlock(&device->lock);
}
