/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When the handler is woken. See wake.c.
 *
 * wake->lock is taken in interrupts; device->lock may be held. It is for all that isn't said to
 * be otherwise.
 */
#ifndef ZCMU_WAKE_H
#define ZCMU_WAKE_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <target/target_core_base.h>

struct zcmu_device;

struct zcmu_wake {
	/* How much that is new was ever put on the ring: written under device->lock */
	u32 commands;
	u32 bytes;

	bool may_wait;			/* attrib/delay_wake_ups */
	atomic64_t events;		/* uio events: counted without a lock */
	int handler_cpu;		/* where it was last seen, or -1: a hint, without a lock */

	spinlock_t lock;		/* the rest */
	bool is_on;			/* from zcmu_wake_start() to zcmu_wake_stop() */
	bool is_owed;			/* a wake-up waits for an idle CPU, or the timer */
	bool is_handler_awake;		/* it was woken, and has more to do, as far as is known */
	u32 commands_told;		/* commands and bytes at the last wake-up */
	u32 bytes_told;
	u64 since;			/* ns: when what waits began to, and its latest command */
	u64 latest;
	int credit;
	int pause;			/* so many wake-ups are not put off */
	int next_pause;
	u64 delayed;			/* wake-ups that were put off, for the counters */
	struct list_head node;		/* idler.owed, or the list of who pays; idler.lock too */
	struct hrtimer timer;
};

int zcmu_wake_init(void);
void zcmu_wake_exit(void);
void zcmu_wake_start(struct zcmu_device *device);
void zcmu_wake_start_afresh(struct zcmu_device *device);
void zcmu_wake_stop(struct zcmu_device *device);

void zcmu_wake_count(struct zcmu_device *device, u32 bytes);
void zcmu_wake(struct zcmu_device *device);
void zcmu_wake_now(struct zcmu_device *device);

void zcmu_wake_note_kick(struct zcmu_device *device);
void zcmu_wake_note_empty(struct zcmu_device *device);
void zcmu_wake_note_close(struct zcmu_device *device);

struct se_dev_plug *zcmu_plug(struct se_device *se_dev);
void zcmu_unplug(struct se_dev_plug *plug);
void zcmu_plug_end(struct zcmu_device *device);

#endif /* ZCMU_WAKE_H */
