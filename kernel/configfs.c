// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read and written below /sys/kernel/config/target/core/user_N/NAME:
 * control and info, our part of attrib/, and action/. The other attributes there
 * are the target core's.
 */
#include <linux/configfs.h>
#include <linux/parser.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

/* Upper bounds that only keep arithmetic and vmalloc sane. */
#define MAX_COPY_AREA_MB	(64u << 10)
#define MAX_WINDOW_MB		(64u << 10)
#define MAX_PAGES_PER_BLOCK	256u
#define MAX_TIME_OUT_S		(24u * 60 * 60)

static struct zcmu_device *from_attrib(struct config_item *item)
{
	struct se_dev_attrib *attrib = container_of(to_config_group(item),
						    struct se_dev_attrib, da_group);

	return zcmu_device(attrib->da_dev);
}

static bool is_configured(const struct zcmu_device *device)
{
	return target_dev_configured((struct se_device *)&device->se_dev);
}

/* Set something whose size is fixed at "enable". */
static int set_before_enable(struct zcmu_device *device, u32 *where, u32 value, u32 min, u32 max,
			     const char *what)
{
	if (is_configured(device)) {
		pr_err("%s: %s can't be changed once the device is enabled\n", device->name, what);
		return -EINVAL;
	}
	if (value < min || value > max) {
		pr_err("%s: %s must be %u..%u, not %u\n", device->name, what, min, max, value);
		return -EINVAL;
	}
	*where = value;
	return 0;
}

/*
 * control and info
 */

enum {
	OPT_DEV_CONFIG, OPT_DEV_SIZE, OPT_HW_BLOCK_SIZE, OPT_HW_MAX_SECTORS, OPT_COPY_MB,
	OPT_PAGES_PER_BLOCK, OPT_RING_MB, OPT_WINDOW_MB, OPT_UNKNOWN,
};

static const match_table_t control_options = {
	{ OPT_DEV_CONFIG, "dev_config=%s" },
	{ OPT_DEV_SIZE, "dev_size=%s" },
	{ OPT_HW_BLOCK_SIZE, "hw_block_size=%u" },
	{ OPT_HW_MAX_SECTORS, "hw_max_sectors=%u" },
	{ OPT_COPY_MB, "max_data_area_mb=%u" },
	{ OPT_PAGES_PER_BLOCK, "data_pages_per_blk=%u" },
	{ OPT_RING_MB, "cmd_ring_size_mb=%u" },
	{ OPT_WINDOW_MB, "window_mb=%u" },
	{ OPT_UNKNOWN, NULL }
};

static int match_number(substring_t *arg, u64 *value)
{
	char buffer[24];

	if (match_strlcpy(buffer, arg, sizeof(buffer)) >= sizeof(buffer))
		return -EINVAL;
	return kstrtou64(buffer, 0, value);
}

static int set_nonzero(struct zcmu_device *device, u32 *where, u64 value, const char *what)
{
	if (!value || value > INT_MAX) {
		pr_err("%s: %s must be 1..%d, not %llu\n", device->name, what, INT_MAX, value);
		return -EINVAL;
	}
	*where = value;
	return 0;
}

static int set_option(struct zcmu_device *device, int option, u64 value)
{
	struct se_dev_attrib *attrib = &device->se_dev.dev_attrib;
	u32 number = min_t(u64, value, U32_MAX);

	switch (option) {
	case OPT_DEV_SIZE:
		device->dev_size = value;
		return 0;
	case OPT_HW_BLOCK_SIZE:
		return set_nonzero(device, &attrib->hw_block_size, value, "hw_block_size");
	case OPT_HW_MAX_SECTORS:
		return set_nonzero(device, &attrib->hw_max_sectors, value, "hw_max_sectors");
	case OPT_COPY_MB:
		return set_before_enable(device, &device->copy_mb, number, 1, MAX_COPY_AREA_MB,
					 "max_data_area_mb");
	case OPT_PAGES_PER_BLOCK:
		return set_before_enable(device, &device->copy.pages_per_block, number, 1,
					 MAX_PAGES_PER_BLOCK, "data_pages_per_blk");
	case OPT_RING_MB:
		/* Stock clamps here, so do we. */
		return set_before_enable(device, &device->ring_mb, min_t(u32, number, ZCMU_RING_MB),
					 1, ZCMU_RING_MB, "cmd_ring_size_mb");
	case OPT_WINDOW_MB:
		return set_before_enable(device, &device->window_mb, number, 0, MAX_WINDOW_MB,
					 "window_mb");
	default:
		return -EINVAL;
	}
}

static int control_option(struct zcmu_device *device, char *text)
{
	substring_t args[MAX_OPT_ARGS];
	int option = match_token(text, control_options, args);
	u64 value;
	int ret;

	if (option == OPT_UNKNOWN) {
		pr_err("%s: there is no control option \"%s\"\n", device->name, text);
		return -EINVAL;
	}
	if (option == OPT_DEV_CONFIG) {
		if (match_strlcpy(device->dev_config, args, ZCMU_CONFIG_LEN) < ZCMU_CONFIG_LEN)
			return 0;
		device->dev_config[0] = '\0';
		return -EINVAL;
	}
	ret = match_number(args, &value);
	if (ret) {
		pr_err("%s: control option \"%s\" needs a number\n", device->name, text);
		return ret;
	}
	return set_option(device, option, value);
}

/* control: options separated by commas or newlines. */
ssize_t zcmu_control_store(struct se_device *se_dev, const char *page, ssize_t count)
{
	struct zcmu_device *device = zcmu_device(se_dev);
	char *options = kstrndup(page, count, GFP_KERNEL);
	char *rest = options;
	char *option;
	int ret = 0;

	if (!options)
		return -ENOMEM;
	while (!ret && (option = strsep(&rest, ",\n"))) {
		if (*option)
			ret = control_option(device, option);
	}
	kfree(options);
	return ret ?: count;
}

ssize_t zcmu_info_show(struct se_device *se_dev, char *page)
{
	struct zcmu_device *device = zcmu_device(se_dev);

	/* @page is not the page's start: the core has written its own line there. */
	return scnprintf(page, ZCMU_CONFIG_LEN + 256,
			 "Config: %s Size: %llu MaxDataAreaMB: %u DataPagesPerBlk: %u CmdRingSizeMB: %u\n",
			 device->dev_config[0] ? device->dev_config : "NULL", device->dev_size,
			 device->copy_mb, device->copy.pages_per_block, device->ring_mb);
}

/*
 * attrib/
 */

static ssize_t zcmu_cmd_time_out_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->cmd_time_out / (u32)MSEC_PER_SEC);
}

static ssize_t zcmu_cmd_time_out_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_attrib(item);
	u32 seconds;
	int ret = kstrtou32(page, 0, &seconds);

	if (ret)
		return ret;
	if (device->se_dev.export_count) {
		pr_err("%s: cmd_time_out can't be changed while the device is exported\n",
		       device->name);
		return -EINVAL;
	}
	if (seconds > MAX_TIME_OUT_S)
		return -EINVAL;
	device->cmd_time_out = seconds * MSEC_PER_SEC;
	return count;
}
CONFIGFS_ATTR(zcmu_, cmd_time_out);

static ssize_t zcmu_qfull_time_out_show(struct config_item *item, char *page)
{
	int ms = from_attrib(item)->qfull_time_out;

	return sysfs_emit(page, "%d\n", ms > 0 ? ms / (int)MSEC_PER_SEC : ms);
}

static ssize_t zcmu_qfull_time_out_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_attrib(item);
	s32 seconds;
	int ret = kstrtos32(page, 0, &seconds);

	if (ret)
		return ret;
	if (seconds < -1 || seconds > (s32)MAX_TIME_OUT_S) {
		pr_err("%s: qfull_time_out is seconds, 0 to fail at once, or -1 for the default, not %d\n",
		       device->name, seconds);
		return -EINVAL;
	}
	device->qfull_time_out = seconds > 0 ? seconds * (int)MSEC_PER_SEC : seconds;
	return count;
}
CONFIGFS_ATTR(zcmu_, qfull_time_out);

static ssize_t zcmu_max_data_area_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->copy_mb);
}
CONFIGFS_ATTR_RO(zcmu_, max_data_area_mb);

static ssize_t zcmu_data_pages_per_blk_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->copy.pages_per_block);
}
CONFIGFS_ATTR_RO(zcmu_, data_pages_per_blk);

static ssize_t zcmu_cmd_ring_size_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->ring_mb);
}
CONFIGFS_ATTR_RO(zcmu_, cmd_ring_size_mb);

static ssize_t zcmu_dev_config_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%s\n", from_attrib(item)->dev_config);
}
CONFIGFS_ATTR_RO(zcmu_, dev_config);

static ssize_t zcmu_dev_size_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", from_attrib(item)->dev_size);
}
CONFIGFS_ATTR_RO(zcmu_, dev_size);

static ssize_t zcmu_emulate_write_cache_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n",
			  from_attrib(item)->se_dev.dev_attrib.emulate_write_cache);
}

static ssize_t zcmu_emulate_write_cache_store(struct config_item *item, const char *page,
					      size_t count)
{
	bool on;
	int ret = kstrtobool(page, &on);

	if (ret)
		return ret;
	from_attrib(item)->se_dev.dev_attrib.emulate_write_cache = on;
	return count;
}
CONFIGFS_ATTR(zcmu_, emulate_write_cache);

static ssize_t zcmu_zero_copy_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", from_attrib(item)->lend.enabled);
}

/* At any time: commands that are out stay as they are. */
static ssize_t zcmu_zero_copy_store(struct config_item *item, const char *page, size_t count)
{
	bool on;
	int ret = kstrtobool(page, &on);

	if (ret)
		return ret;
	WRITE_ONCE(from_attrib(item)->lend.enabled, on);
	return count;
}
CONFIGFS_ATTR(zcmu_, zero_copy);

static ssize_t zcmu_zero_copy_min_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->lend.min_bytes);
}

static ssize_t zcmu_zero_copy_min_store(struct config_item *item, const char *page, size_t count)
{
	u32 bytes;
	int ret = kstrtou32(page, 0, &bytes);

	if (ret)
		return ret;
	WRITE_ONCE(from_attrib(item)->lend.min_bytes, bytes);
	return count;
}
CONFIGFS_ATTR(zcmu_, zero_copy_min);

static ssize_t zcmu_window_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", from_attrib(item)->window_mb);
}

static ssize_t zcmu_window_mb_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_attrib(item);
	u32 mb;
	int ret = kstrtou32(page, 0, &mb);

	if (!ret)
		ret = set_before_enable(device, &device->window_mb, mb, 0, MAX_WINDOW_MB,
					"window_mb");
	return ret ?: count;
}
CONFIGFS_ATTR(zcmu_, window_mb);

static const struct {
	const char *name;
	size_t offset;
} counter_names[] = {
#define ZCMU_COUNTER(name) { #name, offsetof(struct zcmu_counters, name) },
	ZCMU_COUNTERS(ZCMU_COUNTER)
#undef ZCMU_COUNTER
};

/* One line a counter: they are of one moment, which separate files would not be. */
static ssize_t zcmu_counters_show(struct config_item *item, char *page)
{
	struct zcmu_device *device = from_attrib(item);
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
			     (long long)atomic64_read(&device->wake_ups));
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
	&zcmu_attr_zero_copy,
	&zcmu_attr_zero_copy_min,
	&zcmu_attr_window_mb,
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

/*
 * action/
 */

static struct zcmu_device *from_action(struct config_item *item)
{
	struct se_device *se_dev = container_of(to_config_group(item), struct se_device,
						dev_action_group);

	return zcmu_device(se_dev);
}

static ssize_t zcmu_block_dev_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%s\n", test_bit(ZCMU_DEV_BLOCKED, &from_action(item)->flags) ?
			  "blocked" : "unblocked");
}

static ssize_t zcmu_block_dev_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_action(item);
	u8 value;
	int ret = kstrtou8(page, 0, &value);

	if (ret)
		return ret;
	if (value > 1) {
		pr_err("%s: block_dev is 0 or 1, not %u\n", device->name, value);
		return -EINVAL;
	}
	if (!is_configured(device))
		return -ENODEV;
	if (value)
		zcmu_block(device);
	else
		zcmu_unblock(device);
	return count;
}
CONFIGFS_ATTR(zcmu_, block_dev);

static ssize_t zcmu_reset_ring_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_action(item);
	u8 value;
	int ret = kstrtou8(page, 0, &value);

	if (ret)
		return ret;
	if (value != 1 && value != 2) {
		pr_err("%s: reset_ring is 1 (answer BUSY) or 2 (fail), not %u\n", device->name,
		       value);
		return -EINVAL;
	}
	if (!is_configured(device))
		return -ENODEV;
	zcmu_reset_ring(device, value == 1 ? SAM_STAT_BUSY : SAM_STAT_CHECK_CONDITION);
	return count;
}
CONFIGFS_ATTR_WO(zcmu_, reset_ring);

struct configfs_attribute *zcmu_action_attrs[] = {
	&zcmu_attr_block_dev,
	&zcmu_attr_reset_ring,
	NULL,
};
