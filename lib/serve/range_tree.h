/* SPDX-License-Identifier: MIT */
/* A set of ranges that tells which of them overlap another; see range_tree.c. */
#ifndef ZCMU_RANGE_TREE_H
#define ZCMU_RANGE_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct zcmu_cmd;

/* Bytes that a command reads or writes. The owner keeps the range while it is in a tree. */
struct zcmu_range {
	uint64_t begin, end;		/* end is exclusive */
	bool writes;
	struct zcmu_cmd *cmd;		/* its owner */
	/* used by the tree */
	uint64_t last;			/* the greatest end in this subtree */
	uint32_t priority;		/* nodes below have a lower or the same one */
	struct zcmu_range *before, *after;
};

struct zcmu_range_tree {
	struct zcmu_range *root;
	uint32_t priority;		/* of the range added last */
};

void zcmu_range_tree_add(struct zcmu_range_tree *tree, struct zcmu_range *range);
void zcmu_range_tree_remove(struct zcmu_range_tree *tree, struct zcmu_range *range);
void zcmu_range_tree_overlaps(const struct zcmu_range_tree *tree, uint64_t begin, uint64_t end,
			      void (*found)(struct zcmu_range *range, void *argument),
			      void *argument);

#endif /* ZCMU_RANGE_TREE_H */
