// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window's faults: the handler has touched a lent payload. loan.c says what is lent, and for
 * how long.
 *
 * One fault puts in all pages of the command, as special PTEs: those may point at any page
 * (anonymous ones, page cache, the zero page), take no reference, and get_user_pages() refuses
 * them. So every process is served that has the mapping (a thread, a forked child, a process that
 * mapped late), and no mm or vma has to be remembered.
 *
 * A pin (O_DIRECT, vmsplice, ...) can't be served with special PTEs. It shows as
 * a fault without FAULT_FLAG_INTERRUPTIBLE: then the payload is exchanged for
 * private, ordinary pages first.
 */
#include <linux/page_table_check.h>
#include <linux/sched/mm.h>

#include "payload.h"
#include "trace.h"
#include "zcmu_kernel.h"

#ifndef CONFIG_ARCH_HAS_PTE_SPECIAL
#error "zcmu lends pages by special PTEs, which this architecture doesn't have; use the stock module"
#endif

/*
 * May a page be in a page table without being counted there? Not if the kernel checks that
 * (CONFIG_PAGE_TABLE_CHECK, booted with page_table_check=on or enforced): a page of a process's own
 * that is lent would be a BUG() to it. set_pte_at() looks at the same key, so it is exported to
 * modules where it exists.
 */
bool zcmu_fault_can_lend(void)
{
#ifdef CONFIG_PAGE_TABLE_CHECK
	return static_branch_likely(&page_table_check_disabled);
#else
	return true;
#endif
}

/* After a pin, so many payloads are copied from the start; doubled by each further pin. */
#define PIN_COPIES_FIRST	8
#define PIN_COPIES_MAX		1024

/*
 * A handler that pins is likely to pin the next payload too: copying that from
 * the start is cheaper than exchanging it, or trying it twice. device->lock is held.
 */
void zcmu_lend_pause(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	device->lending.copies_step = device->lending.copies_step ?
		min_t(u32, device->lending.copies_step * 2, PIN_COPIES_MAX) : PIN_COPIES_FIRST;
	atomic_set(&device->lending.copies_due, device->lending.copies_step);
}

/* The command whose loan has this page of the window, or NULL. device->lock is held. */
static struct zcmu_cmd *find_loan(struct zcmu_device *device, u32 page)
{
	struct zcmu_cmd *cmd = zcmu_window_owner(&device->window, page);

	lockdep_assert_held(&device->lock);
	if (!cmd || cmd->loan.state == ZCMU_LOAN_CLOSED ||
	    page - cmd->loan.slot * ZCMU_SLOT_PAGES >= cmd->loan.nr_pages)
		return NULL;
	return cmd;
}

/*
 * Find the loan that has a page of the window, and keep it from being closed or swapped until
 * leave(). Waits for a swap to end; begins one for a pin.
 *
 * Return: the command; ERR_PTR(-EFAULT) if nobody has the page, or -ENOMEM.
 */
static struct zcmu_cmd *enter(struct zcmu_device *device, u32 page, bool pin)
{
	struct zcmu_cmd *cmd;
	int ret = 0;

	spin_lock(&device->lock);
	wait_event_cmd(device->lending.wait,
		       !(cmd = find_loan(device, page)) ||
		       cmd->loan.state != ZCMU_LOAN_SWAPPING,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	if (!cmd) {
		device->counters.faults_stray++;
		ret = -EFAULT;
	} else if (pin && cmd->loan.state == ZCMU_LOAN_LENT) {
		ret = zcmu_lend_exchange(cmd, NULL);
		if (!ret) {
			device->counters.pins++;
			zcmu_lend_pause(device);
		}
		cmd->loan.refused |= ret;
	}
	if (!ret) {
		cmd->loan.faults_inside++;
		cmd->loan.mapped = true;
	}
	spin_unlock(&device->lock);
	return ret ? ERR_PTR(ret) : cmd;
}

/* @ptes: how many were put in, for the counters. The command may be gone afterwards. */
static void leave(struct zcmu_cmd *cmd, u32 ptes)
{
	struct zcmu_device *device = cmd->device;

	spin_lock(&device->lock);
	device->counters.faults++;
	device->counters.ptes_mapped += ptes;
	/* A waiter holds the lock while it checks the condition and queues itself. */
	if (!--cmd->loan.faults_inside && waitqueue_active(&device->lending.wait))
		wake_up_all(&device->lending.wait);
	spin_unlock(&device->lock);
}

/* The part of a loan's pages that a mapping shows (it may have been split). */
struct view {
	unsigned long address;
	u32 skip;	/* pages of the loan in front of it */
	u32 nr;
};

static struct view loan_view(const struct zcmu_cmd *cmd, struct vm_area_struct *vma)
{
	unsigned long first = cmd->device->window_pgoff +
			      (unsigned long)cmd->loan.slot * ZCMU_SLOT_PAGES;
	unsigned long begin = max(first, vma->vm_pgoff);
	unsigned long end = min(first + cmd->loan.nr_pages, vma->vm_pgoff + vma_pages(vma));

	return (struct view){
		.address = vma->vm_start + ((begin - vma->vm_pgoff) << PAGE_SHIFT),
		.skip = begin - first,
		.nr = end - begin,
	};
}

struct lent_ptes {
	struct zcmu_page_iter iter;
	struct page **edges;
	struct mm_struct *mm;
	pgprot_t prot;
	u32 mapped;
};

static struct page *next_lent_page(struct lent_ptes *ptes)
{
	if (!zcmu_page_iter_next(&ptes->iter))
		return NULL;
	return ptes->iter.is_edge ? *ptes->edges++ : ptes->iter.page;
}

/* apply_to_page_range() calls this for one page after the other, under the PTE lock. */
static int put_lent_pte(pte_t *pte, unsigned long address, void *data)
{
	struct lent_ptes *ptes = data;
	struct page *page = next_lent_page(ptes);

	if (WARN_ON_ONCE(!page))
		return -EFAULT;
	/* Another thread's fault may have come first. */
	if (!pte_none(ptep_get(pte)))
		return 0;
	set_pte_at(ptes->mm, address, pte,
		   pte_mkspecial(pfn_pte(page_to_pfn(page), ptes->prot)));
	ptes->mapped++;
	return 0;
}

/*
 * The protection of lent pages. A WRITE's are read-only and clean: mprotect()
 * makes a dirty PTE of a shared mapping writable without asking (I3).
 */
static pgprot_t lent_prot(const struct zcmu_cmd *cmd, const struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;

	if (zcmu_is_write(cmd->se_cmd))
		flags &= ~VM_WRITE;
	return vm_get_page_prot(flags);
}

/* Map all pages of a loan. The caller is between enter() and leave(). */
static int map_lent(struct zcmu_cmd *cmd, struct vm_area_struct *vma, u32 *mapped)
{
	struct view view = loan_view(cmd, vma);
	struct lent_ptes ptes = {
		.edges = cmd->loan.edges,
		.mm = vma->vm_mm,
		.prot = lent_prot(cmd, vma),
	};
	unsigned int noio;
	u32 i;
	int ret;

	zcmu_page_iter_init(&ptes.iter, cmd->se_cmd);
	for (i = 0; i < view.skip; i++)
		next_lent_page(&ptes);
	/* Page tables are allocated GFP_KERNEL: reclaim must not come back to this disk. */
	noio = memalloc_noio_save();
	ret = apply_to_page_range(vma->vm_mm, view.address, (unsigned long)view.nr << PAGE_SHIFT,
				  put_lent_pte, &ptes);
	memalloc_noio_restore(noio);
	*mapped = ptes.mapped;
	return ret;
}

/*
 * The same, where a mapping has them read-only. Those PTEs, and what TLBs have of them, must be
 * gone first: an arm64 CPU doesn't look at the page table again after a fault, and its kernel
 * takes it that whoever changes a PTE has flushed.
 */
static int map_lent_writable(struct zcmu_cmd *cmd, struct vm_area_struct *vma, u32 *mapped)
{
	zcmu_lend_unmap(cmd->device, cmd->loan.slot * ZCMU_SLOT_PAGES, cmd->loan.nr_pages, 0);
	return map_lent(cmd, vma, mapped);
}

/* The same for private pages: ordinary PTEs, which a pin can follow. */
static int map_private(struct zcmu_cmd *cmd, struct vm_area_struct *vma, u32 *mapped)
{
	struct view view = loan_view(cmd, vma);
	unsigned int noio = memalloc_noio_save();
	int ret = 0;
	u32 i;

	for (i = 0; i < view.nr && !ret; i++) {
		ret = vm_insert_page(vma, view.address + i * PAGE_SIZE,
				     cmd->loan.private[view.skip + i]);
		if (!ret)
			++*mapped;
		else if (ret == -EBUSY)
			ret = 0;
	}
	memalloc_noio_restore(noio);
	return ret;
}

/* Does this fault come from get_user_pages()? See FAULT_FLAG_INTERRUPTIBLE in mm_types.h. */
static bool is_pin(const struct vm_fault *vmf)
{
	return !(vmf->flags & FAULT_FLAG_INTERRUPTIBLE);
}

static vm_fault_t result_of(int err)
{
	return !err ? VM_FAULT_NOPAGE : err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/* A touch of the window: map the pages of the command that owns the address. */
vm_fault_t zcmu_window_fault(struct zcmu_device *device, struct vm_fault *vmf)
{
	u32 page = vmf->pgoff - device->window_pgoff;
	struct zcmu_cmd *cmd = enter(device, page, is_pin(vmf));
	u32 mapped = 0;
	int ret;

	if (IS_ERR(cmd))
		return result_of(PTR_ERR(cmd));
	/* Don't check the state: it may be CLOSED by now; who closes the loan waits for leave(). */
	if (cmd->loan.private)
		ret = map_private(cmd, vmf->vma, &mapped);
	else
		ret = map_lent(cmd, vmf->vma, &mapped);
	trace_zcmu_fault(device, cmd->id, page, mapped);
	leave(cmd, mapped);
	return result_of(ret);
}

/*
 * A store to a page that is mapped read-only. A WRITE's payload stays so (I3). A
 * READ's is read-only only if the mapping was when it was touched first.
 *
 * The PTE is made writable here, between enter() and leave(): if mm did it after
 * our return, the address might belong to another command by then.
 */
vm_fault_t zcmu_window_mkwrite(struct zcmu_device *device, struct vm_fault *vmf)
{
	struct zcmu_cmd *cmd = enter(device, vmf->pgoff - device->window_pgoff, false);
	u32 mapped = 0;
	int ret;

	if (IS_ERR(cmd))
		return result_of(PTR_ERR(cmd));
	/* If there are private pages, the PTE is gone already; the next fault maps those. */
	if (cmd->loan.private)
		ret = 0;
	else if (zcmu_is_write(cmd->se_cmd))
		ret = -EACCES;
	else
		ret = map_lent_writable(cmd, vmf->vma, &mapped);
	leave(cmd, mapped);
	return result_of(ret);
}
