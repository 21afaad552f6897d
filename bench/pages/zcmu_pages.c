// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps the same scattered pages of the kernel's into a process by every way that
 * is open to a module, and says how long mapping and unmapping took. It measures
 * only; what becomes of the figures is measure.c's.
 *
 * Nothing outlives the file: pages are freed when it is released, which is after
 * the last of its mappings is gone.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn_t.h>
#include <linux/uaccess.h>

#include "pages.h"

/* Pages that were allocated one after the other are so far apart. Odd. */
#define SCATTER 421

struct bench {
	struct mutex lock;		/* one request at a time */
	u32 mapped;			/* so many pages, by method */
	u32 method;
	u32 nr_on_fault;		/* what a touch of PAGES_FAULT brings in */
	struct page *source[PAGES_MAX];	/* each begins with its number */
	struct page *copy[PAGES_MAX];
};

static atomic_t is_open = ATOMIC_INIT(0);

static int put_special_pte(pte_t *pte, unsigned long address, void *data)
{
	struct vm_area_struct *vma = data;
	struct bench *bench = vma->vm_private_data;
	struct page *page = bench->source[(address - vma->vm_start) >> PAGE_SHIFT];

	if (pte_none(ptep_get(pte)))
		set_pte_at(vma->vm_mm, address, pte,
			   pte_mkspecial(pfn_pte(page_to_pfn(page), vma->vm_page_prot)));
	return 0;
}

static int map_special(struct vm_area_struct *vma, u32 nr)
{
	return apply_to_page_range(vma->vm_mm, vma->vm_start, (unsigned long)nr << PAGE_SHIFT,
				   put_special_pte, vma);
}

static int map_each(u32 method, struct bench *bench, struct vm_area_struct *vma, u32 nr)
{
	bool ok = true;
	u32 i;

	for (i = 0; i < nr && ok; i++) {
		unsigned long address = vma->vm_start + i * PAGE_SIZE;
		struct page *page = bench->source[i];

		if (method == PAGES_REMAP_PFN)
			ok = !remap_pfn_range(vma, address, page_to_pfn(page), PAGE_SIZE,
					      vma->vm_page_prot);
		else if (method == PAGES_INSERT_PFN)
			ok = vmf_insert_pfn(vma, address, page_to_pfn(page)) == VM_FAULT_NOPAGE;
		else
			ok = vmf_insert_mixed(vma, address, page_to_pfn_t(page)) ==
			     VM_FAULT_NOPAGE;
	}
	return ok ? 0 : -EFAULT;
}

/* The mmap lock is held for writing: remap_pfn_range() changes the mapping's flags. */
static int map(u32 method, struct bench *bench, struct vm_area_struct *vma, u32 nr)
{
	unsigned long left = nr;
	size_t len = PAGE_SIZE;
	u32 i;

	switch (method) {
	case PAGES_CLOCK:
		return 0;
	case PAGES_FAULT:
		WRITE_ONCE(bench->nr_on_fault, nr);
		return 0;
	case PAGES_SPECIAL:
		return map_special(vma, nr);
	case PAGES_INSERT_PAGES:
		return vm_insert_pages(vma, vma->vm_start, bench->source, &left);
	case PAGES_MEMCPY:
		/* As for a payload: the kernel's memcpy(), not what a constant makes of it. */
		OPTIMIZER_HIDE_VAR(len);
		for (i = 0; i < nr; i++)
			memcpy_page(bench->copy[i], 0, bench->source[i], 0, len);
		return 0;
	default:
		return map_each(method, bench, vma, nr);
	}
}

static int timed_map(struct file *file, struct bench *bench, struct pages_request *request)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = -EFAULT;
	u64 begin;

	/* remap_pfn_range() is a BUG() where something is mapped. */
	if (bench->mapped)
		return -EBUSY;
	mmap_write_lock(mm);
	vma = vma_lookup(mm, request->address);
	if (vma && vma->vm_file == file && vma->vm_start == request->address &&
	    vma->vm_pgoff == request->method * PAGES_MAX && vma_pages(vma) == PAGES_MAX) {
		bench->mapped = request->nr;
		bench->method = request->method;
		begin = ktime_get_ns();
		ret = map(request->method, bench, vma, request->nr);
		request->ns = ktime_get_ns() - begin;
	}
	mmap_write_unlock(mm);
	return ret;
}

static u64 timed_unmap(struct file *file, struct bench *bench)
{
	u64 begin;

	WRITE_ONCE(bench->nr_on_fault, 0);
	begin = ktime_get_ns();
	if (bench->method != PAGES_CLOCK && bench->method != PAGES_MEMCPY)
		unmap_mapping_pages(file->f_mapping, bench->method * PAGES_MAX, bench->mapped,
				    false);
	bench->mapped = 0;
	return ktime_get_ns() - begin;
}

static long bench_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct bench *bench = file->private_data;
	struct pages_request request;
	int ret = 0;

	if (copy_from_user(&request, (void __user *)argument, sizeof(request)))
		return -EFAULT;
	if (request.method >= PAGES_METHODS || !request.nr || request.nr > PAGES_MAX)
		return -EINVAL;
	mutex_lock(&bench->lock);
	if (command == PAGES_MAP)
		ret = timed_map(file, bench, &request);
	else if (command == PAGES_UNMAP && bench->mapped)
		request.ns = timed_unmap(file, bench);
	else
		ret = -EINVAL;
	mutex_unlock(&bench->lock);
	if (!ret && copy_to_user((void __user *)argument, &request, sizeof(request)))
		ret = -EFAULT;
	return ret;
}

static vm_fault_t bench_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct bench *bench = vma->vm_private_data;
	u32 nr = READ_ONCE(bench->nr_on_fault);

	if (vma->vm_pgoff != PAGES_FAULT * PAGES_MAX || vmf->pgoff - vma->vm_pgoff >= nr ||
	    vma_pages(vma) < nr)
		return VM_FAULT_SIGBUS;
	return map_special(vma, nr) ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct bench_vm_ops = {
	.fault = bench_fault,
};

static int bench_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long method = vma->vm_pgoff / PAGES_MAX;

	if (method >= PAGES_METHODS || vma->vm_pgoff % PAGES_MAX || vma_pages(vma) != PAGES_MAX ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	/* With VM_MIXEDMAP vmf_insert_pfn() is a BUG(); remap_pfn_range() sets its own flags. */
	vm_flags_set(vma, method == PAGES_REMAP_PFN || method == PAGES_INSERT_PFN ?
			  VM_PFNMAP : VM_MIXEDMAP);
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &bench_vm_ops;
	return 0;
}

static int bench_release(struct inode *inode, struct file *file)
{
	struct bench *bench = file->private_data;
	u32 i;

	for (i = 0; bench && i < PAGES_MAX; i++) {
		if (bench->source[i])
			__free_page(bench->source[i]);
		if (bench->copy[i])
			__free_page(bench->copy[i]);
	}
	kvfree(bench);
	atomic_set(&is_open, 0);
	return 0;
}

/* One at a time: unmapping is by the inode, which all opens share. */
static int bench_open(struct inode *inode, struct file *file)
{
	struct bench *bench;
	u32 i, nr;

	if (atomic_cmpxchg(&is_open, 0, 1))
		return -EBUSY;
	bench = kvzalloc(sizeof(*bench), GFP_KERNEL);
	file->private_data = bench;
	for (i = 0; bench && i < PAGES_MAX; i++) {
		nr = i * SCATTER % PAGES_MAX;
		bench->source[nr] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		bench->copy[nr] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!bench->source[nr] || !bench->copy[nr])
			break;
		*(u32 *)page_address(bench->source[nr]) = nr;
	}
	if (i < PAGES_MAX) {
		bench_release(inode, file);
		return -ENOMEM;
	}
	mutex_init(&bench->lock);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.mmap = bench_mmap,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "zcmu-pages",
	.fops = &bench_fops,
	.mode = 0600,
};
module_misc_device(bench_device);

MODULE_DESCRIPTION("zcmu: the price of mapping a page");
MODULE_LICENSE("GPL");
