// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device keeps in reserve for times without memory: threads, commands, edge pages, page
 * tables. Reclaim of memory may depend on this very device. Pages of the copy area are copy.c's
 * (own_pages); when what is used, the submitting functions say.
 */
#include <linux/sched/mm.h>

#include "zcmu_kernel.h"

/*
 * Bytes of copy area and window that a handler's mapping has page tables for from the start: all of
 * them, where the sizes are the default ones. (x86: 1 MiB of tables)
 */
#define OWN_TABLES	((256ul << 20) >> PAGE_SHIFT)

/* Threads that may wait for sockets; the transfers to more of them wait for a thread. */
#define STREAMS_AT_A_TIME	64

/* Nothing is queued from here on; work that is queued is done first. */
void zcmu_reserve_end_queues(struct zcmu_device *device)
{
	struct workqueue_struct *waiting_wq, *expire_wq, *move_wq, *stream_wq, *break_wq, *moved_wq;

	spin_lock(&device->lock);
	waiting_wq = device->reserve.waiting_wq;
	expire_wq = device->reserve.expire_wq;
	move_wq = device->reserve.move_wq;
	stream_wq = device->reserve.stream_wq;
	break_wq = device->reserve.break_wq;
	moved_wq = device->reserve.moved_wq;
	device->reserve.waiting_wq = NULL;
	device->reserve.expire_wq = NULL;
	device->reserve.move_wq = NULL;
	device->reserve.stream_wq = NULL;
	device->reserve.break_wq = NULL;
	device->reserve.moved_wq = NULL;
	spin_unlock(&device->lock);
	/* Work that ends here may still queue work that looks for room. */
	if (move_wq)
		destroy_workqueue(move_wq);
	if (stream_wq)
		destroy_workqueue(stream_wq);
	if (break_wq)
		destroy_workqueue(break_wq);
	if (moved_wq)
		destroy_workqueue(moved_wq);
	if (waiting_wq)
		destroy_workqueue(waiting_wq);
	if (expire_wq)
		destroy_workqueue(expire_wq);
}

/*
 * A queue has one rescuer, for when no thread can be made. It must not be shared: work of one
 * device may be waiting for a fault, and that for memory, which another's gives back.
 */
static int make_queues(struct zcmu_device *device)
{
	struct workqueue_struct *waiting_wq, *expire_wq, *move_wq, *stream_wq, *break_wq, *moved_wq;

	waiting_wq = alloc_workqueue("zcmu-w-%.12s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, device->name);
	expire_wq = alloc_workqueue("zcmu-x-%.12s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, device->name);
	/*
	 * Each CPU runs one transfer after the other unless one has to wait. A thread for each
	 * would cost a context switch for each.
	 */
	move_wq = alloc_workqueue("zcmu-m-%.12s", WQ_MEM_RECLAIM | WQ_PERCPU, 0, device->name);
	moved_wq = alloc_workqueue("zcmu-d-%.12s", WQ_MEM_RECLAIM | WQ_PERCPU, 0, device->name);
	/* Each of these waits for the peer of a socket. */
	stream_wq = alloc_workqueue("zcmu-s-%.12s", WQ_MEM_RECLAIM | WQ_UNBOUND, STREAMS_AT_A_TIME,
				    device->name);
	/* And each of these for a socket's lock, which a process of others may hold for ever. */
	break_wq = alloc_workqueue("zcmu-b-%.12s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, device->name);
	spin_lock(&device->lock);
	device->reserve.waiting_wq = waiting_wq;
	device->reserve.expire_wq = expire_wq;
	device->reserve.move_wq = move_wq;
	device->reserve.stream_wq = stream_wq;
	device->reserve.break_wq = break_wq;
	device->reserve.moved_wq = moved_wq;
	spin_unlock(&device->lock);
	if (!waiting_wq || !expire_wq || !move_wq || !stream_wq || !break_wq || !moved_wq)
		return -ENOMEM;
	return 0;
}

/**
 * zcmu_reserve_make - get what a device has for itself
 * @device: a device that is being enabled; config_lock is held
 *
 * Return: 0, or -ENOMEM; zcmu_reserve_end_queues() and zcmu_reserve_free() undo both.
 */
int zcmu_reserve_make(struct zcmu_device *device)
{
	int ret;

	lockdep_assert_held(&device->config_lock);
	ret = mempool_init_slab_pool(&device->reserve.cmds, ZCMU_OWN_COMMANDS, zcmu_cmd_cache);
	if (!ret)
		ret = mempool_init_page_pool(&device->reserve.edges, ZCMU_MAX_EDGES, 0);
	return ret ?: make_queues(device);
}

/* No command is left, and the queues have ended. It may be called more than once. */
void zcmu_reserve_free(struct zcmu_device *device)
{
	mempool_exit(&device->reserve.cmds);
	mempool_exit(&device->reserve.edges);
}

/* @start: where map 0 begins; @first, @nr: pages of it */
static int make_page_tables(struct mm_struct *mm, unsigned long start, unsigned long first,
			    unsigned long nr)
{
	return apply_to_page_range(mm, start + (first << PAGE_SHIFT), nr << PAGE_SHIFT, NULL, NULL);
}

/**
 * zcmu_reserve_page_tables - let a handler's touches need no memory
 * @device: the device
 * @mm: whose mapping it is: its lock is held for writing
 * @start: where a mapping of all of map 0 begins that isn't published yet
 *
 * Those of the ring, and of copy area and window as far as OWN_TABLES goes: a fault that has to
 * make one waits until there is memory. uio holds its info_lock, which the serving
 * thread needs: so this doesn't wait for I/O either.
 *
 * Return: 0 or -ENOMEM; what was made goes with the mapping.
 */
int zcmu_reserve_page_tables(const struct zcmu_device *device, struct mm_struct *mm,
			     unsigned long start)
{
	unsigned long copy_pages = device->window_pgoff - device->copy_pgoff;
	unsigned long window_pages = device->map_pages - device->window_pgoff;
	unsigned int noio = memalloc_noio_save();
	int ret = make_page_tables(mm, start, 0,
				   device->copy_pgoff + min(copy_pages, OWN_TABLES));

	if (!ret && window_pages)
		ret = make_page_tables(mm, start, device->window_pgoff,
				       min(window_pages, OWN_TABLES));
	memalloc_noio_restore(noio);
	return ret;
}
