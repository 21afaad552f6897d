// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read and written below /sys/kernel/config/target/core/user_N/NAME:
 * control, info, and action/. attrib/ is attrib.c's.
 */
#include <linux/configfs.h>
#include <linux/parser.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

/* Upper bounds that only keep arithmetic and vmalloc sane. */
#define MAX_COPY_AREA_MB	(64u << 10)
#define MAX_PAGES_PER_BLOCK	256u

bool zcmu_is_configured(const struct zcmu_device *device)
{
	return target_dev_configured((struct se_device *)&device->se_dev);
}

/* Set something whose size is fixed at "enable". */
int zcmu_set_before_enable(struct zcmu_device *device, u32 *where, u32 value, u32 min, u32 max,
			   const char *what)
{
	if (zcmu_is_configured(device)) {
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
	OPT_PAGES_PER_BLOCK, OPT_RING_MB, OPT_WINDOW_MB, OPT_NL_REPLY, OPT_UNKNOWN,
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
	{ OPT_NL_REPLY, "nl_reply_supported=%s" },
	{ OPT_UNKNOWN, NULL }
};

static int set_nl_reply(struct zcmu_device *device, substring_t *arg)
{
	char buffer[8];
	int ret, value;

	if (match_strlcpy(buffer, arg, sizeof(buffer)) >= sizeof(buffer))
		return -EINVAL;
	ret = kstrtoint(buffer, 0, &value);
	return ret ?: zcmu_set_nl_reply(device, value);
}

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

/* Stock clamps to what all devices together may have, so do we. */
static int set_copy_mb(struct zcmu_device *device, u32 mb)
{
	u32 max = zcmu_reclaim_max_mb();

	if (mb > max) {
		pr_warn("%s: max_data_area_mb is limited to %u by global_max_data_area_mb\n",
			device->name, max);
		mb = max;
	}
	return zcmu_set_before_enable(device, &device->copy_mb, mb, 1, MAX_COPY_AREA_MB,
				      "max_data_area_mb");
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
		return set_copy_mb(device, number);
	case OPT_PAGES_PER_BLOCK:
		return zcmu_set_before_enable(device, &device->copy.pages_per_block, number, 1,
					      MAX_PAGES_PER_BLOCK, "data_pages_per_blk");
	case OPT_RING_MB:
		/* Stock clamps here, so do we. */
		return zcmu_set_before_enable(device, &device->ring_mb,
					      min_t(u32, number, ZCMU_RING_MB), 1, ZCMU_RING_MB,
					      "cmd_ring_size_mb");
	case OPT_WINDOW_MB:
		return zcmu_set_before_enable(device, &device->window_mb, number, 0,
					      ZCMU_MAX_WINDOW_MB, "window_mb");
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
	if (option == OPT_NL_REPLY)
		return set_nl_reply(device, args);
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
