// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts how long commands take, and how they fail. Knows nothing of why: who ends a command says
 * so. What is shown of it, and how, is attrib_stats.c's.
 */
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

int zcmu_stats_init(struct zcmu_stats *stats)
{
	stats->cpu = alloc_percpu(struct zcmu_stats_cpu);
	stats->measures = true;
	return stats->cpu ? 0 : -ENOMEM;
}

void zcmu_stats_free(struct zcmu_stats *stats)
{
	free_percpu(stats->cpu);
}

/* Is it a failure of the disk? Else its initiator has asked for too much, or has had enough. */
static bool is_failure(enum zcmu_error error)
{
	switch ((u32)error) {
	case ZCMU_ERROR_SENSE + NOT_READY:
	case ZCMU_ERROR_SENSE + MEDIUM_ERROR:
	case ZCMU_ERROR_SENSE + HARDWARE_ERROR:
	case ZCMU_ERROR_SENSE + ABORTED_COMMAND:
	case ZCMU_ERROR_handler_no_status:
	case ZCMU_ERROR_module_timed_out:
	case ZCMU_ERROR_module_no_room:
	case ZCMU_ERROR_module_no_memory:
	case ZCMU_ERROR_module_broken:
	case ZCMU_ERROR_module_lost:
		return true;
	default:
		return false;
	}
}

/* A command is answered with something else than GOOD. */
void zcmu_stats_error(struct zcmu_device *device, enum zcmu_error error)
{
	this_cpu_inc(device->stats.cpu->errors[error]);
	if (is_failure(error))
		WRITE_ONCE(device->stats.last_failure, get_jiffies_64());
}

/* The handler's sense data: fixed format, or descriptors. Other formats have no key. */
void zcmu_stats_sense(struct zcmu_device *device, const u8 *sense)
{
	u8 format = sense[0] & 0x7f, key = NO_SENSE;

	if (format == 0x72 || format == 0x73)
		key = sense[1] & 0xf;
	else if (format == 0x70 || format == 0x71)
		key = sense[2] & 0xf;
	zcmu_stats_error(device, ZCMU_ERROR_SENSE + key);
}

/*
 * The scheduler's clock: half as dear as ktime_get(). Where TSCs don't agree, two CPUs may differ
 * by some microseconds; what would be negative then is 0.
 */
u64 zcmu_stats_now(void)
{
	return local_clock();
}

/* A command begins: is it to be measured? */
void zcmu_stats_submitted(struct zcmu_cmd *cmd)
{
	if (READ_ONCE(cmd->device->stats.measures))
		cmd->times.submitted = zcmu_stats_now();
}

/* It is put on the ring, maybe once more. */
void zcmu_stats_published(struct zcmu_cmd *cmd)
{
	if (cmd->times.submitted && !cmd->times.published)
		cmd->times.published = zcmu_stats_now();
}

static void record(struct zcmu_device *device, enum zcmu_phase phase, u64 begin, u64 end)
{
	struct zcmu_stats_cpu __percpu *cpu = device->stats.cpu;
	u64 ns = end > begin ? end - begin : 0;

	this_cpu_inc(cpu->latency[phase][zcmu_latency_bucket(ns)]);
	this_cpu_add(cpu->latency_sum[phase], ns);
}

/*
 * It is about to be answered, by whom ever. One that never came to the ring has spent its life
 * waiting for room; one that was never answered by its handler has no third part.
 */
void zcmu_stats_ended(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	const struct zcmu_times *times = &cmd->times;
	u64 now;

	if (!times->submitted)
		return;
	now = zcmu_stats_now();
	record(device, ZCMU_PHASE_TOTAL, times->submitted, now);
	record(device, ZCMU_PHASE_ROOM, times->submitted, times->published ?: now);
	if (!times->published)
		return;
	record(device, ZCMU_PHASE_HANDLER, times->published, times->answered ?: now);
	if (times->answered)
		record(device, ZCMU_PHASE_TAKE_BACK, times->answered, now);
}

/* So many commands on the ring have timed out. The first is told. device->lock is held. */
void zcmu_stats_note_late(struct zcmu_device *device, u32 commands)
{
	struct zcmu_stats *stats = &device->stats;

	lockdep_assert_held(&device->lock);
	if (!stats->late && commands)
		pr_warn_ratelimited("%s: the handler has not answered for %u ms: commands time out\n",
				    device->name, device->cmd_time_out);
	stats->late += commands;
}

/* The handler has answered. If it was late, that is told, too. device->lock is held. */
void zcmu_stats_note_answers(struct zcmu_device *device)
{
	struct zcmu_stats *stats = &device->stats;

	lockdep_assert_held(&device->lock);
	stats->last_answer = get_jiffies_64();
	if (!stats->late)
		return;
	pr_info_ratelimited("%s: the handler answers again; %u commands had timed out\n",
			    device->name, stats->late);
	stats->late = 0;
}
