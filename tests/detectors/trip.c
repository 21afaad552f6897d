// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does on purpose what each detector of a debug kernel is there for, one thing per
 * load: "insmod trip.ko what=leak". The load itself always fails, so that nothing
 * stays. Never for a machine that anybody needs.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "use-after-free, lock-order, sleep, shift or leak");

static void use_after_free(void)
{
	char *memory = kzalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	pr_info("trip: %d\n", READ_ONCE(memory[8]));
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static DEFINE_SPINLOCK(spin);

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	kfree(kmalloc(64, GFP_KERNEL));
	spin_unlock(&spin);
}

static void shift_too_far(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	pr_info("trip: %d\n", 1 << bits);
}

/* Several: some stale copy of an address may hide one of them. */
static void leak(void)
{
	int i;

	for (i = 0; i < 8; i++) {
		char *memory = kmalloc(64, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(memory);
		if (memory)
			memset(memory, i, 64);
	}
}

static int __init trip_init(void)
{
	if (!strcmp(what, "use-after-free"))
		use_after_free();
	else if (!strcmp(what, "lock-order"))
		lock_order();
	else if (!strcmp(what, "sleep"))
		sleep_in_atomic();
	else if (!strcmp(what, "shift"))
		shift_too_far();
	else if (!strcmp(what, "leak"))
		leak();
	else
		return -EINVAL;
	return -ECANCELED;
}

module_init(trip_init);

MODULE_DESCRIPTION("Trips the detectors of a debug kernel");
MODULE_LICENSE("GPL");
