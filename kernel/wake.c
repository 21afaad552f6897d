// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the handler is woken: at once, or at the end of a batch; not for what it has been told of
 * already, or has found by itself. Where it may come later still, and why, is defer.c's.
 */
#include "zcmu_kernel.h"

/*
 * Wake the handler. All in one piece: nobody must be preempted who has settled a debt and not
 * paid it yet, least of all the thread of idle priority. wake->lock is held.
 */
static void tell(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&wake->lock);
	zcmu_defer_settle(wake);
	wake->is_handler_awake = true;
	/* The head must be visible before uio's count of events is, which has the handler look. */
	smp_mb__before_atomic();
	atomic64_inc(&wake->events);
	uio_event_notify(&device->uio);
}

/* defer.c: what is owed is due. wake->lock is held. */
static void pay(struct zcmu_wake *wake)
{
	tell(container_of(wake, struct zcmu_device, wake));
}

/**
 * zcmu_wake_count - a new command was put on the ring
 * @device: the device, whose lock is held
 * @bytes: of its payload
 *
 * One that is put there again by recover.c isn't new: whoever opens the device looks.
 */
void zcmu_wake_count(struct zcmu_device *device, u32 bytes)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&device->lock);
	/* More would mean nothing else, and many of them together must not wrap around. */
	WRITE_ONCE(wake->bytes, wake->bytes + min_t(u32, bytes, ZCMU_DEFER_BYTES));
	/* The head must be visible before the count is: who counts it has the handler find it. */
	smp_store_release(&wake->commands, wake->commands + 1);
}

/**
 * zcmu_wake - there may be something new on the ring
 * @device: the device; its lock may be held
 *
 * The head must be visible already. The handler is woken, or will be before long (defer.c).
 */
void zcmu_wake(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	/* Another may have told the handler, or it has looked by itself. */
	if (zcmu_wake_has_news(wake) && !zcmu_defer(wake))
		tell(device);
	spin_unlock_irqrestore(&wake->lock, flags);
}

/**
 * zcmu_wake_now - there is something new on the ring that isn't a command
 * @device: the device; its lock may be held
 *
 * As zcmu_wake(), and at once.
 */
void zcmu_wake_now(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	tell(device);
	spin_unlock_irqrestore(&wake->lock, flags);
}

/* The submitter begins a batch: one wake-up at its end will do. */
struct se_dev_plug *zcmu_plug(struct se_device *se_dev)
{
	struct zcmu_device *device = zcmu_device(se_dev);

	return test_and_set_bit(ZCMU_DEV_PLUGGED, &device->flags) ? NULL : &device->plug;
}

void zcmu_unplug(struct se_dev_plug *plug)
{
	struct zcmu_device *device = zcmu_device(plug->se_dev);

	clear_bit(ZCMU_DEV_PLUGGED, &device->flags);
	/* Whoever still saw us plugged has put a command on the ring that we see. */
	smp_mb__after_atomic();
	zcmu_wake(device);
}

/* Somebody is about to sleep: nothing on the ring waits for the end of the batch any more. */
void zcmu_plug_end(struct zcmu_device *device)
{
	if (test_bit(ZCMU_DEV_PLUGGED, &device->flags))
		zcmu_unplug(&device->plug);
}

/**
 * zcmu_wake_note_empty - the handler has answered all that was on the ring
 * @device: the device, whose lock is held
 *
 * If nothing comes it will sleep. What it has answered it needn't be told of any more.
 */
void zcmu_wake_note_empty(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	/* Nothing is put on the ring between that look at it and this. */
	lockdep_assert_held(&device->lock);
	spin_lock_irqsave(&wake->lock, flags);
	wake->is_handler_awake = false;
	zcmu_defer_settle(wake);
	spin_unlock_irqrestore(&wake->lock, flags);
}

/* Before the device file is there. */
void zcmu_wake_start(struct zcmu_device *device)
{
	device->wake.is_handler_awake = false;
	zcmu_defer_start(&device->wake, pay);
}
