// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lends a command's pages to the handler, and takes them back. plan.c says whether a payload is
 * lent, window.c which slots it gets; fault.c puts its pages into page tables.
 *
 * Lending itself maps nothing: it only says which command owns an address.
 *
 * Taking back closes the loan first, waits for faults that are inside it, and
 * then unmaps. After that no page table has its pages (I1). It always comes
 * before target_complete_cmd(), which gives the pages back to the initiator.
 *
 * An exchange puts private pages in the place of the lent ones: for a pin, which
 * special PTEs can't serve, and when a command must be answered before the handler
 * is through with it (a revoke).
 */
#include <linux/highmem.h>
#include <linux/list_sort.h>
#include <linux/slab.h>

#include "payload.h"
#include "trace.h"
#include "zcmu_kernel.h"

static void free_pages_array(struct page **pages, u32 nr)
{
	u32 i;

	if (!pages)
		return;
	for (i = 0; i < nr; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
	kvfree(pages);
}

/*
 * Allocate pages, from the device's own if there is no memory. @gfp must not wait for pages that
 * others give back: two commands with a part of their pages would wait for each other.
 */
static int get_edges(struct zcmu_cmd *cmd, u32 nr_edges, gfp_t gfp)
{
	struct zcmu_loan *loan = &cmd->loan;

	while (loan->nr_edges < nr_edges) {
		struct page *page = mempool_alloc(&cmd->device->reserve.edges, ZCMU_GFP_NOW);

		/* A pool that may sleep waits until pages are given back. */
		if (!page && gfpflags_allow_blocking(gfp))
			page = alloc_page(gfp);
		if (!page)
			return -ENOMEM;
		loan->edges[loan->nr_edges++] = page;
	}
	return 0;
}

/*
 * The loan is over and its pages are unmapped: nobody can pin one any more. A page that is still
 * pinned after the answer is freed with its pin, and is not used again.
 */
static void put_edges(struct zcmu_cmd *cmd)
{
	struct zcmu_loan *loan = &cmd->loan;

	if (!loan->nr_edges)
		return;
	/* A pin is counted first, and then checks that the page is still mapped. */
	smp_mb();
	while (loan->nr_edges) {
		struct page *page = loan->edges[--loan->nr_edges];

		if (page_count(page) == 1)
			mempool_free(page, &cmd->device->reserve.edges);
		else
			put_page(page);
	}
}

/**
 * zcmu_lend_prepare - get what lending needs, before the command has an address
 * @cmd: the command, in state NEW
 * @plan: how its payload lies in the window
 * @gfp: ZCMU_GFP_NOW or ZCMU_GFP_TRY
 *
 * Return: 0 or -ENOMEM.
 */
int zcmu_lend_prepare(struct zcmu_cmd *cmd, const struct zcmu_plan *plan, gfp_t gfp)
{
	/* At most the first and the last page of each run are partial. */
	if (WARN_ON_ONCE(plan->nr_edges > ZCMU_MAX_EDGES))
		return -ENOMEM;
	cmd->loan = (struct zcmu_loan){
		.state = ZCMU_LOAN_CLOSED,
		.nr_pages = plan->nr_pages,
		.nr_slots = zcmu_window_slots(plan->nr_pages),
	};
	cmd->lent = true;
	return get_edges(cmd, plan->nr_edges, gfp);
}

/* Free what zcmu_lend_prepare() and later swaps allocated. Its slots were given back already. */
void zcmu_lend_free(struct zcmu_cmd *cmd)
{
	struct zcmu_loan *loan = &cmd->loan;

	/* Those have references to the edges. */
	free_pages_array(loan->private, loan->nr_pages);
	loan->private = NULL;
	put_edges(cmd);
	cmd->lent = false;
}

/*
 * Give the payload its addresses: from here on faults find it. device->lock is held. Return: false
 * if the window has no room.
 */
bool zcmu_lend_begin(struct zcmu_cmd *cmd)
{
	struct zcmu_loan *loan = &cmd->loan;

	lockdep_assert_held(&cmd->device->lock);
	loan->slot = zcmu_window_take(&cmd->device->window, loan->nr_slots, cmd);
	if (loan->slot == ZCMU_NO_SLOT)
		return false;
	loan->state = ZCMU_LOAN_LENT;
	return true;
}

/*
 * Exchange
 */

/* Unmap pages [first, first + nr) of the window from every mapping there is. */
void zcmu_lend_unmap(struct zcmu_device *device, u32 first, u32 nr, u32 commands)
{
	struct inode *inode;

	spin_lock(&device->lock);
	inode = zcmu_inode_get(device);
	if (inode) {
		device->counters.take_backs++;
		device->counters.commands_taken_back += commands;
	}
	spin_unlock(&device->lock);
	if (!inode)
		return;
	trace_zcmu_take_back(device, first, nr, commands);
	unmap_mapping_pages(inode->i_mapping, device->window_pgoff + first, nr, false);
	iput(inode);
}

static struct page *private_page(const struct zcmu_page_iter *iter, struct page *edge,
				 struct page *scratch)
{
	struct page *page = edge ?: scratch;

	if (page) {
		get_page(page);
		return page;
	}
	page = alloc_page(ZCMU_GFP_TRY | __GFP_ZERO);
	if (page)
		memcpy_page(page, iter->offset, iter->page, iter->offset, iter->len);
	return page;
}

/*
 * Private pages for a whole payload, with its bytes; or, if @scratch is given,
 * that one page for all but the edges.
 */
static struct page **make_private(struct zcmu_cmd *cmd, struct page *scratch)
{
	struct zcmu_loan *loan = &cmd->loan;
	struct page **pages = kvcalloc(loan->nr_pages, sizeof(*pages), ZCMU_GFP_TRY);
	struct zcmu_page_iter iter;
	u32 i, edge = 0;

	if (!pages)
		return NULL;
	zcmu_page_iter_init(&iter, cmd->se_cmd);
	for (i = 0; i < loan->nr_pages && zcmu_page_iter_next(&iter); i++) {
		pages[i] = private_page(&iter, iter.is_edge ? loan->edges[edge++] : NULL, scratch);
		if (!pages[i]) {
			free_pages_array(pages, loan->nr_pages);
			return NULL;
		}
	}
	return pages;
}

/*
 * Exchange the lent pages for private ones while the handler may use them. The loan is LENT, its
 * se_cmd not answered. device->lock is held, and dropped meanwhile: SWAPPING keeps everybody else
 * away from the loan, and with it the command alive.
 *
 * Return: 0 with the loan PRIVATE, or -ENOMEM with the loan LENT.
 */
int zcmu_lend_exchange(struct zcmu_cmd *cmd, struct page *scratch)
	__must_hold(&cmd->device->lock)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_loan *loan = &cmd->loan;
	struct page **pages;
	bool mapped;

	lockdep_assert_held(&device->lock);
	/* New faults wait from here on; wait for those that are inside. */
	loan->state = ZCMU_LOAN_SWAPPING;
	wait_event_cmd(device->lending.wait, !loan->faults_inside,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	mapped = loan->mapped;
	loan->mapped = false;
	spin_unlock(&device->lock);

	if (mapped)
		zcmu_lend_unmap(device, loan->slot * ZCMU_SLOT_PAGES, loan->nr_pages, 0);
	pages = make_private(cmd, scratch);

	spin_lock(&device->lock);
	loan->private = pages;
	loan->state = pages ? ZCMU_LOAN_PRIVATE : ZCMU_LOAN_LENT;
	if (pages && !scratch)
		device->counters.bytes_swapped += cmd->se_cmd->data_length;
	wake_up_all(&device->lending.wait);
	return pages ? 0 : -ENOMEM;
}

/*
 * Take-back
 */

static int by_slot(void *priv, const struct list_head *a, const struct list_head *b)
{
	const struct zcmu_cmd *x = list_entry(a, struct zcmu_cmd, node);
	const struct zcmu_cmd *y = list_entry(b, struct zcmu_cmd, node);

	return x->loan.slot > y->loan.slot;
}

/*
 * Close a loan: no fault maps its pages any more. Return: whether some page table
 * may have them. device->lock is held, and dropped to wait.
 */
static bool close_loan(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_loan *loan = &cmd->loan;

	lockdep_assert_held(&device->lock);
	wait_event_cmd(device->lending.wait, loan->state != ZCMU_LOAN_SWAPPING,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	loan->state = ZCMU_LOAN_CLOSED;
	wait_event_cmd(device->lending.wait, !loan->faults_inside,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	return loan->mapped;
}

/**
 * zcmu_lend_take_back - end the loans of commands that are about to be answered
 * @device: the device
 * @batch: commands that the caller owns, linked by node; reordered
 *
 * When this returns no page table has a page of theirs, and their slots are free
 * for others. Commands whose addresses are adjacent share one unmap and one TLB
 * flush. Sleeps.
 */
void zcmu_lend_take_back(struct zcmu_device *device, struct list_head *batch)
{
	u32 first = 0, end = 0, commands = 0;
	struct zcmu_cmd *cmd;
	bool any = false;

	list_for_each_entry(cmd, batch, node)
		any |= cmd->lent;
	if (!any)
		return;

	if (!list_is_singular(batch))
		list_sort(NULL, batch, by_slot);
	spin_lock(&device->lock);
	list_for_each_entry(cmd, batch, node) {
		if (cmd->lent)
			cmd->loan.mapped = close_loan(cmd);
	}
	spin_unlock(&device->lock);

	list_for_each_entry(cmd, batch, node) {
		u32 page = cmd->loan.slot * ZCMU_SLOT_PAGES;

		if (!cmd->lent || !cmd->loan.mapped)
			continue;
		if (commands && page != round_up(end, ZCMU_SLOT_PAGES)) {
			zcmu_lend_unmap(device, first, end - first, commands);
			commands = 0;
		}
		if (!commands++)
			first = page;
		end = page + cmd->loan.nr_pages;
	}
	if (commands)
		zcmu_lend_unmap(device, first, end - first, commands);

	spin_lock(&device->lock);
	list_for_each_entry(cmd, batch, node) {
		if (cmd->lent)
			zcmu_window_give_back(&device->window, cmd->loan.slot, cmd->loan.nr_slots);
	}
	spin_unlock(&device->lock);
}

/* No touch finds the payload any more. */
static void close_and_unmap(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_loan *loan = &cmd->loan;
	bool mapped;

	spin_lock(&device->lock);
	mapped = close_loan(cmd);
	spin_unlock(&device->lock);
	if (mapped)
		zcmu_lend_unmap(device, loan->slot * ZCMU_SLOT_PAGES, loan->nr_pages, 0);
}

/*
 * Exchange unless that was done already. If there is no memory for it, the addresses
 * are dead. @scratch: as for make_private().
 */
static int part(struct zcmu_cmd *cmd, struct page *scratch)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_loan *loan = &cmd->loan;
	int ret = 0;

	spin_lock(&device->lock);
	wait_event_cmd(device->lending.wait, loan->state != ZCMU_LOAN_SWAPPING,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	/* PRIVATE already, because of a pin: nothing of the initiator's is left there. */
	if (loan->state == ZCMU_LOAN_LENT)
		ret = zcmu_lend_exchange(cmd, scratch);
	device->counters.revokes++;
	spin_unlock(&device->lock);
	if (ret)
		close_and_unmap(cmd);
	return ret;
}

/**
 * zcmu_lend_revoke - make the initiator's pages independent of the handler
 * @cmd: a command in state REVOKING, not answered yet
 *
 * The handler keeps addresses it can use: a WRITE's lead to a copy, a READ's to
 * scratch memory that nobody looks at. Its entry stays on the ring. Sleeps.
 *
 * Return: 0, or -ENOMEM: then the addresses are dead (SIGBUS), which is safe, too.
 */
int zcmu_lend_revoke(struct zcmu_cmd *cmd)
{
	struct page *scratch = NULL;
	int ret = -ENOMEM;

	if (!zcmu_is_write(cmd->se_cmd))
		scratch = alloc_page(ZCMU_GFP_TRY | __GFP_ZERO);
	if (scratch || zcmu_is_write(cmd->se_cmd))
		ret = part(cmd, scratch);
	else
		close_and_unmap(cmd);
	if (scratch)
		put_page(scratch);
	trace_zcmu_revoke(cmd->device, cmd->id, ret);
	return ret;
}

/**
 * zcmu_lend_restore - lend it as if it had not been lent before
 * @cmd: a command that is the caller's
 *
 * A new handler that touches it meanwhile gets SIGBUS. Sleeps.
 */
void zcmu_lend_restore(struct zcmu_cmd *cmd)
{
	struct zcmu_loan *loan = &cmd->loan;

	close_and_unmap(cmd);
	free_pages_array(loan->private, loan->nr_pages);
	loan->private = NULL;
	cmd->scrubbed = false;
	zcmu_lend_fill(cmd);
	spin_lock(&cmd->device->lock);
	loan->mapped = false;
	loan->state = ZCMU_LOAN_LENT;
	spin_unlock(&cmd->device->lock);
}

/**
 * zcmu_lend_part - give the handler a copy of its own, to keep after the answer
 * @cmd: a command in state ANSWERED, its initiator not told yet
 *
 * What the handler has read into a READ's payload is in the copy, too. Sleeps.
 *
 * Return: as zcmu_lend_revoke()
 */
int zcmu_lend_part(struct zcmu_cmd *cmd)
{
	return part(cmd, NULL);
}
