// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the handler is woken: at once, at the end of a batch, or a little later. Not what it
 * is woken for (submit.c).
 *
 * Where submitter and handler share a CPU, a woken handler takes the place of whoever was
 * about to submit the next command. So each command goes all the way alone, with a wake-up
 * of its own and four context switches. There it pays to let the submitter go on: the
 * wake-up waits until that CPU, or any other, has nothing else to do. A thread of idle
 * priority finds that out, by getting to run. Nothing waits for long: a timer and limits
 * see to that, and what has brought no second command is not tried again for a while.
 *
 * One such thread is there for all devices: of two, neither would ever find itself alone.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/timekeeping.h>
#include <uapi/linux/sched/types.h>

#include "zcmu_kernel.h"

/* The timer looks so long after the first command, and again if there was one just before. */
#define LOOK_NS		(800 * NSEC_PER_USEC)
#define RECENT_NS	(400 * NSEC_PER_USEC)
#define LONGEST_NS	(2 * NSEC_PER_MSEC)

/* So long may the thread that looks for an idle CPU keep one from others; then it sleeps a bit. */
#define IN_THE_WAY_NS	(20 * NSEC_PER_USEC)
#define STEP_ASIDE_US	50

/*
 * So much is as good as any more. Mostly it is for a CPU that is idle: all that a submitter keeps
 * under way should be less.
 */
#define ENOUGH_COMMANDS	128
#define ENOUGH_BYTES	(4u << 20)

/*
 * Waits that pay earn credit, those that don't cost twice as much. Without any, so many
 * wake-ups are not put off, more of them each time, and then one is, to see.
 */
#define CREDIT_MAX	8
#define CREDIT_TRIAL	2
#define CREDIT_LOSS	2
#define PAUSE_MIN	64
#define PAUSE_GROWTH	4
#define PAUSE_MAX	4096

static void pay_when_idle(struct kthread_work *work);

/* Whoever is owed a wake-up, and the thread that pays when a CPU is idle. */
static struct {
	spinlock_t lock;		/* owed */
	struct list_head owed;		/* of zcmu_wake.node */
	spinlock_t paying;		/* held while the thread has devices that are on no list */
	struct kthread_worker *worker;
	struct kthread_work work;
} idler = {
	.lock = __SPIN_LOCK_UNLOCKED(idler.lock),
	.owed = LIST_HEAD_INIT(idler.owed),
	.paying = __SPIN_LOCK_UNLOCKED(idler.paying),
	.work = KTHREAD_WORK_INIT(idler.work, pay_when_idle),
};

/* Pairs with zcmu_wake_count(), as in settle(): what is counted is on the ring. */
static u32 commands_untold(const struct zcmu_wake *wake)
{
	return smp_load_acquire(&wake->commands) - wake->commands_told;
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

/*
 * Can a wait be as short as it has to be? With PREEMPT_RT a thread of idle priority that pays
 * would be preempted by whom it wakes, with all its locks.
 */
static bool can_be_short(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && hrtimer_resolution < RECENT_NS;
}

/* Would the handler run here, where somebody else wants to? wake->lock is held. */
static bool would_be_in_the_way(const struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	return READ_ONCE(wake->handler_cpu) == raw_smp_processor_id() && !single_task_running();
}

/* Is it worth a try, from what was seen lately? wake->lock is held. */
static bool is_promising(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	if (!wake->pause)
		return true;
	if (!--wake->pause)
		wake->credit = CREDIT_TRIAL;
	return false;
}

/* Should this wake-up wait for more commands? */
static bool should_wait(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&wake->lock);
	/* It is awake and will look at the ring again: this costs next to nothing. */
	if (wake->is_handler_awake)
		return false;
	return wake->is_on && READ_ONCE(device->wake.may_wait) && can_be_short() &&
	       would_be_in_the_way(wake) && !has_enough(wake) && is_promising(wake);
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
	wake->next_pause = min(wake->next_pause * PAUSE_GROWTH, PAUSE_MAX);
}

/* What has waited goes on to the handler: has it got company? wake->lock is held. */
static void note_company(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	if (commands_untold(wake) > 1)
		note_gain(wake);
	else
		note_loss(wake);
}

/* Begin to owe a wake-up. */
static void owe(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	wake->is_owed = true;
	wake->since = wake->latest;
	wake->delayed++;
	hrtimer_start(&wake->timer, ns_to_ktime(LOOK_NS), HRTIMER_MODE_REL);
	spin_lock(&idler.lock);
	list_add_tail(&wake->node, &idler.owed);
	spin_unlock(&idler.lock);
	kthread_queue_work(idler.worker, &idler.work);
}

/* The handler knows of all that is on the ring: nothing is owed. */
static void settle(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	wake->commands_told = smp_load_acquire(&wake->commands);
	wake->bytes_told = READ_ONCE(wake->bytes);
	if (!wake->is_owed)
		return;
	wake->is_owed = false;
	spin_lock(&idler.lock);
	list_del_init(&wake->node);
	spin_unlock(&idler.lock);
	/* If it is too late for that, it finds nothing to do. */
	hrtimer_try_to_cancel(&wake->timer);
}

/*
 * Wake the handler. All in one piece: nobody must be preempted who has settled a debt and not
 * paid it yet, least of all the thread of idle priority.
 */
static void tell(struct zcmu_device *device)
{
	device->wake.is_handler_awake = true;
	settle(&device->wake);
	atomic64_inc(&device->wake.events);
	uio_event_notify(&device->uio);
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
	WRITE_ONCE(wake->bytes, wake->bytes + min_t(u32, bytes, ENOUGH_BYTES));
	/* The head must be visible before the count is: who counts it has the handler find it. */
	smp_store_release(&wake->commands, wake->commands + 1);
}

/**
 * zcmu_wake - there may be something new on the ring
 * @device: the device; its lock may be held
 *
 * The head must be visible already. The handler is woken, or will be within LONGEST_NS.
 */
void zcmu_wake(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;

	spin_lock_irqsave(&wake->lock, flags);
	/* Another may have told the handler, or it has looked by itself. */
	if (!commands_untold(wake))
		goto unlock;
	if (should_wait(device)) {
		wake->latest = ktime_get_ns();
		if (!wake->is_owed)
			owe(wake);
	} else {
		if (wake->is_owed)
			note_company(wake);
		tell(device);
	}
unlock:
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

/* Pay what is owed, now that a CPU has nothing better to do. idler.paying is held. */
static void pay(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	lockdep_assert_held(&idler.paying);
	spin_lock_irq(&wake->lock);
	if (wake->is_owed) {
		note_company(wake);
		tell(device);
	}
	spin_unlock_irq(&wake->lock);
}

static struct zcmu_device *take_first(struct list_head *list)
{
	struct zcmu_device *device;

	spin_lock_irq(&idler.lock);
	device = list_first_entry_or_null(list, struct zcmu_device, wake.node);
	if (device)
		list_del_init(&device->wake.node);
	spin_unlock_irq(&idler.lock);
	return device;
}

/* Has somebody else the CPU's attention, or will have it? Then so has, perhaps, a submitter. */
static bool is_still_to_wait(void)
{
	return !list_empty(&idler.owed) && !single_task_running();
}

/* Return: whether anybody else has run meanwhile. */
static bool let_others_run(void)
{
	unsigned long switches = current->nvcsw + current->nivcsw;

	schedule();
	return current->nvcsw + current->nivcsw != switches;
}

/*
 * The thread that waits for an idle CPU must not be what keeps it busy. Having slept long it may
 * be let run in front of others, and with EEVDF (Linux 6.6) for as long as they have had more
 * than their share lately, whatever its priority.
 */
static void wait_for_idle(void)
{
	u64 since = ktime_get_ns();

	while (is_still_to_wait()) {
		if (let_others_run()) {
			since = ktime_get_ns();
		} else if (ktime_get_ns() - since > IN_THE_WAY_NS) {
			usleep_range(STEP_ASIDE_US, 2 * STEP_ASIDE_US);
			since = ktime_get_ns();
		}
	}
}

/* Runs in the thread of idle priority: a CPU has nothing better to do, or hardly. */
static void pay_when_idle(struct kthread_work *work)
{
	struct zcmu_device *device;
	LIST_HEAD(due);

	wait_for_idle();

	/* All at once, without preemption: the first of them has use for the CPU. */
	spin_lock(&idler.paying);
	spin_lock_irq(&idler.lock);
	list_splice_init(&idler.owed, &due);
	spin_unlock_irq(&idler.lock);
	while ((device = take_first(&due)))
		pay(device);
	spin_unlock(&idler.paying);
}

/* The timer: more may be coming, or the CPU is busy with somebody who has no use for us. */
static enum hrtimer_restart look_late(struct hrtimer *timer)
{
	struct zcmu_device *device = container_of(timer, struct zcmu_device, wake.timer);
	struct zcmu_wake *wake = &device->wake;
	unsigned long flags;
	bool is_growing;
	u64 now;

	spin_lock_irqsave(&wake->lock, flags);
	now = ktime_get_ns();
	is_growing = now - wake->latest < RECENT_NS;
	if (wake->is_owed && is_growing && now - wake->since < LONGEST_NS - LOOK_NS) {
		/* Not forwarded: it may have been started for another wait meanwhile. */
		hrtimer_start(timer, ns_to_ktime(LOOK_NS), HRTIMER_MODE_REL);
	} else if (wake->is_owed) {
		if (!is_growing)
			note_loss(wake);
		tell(device);
	}
	spin_unlock_irqrestore(&wake->lock, flags);
	return HRTIMER_NORESTART;
}

/* The handler has kicked, and so is awake, and here. A hint: without the lock. */
void zcmu_wake_note_kick(struct zcmu_device *device)
{
	WRITE_ONCE(device->wake.handler_cpu, raw_smp_processor_id());
}

/* There is no handler any more; where the next one will be is not known. */
void zcmu_wake_note_close(struct zcmu_device *device)
{
	WRITE_ONCE(device->wake.handler_cpu, -1);
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
	if (wake->is_owed)
		note_company(wake);
	settle(wake);
	spin_unlock_irqrestore(&wake->lock, flags);
}

/* What was seen so far counts for nothing: the next wake-up that may wait does. */
void zcmu_wake_start_afresh(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	spin_lock_irq(&wake->lock);
	wake->credit = CREDIT_TRIAL;
	wake->pause = 0;
	wake->next_pause = PAUSE_MIN;
	spin_unlock_irq(&wake->lock);
}

/* Before the device file is there. */
void zcmu_wake_start(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	INIT_LIST_HEAD(&wake->node);
	wake->handler_cpu = -1;
	wake->is_owed = false;
	wake->is_handler_awake = false;
	zcmu_wake_start_afresh(device);
	hrtimer_setup(&wake->timer, look_late, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	wake->is_on = true;
}

/* No wake-up is put off from here on, and those that were don't come any more. */
void zcmu_wake_stop(struct zcmu_device *device)
{
	struct zcmu_wake *wake = &device->wake;

	spin_lock_irq(&wake->lock);
	wake->is_on = false;
	settle(wake);
	spin_unlock_irq(&wake->lock);
	hrtimer_cancel(&wake->timer);
	/* The idle thread may have taken it off the list before us. */
	spin_lock(&idler.paying);
	spin_unlock(&idler.paying);
}

/* Return: 0 or -errno. */
int zcmu_wake_init(void)
{
	static const struct sched_attr idle = { .size = sizeof(idle), .sched_policy = SCHED_IDLE };
	int ret;

	idler.worker = kthread_create_worker(0, "zcmu/idle");
	if (IS_ERR(idler.worker))
		return PTR_ERR(idler.worker);
	ret = sched_setattr_nocheck(idler.worker->task, &idle);
	if (ret)
		kthread_destroy_worker(idler.worker);
	return ret;
}

void zcmu_wake_exit(void)
{
	/* It has to get to run once more, even where all CPUs are busy. */
	sched_set_normal(idler.worker->task, 0);
	kthread_destroy_worker(idler.worker);
}
