// SPDX-License-Identifier: GPL-2.0-only
/*
 * attrib/errors, latency_..., state and inflight: what stats.c has counted, and what is under way
 * at this moment. Each is text of at most a page, for programs: a name or a number, and its value.
 */
#include <linux/configfs.h>
#include <linux/jiffies.h>
#include <scsi/scsi_common.h>

#include "device.h"
#include "zcmu_kernel.h"

/* Longest line of attrib/inflight */
#define INFLIGHT_LINE	128
#define SHOWN_CDB	16

/* Whose attribute is it? */
struct zcmu_device *zcmu_attrib_device(struct config_item *item)
{
	struct se_dev_attrib *attrib = container_of(to_config_group(item),
						    struct se_dev_attrib, da_group);

	return zcmu_device(attrib->da_dev);
}

static ssize_t zcmu_measure_latency_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->stats.measures);
}

/* At any time: commands that are out are measured as they were begun. */
static ssize_t zcmu_measure_latency_store(struct config_item *item, const char *page, size_t count)
{
	bool on;
	int ret = kstrtobool(page, &on);

	if (ret)
		return ret;
	WRITE_ONCE(zcmu_attrib_device(item)->stats.measures, on);
	return count;
}
CONFIGFS_ATTR(zcmu_, measure_latency);

/*
 * Histograms: the number of commands, their sum, and each bucket that isn't empty, by the
 * nanoseconds where it begins. CPUs go on counting meanwhile.
 */

static ssize_t show_latency(struct config_item *item, enum zcmu_phase phase, char *page)
{
	const struct zcmu_stats *stats = &zcmu_attrib_device(item)->stats;
	u64 count = 0, sum = 0, n;
	ssize_t len = 0;
	u32 bucket;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats->cpu, cpu)->latency_sum[phase]);
	for (bucket = 0; bucket < ZCMU_LATENCY_BUCKETS; bucket++) {
		n = 0;
		for_each_possible_cpu(cpu)
			n += READ_ONCE(per_cpu_ptr(stats->cpu, cpu)->latency[phase][bucket]);
		count += n;
		if (n)
			len += sysfs_emit_at(page, len, "%llu %llu\n", zcmu_latency_begin(bucket), n);
	}
	len += sysfs_emit_at(page, len, "count %llu\nsum_ns %llu\n", count, sum);
	return len;
}

static ssize_t zcmu_latency_total_show(struct config_item *item, char *page)
{
	return show_latency(item, ZCMU_PHASE_TOTAL, page);
}
CONFIGFS_ATTR_RO(zcmu_, latency_total);

static ssize_t zcmu_latency_room_show(struct config_item *item, char *page)
{
	return show_latency(item, ZCMU_PHASE_ROOM, page);
}
CONFIGFS_ATTR_RO(zcmu_, latency_room);

static ssize_t zcmu_latency_handler_show(struct config_item *item, char *page)
{
	return show_latency(item, ZCMU_PHASE_HANDLER, page);
}
CONFIGFS_ATTR_RO(zcmu_, latency_handler);

static ssize_t zcmu_latency_take_back_show(struct config_item *item, char *page)
{
	return show_latency(item, ZCMU_PHASE_TAKE_BACK, page);
}
CONFIGFS_ATTR_RO(zcmu_, latency_take_back);

/* SPC-4 4.5.6 has the sense keys; 0xc is reserved. */
static const char *const error_names[] = {
	"handler_no_sense", "handler_recovered_error", "handler_not_ready", "handler_medium_error",
	"handler_hardware_error", "handler_illegal_request", "handler_unit_attention",
	"handler_data_protect", "handler_blank_check", "handler_vendor_specific",
	"handler_copy_aborted", "handler_aborted_command", "handler_sense_0xc",
	"handler_volume_overflow", "handler_miscompare", "handler_completed",
#define ZCMU_ERROR(name) #name,
	ZCMU_ERRORS(ZCMU_ERROR)
#undef ZCMU_ERROR
};

static ssize_t zcmu_errors_show(struct config_item *item, char *page)
{
	const struct zcmu_stats *stats = &zcmu_attrib_device(item)->stats;
	ssize_t len = 0;
	size_t i;
	int cpu;

	BUILD_BUG_ON(ARRAY_SIZE(error_names) != ZCMU_NR_ERRORS);
	for (i = 0; i < ARRAY_SIZE(error_names); i++) {
		u64 n = 0;

		for_each_possible_cpu(cpu)
			n += READ_ONCE(per_cpu_ptr(stats->cpu, cpu)->errors[i]);
		len += sysfs_emit_at(page, len, "%s %llu\n", error_names[i], n);
	}
	return len;
}
CONFIGFS_ATTR_RO(zcmu_, errors);

/*
 * What is under way
 */

/* ms since then; -1: never */
static s64 ago(u64 then)
{
	return then ? (s64)jiffies64_to_msecs(get_jiffies_64() - then) : -1;
}

/* In whose hands is it? NULL: in those of a submitting or completing thread, and soon on. */
static const char *whose(const struct zcmu_cmd *cmd)
{
	switch (cmd->state) {
	case ZCMU_CMD_WAITING:
		return "room";
	case ZCMU_CMD_RING:
		return "handler";
	case ZCMU_CMD_MOVING:
		return "moving";
	case ZCMU_CMD_REVOKING:
	case ZCMU_CMD_RETURNED:
	case ZCMU_CMD_EXPIRED:
		return "late";
	case ZCMU_CMD_KEPT:
		return "kept";
	default:
		return NULL;
	}
}

/* us since it was submitted; -1 if it isn't measured */
static s64 age(const struct zcmu_cmd *cmd, u64 now)
{
	u64 begin = cmd->times.submitted;

	return begin ? (s64)div_u64(now > begin ? now - begin : 0, 1000) : -1;
}

struct under_way {
	u32 waiting, ring, moving, late, kept;
	s64 oldest;		/* us, of those that an initiator waits for */
};

static void count_one(const struct zcmu_cmd *cmd, u64 now, struct under_way *ret)
{
	switch (cmd->state) {
	case ZCMU_CMD_WAITING:
		ret->waiting++;
		break;
	case ZCMU_CMD_RING:
		ret->ring++;
		break;
	case ZCMU_CMD_MOVING:
		ret->moving++;
		break;
	case ZCMU_CMD_KEPT:
		ret->kept++;
		return;
	case ZCMU_CMD_REVOKING:
	case ZCMU_CMD_RETURNED:
	case ZCMU_CMD_EXPIRED:
		ret->late++;
		return;
	default:
		return;
	}
	ret->oldest = max(ret->oldest, age(cmd, now));
}

static ssize_t zcmu_state_show(struct config_item *item, char *page)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	struct under_way under_way = { .oldest = -1 };
	u64 now = zcmu_stats_now(), opens, last_answer;
	const struct zcmu_cmd *cmd;
	unsigned long id;
	ssize_t len;

	spin_lock(&device->lock);
	xa_for_each(&device->commands, id, cmd)
		count_one(cmd, now, &under_way);
	list_for_each_entry(cmd, &device->waiting.cmds, node)
		count_one(cmd, now, &under_way);
	opens = device->stats.opens;
	last_answer = device->stats.last_answer;
	spin_unlock(&device->lock);

	len = sysfs_emit(page, "open %d\nbroken %d\nblocked %d\n",
			 test_bit(ZCMU_DEV_OPEN, &device->flags),
			 test_bit(ZCMU_DEV_BROKEN, &device->flags),
			 test_bit(ZCMU_DEV_BLOCKED, &device->flags));
	len += sysfs_emit_at(page, len, "handlers %llu\n", opens);
	len += sysfs_emit_at(page, len, "in_room %u\nin_handler %u\nin_moving %u\n",
			     under_way.waiting, under_way.ring, under_way.moving);
	len += sysfs_emit_at(page, len, "in_late %u\nin_kept %u\n", under_way.late, under_way.kept);
	len += sysfs_emit_at(page, len, "oldest_us %lld\n", under_way.oldest);
	len += sysfs_emit_at(page, len, "last_answer_ms %lld\nlast_failure_ms %lld\n",
			     ago(last_answer), ago(READ_ONCE(device->stats.last_failure)));
	return len;
}
CONFIGFS_ATTR_RO(zcmu_, state);

/*
 * A line: in whose hands, us since it was submitted, id, bytes, and the CDB in hex; of one that was
 * answered without the handler the last two are gone. Return: the new length.
 */
static ssize_t show_command(const struct zcmu_cmd *cmd, u64 now, char *page, ssize_t len)
{
	const struct se_cmd *se_cmd = cmd->se_cmd;
	/* It is answered, and its se_cmd gone, without the lock in all other states. */
	bool is_waited_for = cmd->state == ZCMU_CMD_WAITING || cmd->state == ZCMU_CMD_RING ||
			     cmd->state == ZCMU_CMD_MOVING;

	len += sysfs_emit_at(page, len, "%s %lld %u", whose(cmd), age(cmd, now), cmd->id);
	if (is_waited_for && se_cmd)
		len += sysfs_emit_at(page, len, " %u %*phN", se_cmd->data_length,
				     min_t(int, SHOWN_CDB, scsi_command_size(se_cmd->t_task_cdb)),
				     se_cmd->t_task_cdb);
	return len + sysfs_emit_at(page, len, "\n");
}

static bool has_room(ssize_t len)
{
	return len + INFLIGHT_LINE <= PAGE_SIZE;
}

/* As many as there is room for: those that the handler was given first, then all others. */
static ssize_t zcmu_inflight_show(struct config_item *item, char *page)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	u64 now = zcmu_stats_now();
	const struct zcmu_cmd *cmd;
	unsigned long id;
	ssize_t len = 0;

	spin_lock(&device->lock);
	list_for_each_entry(cmd, &device->inflight, node) {
		if (has_room(len) && whose(cmd))
			len = show_command(cmd, now, page, len);
	}
	list_for_each_entry(cmd, &device->waiting.cmds, node) {
		if (has_room(len))
			len = show_command(cmd, now, page, len);
	}
	xa_for_each(&device->commands, id, cmd) {
		if (has_room(len) && cmd->state != ZCMU_CMD_RING && whose(cmd))
			len = show_command(cmd, now, page, len);
	}
	spin_unlock(&device->lock);
	return len;
}

/* Which blocks are used is nobody's business but root's. */
static struct configfs_attribute zcmu_attr_inflight = {
	.ca_name = "inflight",
	.ca_mode = 0400,
	.ca_owner = THIS_MODULE,
	.show = zcmu_inflight_show,
};

struct configfs_attribute *zcmu_stats_attribs[] = {
	&zcmu_attr_measure_latency,
	&zcmu_attr_latency_total,
	&zcmu_attr_latency_room,
	&zcmu_attr_latency_handler,
	&zcmu_attr_latency_take_back,
	&zcmu_attr_errors,
	&zcmu_attr_state,
	&zcmu_attr_inflight,
	NULL,
};
