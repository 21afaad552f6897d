// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a file's mappings: who wants to unmap pages of it waits. So a test can stop the
 * module where it waits for nothing else, and look at what the rest does meanwhile.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "fabric.h"

struct hold {
	struct path path;
	struct task_struct *thread;	/* which holds the lock: who asked returns to user space */
	struct completion held;
};

static struct address_space *mapping_of(struct hold *hold)
{
	return d_inode(hold->path.dentry)->i_mapping;
}

static int hold_thread(void *data)
{
	struct hold *hold = data;

	i_mmap_lock_write(mapping_of(hold));
	complete(&hold->held);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	i_mmap_unlock_write(mapping_of(hold));
	return 0;
}

/* Returns when it is held, until hold_end(). */
struct hold *hold_begin(const char *name)
{
	struct hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);
	int ret;

	if (!hold)
		return ERR_PTR(-ENOMEM);
	init_completion(&hold->held);
	ret = kern_path(name, LOOKUP_FOLLOW, &hold->path);
	if (ret)
		goto free;
	hold->thread = kthread_run(hold_thread, hold, "zcmu_test_hold");
	if (IS_ERR(hold->thread)) {
		ret = PTR_ERR(hold->thread);
		path_put(&hold->path);
		goto free;
	}
	wait_for_completion(&hold->held);
	return hold;

free:
	kfree(hold);
	return ERR_PTR(ret);
}

bool hold_is_awaited(struct hold *hold)
{
	return rwsem_is_contended(&mapping_of(hold)->i_mmap_rwsem);
}

void hold_end(struct hold *hold)
{
	if (!hold)
		return;
	kthread_stop(hold->thread);
	path_put(&hold->path);
	kfree(hold);
}
