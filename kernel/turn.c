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

/*
 * Work of its own for each: a process can keep a socket locked, by a call that waits for memory of
 * its own. Other sockets and other commands' time-outs don't wait for that.
 */
static void break_work(struct work_struct *work)
{
	struct zcmu_cmd *cmd = container_of(work, struct zcmu_cmd, move.break_work);

	zcmu_stream_break(cmd->move.files[0]);
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
	INIT_WORK(&cmd->move.break_work, break_work);
	/* Time-outs may have been looked at while it was on no list. */
	zcmu_deadline_keep(device, cmd);
	if (is_left(cmd))
		zcmu_turn_look(device);
	spin_unlock(&device->lock);
	return !first;
}

/*
 * A transfer is over: if it had a turn, the next one has it now. What was behind one that has
 * failed fails, too: it would take that one's bytes for its own.
 */
void zcmu_turn_pass(struct zcmu_cmd *cmd)
{
	struct zcmu_device *device = cmd->device;
	struct zcmu_move *next = NULL;
	bool had_turn;

	if (!cmd->move.is_stream)
		return;
	spin_lock(&device->lock);
	had_turn = cmd->move.has_turn;
	if (had_turn) {
		next = list_first_entry_or_null(&cmd->move.behind, struct zcmu_move, turn);
		cmd->move.has_turn = false;
		list_del(&cmd->move.turn);
	}
	if (next) {
		next->is_broken |= cmd->move.is_broken || cmd->move.error;
		list_move_tail(&next->turn, &device->moving.turns);
		list_splice(&cmd->move.behind, &next->behind);
	}
	spin_unlock(&device->lock);
	/* It uses the socket, which isn't kept any longer. */
	if (had_turn)
		cancel_work_sync(&cmd->move.break_work);
	if (next)
		zcmu_move_queue(container_of(next, struct zcmu_cmd, move));
}

/*
 * Is it overdue? That is counted once, and looked at again in a while: the handler may have made
 * another connection of the socket before the transfer saw that its own was broken.
 */
static bool note_overdue(struct zcmu_device *device, struct zcmu_cmd *cmd)
{
	bool is_overdue = zcmu_is_overdue(cmd);

	lockdep_assert_held(&device->lock);
	if (is_overdue) {
		if (!cmd->move.is_late) {
			device->counters.timeouts++;
			zcmu_stats_note_late(device, 1);
		}
		cmd->move.is_late = true;
		cmd->deadline = jiffies + HZ;
	}
	zcmu_deadline_keep(device, cmd);
	return is_overdue;
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

/*
 * Some deadline has come, or somebody has left who isn't to be waited for: break the streams by
 * which something must not go on. device->lock is held.
 */
void zcmu_turn_look(struct zcmu_device *device)
{
	struct zcmu_cmd *first;

	lockdep_assert_held(&device->lock);
	list_for_each_entry(first, &device->moving.turns, move.turn) {
		if (!is_late(device, first) && !is_left(first))
			continue;
		first->move.is_broken = true;
		queue_work(device->reserve.break_wq, &first->move.break_work);
	}
}
