/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a command's payload page by page, in the order in which its pages lie in the window.
 * Nothing is mapped or copied. (Not compiled into the unit tests: scatter lists are the kernel's.)
 */
#ifndef ZCMU_PAYLOAD_H
#define ZCMU_PAYLOAD_H

#include <linux/scatterlist.h>
#include <target/target_core_base.h>

#include "plan.h"

struct zcmu_page_iter {
	struct scatterlist *sg;
	u32 left;		/* bytes of the payload behind the current segment */
	u32 seg_offset;		/* the segment: bytes into its first page, and its bytes */
	u32 seg_len;
	struct page *seg_page;	/* the first */
	bool is_whole;		/* the segment is nothing but whole pages */
	u32 index;		/* the next page of the segment */
	u32 count;
	/* the current page */
	struct page *page;
	u32 offset;		/* the payload's bytes in it */
	u32 len;
	bool is_edge;
};

void zcmu_page_iter_init(struct zcmu_page_iter *iter, const struct se_cmd *se_cmd);
bool zcmu_page_iter_next(struct zcmu_page_iter *iter);
void zcmu_payload_plan(struct zcmu_plan *plan, const struct se_cmd *se_cmd);

#endif /* ZCMU_PAYLOAD_H */
