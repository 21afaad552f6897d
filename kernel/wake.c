// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the handler is woken: at once, or a little later. Not what it is woken for
 * (submit.c), nor how (uio.c).
 *
 * Where submitter and handler share a CPU, a woken handler takes the place of whoever was
 * about to submit the next command. So each command goes all the way alone, with a wake-up
 * of its own and four context switches. There it pays to let the submitter go on: the
 * wake-up waits until that CPU, or any other, has nothing else to do. A thread of idle
 * priority finds that out, by getting to run. Nothing waits for long: a timer and limits
 * see to that, and what has brought no second command is not tried again for a while.
 */
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/timekeeping.h>
#include <uapi/linux/sched/types.h>

#include "zcmu_kernel.h"

/* The timer looks so long after the first command, and again if there was one just before. */
#define LOOK_NS		(400 * NSEC_PER_USEC)
#define RECENT_NS	(200 * NSEC_PER_USEC)
#define LONGEST_NS	(2 * NSEC_PER_MSEC)

/* So much is as good as any more. */
#define ENOUGH_COMMANDS	32
#define ENOUGH_BYTES	(2u << 20)

/*
 * Waits that pay earn credit, those that don't cost twice as much. Without any, so many
 * wake-ups are not put off, twice as many each time, and then one is, to see.
 */
#define CREDIT_MAX	8
#define CREDIT_TRIAL	2
#define CREDIT_LOSS	2
#define PAUSE_MIN	64
#define PAUSE_MAX	4096

static u32 commands_untold(const struct zcmu_wake *wake)
{
	return READ_ONCE(wake->commands) - wake->commands_told;
}

static u32 bytes_untold(const struct zcmu_wake *wake)
{
	return READ_ONCE(wake->bytes) - wake->bytes_told;
}

/* Is anything gained by letting more commands come? */
static bool has_enough(const struct zcmu_wake *wake)
{
	return commands_untold(wake) >= ENOUGH_COMMANDS || bytes_untold(wake) >= ENOUGH_BYTES;
}

/* Would the handler run here, where somebody else wants to? wake->lock is held. */
static bool would_be_in_the_way(const struct zcmu_wake *wake)
{
	return wake->handler_cpu == raw_smp_processor_id() && !single_task_running();
}

/* Is it worth a try, from what was seen lately? wake->lock is held. */
static bool is_promising(struct zcmu_wake *wake)
{
	if (!wake->pause)
		return true;
	if (!--wake->pause)
		wake->credit = CREDIT_TRIAL;
	return false;
}

/* Should this wake-up wait for more commands? wake->lock is held. */
static bool should_wait(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	/* It is awake and will look at the ring again: this costs next to nothing. */
	if (wake->is_handler_awake)
		return false;
	return wake->is_on && READ_ONCE(device->delay_wake_ups) && would_be_in_the_way(wake) &&
	       !has_enough(wake) && is_promising(wake);
}

static void note_gain(struct zcmu_wake *wake)
{
	wake->credit = min(wake->credit + 1, CREDIT_MAX);
	wake->next_pause = PAUSE_MIN;
}

static void note_loss(struct zcmu_wake *wake)
{
	wake->credit = max(wake->credit - CREDIT_LOSS, 0);
	if (wake->credit)
		return;
	wake->pause = wake->next_pause;
	wake->next_pause = min(wake->next_pause * 2, PAUSE_MAX);
}

/*
 * Tell the handler of all that is on the ring. wake->lock is held: nobody must be preempted
 * who has taken the debt over and not paid it yet, least of all the thread of idle priority.
 */
static void tell(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	wake->is_owed = false;
	wake->is_handler_awake = true;
	wake->commands_told = READ_ONCE(wake->commands);
	wake->bytes_told = READ_ONCE(wake->bytes);
	zcmu_uio_wake(device);
}

static void begin_wait(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	wake->is_owed = true;
	wake->since = wake->latest;
	wake->delayed++;
	hrtimer_start(&wake->timer, ns_to_ktime(LOOK_NS), HRTIMER_MODE_REL);
	kthread_queue_work(wake->idler, &wake->idle_work);
}

/**
 * zcmu_wake - there is something new on the ring
 * @device: the device; its lock may be held
 *
 * The head must be visible already. The handler is woken, or will be within LONGEST_NS.
 */
void zcmu_wake(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	if (should_wait(device)) {
		wake->latest = ktime_get_mono_fast_ns();
		if (!wake->is_owed)
			begin_wait(device);
	} else {
		if (wake->is_owed) {
			hrtimer_try_to_cancel(&wake->timer);
			note_gain(wake);
		}
		tell(device);
	}
	spin_unlock_irqrestore(&wake->lock, flags);
}

/* Has somebody else the CPU's attention, or will have it? Then so has, perhaps, a submitter. */
static bool is_still_to_wait(const struct zcmu_wake *wake)
{
	return READ_ONCE(wake->is_owed) && !single_task_running();
}

/* Runs in the thread of idle priority: a CPU has nothing better to do, or hardly. */
static void wake_when_idle(struct kthread_work *work)
{
	struct zcmu_device *device = container_of(work, struct zcmu_device, wake.idle_work);
	struct zcmu_wake *wake = &device->wake;

	/* Having slept long it may be let run in front of others: not the one it waits for. */
	while (is_still_to_wait(wake))
		schedule();

	spin_lock_irq(&wake->lock);
	if (wake->is_owed) {
		if (commands_untold(wake) > 1)
			note_gain(wake);
		else
			note_loss(wake);
		tell(device);
		hrtimer_try_to_cancel(&wake->timer);
	}
	spin_unlock_irq(&wake->lock);
}

/* The timer: more may be coming, or the CPU is busy with somebody who has no use for us. */
static enum hrtimer_restart wake_late(struct hrtimer *timer)
{
	struct zcmu_device *device = container_of(timer, struct zcmu_device, wake.timer);
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;
	bool is_growing;
	u64 now;

	spin_lock_irqsave(&wake->lock, flags);
	now = ktime_get_mono_fast_ns();
	is_growing = now - wake->latest < RECENT_NS;
	if (wake->is_owed && is_growing && now - wake->since < LONGEST_NS - LOOK_NS) {
		hrtimer_start(timer, ns_to_ktime(LOOK_NS), HRTIMER_MODE_REL);
	} else if (wake->is_owed) {
		if (!is_growing)
			note_loss(wake);
		tell(device);
	}
	spin_unlock_irqrestore(&wake->lock, flags);
	return HRTIMER_NORESTART;
}

/**
 * zcmu_wake_note_kick - the handler is awake, and here
 * @device: the device
 * @is_empty: it has answered all that was on the ring, and will sleep if nothing comes
 */
void zcmu_wake_note_kick(struct zcmu_device *device, bool is_empty)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	wake->handler_cpu = raw_smp_processor_id();
	if (is_empty)
		wake->is_handler_awake = false;
	spin_unlock_irqrestore(&wake->lock, flags);
}

/* Before the device file is there. Return: 0 or -errno. */
int zcmu_wake_start(struct zcmu_device *device)
{
	static const struct sched_attr idle = { .size = sizeof(idle), .sched_policy = SCHED_IDLE };
	struct zcmu_wake *wake = &device->wake;
	int ret;

	spin_lock_init(&wake->lock);
	wake->handler_cpu = -1;
	wake->is_owed = false;
	wake->is_handler_awake = false;
	wake->credit = CREDIT_TRIAL;
	wake->pause = 0;
	wake->next_pause = PAUSE_MIN;
	hrtimer_setup(&wake->timer, wake_late, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	kthread_init_work(&wake->idle_work, wake_when_idle);
	wake->idler = kthread_create_worker(0, "zcmu/%s", device->name);
	if (IS_ERR(wake->idler))
		return PTR_ERR(wake->idler);
	ret = sched_setattr_nocheck(wake->idler->task, &idle);
	if (ret)
		kthread_destroy_worker(wake->idler);
	else
		wake->is_on = true;
	return ret;
}

/* No wake-up is put off from here on, and those that were don't come any more. */
void zcmu_wake_stop(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	spin_lock_irq(&wake->lock);
	wake->is_on = false;
	wake->is_owed = false;
	spin_unlock_irq(&wake->lock);
	hrtimer_cancel(&wake->timer);
	kthread_destroy_worker(wake->idler);
}
