/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delayed wake-ups, on one CPU. See defer.c.
 *
 * wake->lock is taken in interrupts; device->lock may be held. It protects all members that don't
 * say otherwise.
 */
#ifndef ZCMU_DEFER_H
#define ZCMU_DEFER_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct zcmu_wake {
	u32 commands;			/* put on the ring so far; written under device->lock */

	bool may_wait;			/* attrib/delay_wake_ups */
	atomic64_t events;		/* uio events: counted without a lock */
	int handler_cpu;		/* the handler's only CPU, or -1: a hint, without a lock */

	spinlock_t lock;		/* the rest */
	void (*pay)(struct zcmu_wake *wake);
	bool is_on;			/* from zcmu_defer_start() to zcmu_defer_stop() */
	bool is_owed;			/* a wake-up waits for an idle CPU, or the timer */
	bool is_handler_awake;		/* it was woken, and hasn't answered everything yet */
	u32 commands_told;		/* commands at the last wake-up */
	u64 since;			/* ns: when the wait began */
	u64 latest;			/* ns: its latest command */
	int credit;
	int pause;			/* so many wake-ups are not delayed */
	u64 delayed;			/* wake-ups that were delayed, for the counters */
	struct list_head node;		/* idler.owed, or the list of who pays; idler.lock too */
	struct hrtimer timer;
};

int zcmu_defer_init(void);
void zcmu_defer_exit(void);
void zcmu_defer_start(struct zcmu_wake *wake, void (*pay)(struct zcmu_wake *wake));
void zcmu_defer_start_afresh(struct zcmu_wake *wake);
void zcmu_defer_stop(struct zcmu_wake *wake);

bool zcmu_wake_has_news(const struct zcmu_wake *wake);
bool zcmu_defer(struct zcmu_wake *wake);
void zcmu_defer_settle(struct zcmu_wake *wake);

void zcmu_defer_note_kick(struct zcmu_wake *wake);
void zcmu_defer_note_close(struct zcmu_wake *wake);

#endif /* ZCMU_DEFER_H */
