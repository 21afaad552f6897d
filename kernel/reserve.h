/* SPDX-License-Identifier: GPL-2.0-only */
/* What a device keeps in reserve for times without memory. */
#ifndef ZCMU_RESERVE_H
#define ZCMU_RESERVE_H

#include <linux/mempool.h>
#include <linux/mm_types.h>
#include <linux/workqueue.h>

#include "loan.h"

struct zcmu_device;

/* Commands, and ids */
#define ZCMU_OWN_COMMANDS	32

struct zcmu_reserve {
	mempool_t cmds;
	mempool_t edges;
	/*
	 * Each with a rescuer: neither waits for the other's, or for those of other devices.
	 * NULL unless the device is enabled: changed under device->lock
	 */
	struct workqueue_struct *waiting_wq;
	struct workqueue_struct *expire_wq;
	struct workqueue_struct *move_wq;
	struct workqueue_struct *stream_wq;
	struct workqueue_struct *break_wq;
	struct workqueue_struct *moved_wq;
};

int zcmu_reserve_make(struct zcmu_device *device);
void zcmu_reserve_free(struct zcmu_device *device);
void zcmu_reserve_end_queues(struct zcmu_device *device);
int zcmu_reserve_page_tables(const struct zcmu_device *device, struct mm_struct *mm,
			     unsigned long start);

#endif /* ZCMU_RESERVE_H */
