// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts how long commands take, and how they fail. Knows nothing of why: who ends a command says
 * so. What is shown of it, and how, is attrib_stats.c's.
 */
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

/* In bytes that could be copied meanwhile; see zcmu_stats_ends() */
#define WORK_OF_AN_ANSWER	1024
#define WORK_OF_A_MOMENT	(16 * 1024)

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

/* It is not put on the ring at once: there is no room, or no memory. */
void zcmu_stats_waits(struct zcmu_cmd *cmd)
{
	cmd->times.has_waited = true;
}

/*
 * It is put on the ring, maybe once more. What making it ready takes is not worth a look at the
 * clock.
 */
void zcmu_stats_published(struct zcmu_cmd *cmd)
{
	struct zcmu_times *times = &cmd->times;

	if (times->submitted && !times->published)
		times->published = times->has_waited ? zcmu_stats_now() : times->submitted;
}

static u64 between(u64 begin, u64 end)
{
	return end > begin ? end - begin : 0;
}

/* @bucket: where @ns belongs */
static void record(struct zcmu_device *device, enum zcmu_phase phase, u64 ns, u32 bucket)
{
	struct zcmu_stats_cpu __percpu *cpu = device->stats.cpu;

	this_cpu_inc(cpu->latency[phase][bucket]);
	if (ns)
		this_cpu_add(cpu->latency_sum[phase], ns);
}

/*
 * One of several that are answered one after the other is about to be, and so many bytes were
 * copied for it. Not each has a look at the clock of its own: only after as much work as no bucket
 * shows, a microsecond or two.
 */
void zcmu_stats_ends(struct zcmu_cmd *cmd, struct zcmu_moment *moment, u32 copied)
{
	if (!cmd->times.submitted)
		return;
	moment->work += WORK_OF_AN_ANSWER + copied;
	if (!moment->now || moment->work > WORK_OF_A_MOMENT) {
		moment->now = zcmu_stats_now();
		moment->work = 0;
	}
	cmd->times.ended = moment->now;
}

/*
 * It is about to be answered, by whom ever. One that never came to the ring has spent its life
 * waiting for room; one that was never answered by its handler has no third part.
 */
void zcmu_stats_ended(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	const struct zcmu_times *times = &cmd->times;
	u64 now, total, part;
	u32 bucket;

	if (!times->submitted)
		return;
	now = times->ended ?: zcmu_stats_now();
	total = between(times->submitted, now);
	bucket = zcmu_latency_bucket(total);
	record(device, ZCMU_PHASE_TOTAL, total, bucket);
	part = between(times->submitted, times->published ?: now);
	record(device, ZCMU_PHASE_ROOM, part, zcmu_latency_bucket(part));
	if (!times->published)
		return;
	/* Many have spent all of their time there. */
	part = between(times->published, times->answered ?: now);
	record(device, ZCMU_PHASE_HANDLER, part,
	       part == total ? bucket : zcmu_latency_bucket(part));
	if (!times->answered)
		return;
	part = between(times->answered, now);
	record(device, ZCMU_PHASE_TAKE_BACK, part, zcmu_latency_bucket(part));
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
