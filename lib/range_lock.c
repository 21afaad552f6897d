// SPDX-License-Identifier: MIT
/*
 * Who may write where. COMPARE AND WRITE and ORWRITE read, decide and write, and
 * nobody may write to their blocks in between: not another thread, and no write that
 * the store has had before and not answered yet. So each command that changes blocks
 * announces its range here before it asks the store, until it is answered.
 *
 * Plain writes don't wait for each other: what two of them leave behind where they
 * overlap is the initiator's business. An atomic command waits for all that came
 * before it and overlaps, and whatever overlaps and comes later waits for it; so
 * nobody starves. Reads take no part: one that overlaps may see a part of a write,
 * as with every disk.
 *
 * Nobody sleeps: a command that has to wait is left alone, and is gone on with by the
 * thread that answers the last of those that were in its way.
 */
#include "disk.h"

/* Commands whose wait is over, and that this thread has to go on with; oldest first. */
static __thread struct zcmu_cmd *granted, **granted_end;
static __thread bool goes_on;

static bool conflict(const struct zcmu_range *a, const struct zcmu_range *b)
{
	return (a->atomic || b->atomic) && a->begin < b->end && b->begin < a->end;
}

/* Is any that came earlier in its way? */
static bool must_wait(const struct zcmu_ranges *ranges, const struct zcmu_range *range)
{
	const struct zcmu_range *other;

	/* The usual case: there are only plain writes. */
	if (!ranges->atomic)
		return false;
	for (other = range->older; other; other = other->older) {
		if (conflict(range, other))
			return true;
	}
	return false;
}

static void append(struct zcmu_ranges *ranges, struct zcmu_range *range)
{
	range->newer = NULL;
	range->older = ranges->newest;
	if (range->older)
		range->older->newer = range;
	else
		ranges->oldest = range;
	ranges->newest = range;
	ranges->atomic += range->atomic;
}

static void take_out(struct zcmu_ranges *ranges, struct zcmu_range *range)
{
	if (range->older)
		range->older->newer = range->newer;
	else
		ranges->oldest = range->newer;
	if (range->newer)
		range->newer->older = range->older;
	else
		ranges->newest = range->older;
	ranges->atomic -= range->atomic;
}

static struct zcmu_cmd *cmd_of(struct zcmu_range *range)
{
	return (struct zcmu_cmd *)((char *)range - offsetof(struct zcmu_cmd, range));
}

/*
 * Go on with a command when it may write to @length bytes at @offset: now, or later
 * and in another thread. Once per command; zcmu_cmd_finish() ends it.
 */
void zcmu_range_lock(struct zcmu_cmd *cmd, bool atomic, uint64_t offset, uint64_t length,
		     void (*go_on)(struct zcmu_cmd *cmd))
{
	struct zcmu_ranges *ranges = &cmd->disk->ranges;
	struct zcmu_range *range = &cmd->range;
	bool waits;

	range->begin = offset;
	range->end = offset + length;
	range->atomic = atomic;
	range->is_locked = true;
	range->go_on = go_on;

	pthread_mutex_lock(&ranges->lock);
	append(ranges, range);
	waits = must_wait(ranges, range);
	range->waits = waits;
	ranges->waiting += waits;
	pthread_mutex_unlock(&ranges->lock);
	if (!waits)
		go_on(cmd);
}

/* Commands that had to wait for this one are this thread's now: zcmu_range_go_on(). */
void zcmu_range_unlock(struct zcmu_cmd *cmd)
{
	struct zcmu_ranges *ranges = &cmd->disk->ranges;
	struct zcmu_range *range;

	if (!cmd->range.is_locked)
		return;
	cmd->range.is_locked = false;
	pthread_mutex_lock(&ranges->lock);
	take_out(ranges, &cmd->range);
	for (range = ranges->oldest; range && ranges->waiting; range = range->newer) {
		struct zcmu_cmd *waiter = cmd_of(range);

		if (!range->waits || must_wait(ranges, range))
			continue;
		range->waits = false;
		ranges->waiting--;
		/* A store with queues is asked by the thread that runs, for its queue. */
		waiter->thread = cmd->thread;
		waiter->next = NULL;
		if (!granted)
			granted_end = &granted;
		*granted_end = waiter;
		granted_end = &waiter->next;
	}
	pthread_mutex_unlock(&ranges->lock);
}

/*
 * Go on with what unlocking has granted. They may be answered at once, and grant
 * more: that is done here as well, in a loop, and the stack stays as it is.
 */
void zcmu_range_go_on(void)
{
	struct zcmu_cmd *cmd;

	if (goes_on)
		return;
	goes_on = true;
	while ((cmd = granted)) {
		granted = cmd->next;
		cmd->range.go_on(cmd);
	}
	goes_on = false;
}
