// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves the bytes of a transfer, piece by piece, between a command's own pages and the files. Runs
 * in a worker, as the handler. moved.c goes on with the command then; transfer.c says what may be
 * moved.
 *
 * Files that were opened with O_DIRECT are read and written asynchronously, where their file system
 * or device can; others here and now. The disk may be what memory is waited for: so
 * nothing here waits for I/O to get memory, as in a thread that is an I/O flusher.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "zcmu_kernel.h"

/* The command's scatter-gather list, in the form that files accept. */
static int make_bvecs(struct zcmu_cmd *cmd)
{
	struct zcmu_move *move = &cmd->move;
	const struct se_cmd *se_cmd = cmd->se_cmd;
	struct scatterlist *sg;
	unsigned int i;

	move->bvecs = move->own;
	if (se_cmd->t_data_nents > ZCMU_OWN_BVECS) {
		move->bvecs = kvmalloc_array(se_cmd->t_data_nents, sizeof(*move->bvecs),
					     ZCMU_GFP_TRY);
		if (!move->bvecs)
			return -ENOMEM;
	}
	for_each_sg(se_cmd->t_data_sg, sg, se_cmd->t_data_nents, i)
		move->bvecs[i] = (struct bio_vec){
			.bv_page = sg_page(sg), .bv_len = sg->length, .bv_offset = sg->offset,
		};
	return 0;
}

/* Queue work to continue or end it. From here on the command may be gone. */
static void hand_on(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;

	if (llist_add(&cmd->move.ended, &device->moving.ended))
		queue_work(device->reserve.moved_wq, &device->moving.ended_work);
}

/*
 * The file system may look at iocb and file after the I/O is over and before it has returned: the
 * second of the two hands the transfer on. From then on the command may be gone; the device stays
 * until the work is done.
 */
static void put_io(struct zcmu_cmd *cmd)
{
	if (atomic_dec_and_test(&cmd->move.refs))
		hand_on(cmd);
}

/* Asynchronous I/O is over; maybe in an interrupt. */
static void io_is_over(struct kiocb *iocb, long result)
{
	struct zcmu_cmd *cmd = container_of(iocb, struct zcmu_cmd, move.iocb);

	if (iocb->ki_flags & IOCB_WRITE)
		zcmu_write_is_over(iocb);
	cmd->move.result = result;
	put_io(cmd);
}

static void init_iocb(struct zcmu_move *move, struct file *file, bool writes)
{
	u8 flags = move->what.piece_flags[move->piece];
	struct kiocb *iocb = &move->iocb;

	init_sync_kiocb(iocb, file);
	iocb->ki_pos = move->what.pieces[move->piece].offset + move->piece_bytes;
	if (iocb->ki_flags & IOCB_DIRECT)
		iocb->ki_complete = io_is_over;
	atomic_set(&move->refs, 2);
	if (writes)
		iocb->ki_flags |= IOCB_WRITE;
	if (flags & ZCMU_PIECE_DSYNC)
		iocb->ki_flags |= IOCB_DSYNC;
	if (flags & ZCMU_PIECE_NOWAIT)
		iocb->ki_flags |= IOCB_NOWAIT;
}

/* Move what is left of the current piece. Return: bytes, -errno, or -EIOCBQUEUED. */
static ssize_t issue(struct zcmu_cmd *cmd)
{
	struct zcmu_move *move = &cmd->move;
	bool writes = zcmu_is_write(cmd->se_cmd);
	struct file *file = move->files[move->piece];
	struct iov_iter iter;

	iov_iter_bvec(&iter, writes ? ITER_SOURCE : ITER_DEST, move->bvecs,
		      cmd->se_cmd->t_data_nents, cmd->se_cmd->data_length);
	iov_iter_advance(&iter, move->bytes);
	iov_iter_truncate(&iter, move->what.pieces[move->piece].len - move->piece_bytes);
	if (move->is_stream)
		return zcmu_stream_move(cmd, &iter);
	init_iocb(move, file, writes);
	if (!writes)
		return vfs_iocb_iter_read(file, &move->iocb, &iter);
	return zcmu_write(file, &move->iocb, &iter);
}

/* The same as the handler. */
static ssize_t issue_as_handler(struct zcmu_cmd *cmd)
{
	const struct cred *old = override_creds(cmd->move.cred);
	unsigned int noio = memalloc_noio_save();
	unsigned int throttle = current->flags & PF_LOCAL_THROTTLE;
	ssize_t ret;

	/*
	 * The write may come from writeback of other dirty pages, so it must not be throttled by
	 * them.
	 */
	current->flags |= PF_LOCAL_THROTTLE;
	ret = issue(cmd);
	current->flags = (current->flags & ~PF_LOCAL_THROTTLE) | throttle;
	memalloc_noio_restore(noio);
	revert_creds(old);
	if (ret == -EIOCBQUEUED)
		put_io(cmd);
	return ret;
}

/* Is it an errno of user space? The kernel's own (-ERESTARTSYS, ...) mean nothing to a handler. */
static bool is_known_errno(long result)
{
	return result >= -EHWPOISON;
}

/**
 * zcmu_move_note - some I/O of a transfer is over
 * @move: the transfer
 * @result: bytes, or -errno
 *
 * Return: whether the transfer is over; else there is more of it to be moved.
 */
bool zcmu_move_note(struct zcmu_move *move, long result)
{
	/* The file ends, or the device is full, before the end of the piece */
	if (!result)
		move->error = -ENODATA;
	else if (result < 0)
		move->error = is_known_errno(result) ? result : -EIO;
	if (move->error)
		return true;
	move->bytes += result;
	move->piece_bytes += result;
	if (move->piece_bytes < move->what.pieces[move->piece].len)
		return false;
	move->piece_bytes = 0;
	return ++move->piece == move->what.nr_pieces;
}

/**
 * zcmu_move_go_on - begin or go on with a transfer
 * @cmd: a command in state MOVING, whose transfer the caller owns
 *
 * Sleeps. Return: true if the transfer is over. Else it isn't the caller's any more, and will be
 * found on device->moving.ended.
 */
bool zcmu_move_go_on(struct zcmu_cmd *cmd)
{
	struct zcmu_move *move = &cmd->move;
	ssize_t ret;

	if (!move->bvecs) {
		move->error = make_bvecs(cmd);
		if (move->error && move->is_stream)
			zcmu_stream_break(move->files[0]);
		if (move->error)
			return true;
	}
	do {
		ret = issue_as_handler(cmd);
		if (ret == -EIOCBQUEUED)
			return false;
	} while (!zcmu_move_note(move, ret));
	return true;
}

/*
 * Have a transfer begin or go on: where the command came from, whose caches have its pages. A
 * socket's waits for its peer, and others not for it.
 */
void zcmu_move_queue(struct zcmu_cmd *cmd)
{
	int cpu = cmd->se_cmd->cpuid;

	if (cmd->move.is_stream) {
		queue_work(cmd->device->reserve.stream_wq, &cmd->move.work);
		return;
	}
	if (cpu < 0 || cpu >= nr_cpu_ids || !cpu_online(cpu))
		cpu = WORK_CPU_UNBOUND;
	queue_work_on(cpu, cmd->device->reserve.move_wq, &cmd->move.work);
}

/* End a transfer that has never begun. The caller doesn't own it any more. */
void zcmu_move_end(struct zcmu_cmd *cmd, int error)
{
	cmd->move.error = error;
	cmd->move.is_over = true;
	hand_on(cmd);
}

/* Release what a finished transfer used. */
void zcmu_move_release(struct zcmu_cmd *cmd)
{
	struct zcmu_move *move = &cmd->move;
	u32 i;

	for (i = 0; i < ZCMU_MAX_PIECES && move->files[i]; i++)
		fput(move->files[i]);
	if (move->cred)
		put_cred(move->cred);
	if (move->bvecs != move->own)
		kvfree(move->bvecs);
	move->bvecs = NULL;
}
