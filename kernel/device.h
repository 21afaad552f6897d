/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What holds it all: a backstore's life, its device file, its folder in configfs, its daemons.
 */
#ifndef ZCMU_DEVICE_H
#define ZCMU_DEVICE_H

#include <linux/types.h>
#include <target/target_core_base.h>

struct configfs_attribute;
struct device;
struct zcmu_device;

/* Defaults that differ from stock's; doc/compatibility.md says why. */
#define ZCMU_COPY_AREA_MB	256
#define ZCMU_MAX_IO_BYTES	(8u << 20)	/* hw_max_sectors: 8 MiB per command */
#define ZCMU_WINDOW_MB		256
#define ZCMU_LEND_MIN_BYTES	(32u << 10)

#define ZCMU_MAX_WINDOW_MB	(64u << 10)

/* Stock's defaults */
#define ZCMU_RING_MB		8		/* the largest allowed, too */
#define ZCMU_PAGES_PER_BLOCK	1
#define ZCMU_QUEUE_DEPTH	128

struct zcmu_hba {
	u32 host_id;
};

extern struct device *zcmu_root_device;

/* reclaim.c */
void zcmu_reclaim_start(void);
void zcmu_reclaim_stop(void);
void zcmu_reclaim_add(struct zcmu_device *device);
void zcmu_reclaim_remove(struct zcmu_device *device);

/* areas.c */
int zcmu_areas_make(struct zcmu_device *device);
void zcmu_areas_release(struct zcmu_device *device);
void zcmu_device_get(struct zcmu_device *device);
void zcmu_device_put(struct zcmu_device *device);

/* uio.c */
int zcmu_uio_register(struct zcmu_device *device);
void zcmu_uio_unregister(struct zcmu_device *device);
int zcmu_uio_rename(struct zcmu_device *device, const char *config);

/* netlink.c */
int zcmu_netlink_register(void);
void zcmu_netlink_unregister(void);
void zcmu_netlink_configure(struct zcmu_device *device);
int zcmu_netlink_added(struct zcmu_device *device);
void zcmu_netlink_removed(struct zcmu_device *device);
int zcmu_netlink_reconfig_size(struct zcmu_device *device, u64 bytes);
int zcmu_netlink_reconfig_config(struct zcmu_device *device, const char *config);
int zcmu_netlink_reconfig_cache(struct zcmu_device *device, u8 value);

/* configfs.c */
extern struct configfs_attribute *zcmu_action_attrs[];
bool zcmu_is_configured(const struct zcmu_device *device);
int zcmu_set_window_mb(struct zcmu_device *device, u32 mb);
void zcmu_set_dev_size(struct zcmu_device *device, u64 bytes);
ssize_t zcmu_control_store(struct se_device *se_dev, const char *page, ssize_t count);
ssize_t zcmu_info_show(struct se_device *se_dev, char *page);

/* attrib.c */
struct configfs_attribute **zcmu_attrib_attrs_create(void);

/* device.c */
struct se_device *zcmu_device_alloc(struct se_hba *hba, const char *name);
int zcmu_device_configure(struct se_device *se_dev);
void zcmu_device_destroy(struct se_device *se_dev);
void zcmu_device_free(struct se_device *se_dev);
sector_t zcmu_device_blocks(struct se_device *se_dev);

#endif /* ZCMU_DEVICE_H */
