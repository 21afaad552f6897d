// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delayed wake-ups, for a handler and a submitter that share one CPU. Whether there is anything to
 * wake the handler for is wake.c's. Where the handler can run on another CPU no wake-up is delayed;
 * what the handler was told is noted here in any case (zcmu_defer_settle()).
 *
 * On one CPU, a handler that is woken preempts whoever was about to submit the next command. Each
 * command then goes all the way alone, with a wake-up of its own and four context switches. If the
 * wake-up waits until that CPU has nothing else to do, the submitter goes on. A thread of idle
 * priority detects that, simply because it gets to run. A timer bounds the wait, and if
 * no second command came, the next wake-ups are not delayed.
 *
 * One such thread serves all devices: two of them would never find the CPU idle.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/timekeeping.h>
#include <uapi/linux/sched/types.h>

#include "defer.h"

/*
 * The timer expires so long after the first command, and is started again if a command came just
 * before that: without the second time 4 KiB at depth 32 loses a fifth on 6.1. (doc/performance.md
 * has all figures.)
 */
#define LOOK_NS		(800 * NSEC_PER_USEC)
#define RECENT_NS	(400 * NSEC_PER_USEC)
#define LONGEST_NS	(2 * NSEC_PER_MSEC)

/*
 * The idle thread may keep the CPU from others for so long; then it sleeps a bit. Without that, 4
 * KiB of two jobs at depth 8 lose 5 % on 6.12.
 */
#define IN_THE_WAY_NS	(20 * NSEC_PER_USEC)
#define STEP_ASIDE_US	50

/*
 * A wait that brings a second command earns credit, one that doesn't costs twice as much. Without
 * credit so many wake-ups are not delayed, and then one is, as a trial. If all were delayed, lone
 * commands would lose 15 % on 6.1, and nine tenths beside a program that is always busy; after 64
 * they still lose 11 %. If a single wait decided, 4 KiB at depth 32 would lose 3 % on 6.12.
 */
#define CREDIT_MAX	8
#define CREDIT_TRIAL	2
#define CREDIT_LOSS	2
#define PAUSE		1024

static void pay_when_idle(struct kthread_work *work);

/* The devices that are owed a wake-up, and the thread that pays when a CPU is idle. */
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
 * How much is on the ring that the handler was not told of? Pairs with zcmu_wake_count(): a command
 * is on the ring before it is counted.
 */
static u32 commands_untold(const struct zcmu_wake *wake)
{
	return smp_load_acquire(&wake->commands) - wake->commands_told;
}

bool zcmu_wake_has_news(const struct zcmu_wake *wake)
{
	return commands_untold(wake);
}

/*
 * Can a wait be short enough? With PREEMPT_RT, the thread of idle priority would be preempted by
 * the handler that it wakes, while it holds its locks.
 */
static bool can_be_short(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && hrtimer_resolution < RECENT_NS;
}

/* Can the handler run on this CPU only, and does another task want it? wake->lock is held. */
static bool would_be_in_the_way(const struct zcmu_wake *wake)
{
	lockdep_assert_held(&wake->lock);
	return READ_ONCE(wake->handler_cpu) == raw_smp_processor_id() && !single_task_running();
}

/* Is a wait worth a try, judging by the latest ones? wake->lock is held. */
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
	/* It is awake and will look at the ring again, so a wake-up costs next to nothing. */
	if (wake->is_handler_awake)
		return false;
	return wake->is_on && READ_ONCE(wake->may_wait) && can_be_short() &&
	       would_be_in_the_way(wake) && is_promising(wake);
}

static void note_gain(struct zcmu_wake *wake)
{
	wake->credit = min(wake->credit + 1, CREDIT_MAX);
}

static void note_loss(struct zcmu_wake *wake)
{
	wake->credit = max(wake->credit - CREDIT_LOSS, 0);
	if (!wake->credit)
		wake->pause = PAUSE;
}

/* A wait has ended: did more commands come meanwhile? wake->lock is held. */
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
	/* If the timer runs already, it finds nothing to do. */
	hrtimer_try_to_cancel(&wake->timer);
}

/**
 * zcmu_defer - may a wake-up wait for more commands?
 * @wake: whose lock is held
 *
 * Return: true if it is owed now; pay() wakes the handler within LONGEST_NS.
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
}

/* Wake the handler if that is owed: a CPU is idle now. idler.paying is held. */
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

/* Does another task want this CPU? It may be a submitter. */
static bool is_still_to_wait(void)
{
	return !list_empty(&idler.owed) && !single_task_running();
}

/* Return: whether another task has run meanwhile. */
static bool let_others_run(void)
{
	unsigned long switches = current->nvcsw + current->nivcsw;

	schedule();
	return current->nvcsw + current->nivcsw != switches;
}

/*
 * The thread that waits for an idle CPU must not keep it busy itself. After a long sleep the
 * scheduler may prefer it to others, and EEVDF (Linux 6.6) does so for as long as they have had
 * more than their share lately, whatever its priority.
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

/* Runs in the thread of idle priority: a CPU is idle, or nearly so. */
static void pay_when_idle(struct kthread_work *work)
{
	struct zcmu_wake *wake;
	LIST_HEAD(due);

	wait_for_idle();

	/* All at once, without preemption: the first handler that is woken wants the CPU. */
	spin_lock(&idler.paying);
	spin_lock_irq(&idler.lock);
	list_splice_init(&idler.owed, &due);
	spin_unlock_irq(&idler.lock);
	while ((wake = take_first(&due)))
		pay(wake);
	spin_unlock(&idler.paying);
}

/* The timer: more commands may be coming, or the CPU is busy with other things. */
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
		/* However many commands have come, this was too long. */
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
 * The handler has kicked, so it is awake and on this CPU. Is that its only one? If it may run
 * elsewhere, nothing is delayed. A hint, so without the lock.
 */
void zcmu_defer_note_kick(struct zcmu_wake *wake)
{
	bool is_bound = current->nr_cpus_allowed == 1 || num_online_cpus() == 1;

	WRITE_ONCE(wake->handler_cpu, is_bound ? raw_smp_processor_id() : -1);
}

/* The handler has gone; where the next one will run is not known. */
void zcmu_defer_note_close(struct zcmu_wake *wake)
{
	WRITE_ONCE(wake->handler_cpu, -1);
}

/* Forget what earlier waits have shown: the next wake-up that may wait does. */
void zcmu_defer_start_afresh(struct zcmu_wake *wake)
{
	spin_lock_irq(&wake->lock);
	wake->credit = CREDIT_TRIAL;
	wake->pause = 0;
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

/* No wake-up is delayed from here on, and delayed ones don't come any more. */
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
	/* It must run once more to end, even if all CPUs are busy. */
	sched_set_normal(idler.worker->task, 0);
	kthread_destroy_worker(idler.worker);
}
