/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Aborts, and the notifications that tell the handler of them.
 */
#ifndef ZCMU_TMR_H
#define ZCMU_TMR_H

#include <linux/list.h>
#include <linux/types.h>
#include <target/target_core_base.h>

struct zcmu_device;
struct zcmu_span;

/* device->lock */
struct zcmu_tmrs {
	struct list_head waiting;	/* notifications without room, oldest first */
	u32 nr_waiting;
	bool are_wanted;		/* attrib/tmr_notification */
};

void zcmu_tmr_notify(struct se_device *se_dev, enum tcm_tmreq_table tmf,
		     struct list_head *aborted);
void zcmu_tmr_publish_waiting(struct zcmu_device *device);
void zcmu_tmr_free(struct zcmu_device *device, struct zcmu_span *span);
void zcmu_tmr_forget(struct zcmu_device *device);

#endif /* ZCMU_TMR_H */
