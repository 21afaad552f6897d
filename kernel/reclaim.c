// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds the memory of all copy areas together: beyond global_max_data_area_mb,
 * pages whose blocks are free are given back, device after device. Not a hard
 * limit, as with stock: commands that are out keep what they have.
 */
#include <linux/module.h>

#include "zcmu_kernel.h"

#define LOOK_AGAIN	(5 * HZ)
#define DEFAULT_MB	2048u
#define MB_PAGES	(1u << (20 - PAGE_SHIFT))

static DEFINE_MUTEX(devices_lock);	/* the list of devices; a device on it stays */
static LIST_HEAD(devices);
static atomic_long_t nr_pages;		/* in all copy areas */
static unsigned long max_pages = (unsigned long)DEFAULT_MB * MB_PAGES;

static bool is_too_much(void)
{
	return atomic_long_read(&nr_pages) > READ_ONCE(max_pages);
}

static void reclaim(struct work_struct *work);
static DECLARE_DELAYED_WORK(reclaim_work, reclaim);

static void reclaim(struct work_struct *work)
{
	struct zcmu_device *device;

	mutex_lock(&devices_lock);
	list_for_each_entry(device, &devices, reclaim_node) {
		while (is_too_much() && zcmu_copy_reclaim(device))
			cond_resched();
	}
	mutex_unlock(&devices_lock);
	if (is_too_much())
		queue_delayed_work(zcmu_wq, &reclaim_work, LOOK_AGAIN);
}

/* A copy area has got @pages more, or less. Any context. */
void zcmu_reclaim_count(long pages)
{
	atomic_long_add(pages, &nr_pages);
	if (pages > 0 && is_too_much())
		queue_delayed_work(zcmu_wq, &reclaim_work, 0);
}

void zcmu_reclaim_add(struct zcmu_device *device)
{
	mutex_lock(&devices_lock);
	list_add_tail(&device->reclaim_node, &devices);
	mutex_unlock(&devices_lock);
}

void zcmu_reclaim_remove(struct zcmu_device *device)
{
	mutex_lock(&devices_lock);
	list_del(&device->reclaim_node);
	mutex_unlock(&devices_lock);
}

void zcmu_reclaim_stop(void)
{
	cancel_delayed_work_sync(&reclaim_work);
}

/* The limit in MiB: no device's copy area may be larger. */
u32 zcmu_reclaim_max_mb(void)
{
	return READ_ONCE(max_pages) / MB_PAGES;
}

static int max_store(const char *text, const struct kernel_param *param)
{
	int mb, ret = kstrtoint(text, 10, &mb);

	if (ret)
		return -EINVAL;
	if (mb <= 0) {
		pr_err("global_max_data_area_mb must be more than 0, not %d\n", mb);
		return -EINVAL;
	}
	WRITE_ONCE(max_pages, (unsigned long)mb * MB_PAGES);
	/* As a module option it is set before there is anything to work with. */
	if (zcmu_wq && is_too_much())
		mod_delayed_work(zcmu_wq, &reclaim_work, 0);
	return 0;
}

static int max_show(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%u\n", zcmu_reclaim_max_mb());
}

static const struct kernel_param_ops max_ops = { .set = max_store, .get = max_show };

module_param_cb(global_max_data_area_mb, &max_ops, NULL, 0644);
MODULE_PARM_DESC(global_max_data_area_mb,
		 "MiB that the copy areas of all devices may hold before free pages are given back");
