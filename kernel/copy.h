/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The copy area: resident pages behind map 0, in blocks, for payloads that are copied. Also the
 * number of pages in all devices' areas.
 *
 * area->lock has the bitmap; it is taken inside device->lock or alone. A block, and the pages
 * behind it, belong to one command from reserve to release.
 */
#ifndef ZCMU_COPY_H
#define ZCMU_COPY_H

#include <linux/mm_types.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct vm_fault;
struct zcmu_device;

/* A device has pages for so many bytes from the start, as much as most payloads take. */
#define ZCMU_OWN_COPY_BYTES	(1u << 20)

/* A part of the copy area: adjacent blocks. */
struct zcmu_extent {
	u32 first;
	u32 count;
};

struct zcmu_extents {
	struct zcmu_extent *list;
	u32 nr;
	u32 bytes;		/* of payload */
	struct zcmu_extent one;	/* what list points at for a small payload */
};

struct zcmu_copy_area {
	spinlock_t lock;		/* bitmap, free, hint */
	unsigned long *bitmap;		/* a bit per block */
	u32 nr_blocks;
	u32 free;
	u32 hint;			/* no free block below */
	u32 pages_per_block;
	struct xarray pages;		/* allocated when first used; stay */
	unsigned long own_pages;	/* the first so many are there from the start, and stay */
	unsigned long reclaim_at;	/* page where reclaim.c goes on; its list's mutex */
};

/* copy.c */
int zcmu_copy_init(struct zcmu_copy_area *area, u32 nr_pages, u32 pages_per_block);
void zcmu_copy_destroy(struct zcmu_copy_area *area);
u64 zcmu_copy_capacity(const struct zcmu_copy_area *area);
bool zcmu_copy_holds(const struct zcmu_copy_area *area, u64 bytes, u64 more_bytes);
int zcmu_copy_reserve(struct zcmu_copy_area *area, struct zcmu_extents *extents, u32 bytes,
		      gfp_t gfp);
void zcmu_copy_release(struct zcmu_copy_area *area, struct zcmu_extents *extents);
void zcmu_copy_from_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
			struct scatterlist *sgl, u32 nents, u32 bytes);
void zcmu_copy_to_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
		      struct scatterlist *sgl, u32 nents, u32 bytes);
void zcmu_copy_zero(struct zcmu_copy_area *area, const struct zcmu_extents *extents);
vm_fault_t zcmu_copy_fault(struct zcmu_device *device, struct vm_fault *vmf);

/* copy_total.c */
extern struct delayed_work zcmu_copy_total_work;
bool zcmu_copy_total_is_too_much(void);
void zcmu_copy_total_add(long pages);
void zcmu_copy_total_add_own(long pages);
u32 zcmu_copy_total_max_mb(void);

#endif /* ZCMU_COPY_H */
