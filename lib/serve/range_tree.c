// SPDX-License-Identifier: MIT
/*
 * A set of ranges that tells which of them overlap another: an interval tree. It is ordered by the
 * ranges' beginnings, and each node knows how far the nodes below it reach, so that subtrees that
 * can't overlap are skipped. Ranges may overlap and may be equal. Memory belongs to the caller, so
 * nothing can fail; locking is up to the caller, too. The use of the ranges is in range_lock.c.
 *
 * The tree is a treap: its shape is as if the ranges had been added in the order of their
 * priorities. The priorities are random, so it is as deep as a tree of random order, a small
 * multiple of log2(n), whatever the order of the ranges. The numbers are the same each time; nobody
 * who chooses ranges can see them.
 */
#include "serve/range_tree.h"

#include <stddef.h>

/* One total order for all ranges, those with the same beginning too. */
static bool is_before(const struct zcmu_range *a, const struct zcmu_range *b)
{
	return a->begin != b->begin ? a->begin < b->begin : (uintptr_t)a < (uintptr_t)b;
}

static void update(struct zcmu_range *node)
{
	node->last = node->end;
	if (node->before && node->before->last > node->last)
		node->last = node->before->last;
	if (node->after && node->after->last > node->last)
		node->last = node->after->last;
}

/* Split a tree into the ranges before @range and those after it. */
static void split(struct zcmu_range *node, const struct zcmu_range *range,
		  struct zcmu_range **before, struct zcmu_range **after)
{
	if (!node) {
		*before = *after = NULL;
		return;
	}
	if (is_before(node, range)) {
		split(node->after, range, &node->after, after);
		*before = node;
	} else {
		split(node->before, range, before, &node->before);
		*after = node;
	}
	update(node);
}

/* Join two trees; all of the first comes before all of the second. */
static struct zcmu_range *join(struct zcmu_range *first, struct zcmu_range *second)
{
	struct zcmu_range *node;

	if (!first || !second)
		return first ? first : second;
	if (first->priority > second->priority) {
		node = first;
		node->after = join(first->after, second);
	} else {
		node = second;
		node->before = join(first, second->before);
	}
	update(node);
	return node;
}

void zcmu_range_tree_add(struct zcmu_range_tree *tree, struct zcmu_range *range)
{
	struct zcmu_range **link = &tree->root;

	/* A linear congruential generator: its upper bits are random enough. */
	tree->priority = tree->priority * 1664525u + 1013904223u;
	range->priority = tree->priority;
	while (*link && (*link)->priority >= range->priority) {
		if ((*link)->last < range->end)
			(*link)->last = range->end;
		link = is_before(range, *link) ? &(*link)->before : &(*link)->after;
	}
	split(*link, range, &range->before, &range->after);
	update(range);
	*link = range;
}

static struct zcmu_range *without(struct zcmu_range *node, const struct zcmu_range *range)
{
	if (node == range)
		return join(node->before, node->after);
	if (is_before(range, node))
		node->before = without(node->before, range);
	else
		node->after = without(node->after, range);
	update(node);
	return node;
}

/* Remove @range, which is in the tree. */
void zcmu_range_tree_remove(struct zcmu_range_tree *tree, struct zcmu_range *range)
{
	tree->root = without(tree->root, range);
}

static void look(struct zcmu_range *node, uint64_t begin, uint64_t end,
		 void (*found)(struct zcmu_range *range, void *argument), void *argument)
{
	while (node && node->last > begin) {
		look(node->before, begin, end, found, argument);
		/* Nothing that comes after it begins earlier. */
		if (node->begin >= end)
			return;
		if (node->end > begin)
			found(node, argument);
		node = node->after;
	}
}

/*
 * Call @found for each range with a byte of @begin .. @end, in order. @found doesn't change the
 * tree.
 */
void zcmu_range_tree_overlaps(const struct zcmu_range_tree *tree, uint64_t begin, uint64_t end,
			      void (*found)(struct zcmu_range *range, void *argument),
			      void *argument)
{
	look(tree->root, begin, end, found, argument);
}
