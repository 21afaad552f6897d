// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the handler is woken: at once, or at the end of a batch, and not for commands that it was
 * told of already, or has found by itself. defer.c says where a wake-up may be delayed, and why.
 */
#include "zcmu_kernel.h"

/*
 * Wake the handler. wake->lock keeps this in one piece: a thread that has settled a debt and not
 * woken the handler yet must not be preempted, least of all the thread of idle priority.
 */
static void tell(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&wake->lock);
	zcmu_defer_settle(wake);
	wake->is_handler_awake = true;
	/* The head must be visible before uio's count of events, which makes the handler look. */
	smp_mb__before_atomic();
	atomic64_inc(&wake->events);
	uio_event_notify(&device->uio);
}

/* Called by defer.c when a delayed wake-up is due. wake->lock is held. */
static void pay(struct zcmu_wake *wake)
{
	tell(container_of(wake, struct zcmu_device, wake));
}

/**
 * zcmu_wake_count - a new command was put on the ring
 * @device: the device, whose lock is held
 *
 * Not called for commands that recover.c puts there again: a handler that opens the device looks.
 */
void zcmu_wake_count(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&device->lock);
	/* The head must be visible before the count: the handler finds what is counted. */
	smp_store_release(&wake->commands, wake->commands + 1);
}

/**
 * zcmu_wake - there may be something new on the ring
 * @device: the device; its lock may be held
 *
 * The head must be visible already. The handler is woken, now or soon (defer.c).
 */
void zcmu_wake(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	/* Another thread may have woken the handler, or it has looked by itself. */
	if (zcmu_wake_has_news(wake) && !zcmu_defer(wake))
		tell(device);
	spin_unlock_irqrestore(&wake->lock, flags);
}

/**
 * zcmu_wake_now - there is something new on the ring that isn't a command
 * @device: the device; its lock may be held
 *
 * As zcmu_wake(), but never delayed.
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
	/* If a submitter still saw us plugged, its command is visible here. */
	smp_mb__after_atomic();
	zcmu_wake(device);
}

/* The submitter is about to sleep: don't wait for the end of its batch. */
void zcmu_plug_end(struct zcmu_device *device)
{
	if (test_bit(ZCMU_DEV_PLUGGED, &device->flags))
		zcmu_unplug(&device->plug);
}

/**
 * zcmu_wake_note_empty - the handler has answered all that was on the ring
 * @device: the device, whose lock is held
 *
 * It will sleep if nothing comes. It needn't be told of what it has answered.
 */
void zcmu_wake_note_empty(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	/* So nothing was put on the ring since it was found empty. */
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
