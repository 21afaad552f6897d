// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wake-ups that come a little later, where handler and submitter have one CPU between them. Not
 * whether there is something to wake for (wake.c). Where the handler can run elsewhere
 * none waits; what it was told of is noted here in any case (zcmu_defer_settle()).
 *
 * On one CPU, a woken handler takes the place of whoever was about to submit the next command. So
 * each command goes all the way alone, with a wake-up of its own and four context
 * switches. There it pays to let the submitter go on: the wake-up waits until that CPU has nothing
 * else to do. A thread of idle priority finds that out, by getting to run. Nothing waits for
 * long: a timer and limits see to that, and what has brought no second command is not tried
 * again for a while.
 *
 * One such thread is there for all devices: of two, neither would ever find itself alone.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/timekeeping.h>
#include <uapi/linux/sched/types.h>

#include "defer.h"

/*
 * The timer looks so long after the first command, and again if there was one just before: with
 * one look alone 4 KiB at depth 32 loses a fifth on 6.1 (doc/performance.md has all figures).
 */
#define LOOK_NS		(800 * NSEC_PER_USEC)
#define RECENT_NS	(400 * NSEC_PER_USEC)
#define LONGEST_NS	(2 * NSEC_PER_MSEC)

/*
 * So long may the thread that looks for an idle CPU keep one from others; then it sleeps a bit.
 * Without that, 4 KiB of two jobs at depth 8 lose 5 % on 6.12.
 */
#define IN_THE_WAY_NS	(20 * NSEC_PER_USEC)
#define STEP_ASIDE_US	50

/*
 * Waits that pay earn credit, those that don't cost twice as much. Without any, so many
 * wake-ups are not put off, more of them each time, and then one is, to see. If all waited, lone
 * commands would lose 15 % on 6.1, and nine tenths beside a program that is always busy.
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

/*
 * How much is on the ring that the handler was not told of? Pairs with zcmu_wake_count(): what
 * is counted is there.
 */
static u32 commands_untold(const struct zcmu_wake *wake)
{
	return smp_load_acquire(&wake->commands) - wake->commands_told;
}

static u32 bytes_untold(const struct zcmu_wake *wake)
{
	return READ_ONCE(wake->bytes) - wake->bytes_told;
}

bool zcmu_wake_has_news(const struct zcmu_wake *wake)
{
	return commands_untold(wake);
}

/* Is anything gained by letting more commands come? */
static bool has_enough(const struct zcmu_wake *wake)
{
	return commands_untold(wake) >= ZCMU_DEFER_COMMANDS ||
	       bytes_untold(wake) >= ZCMU_DEFER_BYTES;
}

/*
 * Can a wait be as short as it has to be? With PREEMPT_RT a thread of idle priority that pays
 * would be preempted by whom it wakes, with all its locks.
 */
static bool can_be_short(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && hrtimer_resolution < RECENT_NS;
}

/*
 * Would the handler run here and nowhere else, where somebody else wants to? wake->lock is held.
 */
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
static bool should_wait(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	/* It is awake and will look at the ring again: this costs next to nothing. */
	if (wake->is_handler_awake)
		return false;
	return wake->is_on && READ_ONCE(wake->may_wait) && can_be_short() &&
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

static void forget_debt(struct zcmu_wake *wake)
{
	wake->is_owed = false;
	spin_lock(&idler.lock);
	list_del_init(&wake->node);
	spin_unlock(&idler.lock);
	/* If it is too late for that, it finds nothing to do. */
	hrtimer_try_to_cancel(&wake->timer);
}

/**
 * zcmu_defer - may a wake-up wait for more commands?
 * @wake: whose lock is held
 *
 * Return: true if it is owed now, and comes by pay() within LONGEST_NS.
 */
bool zcmu_defer(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	if (!should_wait(wake))
		return false;
	wake->latest = ktime_get_ns();
	if (!wake->is_owed)
		owe(wake);
	return true;
}

/* The handler knows of all that is on the ring: nothing is owed. wake->lock is held. */
void zcmu_defer_settle(struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	if (wake->is_owed) {
		note_company(wake);
		forget_debt(wake);
	}
	wake->commands_told = smp_load_acquire(&wake->commands);
	wake->bytes_told = READ_ONCE(wake->bytes);
}

/* Pay what is owed, now that a CPU has nothing better to do. idler.paying is held. */
static void pay(struct zcmu_wake *wake)
{
	lockdep_assert_held(&idler.paying);
	spin_lock_irq(&wake->lock);
	if (wake->is_owed)
		wake->pay(wake);
	spin_unlock_irq(&wake->lock);
}

static struct zcmu_wake *take_first(struct list_head *list)
{
	struct zcmu_wake *wake;

	spin_lock_irq(&idler.lock);
	wake = list_first_entry_or_null(list, struct zcmu_wake, node);
	if (wake)
		list_del_init(&wake->node);
	spin_unlock_irq(&idler.lock);
	return wake;
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
	struct zcmu_wake *wake;
	LIST_HEAD(due);

	wait_for_idle();

	/* All at once, without preemption: the first of them has use for the CPU. */
	spin_lock(&idler.paying);
	spin_lock_irq(&idler.lock);
	list_splice_init(&idler.owed, &due);
	spin_unlock_irq(&idler.lock);
	while ((wake = take_first(&due)))
		pay(wake);
	spin_unlock(&idler.paying);
}

/* The timer: more may be coming, or the CPU is busy with somebody who has no use for us. */
static enum hrtimer_restart look_late(struct hrtimer *timer)
{
	struct zcmu_wake *wake = container_of(timer, struct zcmu_wake, timer);
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
		/* Whatever has come, it has waited too long. */
		if (!is_growing) {
			note_loss(wake);
			forget_debt(wake);
		}
		wake->pay(wake);
	}
	spin_unlock_irqrestore(&wake->lock, flags);
	return HRTIMER_NORESTART;
}

/*
 * The handler has kicked, and so is awake, and here. Is that its only CPU? Where it may run
 * elsewhere, or did so lately, it is nobody's business here. A hint: without the lock.
 */
void zcmu_defer_note_kick(struct zcmu_wake *wake)
{
	bool is_bound = current->nr_cpus_allowed == 1 || num_online_cpus() == 1;

	WRITE_ONCE(wake->handler_cpu, is_bound ? raw_smp_processor_id() : -1);
}

/* There is no handler any more; where the next one will be is not known. */
void zcmu_defer_note_close(struct zcmu_wake *wake)
{
	WRITE_ONCE(wake->handler_cpu, -1);
}

/* What was seen so far counts for nothing: the next wake-up that may wait does. */
void zcmu_defer_start_afresh(struct zcmu_wake *wake)
{
	spin_lock_irq(&wake->lock);
	wake->credit = CREDIT_TRIAL;
	wake->pause = 0;
	wake->next_pause = PAUSE_MIN;
	spin_unlock_irq(&wake->lock);
}

/* @pay: wakes the handler, with wake->lock held */
void zcmu_defer_start(struct zcmu_wake *wake, void (*pay)(struct zcmu_wake *wake))
{
	INIT_LIST_HEAD(&wake->node);
	wake->handler_cpu = -1;
	wake->is_owed = false;
	wake->pay = pay;
	zcmu_defer_start_afresh(wake);
	hrtimer_setup(&wake->timer, look_late, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	wake->is_on = true;
}

/* No wake-up is put off from here on, and those that were don't come any more. */
void zcmu_defer_stop(struct zcmu_wake *wake)
{
	spin_lock_irq(&wake->lock);
	wake->is_on = false;
	zcmu_defer_settle(wake);
	spin_unlock_irq(&wake->lock);
	hrtimer_cancel(&wake->timer);
	/* The idle thread may have taken it off the list before us. */
	spin_lock(&idler.paying);
	spin_unlock(&idler.paying);
}

/* Return: 0 or -errno. */
int zcmu_defer_init(void)
{
	static const struct sched_attr idle = { .size = sizeof(idle), .sched_policy = SCHED_IDLE };
	int ret;

	idler.worker = kthread_run_worker(0, "zcmu/idle");
	if (IS_ERR(idler.worker))
		return PTR_ERR(idler.worker);
	ret = sched_setattr_nocheck(idler.worker->task, &idle);
	if (ret)
		kthread_destroy_worker(idler.worker);
	return ret;
}

void zcmu_defer_exit(void)
{
	/* It has to get to run once more, even where all CPUs are busy. */
	sched_set_normal(idler.worker->task, 0);
	kthread_destroy_worker(idler.worker);
}
