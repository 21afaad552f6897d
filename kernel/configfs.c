// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read and written below /sys/kernel/config/target/core/user_N/NAME:
 * control, info, and action/. attrib/ is attrib.c's.
 */
#include <linux/configfs.h>
#include <linux/parser.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <scsi/scsi_proto.h>

#include "complete.h"
#include "device.h"
#include "zcmu_kernel.h"

/* Upper bounds that only keep arithmetic sane: pages, and a block's bytes, are 32 bits wide. */
#define MAX_COPY_AREA_MB	((1u << (12 + PAGE_SHIFT)) - 1)
#define MAX_PAGES_PER_BLOCK	((1u << (32 - PAGE_SHIFT)) - 1)

bool zcmu_is_configured(const struct zcmu_device *device)
{
	return target_dev_configured((struct se_device *)&device->se_dev);
}

/*
 * May it be changed? Sizes are fixed as soon as "enable" begins. config_lock is held until the
 * change is made.
 */
static int check_not_enabled(const struct zcmu_device *device, const char *what)
{
	lockdep_assert_held(&device->config_lock);
	if (!test_bit(ZCMU_DEV_ENABLED, &device->flags))
		return 0;
	pr_err("%s: %s can't be changed once the device is enabled\n", device->name, what);
	return -EINVAL;
}

static int check_range(const struct zcmu_device *device, u64 value, u32 min, u32 max,
		       const char *what)
{
	if (value >= min && value <= max)
		return 0;
	pr_err("%s: %s must be %u..%u, not %llu\n", device->name, what, min, max, value);
	return -EINVAL;
}

/*
 * control and info
 */

enum {
	OPT_DEV_CONFIG, OPT_DEV_SIZE, OPT_HW_BLOCK_SIZE, OPT_HW_MAX_SECTORS, OPT_COPY_MB,
	OPT_PAGES_PER_BLOCK, OPT_RING_MB, OPT_WINDOW_MB, OPT_NL_REPLY, OPT_UNKNOWN,
};

static const match_table_t control_options = {
	{ OPT_DEV_CONFIG, "dev_config=%s" },
	{ OPT_DEV_SIZE, "dev_size=%s" },
	{ OPT_HW_BLOCK_SIZE, "hw_block_size=%d" },
	{ OPT_HW_MAX_SECTORS, "hw_max_sectors=%d" },
	{ OPT_COPY_MB, "max_data_area_mb=%d" },
	{ OPT_PAGES_PER_BLOCK, "data_pages_per_blk=%d" },
	{ OPT_RING_MB, "cmd_ring_size_mb=%d" },
	{ OPT_WINDOW_MB, "window_mb=%d" },
	{ OPT_NL_REPLY, "nl_reply_supported=%d" },
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
	int ret = check_range(device, value, 1, INT_MAX, what);

	if (!ret)
		WRITE_ONCE(*where, value);
	return ret;
}

static u64 pages_of_mb(u32 mb)
{
	return (u64)mb << (20 - PAGE_SHIFT);
}

/* Clamped to the limit of all devices together, as by stock. */
static int set_copy_mb(struct zcmu_device *device, u64 mb)
{
	u32 max = min(zcmu_copy_total_max_mb(), MAX_COPY_AREA_MB);
	int ret = check_not_enabled(device, "max_data_area_mb");

	if (!ret && mb > max) {
		pr_warn("%s: max_data_area_mb is limited to %u by global_max_data_area_mb\n",
			device->name, max);
		mb = max;
	}
	ret = ret ?: check_range(device, mb, 1, max, "max_data_area_mb");
	if (!ret && pages_of_mb(mb) < device->copy.pages_per_block) {
		pr_err("%s: max_data_area_mb of %llu has no room for a block of data_pages_per_blk, %u\n",
		       device->name, mb, device->copy.pages_per_block);
		ret = -EINVAL;
	}
	if (!ret)
		device->copy_mb = mb;
	return ret;
}

/* Any that the copy area has room for, as with stock */
static int set_pages_per_block(struct zcmu_device *device, u64 pages)
{
	u32 max = min_t(u64, pages_of_mb(device->copy_mb), MAX_PAGES_PER_BLOCK);
	int ret = check_not_enabled(device, "data_pages_per_blk");

	ret = ret ?: check_range(device, pages, 1, max, "data_pages_per_blk");
	if (!ret)
		device->copy.pages_per_block = pages;
	return ret;
}

/* Stock clamps here, so do we. */
static int set_ring_mb(struct zcmu_device *device, u64 mb)
{
	int ret = check_not_enabled(device, "cmd_ring_size_mb");

	mb = min_t(u64, mb, ZCMU_RING_MB);
	ret = ret ?: check_range(device, mb, 1, ZCMU_RING_MB, "cmd_ring_size_mb");
	if (!ret)
		device->ring_mb = mb;
	return ret;
}

static int set_window_mb(struct zcmu_device *device, u64 mb)
{
	int ret = check_not_enabled(device, "window_mb");

	ret = ret ?: check_range(device, mb, 0, ZCMU_MAX_WINDOW_MB, "window_mb");
	if (!ret)
		device->window_mb = mb;
	return ret;
}

int zcmu_set_window_mb(struct zcmu_device *device, u32 mb)
{
	int ret = 0;

	mutex_lock(&device->config_lock);
	/*
	 * Programs that restore a configuration write all attributes, also of a device that is in
	 * use.
	 */
	if (mb != device->window_mb)
		ret = set_window_mb(device, mb);
	mutex_unlock(&device->config_lock);
	return ret;
}

/* Set the size, and tell the initiators if there may be any. config_lock is held. */
void zcmu_set_dev_size(struct zcmu_device *device, u64 bytes)
{
	lockdep_assert_held(&device->config_lock);
	if (device->dev_size == bytes)
		return;
	WRITE_ONCE(device->dev_size, bytes);
	if (zcmu_is_configured(device))
		zcmu_attention_raise(device);
}

/* config_lock is held. */
static int set_option(struct zcmu_device *device, int option, u64 value)
{
	struct se_dev_attrib *attrib = &device->se_dev.dev_attrib;

	switch (option) {
	case OPT_DEV_SIZE:
		zcmu_set_dev_size(device, value);
		return 0;
	case OPT_HW_BLOCK_SIZE:
		return set_nonzero(device, &attrib->hw_block_size, value, "hw_block_size");
	case OPT_HW_MAX_SECTORS:
		return set_nonzero(device, &attrib->hw_max_sectors, value, "hw_max_sectors");
	case OPT_COPY_MB:
		return set_copy_mb(device, value);
	case OPT_PAGES_PER_BLOCK:
		return set_pages_per_block(device, value);
	case OPT_RING_MB:
		return set_ring_mb(device, value);
	case OPT_WINDOW_MB:
		return set_window_mb(device, value);
	default:
		return -EINVAL;
	}
}

/* What doesn't fit is cut off, as with stock, but reported. config_lock is held. */
static void set_config(struct zcmu_device *device, const substring_t *arg)
{
	if (match_strlcpy(device->dev_config, arg, ZCMU_CONFIG_LEN) >= ZCMU_CONFIG_LEN)
		pr_warn("%s: dev_config has more than %u characters, the rest is cut off\n",
			device->name, ZCMU_CONFIG_LEN - 1);
}

/*
 * Clients write options of other releases, and must get their disk nevertheless. A repeated option
 * is reported once. config_lock is held.
 */
static void ignore_option(struct zcmu_device *device, const char *text)
{
	u32 hash = full_name_hash(device, text, strlen(text)) ?: 1;

	if (device->unknown_option == hash)
		return;
	device->unknown_option = hash;
	pr_warn("%s: there is no control option \"%s\", or not with such a value: ignored\n",
		device->name, text);
}

/* config_lock is held. */
static int control_option(struct zcmu_device *device, char *text)
{
	substring_t args[MAX_OPT_ARGS];
	int option = match_token(text, control_options, args);
	int ret, reply;
	u64 value;

	switch (option) {
	case OPT_UNKNOWN:
		ignore_option(device, text);
		return 0;
	case OPT_DEV_CONFIG:
		set_config(device, args);
		return 0;
	case OPT_NL_REPLY:
		ret = match_int(args, &reply);
		if (!ret)
			WRITE_ONCE(device->nl_reply_supported, reply);
		break;
	default:
		ret = match_number(args, &value);
		/* It has said itself what is wrong. */
		if (!ret)
			return set_option(device, option, value);
	}
	if (ret)
		pr_err("%s: control option \"%s\" is no valid number\n", device->name,
		       text);
	return ret;
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
	mutex_lock(&device->config_lock);
	while (!ret && (option = strsep(&rest, ",\n"))) {
		if (*option)
			ret = control_option(device, option);
	}
	mutex_unlock(&device->config_lock);
	kfree(options);
	return ret ?: count;
}

ssize_t zcmu_info_show(struct se_device *se_dev, char *page)
{
	struct zcmu_device *device = zcmu_device(se_dev);
	ssize_t len;

	mutex_lock(&device->config_lock);
	/* @page is not the page's start: the core has written its own line there. */
	len = scnprintf(page, ZCMU_CONFIG_LEN + 256,
			"Config: %s Size: %llu MaxDataAreaMB: %u DataPagesPerBlk: %u CmdRingSizeMB: %u\n",
			device->dev_config[0] ? device->dev_config : "NULL", device->dev_size,
			device->copy_mb, device->copy.pages_per_block, device->ring_mb);
	mutex_unlock(&device->config_lock);
	return len;
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

static int check_configured(const struct zcmu_device *device)
{
	if (zcmu_is_configured(device))
		return 0;
	pr_err("%s: the device is not enabled\n", device->name);
	return -EINVAL;
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
	ret = check_configured(device);
	if (ret)
		return ret;
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
	ret = check_configured(device);
	if (ret)
		return ret;
	zcmu_reset_ring(device, value == 1 ? SAM_STAT_BUSY : SAM_STAT_CHECK_CONDITION);
	return count;
}
CONFIGFS_ATTR_WO(zcmu_, reset_ring);

static ssize_t zcmu_free_kept_buf_store(struct config_item *item, const char *page, size_t count)
{
	struct zcmu_device *device = from_action(item);
	u16 id;
	int ret = kstrtou16(page, 0, &id);

	if (!ret)
		ret = check_configured(device);
	if (ret)
		return ret;
	ret = zcmu_keep_free(device, id);
	if (ret)
		pr_err("%s: free_kept_buf: no payload of a command %u is kept\n", device->name,
		       id);
	return ret ?: count;
}
CONFIGFS_ATTR_WO(zcmu_, free_kept_buf);

struct configfs_attribute *zcmu_action_attrs[] = {
	&zcmu_attr_block_dev,
	&zcmu_attr_reset_ring,
	&zcmu_attr_free_kept_buf,
	NULL,
};
