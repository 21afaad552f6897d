/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wake-ups that come a little later, on one CPU. See defer.c.
 *
 * wake->lock is taken in interrupts; device->lock may be held. It is for all that isn't said to
 * be otherwise.
 */
#ifndef ZCMU_DEFER_H
#define ZCMU_DEFER_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * So much is as good as any more. Mostly it is for a CPU that is idle: all that a submitter keeps
 * under way should be less.
 */
#define ZCMU_DEFER_COMMANDS	128
#define ZCMU_DEFER_BYTES	(4u << 20)

struct zcmu_wake {
	/* How much that is new was ever put on the ring: written under device->lock */
	u32 commands;
	u32 bytes;

	bool may_wait;			/* attrib/delay_wake_ups */
	atomic64_t events;		/* uio events: counted without a lock */
	int handler_cpu;		/* its only one, or -1: a hint, without a lock */

	spinlock_t lock;		/* the rest */
	void (*pay)(struct zcmu_wake *wake);
	bool is_on;			/* from zcmu_defer_start() to zcmu_defer_stop() */
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
