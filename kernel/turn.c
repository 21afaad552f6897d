// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose turn it is on a stream socket: transfers that send on it go one after the other, in the
 * order of their answers, and so do those that receive. The first one of each is moved (stream.c);
 * the others wait behind it, in a list of its own. It may wait for its peer for ever: so here is
 * also who breaks a stream, because a transfer is overdue or nobody knows of it any more.
 */
#include <linux/file.h>

#include "zcmu_kernel.h"

/* Do both send, or both receive, on the same socket? */
static bool is_same_way(const struct zcmu_cmd *a, const struct zcmu_cmd *b)
{
	return a->move.files[0] == b->move.files[0] &&
	       zcmu_is_write(a->se_cmd) == zcmu_is_write(b->se_cmd);
}

/* The one that is moved, of those on the same way of the same socket; or NULL. */
static struct zcmu_cmd *first_of(struct zcmu_device *device, const struct zcmu_cmd *cmd)
{
	struct zcmu_cmd *first;

	lockdep_assert_held(&device->lock);
	list_for_each_entry(first, &device->moving.turns, move.turn) {
		if (is_same_way(first, cmd))
			return first;
	}
	return NULL;
}

/* Has the handler gone that knew of it, or was its ring reset? */
static bool is_left(const struct zcmu_cmd *cmd)
{
	return cmd->move.is_anew || cmd->move.is_reset;
}

/**
 * zcmu_turn_take - a transfer of a socket begins
 * @cmd: the command
 *
 * Return: true if it is its turn. Else zcmu_turn_pass() queues it when it is.
 */
bool zcmu_turn_take(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_cmd *first;

	spin_lock(&device->lock);
	first = first_of(device, cmd);
	INIT_LIST_HEAD(&cmd->move.behind);
	list_add_tail(&cmd->move.turn, first ? &first->move.behind : &device->moving.turns);
	cmd->move.has_turn = true;
	/* Time-outs may have been looked at while it was on no list. */
	zcmu_deadline_keep(device, cmd);
	if (is_left(cmd))
		zcmu_turn_break_left(device);
	spin_unlock(&device->lock);
	return !first;
}

/* A transfer is over: if it had a turn, the next one has it now. Its file is still held. */
void zcmu_turn_pass(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_move *next;

	if (!cmd->move.is_stream)
		return;
	spin_lock(&device->lock);
	next = NULL;
	if (cmd->move.has_turn) {
		next = list_first_entry_or_null(&cmd->move.behind, struct zcmu_move, turn);
		cmd->move.has_turn = false;
		list_del(&cmd->move.turn);
	}
	if (next) {
		list_move_tail(&next->turn, &device->moving.turns);
		list_splice(&cmd->move.behind, &next->behind);
	}
	spin_unlock(&device->lock);
	if (next)
		zcmu_move_queue(container_of(next, struct zcmu_cmd, move));
}

/* Is it overdue? If so, that is counted, once. Else its time is kept in mind. */
static bool note_overdue(struct zcmu_device *device, struct zcmu_cmd *cmd)
{
	lockdep_assert_held(&device->lock);
	if (!zcmu_is_overdue(cmd)) {
		zcmu_deadline_keep(device, cmd);
		return false;
	}
	cmd->has_deadline = false;
	device->counters.timeouts++;
	return true;
}

/* Is the first one, or one behind it, overdue? They all wait for the same peer. */
static bool is_late(struct zcmu_device *device, struct zcmu_cmd *first)
{
	bool is_late = note_overdue(device, first);
	struct zcmu_cmd *cmd;

	list_for_each_entry(cmd, &first->move.behind, move.turn)
		is_late |= note_overdue(device, cmd);
	return is_late;
}

static bool is_forgotten(struct zcmu_device *device, struct zcmu_cmd *first)
{
	return is_left(first);
}

/* Break streams by which something must not go on. Sleeps. */
static void break_some(struct zcmu_device *device, int error,
		       bool (*must)(struct zcmu_device *device, struct zcmu_cmd *first))
{
	struct zcmu_cmd *first;
	struct file *file;

	do {
		file = NULL;
		spin_lock(&device->lock);
		list_for_each_entry(first, &device->moving.turns, move.turn) {
			if (first->move.is_broken || !must(device, first))
				continue;
			first->move.is_broken = true;
			file = get_file(first->move.files[0]);
			break;
		}
		spin_unlock(&device->lock);
		if (file) {
			zcmu_stream_break(file, error);
			fput(file);
		}
	} while (file);
}

/* Some deadline has come. Sleeps. */
void zcmu_turn_expire(struct zcmu_device *device)
{
	break_some(device, ETIMEDOUT, is_late);
}

/* Have streams broken that somebody has left who isn't to be waited for. device->lock is held. */
void zcmu_turn_break_left(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	if (!list_empty(&device->moving.turns))
		queue_work(device->reserve.expire_wq, &device->moving.break_work);
}

void zcmu_turn_break_work(struct work_struct *work)
{
	break_some(container_of(work, struct zcmu_device, moving.break_work), ECONNABORTED,
		   is_forgotten);
}
