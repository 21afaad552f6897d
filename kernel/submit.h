/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a command to the ring: which way its payload goes, its entry, or its place among
 * those that wait.
 */
#ifndef ZCMU_SUBMIT_H
#define ZCMU_SUBMIT_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <target/target_core_base.h>

#include "plan.h"

struct zcmu_cmd;
struct zcmu_cmd_entry;
struct zcmu_device;

/* What waits for room or memory. device->lock. */
struct zcmu_waiting {
	struct list_head cmds;		/* WAITING, oldest first */
	struct delayed_work work;
	bool is_trying;			/* the work has taken a command off the list */
};

/* decide.c */
bool zcmu_should_lend(struct zcmu_device *device, const struct se_cmd *se_cmd,
		      struct zcmu_plan *plan);
int zcmu_copy_prepare(struct zcmu_cmd *cmd, gfp_t gfp);
void zcmu_copy_in(struct zcmu_cmd *cmd);
void zcmu_restore_payload(struct zcmu_cmd *cmd);

/* entry.c */
u32 zcmu_entry_length(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan);
void zcmu_entry_fill(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan,
		     struct zcmu_cmd_entry *entry, u32 offset, u32 len);

/* waiting.c */
bool zcmu_is_to_be_mended(const struct zcmu_device *device);
int zcmu_may_queue(const struct zcmu_cmd *cmd);
bool zcmu_must_queue_up(const struct zcmu_device *device);
void zcmu_look_again(struct zcmu_device *device);
void zcmu_retry_waiting(struct zcmu_device *device);
int zcmu_waiting_add(struct zcmu_cmd *cmd);
struct zcmu_cmd *zcmu_waiting_next(struct zcmu_device *device);
int zcmu_waiting_put_back(struct zcmu_cmd *cmd, bool behind);
u32 zcmu_waiting_count(struct zcmu_device *device);
void zcmu_wait_again(struct zcmu_device *device, struct list_head *batch);

/* submit.c */
sense_reason_t zcmu_parse_cdb(struct se_cmd *se_cmd);
void zcmu_submit_waiting(struct work_struct *work);

#endif /* ZCMU_SUBMIT_H */
