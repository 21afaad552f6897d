// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents of a loan's pages: what the handler finds there, and what it has put into private
 * ones. loan.c says which pages there are, and who can reach them.
 */
#include <linux/highmem.h>

#include "payload.h"
#include "zcmu_kernel.h"

/*
 * Private pages in place of those that the payload fills in part, with the payload's
 * bytes at their place and nothing else (I2): also where a handler has put something.
 */
static void fill_edges(struct zcmu_cmd *cmd)
{
	struct zcmu_page_iter iter;
	u32 edge = 0;

	zcmu_page_iter_init(&iter, cmd->se_cmd);
	while (edge < cmd->loan.nr_edges && zcmu_page_iter_next(&iter)) {
		struct page *page;

		if (!iter.is_edge)
			continue;
		page = cmd->loan.edges[edge++];
		clear_highpage(page);
		if (zcmu_is_write(cmd->se_cmd))
			memcpy_page(page, iter.offset, iter.page, iter.offset, iter.len);
	}
}

/*
 * Must the memory for Data-In be cleared before the handler sees it (attrib/scrub_reads)? For a
 * bidirectional command it always is.
 */
bool zcmu_is_to_be_scrubbed(const struct zcmu_cmd *cmd)
{
	return READ_ONCE(cmd->device->lending.scrub_reads) &&
	       cmd->se_cmd->data_direction == DMA_FROM_DEVICE;
}

/*
 * Clear a READ's memory. It belongs to the command, and what it holds until the READ
 * has succeeded means nothing to anybody.
 */
static void scrub(struct zcmu_cmd *cmd)
{
	struct zcmu_loan *loan = &cmd->loan;
	struct zcmu_page_iter iter;
	u32 edge = 0;

	zcmu_page_iter_init(&iter, cmd->se_cmd);
	while (zcmu_page_iter_next(&iter))
		clear_highpage(iter.is_edge ? loan->edges[edge++] : iter.page);
	cmd->scrubbed = true;
}

/**
 * zcmu_lend_fill - put into the payload's pages what the handler is to find there
 * @cmd: a command that is prepared, and not published
 *
 * The edge pages' bytes; a READ's memory is cleared if that is asked for: once, if the
 * command has to be prepared again because there was no room.
 */
void zcmu_lend_fill(struct zcmu_cmd *cmd)
{
	fill_edges(cmd);
	if (!cmd->scrubbed && zcmu_is_to_be_scrubbed(cmd))
		scrub(cmd);
}

/*
 * Copy bytes between the payload's own pages and the private ones that stand for some of them: to
 * those, or from them. Where the handler has the payload's own pages, there is nothing to be done.
 */
static void copy_private(struct zcmu_cmd *cmd, struct page **private, u32 bytes, bool to_private)
{
	struct zcmu_loan *loan = &cmd->loan;
	struct zcmu_page_iter iter;
	u32 i, edge = 0;

	if (!loan->nr_edges && !private)
		return;
	zcmu_page_iter_init(&iter, cmd->se_cmd);
	for (i = 0; bytes && zcmu_page_iter_next(&iter); i++) {
		struct page *page = NULL;
		u32 len = min(iter.len, bytes);

		if (iter.is_edge)
			page = loan->edges[edge++];
		else if (private)
			page = private[i];
		if (page && to_private)
			memcpy_page(page, iter.offset, iter.page, iter.offset, len);
		else if (page)
			memcpy_page(iter.page, iter.offset, page, iter.offset, len);
		bytes -= len;
	}
}

/**
 * zcmu_lend_finish_read - bring home what the handler put into private pages
 * @cmd: a READ whose loan was taken back
 * @bytes: how much of its payload is valid
 *
 * Lent pages need nothing: the bytes are where they belong.
 */
void zcmu_lend_finish_read(struct zcmu_cmd *cmd, u32 bytes)
{
	copy_private(cmd, cmd->loan.private, bytes, false);
}

/**
 * zcmu_lend_show - let the handler find what was put into the payload by others
 * @cmd: a READ that was moved, and goes back to the handler
 * @bytes: how much of it was; the rest is nobody's to be seen
 *
 * It is in the lent pages already, and comes into the private ones that stand for some of them.
 */
void zcmu_lend_show(struct zcmu_cmd *cmd, u32 bytes)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_loan *loan = &cmd->loan;
	struct page **private;

	/* An exchange that begins later finds it. */
	spin_lock(&device->lock);
	wait_event_cmd(device->lending.wait, loan->state != ZCMU_LOAN_SWAPPING,
		       spin_unlock(&device->lock), spin_lock(&device->lock));
	private = loan->private;
	spin_unlock(&device->lock);

	copy_private(cmd, private, bytes, true);
}
