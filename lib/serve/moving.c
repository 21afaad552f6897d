// SPDX-License-Identifier: MIT
/*
 * Payloads that the kernel moves between the initiator's memory and a file of the store's
 * (zcmu-abi.h, "Have it moved"). A command whose payload is moved is under way until the ring says
 * that it is over: so its ranges stay its own, a shrink waits for it, and so does the end of
 * serving.
 *
 * The kernel doesn't wake us to tell that, because mostly nobody waits: the leader finds the notes
 * when it takes the next commands. Who does wait for one asks for being woken.
 *
 * What fails, or is to be told, comes back as an entry of its own, and the store has the request
 * again.
 *
 * A request may have come through layers, which pass it on as it is: the store's stands for the
 * command's then. If a layer wants to see how requests end, the transfer is told, and the request
 * goes back up through the layers, before the initiator is answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"
#include "store/stores.h"

/* Every id that a command can have */
#define NR_IDS	65536

static struct zcmu_moving *moving_of(struct zcmu_hring *ring)
{
	return &((struct zcmu_disk *)((char *)ring - offsetof(struct zcmu_disk, ring)))->moving;
}

static struct zcmu_cmd *take(struct zcmu_moving *moving, uint16_t id)
{
	struct zcmu_cmd *cmd = moving->by_id ? atomic_exchange(&moving->by_id[id], NULL) : NULL;

	if (cmd)
		atomic_fetch_sub(&moving->count, 1);
	return cmd;
}

/* The request that layers have made @io of, or @io itself */
static struct zcmu_io *uppermost(struct zcmu_io *io)
{
	struct zcmu_io *upper;

	for (; (upper = zcmu_layer_upper(io)); io = upper)
		;
	return io;
}

/* Nobody was to hear of the end: not the store, and no layer. The kernel has answered. */
static void end(struct zcmu_cmd *cmd)
{
	struct zcmu_io *io = cmd->moved_io, *upper;

	for (; (upper = zcmu_layer_upper(io)); io = upper)
		zcmu_layer_forget(io);
	zcmu_cmd_end_moved(cmd);
}

/* Does the store answer, whatever has become of the transfer? */
static bool is_stores(const struct zcmu_cmd *cmd)
{
	return cmd->move.flags & ZCMU_MOVE_TELL || cmd->moved_error;
}

/* Has the kernel refused to move anything, and is this thread to do it then? */
static bool is_for_here(const struct zcmu_cmd *cmd)
{
	return cmd->moved_error == -EOPNOTSUPP && cmd->move.flags & ZCMU_MOVE_ANYHOW &&
	       !cmd->move.is_stream;
}

/* The store has its request again; or a layer is to see how it has ended. */
static void give_back(struct zcmu_cmd *cmd)
{
	const struct zcmu_move move = cmd->move;

	zcmu_abort_note_return(cmd);
	if (is_for_here(cmd))
		zcmu_moving_do_here(&move, cmd->moved_io);
	else if (is_stores(cmd))
		move.back(cmd->moved_io, cmd->moved_error, cmd->moved_bytes);
	else
		zcmu_io_done(cmd->moved_io, 0);
}

static void give_back_in_queue(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	(void)store;
	(void)queue;
	give_back((struct zcmu_cmd *)((char *)call - offsetof(struct zcmu_cmd, call)));
}

static void come_back(struct zcmu_cmd *cmd, int error, uint64_t bytes)
{
	cmd->moved_error = error;
	cmd->moved_bytes = bytes;
	cmd->call.function = give_back_in_queue;
	/* The queue, and so the thread, of the uppermost layer. */
	if (!cmd->io.queue)
		zcmu_cmd_start(cmd, give_back);
	else if (zcmu_queue_call(cmd->io.store, cmd->io.queue, &cmd->call))
		give_back(cmd);	/* a test, without threads */
}

/* The ring says that a transfer is over. Runs in the leader. Return: do we know of it? */
static bool note(struct zcmu_hring *ring, const struct zcmu_hmoved *moved)
{
	struct zcmu_cmd *cmd = take(moving_of(ring), moved->id);

	if (!cmd)
		return false;
	if (!moved->is_back)
		end(cmd);
	else
		come_back(cmd, moved->error, moved->bytes);
	return true;
}

/* No thread runs yet. If there is no memory, nothing is moved. */
void zcmu_moving_begin(struct zcmu_disk *disk)
{
	struct zcmu_moving *moving = &disk->moving;

	atomic_store(&moving->count, 0);
	moving->is_on = false;
	if (!disk->ring.transfers || disk->store->max_in_flight)
		return;
	moving->by_id = calloc(NR_IDS, sizeof(*moving->by_id));
	moving->is_on = moving->by_id;
	disk->ring.moved = note;
}

/* No thread runs any more. */
void zcmu_moving_end(struct zcmu_disk *disk)
{
	disk->moving.is_on = false;
	free(disk->moving.by_id);
	disk->moving.by_id = NULL;
}

static void fail(struct zcmu_io *io, int error, uint64_t bytes)
{
	(void)bytes;
	zcmu_io_done(io, error);
}

/*
 * Nothing is known of what was moved. The kernel has ended the command, or will; who wants to hear
 * of the end does, and may have kept something for it. The payload may be gone: a store that
 * needn't hear isn't given a chance to touch it.
 */
static void abandon(struct zcmu_cmd *cmd)
{
	if (!cmd->move_tells) {
		end(cmd);
		return;
	}
	if (!(cmd->move.flags & ZCMU_MOVE_TELL))
		cmd->move.back = fail;
	come_back(cmd, -ESHUTDOWN, 0);
}

/*
 * The backstore is gone, and with it the ring: its core has waited for all commands, and nobody
 * tells us any more.
 */
void zcmu_moving_abandon(struct zcmu_disk *disk)
{
	unsigned int id;

	for (id = 0; disk->moving.by_id && id < NR_IDS; id++) {
		struct zcmu_cmd *cmd = take(&disk->moving, (uint16_t)id);

		if (cmd)
			abandon(cmd);
	}
}

/*
 * Somebody waits for commands, which may be moved: the leader is to hear of their end. Who isn't
 * the leader has it look at the ring afterwards.
 */
void zcmu_moving_await(struct zcmu_disk *disk)
{
	struct zcmu_moving *moving = &disk->moving;

	pthread_mutex_lock(&moving->lock);
	if (!moving->awaited++ && disk->ring.transfers)
		zcmu_hring_await_notes(&disk->ring, true);
	pthread_mutex_unlock(&moving->lock);
}

void zcmu_moving_await_end(struct zcmu_disk *disk)
{
	struct zcmu_moving *moving = &disk->moving;

	pthread_mutex_lock(&moving->lock);
	if (!--moving->awaited && disk->ring.transfers)
		zcmu_hring_await_notes(&disk->ring, false);
	pthread_mutex_unlock(&moving->lock);
}

/*
 * Serving is to end: nothing more is handed over. As long as something is moved, requests are still
 * taken, because the notes lie behind them. On a broken ring nothing more is found. Runs in the
 * leader. Return: is nothing moved?
 */
bool zcmu_moving_stops(struct zcmu_disk *disk)
{
	disk->moving.is_on = false;
	if (disk->ring.is_broken)
		zcmu_moving_abandon(disk);
	return !atomic_load(&disk->moving.count);
}

/* Serving goes on after all. */
void zcmu_moving_resumes(struct zcmu_disk *disk)
{
	disk->moving.is_on = disk->moving.by_id;
}

/*
 * The command that a request is all of; NULL: it is a part of one, or somebody else's. @is_watched:
 * does a layer want to see how it ends?
 */
static struct zcmu_cmd *command_of(struct zcmu_io *io, bool *is_watched)
{
	const uint64_t length = io->length;
	const enum zcmu_io_op op = io->op;
	struct zcmu_io *upper;
	struct zcmu_cmd *cmd;

	*is_watched = false;
	for (; (upper = zcmu_layer_upper(io)); io = upper) {
		if (upper->op != op || upper->length != length)
			return NULL;
		*is_watched |= zcmu_layer_watches(io);
	}
	cmd = zcmu_cmd_of_io(io);
	if (!cmd || cmd->step || cmd->flush_after || cmd->has_residual ||
	    (op != ZCMU_IO_READ && op != ZCMU_IO_WRITE) || length != cmd->req.bytes || io->parts)
		return NULL;
	return cmd;
}

/* What the kernel is told */
static struct zcmu_transfer transfer_of(const struct zcmu_move *move, const struct zcmu_cmd *cmd,
					const struct zcmu_io *io)
{
	struct zcmu_transfer transfer = {
		.flags = (cmd->move_tells ? ZCMU_TRANSFER_TELL : 0) |
			 (io->op == ZCMU_IO_WRITE ? ZCMU_TRANSFER_WRITE : 0),
		.nr_pieces = 1,
		.piece_flags = { move->flags & ZCMU_MOVE_DSYNC ? ZCMU_PIECE_DSYNC : 0 },
		.header_bytes = (uint8_t)move->header_bytes,
	};

	transfer.pieces[0] = (struct zcmu_piece){
		.fd = move->fd, .len = (uint32_t)io->length, .offset = move->offset,
	};
	if (move->header_bytes)
		memcpy(transfer.header, move->header, move->header_bytes);
	return transfer;
}

/* Return: 0; or -EOPNOTSUPP, and the request is still the store's. */
static int hand_over(struct zcmu_io *io, const struct zcmu_move *move)
{
	bool is_watched;
	struct zcmu_cmd *cmd = command_of(io, &is_watched);
	const uint64_t length = io->length;
	struct zcmu_hanswer answer = { 0 };
	struct zcmu_transfer transfer;
	struct zcmu_moving *moving;
	struct zcmu_disk *disk;

	if (!cmd || !cmd->disk->moving.is_on || length > UINT32_MAX)
		return -EOPNOTSUPP;
	disk = cmd->disk;
	moving = &disk->moving;
	cmd->move_tells = is_watched || move->flags & ZCMU_MOVE_TELL;
	transfer = transfer_of(move, cmd, io);
	answer.id = cmd->req.id;
	answer.transfer = &transfer;
	cmd->move = *move;
	cmd->move.header = NULL;
	cmd->moved_io = io;
	/* Nobody is told of an abort now: not even who has passed the request on knows of it. */
	zcmu_abort_note_answer(cmd);
	/*
	 * Who ends this looks at the count after it has said so: one of the two sees the other.
	 * From then on it may be over, in the leader: by a note, or abandoned on a broken ring.
	 */
	atomic_fetch_add(&moving->count, 1);
	atomic_store(&moving->by_id[answer.id], cmd);
	if (atomic_load(&moving->is_on) && !zcmu_serve_hand_over(disk, &answer, length))
		return 0;
	/* Abandoned meanwhile: nobody else is to answer it. */
	if (!take(moving, answer.id))
		return 0;
	zcmu_abort_note_return(cmd);
	zcmu_signal_fd(disk->threads[0].wake_fd);
	return -EOPNOTSUPP;
}

/*
 * The thread may sleep now: who it waits for may wait for what it has handed over before. Mere
 * answers can wait for more.
 */
static void kick_first(struct zcmu_io *io)
{
	struct zcmu_cmd *cmd = zcmu_cmd_of_io(uppermost(io));
	struct zcmu_thread *thread = cmd ? zcmu_serve_current(cmd->disk) : NULL;

	if (thread && thread->has_handed_over)
		zcmu_serve_kick(thread);
}

static int begin(struct zcmu_io *io, const struct zcmu_move *move)
{
	int ret = move->flags & ZCMU_MOVE_HERE ? -EOPNOTSUPP : hand_over(io, move);

	if (!ret || !(move->flags & (ZCMU_MOVE_ANYHOW | ZCMU_MOVE_HERE)))
		return ret;
	kick_first(io);
	zcmu_moving_do_here(move, io);
	return 0;
}

_Static_assert(ZCMU_STREAM_HEADER_MAX == ZCMU_MAX_HEADER, "what a store may send, the kernel takes");

int zcmu_io_transfer(struct zcmu_io *io, int fd, uint64_t offset, unsigned int flags,
		     void (*back)(struct zcmu_io *io, int error, uint64_t bytes))
{
	const struct zcmu_move move = { .fd = fd, .offset = offset, .flags = flags, .back = back };

	if (flags & ~(ZCMU_MOVE_TELL | ZCMU_MOVE_DSYNC | ZCMU_MOVE_ANYHOW | ZCMU_MOVE_HERE))
		return -EINVAL;
	return begin(io, &move);
}

int zcmu_io_stream(struct zcmu_io *io, int fd, const void *header, size_t header_bytes,
		   unsigned int flags, void (*back)(struct zcmu_io *io, int error, uint64_t bytes))
{
	const struct zcmu_move move = {
		.fd = fd, .is_stream = true, .header = header, .header_bytes = header_bytes,
		.flags = flags | ZCMU_MOVE_TELL, .back = back,
	};

	if (flags & ~(ZCMU_MOVE_TELL | ZCMU_MOVE_ANYHOW | ZCMU_MOVE_HERE) ||
	    header_bytes > ZCMU_STREAM_HEADER_MAX || (header_bytes && io->op != ZCMU_IO_WRITE))
		return -EINVAL;
	return begin(io, &move);
}
