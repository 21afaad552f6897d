/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exceptions: commands that end without an answer of the handler, and handlers that go away.
 *
 * device->recover_lock admits one of time-out, ring reset, removal, recovery at a time. Who holds
 * it waits for faults that are inside a loan: those take none of our mutexes. It isn't held while a
 * command is cut from a socket: a command may be REVOKING, and see its ring reset.
 */
#ifndef ZCMU_EXPIRE_H
#define ZCMU_EXPIRE_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct zcmu_cmd;
struct zcmu_device;

/* Deadlines. device->lock. */
struct zcmu_expiry {
	struct delayed_work work;
	unsigned long next_look;	/* jiffies: when the work is due, if it is pending */
};

/* attrib/recover: what happens to the commands of a handler that has gone; recover.c */
enum zcmu_recover {
	ZCMU_RECOVER_OFF,
	ZCMU_RECOVER_FAIL,
	ZCMU_RECOVER_RETRY,
	ZCMU_RECOVER_REISSUE,
};

/* expire.c */
void zcmu_expire(struct work_struct *work);
void zcmu_block(struct zcmu_device *device);
void zcmu_unblock(struct zcmu_device *device);

/* reset.c */
void zcmu_tell_caps(struct zcmu_device *device);
void zcmu_take_from_handler(struct zcmu_cmd *cmd, struct list_head *batch);
void zcmu_empty_ring(struct zcmu_device *device);
void zcmu_reset_ring(struct zcmu_device *device, u8 scsi_status);
void zcmu_stop_work(struct zcmu_device *device);
void zcmu_forget_commands(struct zcmu_device *device);

/* recover.c */
void zcmu_recover_open(struct zcmu_device *device);
void zcmu_recover_close(struct zcmu_device *device);

#endif /* ZCMU_EXPIRE_H */
