// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds the memory of all copy areas together: beyond global_max_data_area_mb, pages whose blocks
 * are free are given back, device after device. Not a hard limit, as with stock: commands in flight
 * keep their pages, and pages that the handler has pinned stay.
 */
#include <linux/bitmap.h>
#include <linux/pagemap.h>

#include "device.h"
#include "zcmu_kernel.h"

#define LOOK_AGAIN	(5 * HZ)

static DEFINE_MUTEX(devices_lock);	/* the list of devices; a device on it stays */
static LIST_HEAD(devices);		/* whose turn it is comes first */
static u32 nr_devices;

/*
 * Pages of one area
 */

#define BATCH	64	/* pages given back at once */
#define LOOKS	1024	/* pages looked at under the area's lock */

/* A run of pages whose blocks are marked as taken meanwhile, so that they are ours. */
struct batch {
	struct page *pages[BATCH];
	unsigned long first;	/* page of the area */
	u32 nr;
};

static bool is_free(const struct zcmu_copy_area *area, unsigned long index)
{
	return !test_bit(index / area->pages_per_block, area->bitmap);
}

/*
 * May it be given back, as far as can be told while the handler can still reach it? It is
 * asked again when that is over; see is_held(). area->lock is held.
 */
static bool is_candidate(const struct zcmu_copy_area *area, const struct batch *batch,
			 unsigned long index, struct page *page)
{
	lockdep_assert_held(&area->lock);
	/* A block that this batch has taken counts as free for the rest of its pages. */
	if (!is_free(area, index) && !(batch->nr && index % area->pages_per_block))
		return false;
	return !folio_maybe_dma_pinned(page_folio(page));
}

/*
 * Take free blocks that have pages, as far as they are adjacent, from where the last call
 * has stopped. Return: false at the end of the area.
 */
static bool take_free_pages(struct zcmu_copy_area *area, struct batch *batch)
{
	unsigned long index;
	struct page *page;
	u32 looks = 0;

	batch->nr = 0;
	spin_lock(&area->lock);
	/* Those that it has for itself stay. */
	xa_for_each_start(&area->pages, index, page, max(area->reclaim_at, area->own_pages)) {
		if (batch->nr == BATCH || looks++ == LOOKS ||
		    (batch->nr && index != batch->first + batch->nr))
			break;
		if (!is_candidate(area, batch, index, page))
			continue;
		if (is_free(area, index)) {
			__set_bit(index / area->pages_per_block, area->bitmap);
			area->free--;
		}
		if (!batch->nr)
			batch->first = index;
		batch->pages[batch->nr++] = page;
	}
	area->reclaim_at = page ? index : 0;
	spin_unlock(&area->lock);
	return page;
}

static void give_back_blocks(struct zcmu_copy_area *area, const struct batch *batch)
{
	unsigned long first = batch->first / area->pages_per_block;
	unsigned long last = (batch->first + batch->nr - 1) / area->pages_per_block;

	spin_lock(&area->lock);
	__bitmap_clear(area->bitmap, first, last - first + 1);
	area->free += last - first + 1;
	area->hint = min_t(u32, area->hint, first);
	spin_unlock(&area->lock);
}

/*
 * Faults don't find the pages any more. Their entries stay reserved, so that putting a page back
 * needs no memory.
 */
static void hide(struct zcmu_copy_area *area, const struct batch *batch)
{
	u32 i;

	for (i = 0; i < batch->nr; i++) {
		WARN_ON(xa_is_err(xa_store(&area->pages, batch->first + i, XA_ZERO_ENTRY, 0)));
		/* A fault that found the page earlier holds its lock until it is mapped. */
		lock_page(batch->pages[i]);
		unlock_page(batch->pages[i]);
	}
}

static void unmap(struct zcmu_device *device, const struct batch *batch)
{
	struct inode *inode;

	spin_lock(&device->lock);
	inode = zcmu_inode_get(device);
	spin_unlock(&device->lock);
	if (!inode)
		return;
	unmap_mapping_pages(inode->i_mapping, device->copy_pgoff + batch->first, batch->nr, false);
	iput(inode);
}

/*
 * Has anybody but the area a reference? Asked when the page is neither in the area nor in a
 * page table: so one may go, but none can come. A lasting pin (registered io_uring
 * buffers, RDMA) means the page for good: with another in its place, the handler would move
 * other bytes than those of its commands. One of another kind may be meant so.
 */
static bool is_held(struct page *page)
{
	/* A pin is counted first, and then checks that the page is still mapped. */
	smp_mb();
	return page_count(page) != 1;
}

/* Free the pages that nobody else holds, and put the others back. */
static void settle(struct zcmu_copy_area *area, const struct batch *batch)
{
	u32 i;

	for (i = 0; i < batch->nr; i++) {
		struct page *page = batch->pages[i];

		if (is_held(page)) {
			WARN_ON(xa_is_err(xa_store(&area->pages, batch->first + i, page, 0)));
			continue;
		}
		xa_erase(&area->pages, batch->first + i);
		put_page(page);
		zcmu_copy_total_add(-1);
	}
}

/*
 * Give back some pages that no command uses. devices_lock is held. Sleeps.
 * Return: false if that was the end of the area: the next call begins at its front.
 */
static bool reclaim_some(struct zcmu_device *device)
{
	struct zcmu_copy_area *area = &device->copy;
	struct batch batch;
	bool more;

	lockdep_assert_held(&devices_lock);
	more = take_free_pages(area, &batch);
	if (batch.nr) {
		hide(area, &batch);
		unmap(device, &batch);
		settle(area, &batch);
		give_back_blocks(area, &batch);
		/* A command that came meanwhile may have found no room, so try it again. */
		zcmu_retry_waiting(device);
	}
	return more;
}

/*
 * All areas
 */

static void reclaim(struct work_struct *work)
{
	u32 ends;

	mutex_lock(&devices_lock);
	/* The first round may begin in the middle of each area. */
	for (ends = 2 * nr_devices; ends && nr_devices && zcmu_copy_total_is_too_much(); ) {
		struct zcmu_device *device = list_first_entry(&devices, struct zcmu_device,
							      reclaim_node);

		if (!reclaim_some(device)) {
			list_move_tail(&device->reclaim_node, &devices);
			ends--;
		}
		/* Adding or removing a device needn't wait for all of this. */
		mutex_unlock(&devices_lock);
		cond_resched();
		mutex_lock(&devices_lock);
	}
	mutex_unlock(&devices_lock);
	if (zcmu_copy_total_is_too_much())
		queue_delayed_work(zcmu_wq, &zcmu_copy_total_work, LOOK_AGAIN);
}

void zcmu_reclaim_add(struct zcmu_device *device)
{
	mutex_lock(&devices_lock);
	list_add_tail(&device->reclaim_node, &devices);
	nr_devices++;
	zcmu_copy_total_add_own(device->copy.own_pages);
	mutex_unlock(&devices_lock);
}

void zcmu_reclaim_remove(struct zcmu_device *device)
{
	mutex_lock(&devices_lock);
	list_del(&device->reclaim_node);
	nr_devices--;
	zcmu_copy_total_add_own(-(long)device->copy.own_pages);
	mutex_unlock(&devices_lock);
}

void zcmu_reclaim_start(void)
{
	INIT_DELAYED_WORK(&zcmu_copy_total_work, reclaim);
}

void zcmu_reclaim_stop(void)
{
	cancel_delayed_work_sync(&zcmu_copy_total_work);
}
