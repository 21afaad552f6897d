// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes transfers from answers: what the handler wants to be moved, and whether it may be. Runs in
 * the thread that kicks: its descriptors are looked up here, and its limits and rights are noted.
 * Nothing waits here, because uio holds its info_lock.
 */
#include <linux/blkdev.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/sched/signal.h>
#include <scsi/scsi_device.h>

#include "complete.h"
#include "trace.h"
#include "zcmu_kernel.h"

/* Is the answer a transfer, of a command that somebody waits for? */
bool zcmu_transfer_is_wanted(const struct zcmu_cmd *cmd, const struct zcmu_answer *answer)
{
	return answer->uflags & ZCMU_UFLAG_TRANSFER && cmd->state == ZCMU_CMD_RING;
}

/**
 * zcmu_transfer_take - RING -> MOVING
 * @cmd: the command
 * @answer: the handler's
 * @moves: where the command is put, for zcmu_transfer_begin()
 * @is_anew: the handler has gone
 *
 * The handler's entry has made room on the ring: as much is kept for the command to come back.
 * device->lock is held.
 */
void zcmu_transfer_take(struct zcmu_cmd *cmd, const struct zcmu_answer *answer,
			struct list_head *moves, bool is_anew)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_move *move = &cmd->move;

	lockdep_assert_held(&device->lock);
	zcmu_ring_swap_spans(answer->span, &cmd->span);
	memset(move, 0, sizeof(*move));
	move->is_anew = is_anew;
	memcpy(&move->what, answer->transfer, sizeof(move->what)); /* shared: */
	cmd->uflags = answer->uflags;
	cmd->state = ZCMU_CMD_MOVING;
	list_move_tail(&cmd->node, moves);
	device->moving.count++;
	device->ring.kept += ZCMU_MOVED_BYTES;
}

/*
 * The handler is told that a command is over which it has handed over. There is room: such a note
 * is smaller than the entry that has made room for the command, or for its late answer.
 * device->lock is held; who does this has the handler woken then, if zcmu_transfer_is_awaited().
 */
void zcmu_transfer_note(struct zcmu_device *device, u16 id)
{
	const struct zcmu_entry_hdr hdr = { .len_op = sizeof(hdr) | ZCMU_OP_MOVED, .cmd_id = id };

	lockdep_assert_held(&device->lock);
	if (!WARN_ON_ONCE(!zcmu_ring_has_kept_room(&device->ring, sizeof(hdr))))
		zcmu_ring_note(&device->ring, &hdr, sizeof(hdr));
}

/* Does the handler wait for notes? */
bool zcmu_transfer_is_awaited(const struct zcmu_device *device)
{
	/* The notes must be visible before its word is read: it gives that, and then looks. */
	smp_mb();
	return zcmu_ring_handler_flags(&device->ring) & ZCMU_HANDLER_AWAITS_NOTES;
}

/* Do the pieces make up the payload, in order, and is all that is said of them known? */
static bool is_well_formed(const struct zcmu_cmd *cmd)
{
	const struct zcmu_transfer *what = &cmd->move.what;
	u64 bytes = 0;
	u32 i;

	if (!what->nr_pieces || what->nr_pieces > ZCMU_MAX_PIECES ||
	    what->flags & ~(ZCMU_TRANSFER_TELL | ZCMU_TRANSFER_WRITE))
		return false;
	/* A header lies where other pieces would be. */
	if (what->header_bytes ? what->header_bytes > ZCMU_MAX_HEADER || what->nr_pieces > 1 :
				 what->reserved[0] || what->reserved[1])
		return false;
	/* The CDB and the initiator's transport may disagree about the direction. */
	if (!(what->flags & ZCMU_TRANSFER_WRITE) != !zcmu_is_write(cmd->se_cmd))
		return false;
	for (i = 0; i < what->nr_pieces; i++) {
		const struct zcmu_piece *piece = &what->pieces[i];

		if (!piece->len || piece->offset > (u64)LLONG_MAX - piece->len ||
		    what->piece_flags[i] & ~(ZCMU_PIECE_DSYNC | ZCMU_PIECE_NOWAIT))
			return false;
		bytes += piece->len;
	}
	return bytes == cmd->se_cmd->data_length;
}

/* Does the command have exactly one payload that may be moved and need not be kept? */
static bool can_be_moved(const struct zcmu_cmd *cmd)
{
	const struct se_cmd *se_cmd = cmd->se_cmd;

	return !zcmu_is_bidi(se_cmd) && se_cmd->t_data_nents && !zcmu_is_to_be_kept(cmd) &&
	       (zcmu_is_write(se_cmd) || se_cmd->data_direction == DMA_FROM_DEVICE);
}

/* scsi_is_sdev_device() would have the module depend on scsi_mod, for this alone. */
static bool is_scsi_device(const struct device *dev)
{
	return dev && dev->type && dev->type->name && !strcmp(dev->type->name, "scsi_device");
}

static struct block_device *device_below(const struct file *file)
{
	struct inode *inode = file->f_mapping->host;

	return S_ISBLK(inode->i_mode) ? I_BDEV(inode) : inode->i_sb->s_bdev;
}

/*
 * Is it this very disk, or a file on it, through an initiator on this machine? The transfer would
 * wait for itself. A local initiator's disk is known by its serial number (VPD page 80h). What lies
 * in between (loop, dm, md, or a disk whose handler tells another serial) isn't seen.
 */
static bool is_on_itself(struct zcmu_device *device, const struct file *file)
{
	const char *serial = device->se_dev.t10_wwn.unit_serial;
	struct block_device *bdev = device_below(file);
	const struct scsi_vpd *vpd;
	struct device *parent;
	bool is_same = false;

	if (!bdev || !serial[0])
		return false;
	parent = disk_to_dev(bdev->bd_disk)->parent;
	if (!is_scsi_device(parent))
		return false;
	rcu_read_lock();
	vpd = rcu_dereference(to_scsi_device(parent)->vpd_pg80);
	if (vpd && vpd->len > 4)
		is_same = vpd->len - 4 == strlen(serial) &&
			  !memcmp(vpd->data + 4, serial, vpd->len - 4);
	rcu_read_unlock();
	return is_same;
}

/* Is the file served by a process, which could keep a command for ever? */
static bool is_of_a_process(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

/*
 * A stream has no offset and no flags, and what was sent is only known to have arrived when the
 * peer has said so.
 */
static int check_stream(struct zcmu_cmd *cmd, const struct zcmu_piece *piece)
{
	const struct zcmu_transfer *what = &cmd->move.what;

	if (what->nr_pieces > 1 || what->piece_flags[0] || piece->offset)
		return -EINVAL;
	if (zcmu_is_write(cmd->se_cmd) ? !(what->flags & ZCMU_TRANSFER_TELL) : what->header_bytes)
		return -EINVAL;
	cmd->move.is_stream = true;
	/* A page that is still in a queue after the answer shows what comes into it then. */
	cmd->move.may_splice = capable(CAP_SYS_RAWIO);
	return 0;
}

/* May the handler do this itself, by pread() or pwrite()? Return: 0 or -errno. */
static int check_file(struct zcmu_cmd *cmd, const struct file *file, const struct zcmu_piece *piece)
{
	bool writes = zcmu_is_write(cmd->se_cmd);
	umode_t mode = file_inode(file)->i_mode;

	if (!(file->f_mode & (writes ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (zcmu_stream_is_one(file))
		return check_stream(cmd, piece);
	if ((!S_ISREG(mode) && !S_ISBLK(mode)) || is_of_a_process(file))
		return -EOPNOTSUPP;
	if (cmd->move.what.header_bytes)
		return -EINVAL;
	if (!(file->f_mode & (writes ? FMODE_PWRITE : FMODE_PREAD)))
		return -ESPIPE;
	/* The offset would mean nothing. */
	if (writes && file->f_flags & O_APPEND)
		return -EINVAL;
	/* A worker has no file size limit, and no process to send SIGXFSZ to. */
	if (writes && S_ISREG(mode) && piece->offset + piece->len > rlimit(RLIMIT_FSIZE))
		return -EFBIG;
	return is_on_itself(cmd->device, file) ? -EDEADLK : 0;
}

/* Look the files up. Return: 0, or -errno; what there is, is zcmu_move_release()'s. */
static int prepare(struct zcmu_cmd *cmd)
{
	struct zcmu_move *move = &cmd->move;
	int ret = 0;
	u32 i;

	if (!can_be_moved(cmd) || !is_well_formed(cmd))
		return -EINVAL;
	move->cred = get_current_cred();
	for (i = 0; i < move->what.nr_pieces && !ret; i++) {
		const struct zcmu_piece *piece = &move->what.pieces[i];

		move->files[i] = fget(piece->fd);
		ret = move->files[i] ? check_file(cmd, move->files[i], piece) : -EBADF;
	}
	return ret;
}

/**
 * zcmu_transfer_begin - begin transfers
 * @device: the device
 * @moves: commands that zcmu_transfer_take() has put there
 * @refusal: 0 if this is the handler's kick, which lends its descriptors; else why they end now
 */
void zcmu_transfer_begin(struct zcmu_device *device, struct list_head *moves, int refusal)
{
	struct zcmu_cmd *cmd, *next;
	int ret;

	list_for_each_entry_safe(cmd, next, moves, node) {
		list_del_init(&cmd->node);
		INIT_WORK(&cmd->move.work, device->moving.run);
		ret = refusal ?: prepare(cmd);
		trace_zcmu_transfer(device, cmd->id, cmd->move.what.nr_pieces, ret);
		if (ret)
			zcmu_move_end(cmd, ret);
		else if (!cmd->move.is_stream || zcmu_turn_take(cmd))
			zcmu_move_queue(cmd);
	}
}

/* The handler has gone, or another one comes, which doesn't know of these transfers. */
void zcmu_transfer_left(struct zcmu_device *device)
{
	struct zcmu_cmd *cmd;
	unsigned long id;

	spin_lock(&device->lock);
	if (device->moving.count) {
		xa_for_each(&device->commands, id, cmd) {
			if (cmd->state == ZCMU_CMD_MOVING)
				cmd->move.is_anew = true;
		}
		zcmu_turn_look(device);
	}
	spin_unlock(&device->lock);
}

/* The ring is reset: what is moved and doesn't end well, ends with @scsi_status. device->lock. */
void zcmu_transfer_reset(struct zcmu_device *device, u8 scsi_status)
{
	struct zcmu_cmd *cmd;
	unsigned long id;

	lockdep_assert_held(&device->lock);
	if (!device->moving.count)
		return;
	xa_for_each(&device->commands, id, cmd) {
		if (cmd->state != ZCMU_CMD_MOVING)
			continue;
		cmd->move.is_reset = true;
		cmd->move.reset_status = scsi_status;
	}
	zcmu_turn_look(device);
}
