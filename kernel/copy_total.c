// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many pages all copy areas have together, and may have: global_max_data_area_mb. reclaim.c
 * gives pages back when there are too many.
 */
#include <linux/module.h>

#include "zcmu_kernel.h"

#define DEFAULT_MB	2048u
#define MB_PAGES	(1u << (20 - PAGE_SHIFT))

static atomic_long_t nr_pages;		/* in all copy areas */
static atomic_long_t nr_own_pages;	/* the pages that devices keep in any case */
static unsigned long max_pages = (unsigned long)DEFAULT_MB * MB_PAGES;

/* reclaim.c's: set before there is a device */
struct delayed_work zcmu_copy_total_work;

bool zcmu_copy_total_is_too_much(void)
{
	return atomic_long_read(&nr_pages) >
	       max_t(unsigned long, READ_ONCE(max_pages), atomic_long_read(&nr_own_pages));
}

/* A copy area has @pages more now, or less. Any context. */
void zcmu_copy_total_add(long pages)
{
	atomic_long_add(pages, &nr_pages);
	if (pages > 0 && zcmu_copy_total_is_too_much())
		queue_delayed_work(zcmu_wq, &zcmu_copy_total_work, 0);
}

/* A device was added that keeps @pages, or (below 0) removed. */
void zcmu_copy_total_add_own(long pages)
{
	atomic_long_add(pages, &nr_own_pages);
}

/* The limit in MiB: no device's copy area may be larger. */
u32 zcmu_copy_total_max_mb(void)
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
	/* As a module option it is set before the module is initialized. */
	if (zcmu_wq && zcmu_copy_total_is_too_much())
		mod_delayed_work(zcmu_wq, &zcmu_copy_total_work, 0);
	return 0;
}

static int max_show(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%u\n", zcmu_copy_total_max_mb());
}

static const struct kernel_param_ops max_ops = { .set = max_store, .get = max_show };

module_param_cb(global_max_data_area_mb, &max_ops, NULL, 0644);
MODULE_PARM_DESC(global_max_data_area_mb,
		 "MiB that the copy areas of all devices may hold before free pages are given back");
