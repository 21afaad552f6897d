// SPDX-License-Identifier: MIT
/*
 * Which command has its turn in which range. A command that reads or writes blocks waits for every
 * older one that writes to any of them and isn't answered.
 *
 * It waits until the older command is answered, because only then the command is over for us. For
 * its initiator it may have been over long before: the kernel, or the initiator, doesn't wait for
 * it forever. An initiator that was told so sends newer commands, and from then on older ones may
 * not change those blocks: a WRITE that was answered stays, and data that a READ has found is found
 * by the next one. The same rule keeps all others away while COMPARE AND WRITE and ORWRITE read,
 * decide and write. Nobody waits for reads: data that is written beside them may be in them or not.
 *
 * Older means: taken off the ring earlier. Commands come here in that order, by the one thread that
 * takes them, with all of their ranges in one step. Since they wait for older ones alone, no two
 * ever wait for each other, and nobody starves. No thread sleeps either: a command that has to wait
 * is left alone, and goes on when the last of those in its way has been answered. None of this
 * takes memory: a command brings its ranges along.
 */
#include "serve/disk.h"

#include <assert.h>
#include <stdlib.h>

/* Order: ranges that are read come first; ranges of one kind are ordered by their beginning. */
static int compare(const void *a, const void *b)
{
	const struct zcmu_range *x = a, *y = b;

	if (x->writes != y->writes)
		return x->writes ? 1 : -1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/*
 * Merge ranges that overlap or touch, and drop empty ones. So two commands have at most as many
 * overlaps as they have ranges. Return: how many are left.
 */
static unsigned int tidy(struct zcmu_range *ranges, unsigned int nr)
{
	unsigned int i, left = 0;

	if (nr > 1)
		qsort(ranges, nr, sizeof(*ranges), compare);
	for (i = 0; i < nr; i++) {
		struct zcmu_range *last = left ? &ranges[left - 1] : NULL;

		if (ranges[i].begin >= ranges[i].end)
			continue;
		if (!last || last->writes != ranges[i].writes || ranges[i].begin > last->end)
			ranges[left++] = ranges[i];
		else if (last->end < ranges[i].end)
			last->end = ranges[i].end;
	}
	return left;
}

/* The count is changed under the lock, and read without it: zcmu_range_wait(). */
static void count_writes(struct zcmu_ranges *ranges, int more)
{
	int writes = atomic_load_explicit(&ranges->writes, memory_order_relaxed);

	atomic_store_explicit(&ranges->writes, writes + more, memory_order_release);
}

/* Every range in the tree is older while a command looks. */
static void is_in_the_way(struct zcmu_range *older, void *argument)
{
	struct zcmu_cmd *cmd = argument;

	cmd->in_the_way += older->writes;
}

/* Return: does the command have to wait? If not, it may be gone already when this returns. */
static bool announce(struct zcmu_ranges *ranges, struct zcmu_cmd *cmd)
{
	bool writes = false, waits;
	unsigned int i;

	pthread_mutex_lock(&ranges->lock);
	cmd->arrival = ranges->arrivals++;
	for (i = 0; i < cmd->nr_ranges; i++) {
		struct zcmu_range *range = &cmd->ranges[i];

		zcmu_range_tree_overlaps(&ranges->tree, range->begin, range->end, is_in_the_way,
					 cmd);
		writes |= range->writes;
	}
	waits = cmd->in_the_way;
	ranges->waiting += waits;
	/* The leader, which this is, looks at the ring again before it sleeps. */
	if (waits && ranges->waiting == 1)
		zcmu_moving_await(cmd->disk);
	/* Nobody has to know of a command that reads and needn't wait. */
	if (!writes && !waits)
		cmd->nr_ranges = 0;
	for (i = 0; i < cmd->nr_ranges; i++) {
		struct zcmu_range *range = &cmd->ranges[i];

		range->cmd = cmd;
		zcmu_range_tree_add(&ranges->tree, range);
		if (range->writes)
			count_writes(ranges, 1);
	}
	pthread_mutex_unlock(&ranges->lock);
	return waits;
}

/*
 * Go on with a command when it may read and write its @ranges (begin, end, writes): now, or later
 * and in another thread. Call this once per command; zcmu_cmd_finish() ends it. The ranges are
 * changed, and must live as long as the command, for example in its buffer.
 */
void zcmu_range_lock_all(struct zcmu_cmd *cmd, struct zcmu_range *ranges, unsigned int nr,
			 void (*go_on)(struct zcmu_cmd *cmd))
{
	assert(!cmd->nr_ranges);
	cmd->go_on = go_on;
	cmd->ranges = ranges;
	cmd->nr_ranges = tidy(ranges, nr);
	cmd->in_the_way = 0;
	if (!announce(&cmd->disk->ranges, cmd))
		zcmu_cmd_start(cmd, go_on);
}

/* The same for one range that is written to, @length bytes at @offset. */
void zcmu_range_lock(struct zcmu_cmd *cmd, uint64_t offset, uint64_t length,
		     void (*go_on)(struct zcmu_cmd *cmd))
{
	cmd->range = (struct zcmu_range){
		.begin = offset, .end = offset + length, .writes = true,
	};
	zcmu_range_lock_all(cmd, &cmd->range, 1, go_on);
}

/* The same for one range that is read. */
void zcmu_range_wait(struct zcmu_cmd *cmd, uint64_t offset, uint64_t length,
		     void (*go_on)(struct zcmu_cmd *cmd))
{
	/*
	 * Older commands were counted by this same thread. Those that aren't counted any more have
	 * finished their work before we go on.
	 */
	if (!atomic_load_explicit(&cmd->disk->ranges.writes, memory_order_acquire)) {
		zcmu_cmd_start(cmd, go_on);
		return;
	}
	cmd->range = (struct zcmu_range){ .begin = offset, .end = offset + length };
	zcmu_range_lock_all(cmd, &cmd->range, 1, go_on);
}

/* What a finished command finds behind it. */
struct release {
	const struct zcmu_cmd *cmd;
	struct zcmu_cmd *first, **end;	/* those that may go on */
};

static void let_go(struct zcmu_range *range, void *argument)
{
	struct release *release = argument;
	struct zcmu_cmd *other = range->cmd;

	/* That command has itself waited for this one. */
	if (other->arrival < release->cmd->arrival)
		return;
	assert(other->in_the_way);
	if (--other->in_the_way)
		return;
	if (!--other->disk->ranges.waiting)
		zcmu_moving_await_end(other->disk);
	other->next = NULL;
	*release->end = other;
	release->end = &other->next;
}

static void renounce(struct zcmu_ranges *ranges, const struct zcmu_cmd *cmd,
		     struct release *release)
{
	unsigned int i;

	pthread_mutex_lock(&ranges->lock);
	/* The command isn't in the way of its own ranges. */
	for (i = 0; i < cmd->nr_ranges; i++)
		zcmu_range_tree_remove(&ranges->tree, &cmd->ranges[i]);
	for (i = 0; i < cmd->nr_ranges; i++) {
		const struct zcmu_range *range = &cmd->ranges[i];

		if (!range->writes)
			continue;
		if (ranges->waiting)
			zcmu_range_tree_overlaps(&ranges->tree, range->begin, range->end, let_go,
						 release);
		count_writes(ranges, -1);
	}
	pthread_mutex_unlock(&ranges->lock);
}

/*
 * The command is over, and not answered yet, so the disk is still served. The commands that have
 * waited for it go on in any free threads. They don't go on here, one after the other, because they
 * may be many, and each may take long.
 */
void zcmu_range_unlock(struct zcmu_cmd *cmd)
{
	struct release release = { .cmd = cmd, .end = &release.first };
	struct zcmu_cmd *waiter, *next;

	if (!cmd->nr_ranges)
		return;
	renounce(&cmd->disk->ranges, cmd, &release);
	cmd->nr_ranges = 0;
	for (waiter = release.first; waiter; waiter = next) {
		next = waiter->next;
		zcmu_serve_later(waiter);
	}
}
