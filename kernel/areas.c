// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the mappings of a device keep alive: map 0's areas (mailbox and ring, copy area, window) and
 * the device itself. They go with the last reference, which may be a mapping's.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device.h"
#include "zcmu_kernel.h"

static unsigned long mb_to_pages(u32 mb)
{
	return (unsigned long)mb << (20 - PAGE_SHIFT);
}

static void free_after_rcu(struct rcu_head *head)
{
	struct se_device *se_dev = container_of(head, struct se_device, rcu_head);
	struct zcmu_device *device = zcmu_device(se_dev);

	kfree(device->uio.name);
	kfree(device->name);
	kfree(device);
}

void zcmu_areas_release(struct zcmu_device *device)
{
	if (device->copy.bitmap)
		zcmu_copy_destroy(&device->copy);
	kvfree(device->window.owner);
	device->window.owner = NULL;
	vfree(device->map);
	device->map = NULL;
	zcmu_reserve_free(device);
}

static void device_release(struct kref *kref)
{
	struct zcmu_device *device = container_of(kref, struct zcmu_device, kref);

	zcmu_areas_release(device);
	xa_destroy(&device->commands);
	zcmu_attention_forget(device);
	zcmu_stats_free(&device->stats);
	call_rcu(&device->se_dev.rcu_head, free_after_rcu);
}

void zcmu_device_get(struct zcmu_device *device)
{
	kref_get(&device->kref);
}

void zcmu_device_put(struct zcmu_device *device)
{
	kref_put(&device->kref, device_release);
}

/* Map 0: mailbox and ring, copy area, window. Only the first has memory now. */
int zcmu_areas_make(struct zcmu_device *device)
{
	unsigned long ring_pages = mb_to_pages(device->ring_mb);
	unsigned long copy_pages = mb_to_pages(device->copy_mb);
	unsigned long window_pages = mb_to_pages(device->window_mb);
	u32 nr_slots = window_pages / ZCMU_SLOT_PAGES;
	void **owner = NULL;
	int ret;

	device->map = vzalloc(ring_pages << PAGE_SHIFT);
	if (!device->map)
		return -ENOMEM;
	ret = zcmu_copy_init(&device->copy, copy_pages, device->copy.pages_per_block);
	if (ret)
		goto release;
	if (nr_slots) {
		owner = kvcalloc(nr_slots, sizeof(*owner), GFP_KERNEL);
		ret = -ENOMEM;
		if (!owner)
			goto release;
	}

	zcmu_window_init(&device->window, owner, nr_slots);
	device->lending.policy.max_pages = zcmu_fault_can_lend() ? nr_slots * ZCMU_SLOT_PAGES : 0;
	device->copy_pgoff = ring_pages;
	device->window_pgoff = ring_pages + copy_pages;
	device->map_pages = ring_pages + copy_pages + window_pages;
	zcmu_ring_init(&device->ring, device->map,
		       (ring_pages << PAGE_SHIFT) - sizeof(struct zcmu_mailbox));
	device->ring.kept = ZCMU_MOVED_BYTES;
	spin_lock(&device->lock);
	zcmu_tell_caps(device);
	spin_unlock(&device->lock);
	return 0;

release:
	zcmu_areas_release(device);
	return ret;
}
