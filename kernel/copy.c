// SPDX-License-Identifier: GPL-2.0-only
/*
 * The copy area: resident pages behind map 0, in blocks, for payloads that are
 * copied. Not for lent payloads, nor for the edge pages of those (loan.c).
 *
 * A block belongs to one command from zcmu_copy_reserve() to zcmu_copy_release();
 * the pages behind it are allocated when it is first used and stay until the
 * device goes, or all areas together have too many (reclaim.c). The handler may
 * look at the whole area at any time: it sees what its own commands carried, and
 * nothing else.
 */
#include <linux/bitmap.h>
#include <linux/highmem.h>
#include <linux/math64.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "zcmu_kernel.h"

/* A payload in more pieces waits until other commands free some blocks. */
#define MAX_EXTENTS	64

/*
 * Make sure that the pages [index, end) exist. The blocks belong to the caller: nobody else touches
 * their places in area->pages.
 */
static int make_pages(struct zcmu_copy_area *area, unsigned long index, unsigned long end,
		      gfp_t gfp)
{
	int ret;

	for (; index < end; index++) {
		struct page *page;

		if (xa_load(&area->pages, index))
			continue;
		page = alloc_page(gfp | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		ret = xa_err(xa_store(&area->pages, index, page, gfp));
		if (ret) {
			put_page(page);
			return ret;
		}
		zcmu_copy_total_add(1);
	}
	return 0;
}

int zcmu_copy_init(struct zcmu_copy_area *area, u32 nr_pages, u32 pages_per_block)
{
	spin_lock_init(&area->lock);
	xa_init(&area->pages);
	area->pages_per_block = pages_per_block;
	area->nr_blocks = nr_pages / pages_per_block;
	area->free = area->nr_blocks;
	area->hint = 0;
	area->reclaim_at = 0;
	area->own_pages = min_t(u64, (u64)area->nr_blocks * pages_per_block,
				ZCMU_OWN_COPY_BYTES >> PAGE_SHIFT);
	/* The bitmap of a large area is too large for kmalloc(). */
	area->bitmap = kvcalloc(BITS_TO_LONGS(area->nr_blocks), sizeof(long), GFP_KERNEL);
	if (!area->bitmap)
		return -ENOMEM;
	return make_pages(area, 0, area->own_pages, GFP_KERNEL);
}

void zcmu_copy_destroy(struct zcmu_copy_area *area)
{
	struct page *page;
	unsigned long index;

	xa_for_each(&area->pages, index, page) {
		put_page(page);
		zcmu_copy_total_add(-1);
	}
	xa_destroy(&area->pages);
	kvfree(area->bitmap);
	area->bitmap = NULL;
}

/* Bytes of the largest payload that can ever fit. */
u64 zcmu_copy_capacity(const struct zcmu_copy_area *area)
{
	return (u64)area->nr_blocks * area->pages_per_block * PAGE_SIZE;
}

/* How many blocks a payload takes. Its bytes may nearly fill 32 bits: rounding up must not. */
static u64 blocks_of(const struct zcmu_copy_area *area, u64 bytes)
{
	u64 block = (u64)area->pages_per_block * PAGE_SIZE;

	return div64_u64(bytes + block - 1, block);
}

/* Can it ever hold two payloads at once? */
bool zcmu_copy_holds(const struct zcmu_copy_area *area, u64 bytes, u64 more_bytes)
{
	return blocks_of(area, bytes) + blocks_of(area, more_bytes) <= area->nr_blocks;
}

/* Mark a gap's blocks as taken. area->lock is held. */
static void take_blocks(struct zcmu_copy_area *area, struct zcmu_extents *extents,
			u32 first, u32 count)
{
	lockdep_assert_held(&area->lock);
	bitmap_set(area->bitmap, first, count);
	area->free -= count;
	extents->list[extents->nr++] = (struct zcmu_extent){ .first = first, .count = count };
}

/* Return: 0, or -ENOSPC with nothing taken if the free blocks are in too many pieces. */
static int take_scattered(struct zcmu_copy_area *area, struct zcmu_extents *extents,
			  u32 blocks, u32 max_extents)
{
	u32 from = area->hint;

	lockdep_assert_held(&area->lock);
	while (blocks && extents->nr < max_extents) {
		u32 first = find_next_zero_bit(area->bitmap, area->nr_blocks, from);
		u32 end;

		if (first >= area->nr_blocks)
			break;
		end = find_next_bit(area->bitmap, area->nr_blocks, first);
		from = min(end, first + blocks);
		take_blocks(area, extents, first, from - first);
		blocks -= from - first;
	}
	return blocks ? -ENOSPC : 0;
}

static void give_back_blocks(struct zcmu_copy_area *area, struct zcmu_extents *extents)
{
	u32 i;

	lockdep_assert_held(&area->lock);
	for (i = 0; i < extents->nr; i++) {
		bitmap_clear(area->bitmap, extents->list[i].first, extents->list[i].count);
		area->free += extents->list[i].count;
		area->hint = min(area->hint, extents->list[i].first);
	}
	extents->nr = 0;
}

static int take(struct zcmu_copy_area *area, struct zcmu_extents *extents, u32 blocks,
		u32 max_extents)
{
	unsigned long first;
	int ret = 0;

	spin_lock(&area->lock);
	if (area->free < blocks) {
		ret = -ENOSPC;
		goto unlock;
	}
	area->hint = find_next_zero_bit(area->bitmap, area->nr_blocks, area->hint);
	/* One piece is one iovec; there nearly always is one. */
	first = bitmap_find_next_zero_area(area->bitmap, area->nr_blocks, area->hint, blocks, 0);
	if (first < area->nr_blocks) {
		take_blocks(area, extents, first, blocks);
	} else {
		ret = take_scattered(area, extents, blocks, max_extents);
		if (ret)
			give_back_blocks(area, extents);
	}
unlock:
	spin_unlock(&area->lock);
	return ret;
}

/*
 * Blocks up to that size get all of their pages at once, because handlers register or map whole
 * blocks.
 */
#define WHOLE_BLOCK_PAGES	(SZ_64K / PAGE_SIZE)

/*
 * How many pages are needed behind @blocks? A block may be many times larger than what is used of
 * it.
 */
static u32 pages_wanted(const struct zcmu_copy_area *area, u32 blocks, u32 bytes)
{
	if (area->pages_per_block <= WHOLE_BLOCK_PAGES)
		return blocks * area->pages_per_block;
	return DIV_ROUND_UP((u64)bytes, PAGE_SIZE);
}

/**
 * zcmu_copy_reserve - take blocks for a payload
 * @area: the copy area
 * @extents: zeroed; filled in, in the order of the payload
 * @bytes: of payload, not 0
 * @gfp: for what there is no memory of yet
 *
 * Sleeps if @gfp may. Return: 0, -ENOSPC if there is no room now, -EMSGSIZE if there can't
 * ever be, or -ENOMEM; nothing is taken then.
 */
int zcmu_copy_reserve(struct zcmu_copy_area *area, struct zcmu_extents *extents, u32 bytes,
		      gfp_t gfp)
{
	u64 blocks = blocks_of(area, bytes);
	u32 max_extents = min_t(u64, blocks, MAX_EXTENTS);
	u32 i, pages;
	bool may_scatter = true;
	int ret;

	if (blocks > area->nr_blocks)
		return -EMSGSIZE;

	extents->list = &extents->one;
	if (max_extents > 1) {
		extents->list = kmalloc_array(max_extents, sizeof(*extents->list), gfp);
		/* In one piece, it needs none. */
		if (!extents->list) {
			extents->list = &extents->one;
			max_extents = 1;
			may_scatter = false;
		}
	}
	extents->nr = 0;
	extents->bytes = bytes;
	ret = take(area, extents, blocks, max_extents);
	/* There may be room, in pieces. */
	if (ret == -ENOSPC && !may_scatter)
		ret = -ENOMEM;
	pages = pages_wanted(area, blocks, bytes);
	for (i = 0; !ret && i < extents->nr; i++) {
		const struct zcmu_extent *extent = &extents->list[i];
		unsigned long first = (unsigned long)extent->first * area->pages_per_block;
		u32 nr = min_t(u64, (u64)extent->count * area->pages_per_block, pages);

		ret = make_pages(area, first, first + nr, gfp);
		pages -= nr;
	}
	if (ret)
		zcmu_copy_release(area, extents);
	return ret;
}

void zcmu_copy_release(struct zcmu_copy_area *area, struct zcmu_extents *extents)
{
	if (!extents->list)
		return;
	if (extents->nr) {
		spin_lock(&area->lock);
		give_back_blocks(area, extents);
		spin_unlock(&area->lock);
	}
	if (extents->list != &extents->one)
		kfree(extents->list);
	extents->list = NULL;
	extents->bytes = 0;
}

/* Goes through the pages of some extents, in the payload's order. */
struct area_iter {
	struct zcmu_copy_area *area;
	const struct zcmu_extents *extents;
	u32 extent;
	unsigned long index;	/* page of the area */
	unsigned long end;	/* of the extent */
	u32 offset;		/* into that page */
};

static void enter_extent(struct area_iter *iter)
{
	const struct zcmu_extent *extent = &iter->extents->list[iter->extent];

	iter->index = (unsigned long)extent->first * iter->area->pages_per_block;
	iter->end = iter->index + (unsigned long)extent->count * iter->area->pages_per_block;
	iter->offset = 0;
}

static void area_iter_init(struct area_iter *iter, struct zcmu_copy_area *area,
			   const struct zcmu_extents *extents)
{
	iter->area = area;
	iter->extents = extents;
	iter->extent = 0;
	enter_extent(iter);
}

static void area_iter_advance(struct area_iter *iter, u32 bytes)
{
	iter->offset += bytes;
	if (iter->offset < PAGE_SIZE)
		return;
	iter->offset = 0;
	if (++iter->index < iter->end)
		return;
	if (++iter->extent < iter->extents->nr)
		enter_extent(iter);
}

/*
 * Copy between a scatter list and the area, as many of @bytes as both have.
 * Nobody but the two owners of the payload, the initiator and the handler, can
 * change it meanwhile.
 */
static void copy_payload(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
			 struct scatterlist *sgl, u32 nents, u32 bytes, bool to_area)
{
	struct area_iter iter;
	struct scatterlist *sg;
	u32 i;

	area_iter_init(&iter, area, extents);
	for_each_sg(sgl, sg, nents, i) {
		u32 done = 0;

		while (done < sg->length && bytes) {
			unsigned long sg_offset = (unsigned long)sg->offset + done;
			struct page *sg_pg = zcmu_nth_page(sg_page(sg), sg_offset >> PAGE_SHIFT);
			struct page *page = xa_load(&area->pages, iter.index);
			u32 chunk = min3(sg->length - done, bytes,
					 (u32)PAGE_SIZE - offset_in_page(sg_offset));

			chunk = min_t(u32, chunk, PAGE_SIZE - iter.offset);
			if (to_area) {
				memcpy_page(page, iter.offset, sg_pg,
					    offset_in_page(sg_offset), chunk);
				flush_dcache_page(page);
			} else {
				flush_dcache_page(page);
				memcpy_page(sg_pg, offset_in_page(sg_offset), page,
					    iter.offset, chunk);
			}
			area_iter_advance(&iter, chunk);
			done += chunk;
			bytes -= chunk;
		}
	}
}

/* @bytes: at most what was reserved; the same below */
void zcmu_copy_from_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
			struct scatterlist *sgl, u32 nents, u32 bytes)
{
	copy_payload(area, extents, sgl, nents, min(bytes, extents->bytes), true);
}

void zcmu_copy_to_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
		      struct scatterlist *sgl, u32 nents, u32 bytes)
{
	copy_payload(area, extents, sgl, nents, min(bytes, extents->bytes), false);
}

/* Clear the bytes of earlier commands, so that an answer can't pass them on (I6). */
void zcmu_copy_zero(struct zcmu_copy_area *area, const struct zcmu_extents *extents)
{
	struct area_iter iter;
	u32 bytes = extents->bytes;

	area_iter_init(&iter, area, extents);
	while (bytes) {
		u32 chunk = min_t(u32, bytes, PAGE_SIZE);

		memzero_page(xa_load(&area->pages, iter.index), 0, chunk);
		area_iter_advance(&iter, PAGE_SIZE);
		bytes -= chunk;
	}
}

/*
 * A touch of the area: its pages are ordinary ones. The page stays locked until it is mapped, so
 * that reclaim.c can wait for that.
 */
vm_fault_t zcmu_copy_fault(struct zcmu_device *device, struct vm_fault *vmf)
{
	struct xarray *pages = &device->copy.pages;
	unsigned long index = vmf->pgoff - device->copy_pgoff;
	struct page *page;

	xa_lock(pages);
	page = xa_load(pages, index);
	if (page)
		get_page(page);
	xa_unlock(pages);
	if (!page)
		return VM_FAULT_SIGBUS;
	lock_page(page);
	if (xa_load(pages, index) != page) {
		unlock_page(page);
		put_page(page);
		return VM_FAULT_SIGBUS;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}
