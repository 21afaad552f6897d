/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UNIT ATTENTION of a new size. attention_lock is the innermost lock: it is taken inside the core's
 * se_port_lock and session_lock, so never with interrupts on.
 */
#ifndef ZCMU_ATTENTION_H
#define ZCMU_ATTENTION_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <target/target_core_base.h>

struct zcmu_device;

struct zcmu_attention {
	bool is_raised;			/* the size has changed: initiators have to be told */
	spinlock_t lock;
	struct list_head told;		/* who was told; attention.c */
	u64 round;
};

void zcmu_attention_raise(struct zcmu_device *device);
void zcmu_attention_forget(struct zcmu_device *device);
bool zcmu_attention_due(struct zcmu_device *device, const struct se_cmd *se_cmd);
void zcmu_attention_answer(struct se_cmd *se_cmd);

#endif /* ZCMU_ATTENTION_H */
