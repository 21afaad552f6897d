// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks a command's scatter-gather list page by page, in the order in which the
 * pages lie in the window. Neither maps nor copies anything.
 */
#include "payload.h"
#include "zcmu_kernel.h"

/* sg_next(), without the call: the next segment is nearly always beside this one. */
static struct scatterlist *next_segment(struct scatterlist *sg)
{
	if (sg_is_last(sg))
		return NULL;
	sg++;
	return unlikely(sg_is_chain(sg)) ? sg_chain_ptr(sg) : sg;
}

static bool is_whole_pages(u32 offset, u32 len)
{
	return !offset_in_page(offset | len);
}

/* data_length may be less than what the list describes. */
static bool start_segment(struct zcmu_page_iter *iter)
{
	u32 len;

	while (iter->sg && !iter->sg->length)
		iter->sg = next_segment(iter->sg);
	if (!iter->left || !iter->sg)
		return false;
	len = min(iter->sg->length, iter->left);
	iter->seg_offset = offset_in_page(iter->sg->offset);
	iter->seg_len = len;
	iter->seg_page = zcmu_nth_page(sg_page(iter->sg), iter->sg->offset >> PAGE_SHIFT);
	iter->is_whole = is_whole_pages(iter->seg_offset, len);
	iter->left -= len;
	iter->index = 0;
	iter->count = zcmu_segment_pages(iter->seg_offset, len);
	return true;
}

void zcmu_page_iter_init(struct zcmu_page_iter *iter, const struct se_cmd *se_cmd)
{
	*iter = (struct zcmu_page_iter){
		.sg = se_cmd->t_data_sg,
		.left = se_cmd->t_data_nents ? se_cmd->data_length : 0,
	};
	if (!start_segment(iter))
		iter->sg = NULL;
}

/*
 * Go to the next page of the payload: the k-th call stands on page k of the
 * loan. Return: false behind the last.
 */
bool zcmu_page_iter_next(struct zcmu_page_iter *iter)
{
	u64 begin, end;

	if (!iter->sg)
		return false;
	if (iter->index == iter->count) {
		iter->sg = next_segment(iter->sg);
		if (!start_segment(iter)) {
			iter->sg = NULL;
			return false;
		}
	}
	iter->page = zcmu_nth_page(iter->seg_page, iter->index);
	/* Nearly all pages are whole, and this runs for each page that is touched. */
	if (iter->is_whole) {
		iter->offset = 0;
		iter->len = PAGE_SIZE;
		iter->is_edge = false;
		iter->index++;
		return true;
	}
	begin = iter->index ? (u64)iter->index * PAGE_SIZE : iter->seg_offset;
	end = min_t(u64, (u64)iter->seg_offset + iter->seg_len, ((u64)iter->index + 1) * PAGE_SIZE);
	iter->offset = offset_in_page(begin);
	iter->len = end - begin;
	iter->is_edge = zcmu_page_is_edge(iter->seg_offset, iter->seg_len,
					  iter->index, iter->count);
	iter->index++;
	return true;
}

/*
 * From where @iter stands, the segments that are whole pages: each continues the one
 * before, so to the plan they are one. Goes behind them. Return: their bytes.
 */
static u32 pass_whole_pages(struct zcmu_page_iter *iter)
{
	struct scatterlist *sg = iter->sg;
	u32 left = iter->left + iter->seg_len;
	u32 bytes = 0;

	while (sg && is_whole_pages(sg->offset, sg->length) && sg->length <= left - bytes) {
		bytes += sg->length;
		sg = next_segment(sg);
	}
	if (bytes) {
		iter->sg = sg;
		iter->left = left - bytes;
	}
	return bytes;
}

void zcmu_payload_plan(struct zcmu_plan *plan, const struct se_cmd *se_cmd)
{
	struct zcmu_page_iter iter;
	u32 bytes;

	zcmu_plan_init(plan);
	zcmu_page_iter_init(&iter, se_cmd);
	while (iter.sg && !plan->too_many_runs) {
		bytes = pass_whole_pages(&iter);
		if (bytes) {
			zcmu_plan_add(plan, 0, bytes);
		} else {
			zcmu_plan_add(plan, iter.seg_offset, iter.seg_len);
			iter.sg = next_segment(iter.sg);
		}
		if (!start_segment(&iter))
			break;
	}
}
