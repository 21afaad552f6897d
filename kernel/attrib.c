// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our part of attrib/ below /sys/kernel/config/target/core/user_N/NAME: what can be read and set
 * for a device. The other attributes there are the target core's.
 */
#include <linux/configfs.h>
#include <linux/slab.h>

#include "device.h"
#include "zcmu_kernel.h"

/*
 * Kept in ms, in 32 bits. Stock accepts larger values and truncates them; we use the largest that
 * fits.
 */
#define MAX_CMD_TIME_OUT_S	4294967u
#define MAX_QFULL_TIME_OUT_S	2147483

static ssize_t zcmu_cmd_time_out_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->cmd_time_out / (u32)MSEC_PER_SEC);
}

static ssize_t zcmu_cmd_time_out_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	u32 seconds;
	int ret = kstrtou32(page, 0, &seconds);

	if (ret)
		return ret;
	if (device->se_dev.export_count) {
		pr_err("%s: cmd_time_out can't be changed while the device is exported\n",
		       device->name);
		return -EINVAL;
	}
	WRITE_ONCE(device->cmd_time_out, min(seconds, MAX_CMD_TIME_OUT_S) * (u32)MSEC_PER_SEC);
	return count;
}
CONFIGFS_ATTR(zcmu_, cmd_time_out);

static ssize_t zcmu_qfull_time_out_show(struct config_item *item, char *page)
{
	int ms = zcmu_attrib_device(item)->qfull_time_out;

	return sysfs_emit(page, "%d\n", ms > 0 ? ms / (int)MSEC_PER_SEC : ms);
}

static ssize_t zcmu_qfull_time_out_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	s32 seconds;
	int ret = kstrtos32(page, 0, &seconds);

	if (ret)
		return ret;
	if (seconds < -1) {
		pr_err("%s: qfull_time_out is seconds, 0 to fail at once, or -1 for the default, not %d\n",
		       device->name, seconds);
		return -EINVAL;
	}
	if (seconds > 0)
		seconds = min(seconds, MAX_QFULL_TIME_OUT_S) * (s32)MSEC_PER_SEC;
	WRITE_ONCE(device->qfull_time_out, seconds);
	return count;
}
CONFIGFS_ATTR(zcmu_, qfull_time_out);

static ssize_t zcmu_max_data_area_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->copy_mb);
}
CONFIGFS_ATTR_RO(zcmu_, max_data_area_mb);

static ssize_t zcmu_data_pages_per_blk_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->copy.pages_per_block);
}
CONFIGFS_ATTR_RO(zcmu_, data_pages_per_blk);

static ssize_t zcmu_cmd_ring_size_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->ring_mb);
}
CONFIGFS_ATTR_RO(zcmu_, cmd_ring_size_mb);

static ssize_t zcmu_dev_config_show(struct config_item *item, char *page)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	ssize_t len;

	mutex_lock(&device->config_lock);
	len = sysfs_emit(page, "%s\n", device->dev_config);
	mutex_unlock(&device->config_lock);
	return len;
}

/*
 * What follows may be changed while the device is served. A daemon is asked first (netlink.c), and
 * the change is made if it agrees.
 */

static ssize_t zcmu_dev_config_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	size_t len = count && page[count - 1] == '\n' ? count - 1 : count;
	char config[ZCMU_CONFIG_LEN] = "";
	int ret = 0;

	if (len >= sizeof(config)) {
		pr_err("%s: dev_config must have at most %zu characters\n", device->name,
		       sizeof(config) - 1);
		return -EINVAL;
	}
	memcpy(config, page, len);
	if (zcmu_is_configured(device))
		ret = zcmu_netlink_reconfig_config(device, config);
	if (!ret)
		ret = zcmu_uio_rename(device, config);
	return ret ?: count;
}
CONFIGFS_ATTR(zcmu_, dev_config);

static ssize_t zcmu_dev_size_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", READ_ONCE(zcmu_attrib_device(item)->dev_size));
}

/* Is it a size that a disk can have? */
static bool is_whole_blocks(const struct zcmu_device *device, u64 bytes)
{
	return bytes && !(bytes % device->se_dev.dev_attrib.block_size);
}

static ssize_t zcmu_dev_size_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	u64 bytes;
	int ret = kstrtou64(page, 0, &bytes);

	if (ret)
		return ret;
	if (zcmu_is_configured(device)) {
		if (!is_whole_blocks(device, bytes)) {
			pr_err("%s: dev_size must be a multiple of the block size, %u, not %llu\n",
			       device->name, device->se_dev.dev_attrib.block_size, bytes);
			return -EINVAL;
		}
		ret = zcmu_netlink_reconfig_size(device, bytes);
		if (ret)
			return ret;
	}
	mutex_lock(&device->config_lock);
	zcmu_set_dev_size(device, bytes);
	mutex_unlock(&device->config_lock);
	return count;
}
CONFIGFS_ATTR(zcmu_, dev_size);

static ssize_t zcmu_emulate_write_cache_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n",
			  zcmu_attrib_device(item)->se_dev.dev_attrib.emulate_write_cache);
}

static ssize_t zcmu_emulate_write_cache_store(struct config_item *item, const char *page,
					      size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	u8 value;
	int ret = kstrtou8(page, 0, &value);

	if (!ret && zcmu_is_configured(device))
		ret = zcmu_netlink_reconfig_cache(device, value);
	if (ret)
		return ret;
	device->se_dev.dev_attrib.emulate_write_cache = value;
	return count;
}
CONFIGFS_ATTR(zcmu_, emulate_write_cache);

static ssize_t zcmu_tmr_notification_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->tmrs.are_wanted);
}

static ssize_t zcmu_tmr_notification_store(struct config_item *item, const char *page,
					   size_t count)
{
	u8 value;
	int ret = kstrtou8(page, 0, &value);

	if (ret)
		return ret;
	if (value > 1)
		return -EINVAL;
	WRITE_ONCE(zcmu_attrib_device(item)->tmrs.are_wanted, value);
	return count;
}
CONFIGFS_ATTR(zcmu_, tmr_notification);

static ssize_t zcmu_nl_reply_supported_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->nl_reply_supported);
}

static ssize_t zcmu_nl_reply_supported_store(struct config_item *item, const char *page,
					     size_t count)
{
	s8 value;
	int ret = kstrtos8(page, 0, &value);

	if (ret)
		return ret;
	WRITE_ONCE(zcmu_attrib_device(item)->nl_reply_supported, value);
	return count;
}
CONFIGFS_ATTR(zcmu_, nl_reply_supported);

/* A switch that can be set at any time, without asking a daemon */
static ssize_t store_bool(bool *where, const char *page, size_t count)
{
	bool on;
	int ret = kstrtobool(page, &on);

	if (ret)
		return ret;
	WRITE_ONCE(*where, on);
	return count;
}

static ssize_t zcmu_zero_copy_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->lending.policy.enabled);
}

/* At any time: commands in flight are not affected. */
static ssize_t zcmu_zero_copy_store(struct config_item *item, const char *page, size_t count)
{
	return store_bool(&zcmu_attrib_device(item)->lending.policy.enabled, page, count);
}
CONFIGFS_ATTR(zcmu_, zero_copy);

static ssize_t zcmu_zero_copy_min_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->lending.policy.min_bytes);
}

static ssize_t zcmu_zero_copy_min_store(struct config_item *item, const char *page, size_t count)
{
	u32 bytes;
	int ret = kstrtou32(page, 0, &bytes);

	if (ret)
		return ret;
	WRITE_ONCE(zcmu_attrib_device(item)->lending.policy.min_bytes, bytes);
	return count;
}
CONFIGFS_ATTR(zcmu_, zero_copy_min);

static ssize_t zcmu_scrub_reads_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->lending.scrub_reads);
}

/* At any time, as zero_copy */
static ssize_t zcmu_scrub_reads_store(struct config_item *item, const char *page, size_t count)
{
	return store_bool(&zcmu_attrib_device(item)->lending.scrub_reads, page, count);
}
CONFIGFS_ATTR(zcmu_, scrub_reads);

static ssize_t zcmu_delay_wake_ups_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->wake.may_wait);
}

/* At any time: a wake-up that is pending is not affected. */
static ssize_t zcmu_delay_wake_ups_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	ssize_t ret = store_bool(&device->wake.may_wait, page, count);

	/* The effect of the new setting must show at once. */
	if (ret > 0)
		zcmu_defer_start_afresh(&device->wake);
	return ret;
}
CONFIGFS_ATTR(zcmu_, delay_wake_ups);

static ssize_t zcmu_emulate_rtpg_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", zcmu_attrib_device(item)->emulate_rtpg);
}

/* At any time: a command is answered by whoever it was given to. */
static ssize_t zcmu_emulate_rtpg_store(struct config_item *item, const char *page, size_t count)
{
	return store_bool(&zcmu_attrib_device(item)->emulate_rtpg, page, count);
}
CONFIGFS_ATTR(zcmu_, emulate_rtpg);

static ssize_t zcmu_window_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", zcmu_attrib_device(item)->window_mb);
}

static ssize_t zcmu_window_mb_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	u32 mb;
	int ret = kstrtou32(page, 0, &mb);

	if (!ret)
		ret = zcmu_set_window_mb(device, mb);
	return ret ?: count;
}
CONFIGFS_ATTR(zcmu_, window_mb);

static const char *const recover_names[] = {
	[ZCMU_RECOVER_OFF] = "off",
	[ZCMU_RECOVER_FAIL] = "fail",
	[ZCMU_RECOVER_RETRY] = "retry",
	[ZCMU_RECOVER_REISSUE] = "reissue",
};

static ssize_t zcmu_recover_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%s\n", recover_names[zcmu_attrib_device(item)->recover]);
}

static ssize_t zcmu_recover_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	int mode = sysfs_match_string(recover_names, page);

	if (mode < 0) {
		pr_err("%s: recover must be off, fail, retry or reissue\n", device->name);
		return mode;
	}
	mutex_lock(&device->config_lock);
	WRITE_ONCE(device->recover, mode);
	spin_lock(&device->lock);
	zcmu_tell_caps(device);
	spin_unlock(&device->lock);
	mutex_unlock(&device->config_lock);
	/* If the ring is broken, commands that wait for its repair may have to fail now. */
	zcmu_retry_waiting(device);
	return count;
}
CONFIGFS_ATTR(zcmu_, recover);

static const struct {
	const char *name;
	size_t offset;
} counter_names[] = {
#define ZCMU_COUNTER(name) { #name, offsetof(struct zcmu_counters, name) },
	ZCMU_COUNTERS(ZCMU_COUNTER)
#undef ZCMU_COUNTER
};

/* One line for each counter. In one file, because all values are then of the same moment. */
static ssize_t zcmu_counters_show(struct config_item *item, char *page)
{
	struct zcmu_device *device = zcmu_attrib_device(item);
	struct zcmu_counters counters;
	ssize_t len = 0;
	size_t i;

	spin_lock(&device->lock);
	counters = device->counters;
	spin_unlock(&device->lock);
	for (i = 0; i < ARRAY_SIZE(counter_names); i++) {
		u64 value = *(u64 *)((void *)&counters + counter_names[i].offset);

		len += sysfs_emit_at(page, len, "%s %llu\n", counter_names[i].name, value);
	}
	len += sysfs_emit_at(page, len, "wake_ups %lld\n",
			     (long long)atomic64_read(&device->wake.events));
	len += sysfs_emit_at(page, len, "wake_ups_delayed %llu\n", READ_ONCE(device->wake.delayed));
	return len;
}
CONFIGFS_ATTR_RO(zcmu_, counters);

static struct configfs_attribute *own_attribs[] = {
	&zcmu_attr_cmd_time_out,
	&zcmu_attr_qfull_time_out,
	&zcmu_attr_max_data_area_mb,
	&zcmu_attr_data_pages_per_blk,
	&zcmu_attr_cmd_ring_size_mb,
	&zcmu_attr_dev_config,
	&zcmu_attr_dev_size,
	&zcmu_attr_emulate_write_cache,
	&zcmu_attr_tmr_notification,
	&zcmu_attr_nl_reply_supported,
	&zcmu_attr_zero_copy,
	&zcmu_attr_zero_copy_min,
	&zcmu_attr_scrub_reads,
	&zcmu_attr_delay_wake_ups,
	&zcmu_attr_emulate_rtpg,
	&zcmu_attr_window_mb,
	&zcmu_attr_recover,
	&zcmu_attr_counters,
	NULL,
};

static size_t append(struct configfs_attribute **to, size_t n, struct configfs_attribute **from)
{
	for (; *from; from++, n++) {
		if (to)
			to[n] = *from;
	}
	return n;
}

static size_t gather_attribs(struct configfs_attribute **to)
{
	size_t n = append(to, 0, passthrough_attrib_attrs);

	n = append(to, n, passthrough_pr_attrib_attrs);
	n = append(to, n, zcmu_stats_attribs);
	return append(to, n, own_attribs);
}

/* The core's attributes for a passthrough backstore, and ours. To be kfree()d. */
struct configfs_attribute **zcmu_attrib_attrs_create(void)
{
	struct configfs_attribute **all = kcalloc(gather_attribs(NULL) + 1, sizeof(*all),
						  GFP_KERNEL);

	if (all)
		gather_attribs(all);
	return all;
}
