// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backstore's life: allocated when its folder appears in configfs, configured
 * when "enable" is written, destroyed when the folder goes, freed when the last
 * mapping of it goes.
 */
#include <linux/slab.h>

#include "device.h"
#include "zcmu_kernel.h"

struct se_device *zcmu_device_alloc(struct se_hba *hba, const char *name)
{
	struct zcmu_device *device = kzalloc(sizeof(*device), GFP_KERNEL);

	if (!device)
		return NULL;
	device->name = kstrdup(name, GFP_KERNEL);
	xa_init_flags(&device->commands, XA_FLAGS_ALLOC1);
	/* The first ids take no memory: the entry at the end of the node keeps it allocated. */
	BUILD_BUG_ON(ZCMU_OWN_COMMANDS >= XA_CHUNK_SIZE - 1);
	if (!device->name || zcmu_stats_init(&device->stats) ||
	    xa_reserve(&device->commands, XA_CHUNK_SIZE - 1, GFP_KERNEL)) {
		zcmu_stats_free(&device->stats);
		kfree(device->name);
		kfree(device);
		return NULL;
	}
	kref_init(&device->kref);
	device->hba = hba;
	device->minor = -1;
	device->ring_mb = ZCMU_RING_MB;
	device->copy_mb = ZCMU_COPY_AREA_MB;
	device->window_mb = ZCMU_WINDOW_MB;
	device->copy.pages_per_block = ZCMU_PAGES_PER_BLOCK;
	device->cmd_time_out = ZCMU_TIME_OUT_MS;
	device->qfull_time_out = -1;
	device->lending.policy.enabled = true;
	device->lending.policy.min_bytes = ZCMU_LEND_MIN_BYTES;
	device->wake.may_wait = true;
	spin_lock_init(&device->lock);
	spin_lock_init(&device->wake.lock);
	mutex_init(&device->recover_lock);
	mutex_init(&device->config_lock);
	spin_lock_init(&device->attention.lock);
	INIT_LIST_HEAD(&device->attention.told);
	INIT_LIST_HEAD(&device->tmrs.waiting);
	INIT_LIST_HEAD(&device->inflight);
	INIT_LIST_HEAD(&device->waiting.cmds);
	INIT_DELAYED_WORK(&device->waiting.work, zcmu_submit_waiting);
	INIT_DELAYED_WORK(&device->expiry.work, zcmu_expire);
	init_llist_head(&device->moving.ended);
	INIT_WORK(&device->moving.ended_work, zcmu_moved_ended);
	device->moving.run = zcmu_moved_run;
	INIT_LIST_HEAD(&device->moving.turns);
	init_waitqueue_head(&device->lending.wait);
	device->plug.se_dev = &device->se_dev;
	return &device->se_dev;
}

/*
 * It was enabled before and failed half-way: a daemon refused it, or something in the core did.
 * What is left of that is removed, unless a handler still has it mapped: the new areas must not be
 * reached through an old mapping. config_lock is held.
 */
static int clear_away(struct zcmu_device *device)
{
	lockdep_assert_held(&device->config_lock);
	if (kref_read(&device->kref) > 1) {
		pr_err("%s: an earlier handler still has it mapped; enable it again when that handler has ended\n",
		       device->name);
		return -EBUSY;
	}
	zcmu_areas_release(device);
	clear_bit(ZCMU_DEV_BROKEN, &device->flags);
	clear_bit(ZCMU_DEV_GONE, &device->flags);
	/* A process that has the old device file open doesn't see the new one. */
	clear_bit(ZCMU_DEV_OPEN, &device->flags);
	return 0;
}

/*
 * "enable" begins. The core lets several in at once, and a daemon's reply takes its time.
 * config_lock is held.
 */
static int begin_enable(struct zcmu_device *device)
{
	lockdep_assert_held(&device->config_lock);
	if (test_and_set_bit(ZCMU_DEV_ENABLED, &device->flags)) {
		pr_err("%s: it is being enabled already\n", device->name);
		return -EBUSY;
	}
	/* The core overwrites its own copy for everyone who tries. */
	device->index = device->se_dev.dev_index;
	return 0;
}

/*
 * It isn't enabled any more: the core will take the index of this device off its list, not
 * that of somebody whom begin_enable() has turned away, which is off already. (Who is at
 * this very moment on the way out of the core can't be seen from here.)
 */
static void end_enable(struct zcmu_device *device)
{
	mutex_lock(&device->config_lock);
	device->se_dev.dev_index = device->index;
	clear_bit(ZCMU_DEV_ENABLED, &device->flags);
	mutex_unlock(&device->config_lock);
}

/* Make the areas and the device file. config_lock is held. */
static int set_up(struct zcmu_device *device)
{
	int ret = 0;

	lockdep_assert_held(&device->config_lock);
	/* What a failed attempt has left is removed with the next one, or with the backstore. */
	if (test_bit(ZCMU_DEV_GONE, &device->flags) || device->map)
		ret = clear_away(device);
	ret = ret ?: zcmu_areas_make(device);
	if (ret)
		return ret;
	ret = zcmu_reserve_make(device);
	ret = ret ?: zcmu_uio_register(device);
	if (ret)
		zcmu_reserve_end_queues(device);
	return ret;
}

/* From here on, a handler reaches it only through mappings that it already has. */
static void take_down(struct zcmu_device *device)
{
	zcmu_reclaim_remove(device);
	zcmu_uio_unregister(device);
	zcmu_reserve_end_queues(device);
	zcmu_device_put(device);
}

/* "enable" was written. */
int zcmu_device_configure(struct se_device *se_dev)
{
	struct zcmu_device *device = zcmu_device(se_dev);
	struct se_dev_attrib *attrib = &se_dev->dev_attrib;
	int ret;

	mutex_lock(&device->config_lock);
	ret = begin_enable(device);
	if (ret) {
		/* It belongs to somebody else, and must not be ended here. */
		mutex_unlock(&device->config_lock);
		return ret;
	}
	ret = set_up(device);
	mutex_unlock(&device->config_lock);
	if (ret)
		goto end;

	/* Both may have been given in "control". */
	if (!attrib->hw_block_size)
		attrib->hw_block_size = 512;
	if (!attrib->hw_max_sectors)
		attrib->hw_max_sectors = min_t(u64, ZCMU_MAX_IO_BYTES,
					       zcmu_copy_capacity(&device->copy)) /
					 attrib->hw_block_size;
	attrib->hw_queue_depth = ZCMU_QUEUE_DEPTH;

	/* The UIO device's reference: a handler may close it before or after us. */
	zcmu_device_get(device);
	zcmu_reclaim_add(device);
	zcmu_netlink_configure(device);
	ret = zcmu_netlink_added(device);
	if (!ret)
		return 0;
	pr_err("%s: the daemon can't have the device: error %d\n", device->name, ret);
	take_down(device);
end:
	end_enable(device);
	return ret;
}

/*
 * The backstore goes, or the core could not do its own part of enabling it. The core has
 * waited for its commands.
 */
void zcmu_device_destroy(struct se_device *se_dev)
{
	struct zcmu_device *device = zcmu_device(se_dev);

	zcmu_netlink_removed(device);
	take_down(device);
	end_enable(device);
}

void zcmu_device_free(struct se_device *se_dev)
{
	zcmu_device_put(zcmu_device(se_dev));
}

/* The last block's address, which is what the core's "get_blocks" expects. */
sector_t zcmu_device_blocks(struct se_device *se_dev)
{
	u64 blocks = div_u64(zcmu_device(se_dev)->dev_size, se_dev->dev_attrib.block_size);

	return blocks ? blocks - 1 : 0;
}
