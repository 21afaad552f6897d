// SPDX-License-Identifier: MIT
/*
 * A command from its request to its answer: memory, requests to the store, steps, the end. What a
 * CDB means is in lib/scsi.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

static struct zcmu_cmd *from_pool(struct zcmu_disk *disk)
{
	struct zcmu_cmd *cmd;

	pthread_mutex_lock(&disk->pool_lock);
	cmd = disk->pool;
	if (cmd)
		disk->pool = cmd->next;
	pthread_mutex_unlock(&disk->pool_lock);
	return cmd ? cmd : calloc(1, sizeof(*cmd));
}

/*
 * There is no memory for the next request. It can't stay on the ring, because nobody would come
 * back for it. So it is answered, and its initiator tries again. Return: what zcmu_hring_next()
 * returns.
 */
static int turn_away(struct zcmu_disk *disk)
{
	struct zcmu_hreq req = { .iov = NULL };
	struct zcmu_hanswer answer = { .scsi_status = SAM_BUSY };
	unsigned int epoch;
	int ret = zcmu_hring_next(&disk->ring, &req);

	if (ret == 0 || ret == -EBADMSG)
		return ret;
	epoch = zcmu_epoch_enter(disk);
	answer.id = req.id;
	atomic_fetch_add_explicit(&disk->counts.commands, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&disk->counts.errors, 1, memory_order_relaxed);
	zcmu_serve_put_answer(disk, &answer, 0, epoch);
	return ret;
}

static void tell_broken(struct zcmu_disk *disk)
{
	zcmu_error("%s: what is on its ring at %u can't be an entry, so nothing more is taken off it; stop the disk, write 2 to its action/reset_ring and serve it again",
		   disk->name, atomic_load(&disk->ring.taken));
}

static void to_pool(struct zcmu_disk *disk, struct zcmu_cmd *cmd)
{
	pthread_mutex_lock(&disk->pool_lock);
	cmd->next = disk->pool;
	disk->pool = cmd;
	pthread_mutex_unlock(&disk->pool_lock);
}

static void free_iovecs(struct zcmu_cmd *cmd)
{
	if (cmd->payload != cmd->inline_payload)
		free(cmd->payload);
	if (cmd->scratch != cmd->inline_scratch)
		free(cmd->scratch);
	cmd->payload = cmd->inline_payload;
	cmd->scratch = cmd->inline_scratch;
}

/* Make room for as many iovecs as the request turned out to have. */
static bool grow_iovecs(struct zcmu_cmd *cmd)
{
	size_t n = (size_t)cmd->req.iovcnt;

	free_iovecs(cmd);
	cmd->payload = calloc(n, sizeof(*cmd->payload));
	cmd->scratch = calloc(n, sizeof(*cmd->scratch));
	if (!cmd->payload || !cmd->scratch) {
		free_iovecs(cmd);
		return false;
	}
	cmd->req.iov_max = cmd->req.iovcnt;
	return true;
}

static void start(struct zcmu_cmd *cmd, struct zcmu_disk *disk, struct zcmu_thread *thread)
{
	cmd->disk = disk;
	cmd->thread = thread;
	cmd->next = NULL;
	cmd->asks_in = NULL;
	cmd->is_aborted = false;
	cmd->is_to_be_told = false;
	cmd->was_told = false;
	cmd->payload = cmd->inline_payload;
	cmd->scratch = cmd->inline_scratch;
	cmd->req.iov_max = ZCMU_INLINE_IOVECS;
	cmd->step = NULL;
	cmd->nr_ranges = 0;
	cmd->chunk = 0;
	cmd->phase = 0;
	cmd->may_trim = false;
	cmd->one_block = false;
	cmd->buffer = NULL;
	cmd->flush_after = false;
	cmd->wants_copy = false;
	cmd->status = ZCMU_OK;
	cmd->field = ZCMU_NO_FIELD;
	cmd->information = UINT64_MAX;
	cmd->data_len = 0;
	cmd->has_residual = false;
	cmd->part = 0;
}

/*
 * Take the next request off the ring. Only the leading thread may do that. NULL: there is none. An
 * invalid request, or one that there is no memory for, is answered here and skipped. If the ring
 * itself is invalid, serving ends.
 */
struct zcmu_cmd *zcmu_cmd_take(struct zcmu_disk *disk, struct zcmu_thread *thread)
{
	struct zcmu_cmd *cmd;
	int ret;

	for (;;) {
		cmd = from_pool(disk);
		if (cmd) {
			start(cmd, disk, thread);
			do {
				cmd->req.iov = cmd->payload;
				ret = zcmu_hring_next(&disk->ring, &cmd->req);
			} while (ret == -E2BIG && grow_iovecs(cmd));
		}
		if (!cmd || ret == -E2BIG) {
			if (cmd)
				to_pool(disk, cmd);
			cmd = NULL;
			ret = turn_away(disk);
		}
		if (ret == -EBADMSG)
			tell_broken(disk);
		if (ret == 0 || ret == -EBADMSG) {
			if (cmd)
				to_pool(disk, cmd);
			return NULL;
		}
		if (!cmd)
			continue;
		cmd->epoch = zcmu_epoch_enter(disk);
		zcmu_abort_note_taken(cmd);
		/*
		 * Read it once: it may change, and all checks of a command must use the same value.
		 */
		cmd->capacity = __atomic_load_n(&disk->store->size, __ATOMIC_SEQ_CST);
		if (ret > 0)
			return cmd;
		zcmu_cmd_finish(cmd, ZCMU_HARDWARE_ERROR);
	}
}

void zcmu_cmd_free(struct zcmu_cmd *cmd)
{
	free(cmd->buffer);
	cmd->buffer = NULL;
	free_iovecs(cmd);
	to_pool(cmd->disk, cmd);
}

/* @comes_again: the command comes again as a copy, and is counted then */
static void count(struct zcmu_cmd *cmd, uint8_t scsi_status, bool comes_again)
{
	struct zcmu_counts *counts = &cmd->disk->counts;

	if (comes_again)
		return;
	atomic_fetch_add_explicit(&counts->commands, 1, memory_order_relaxed);
	if (scsi_status != SAM_GOOD)
		atomic_fetch_add_explicit(&counts->errors, 1, memory_order_relaxed);
	if (cmd->req.bytes)
		atomic_fetch_add_explicit(cmd->req.lent ? &counts->bytes_in_place :
							  &counts->bytes_copied,
					  cmd->req.bytes, memory_order_relaxed);
}

/* The end: answer and free the command. It is gone when this returns. */
void zcmu_cmd_finish(struct zcmu_cmd *cmd, enum zcmu_status status)
{
	struct zcmu_disk *disk = cmd->disk;
	uint8_t sense[ZCMU_SENSE_MAX];
	struct zcmu_hanswer answer = { .id = cmd->req.id };
	uint64_t bytes = cmd->req.bytes;
	unsigned int epoch = cmd->epoch;
	bool comes_again;

	if (zcmu_scsi_senses_descriptors(disk, cmd->capacity))
		answer.scsi_status = zcmu_status_to_descriptors(status, cmd->field,
								cmd->information, sense);
	else
		answer.scsi_status = zcmu_status_to_scsi(status, cmd->field, cmd->information,
							 sense);
	if (answer.scsi_status == SAM_CHECK_CONDITION)
		answer.sense = sense;
	if (cmd->has_residual) {
		answer.uflags = ZCMU_UFLAG_CDB_LEN;
		answer.read_len = cmd->cdb_bytes;
	} else if (!answer.sense && cmd->data_len < bytes) {
		answer.read_len = cmd->data_len;
	} else if (answer.sense) {
		answer.read_len = cmd->part;
	}
	comes_again = cmd->wants_copy && answer.scsi_status != SAM_GOOD &&
		      disk->ring.tries_copied;
	if (comes_again)
		answer.uflags |= ZCMU_UFLAG_TRY_COPIED;
	count(cmd, answer.scsi_status, comes_again);
	zcmu_range_unlock(cmd);
	zcmu_abort_forget(cmd);
	zcmu_cmd_free(cmd);
	zcmu_serve_put_answer(disk, &answer, bytes, epoch);
}

/* The kernel has moved the payload and answered the command. It is gone when this returns. */
void zcmu_cmd_end_moved(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	unsigned int epoch = cmd->epoch;

	count(cmd, SAM_GOOD, false);
	zcmu_range_unlock(cmd);
	zcmu_abort_forget(cmd);
	zcmu_cmd_free(cmd);
	zcmu_serve_leave(disk, epoch);
}

/* ILLEGAL REQUEST, with a pointer to the byte of the CDB that is wrong. */
void zcmu_cmd_bad_field(struct zcmu_cmd *cmd, uint32_t byte)
{
	cmd->field = byte;
	zcmu_cmd_finish(cmd, ZCMU_INVALID_FIELD_IN_CDB);
}

/*
 * Answer with Data-In: @len bytes of @data, cut off at the CDB's allocation length.
 * That is no error (SPC-4 4.2.5.6).
 */
void zcmu_cmd_reply(struct zcmu_cmd *cmd, const void *data, uint32_t len, uint32_t allocation)
{
	if (len > allocation)
		len = allocation;
	cmd->data_len = (uint32_t)zcmu_iov_put(cmd->payload, cmd->req.iovcnt, 0, data, len);
	zcmu_cmd_finish(cmd, ZCMU_OK);
}

/*
 * Asking the store
 */

static void io_done(struct zcmu_io *io, int error);

static void prepare_io(struct zcmu_cmd *cmd, enum zcmu_io_op op, uint64_t offset, uint64_t length)
{
	cmd->io.struct_size = sizeof(cmd->io);
	cmd->io.op = op;
	cmd->io.fua = false;
	cmd->io.may_trim = cmd->may_trim;
	cmd->io.mapped = true;
	cmd->io.offset = offset;
	cmd->io.length = length;
	cmd->io.iov = cmd->scratch;
	cmd->io.iovcnt = 0;
	cmd->io.queue = cmd->thread->queue;
	cmd->io.data = NULL;
	cmd->io.next = NULL;
	cmd->io.done = io_done;
	if (cmd->thread->has_queue)
		cmd->thread->unsubmitted = true;
}

/* @length bytes of the payload from @skip on, as an array that the store may change. */
static void show_payload(struct zcmu_cmd *cmd, uint64_t skip, uint64_t length)
{
	cmd->io.iovcnt = zcmu_iov_cut(cmd->payload, cmd->req.iovcnt, skip, length, cmd->scratch);
}

/* FUA is honoured in the way that the store can: with the request, or by a flush after it. */
static void set_fua(struct zcmu_cmd *cmd, bool fua)
{
	cmd->flush_after = zcmu_store_stable_by(cmd->disk->store, cmd->io.op, fua) ==
			   ZCMU_STABLE_BY_FLUSH;
	cmd->io.fua = fua && !cmd->flush_after;
}

/* If nobody waits for the command, the store is asked nothing more. */
static void ask(struct zcmu_cmd *cmd)
{
	if (zcmu_abort_lets_ask(cmd))
		zcmu_store_ask(cmd->disk->store, &cmd->io);
	else
		zcmu_io_done(&cmd->io, -ECANCELED);
}

/*
 * Ask the store for something, with the command's payload or without one. The store must be able to
 * do it (zcmu_store_can()).
 */
void zcmu_cmd_ask_store(struct zcmu_cmd *cmd, enum zcmu_io_op op, uint64_t offset, uint64_t length,
			bool fua)
{
	prepare_io(cmd, op, offset, length);
	if (op == ZCMU_IO_READ || op == ZCMU_IO_WRITE)
		show_payload(cmd, 0, length);
	set_fua(cmd, fua);
	ask(cmd);
}

/* Write a part of the payload, @length bytes from @skip on. */
void zcmu_cmd_write_part(struct zcmu_cmd *cmd, uint64_t skip, uint64_t offset, uint64_t length,
			 bool fua)
{
	prepare_io(cmd, ZCMU_IO_WRITE, offset, length);
	show_payload(cmd, skip, length);
	set_fua(cmd, fua);
	ask(cmd);
}

/* Read into, or write from, the library's own memory. */
void zcmu_cmd_ask_store_buffer(struct zcmu_cmd *cmd, enum zcmu_io_op op, uint64_t offset,
			       void *buffer, size_t length, bool fua)
{
	prepare_io(cmd, op, offset, length);
	cmd->scratch[0] = (struct iovec){ .iov_base = buffer, .iov_len = length };
	cmd->io.iovcnt = 1;
	set_fua(cmd, fua);
	ask(cmd);
}

/*
 * Go on with a command that was checked, now or later and in any free thread. The store may take as
 * long as it likes. Commands with a range come here by range_lock.c.
 */
void zcmu_cmd_start(struct zcmu_cmd *cmd, void (*go_on)(struct zcmu_cmd *cmd))
{
	cmd->go_on = go_on;
	if (!zcmu_serve_share(cmd))
		go_on(cmd);
}

/*
 * The limit of steps in one go whose requests are answered at once. After that other commands have
 * their turn. Steps may be many: a WRITE SAME can fill the whole disk.
 */
#define STEPS_AT_A_TIME	16

/*
 * A step's request may be answered before the step returns, or in another thread. Of the step and
 * the answer, the second one to finish goes on. So steps never nest.
 */
static void go_on(struct zcmu_cmd *cmd)
{
	unsigned int steps = 0;

	do {
		if (steps++ == STEPS_AT_A_TIME) {
			cmd->go_on = go_on;
			zcmu_serve_was_long();
			zcmu_serve_later(cmd);
			return;
		}
		atomic_store(&cmd->step_refs, 2);
		if (!cmd->step(cmd))
			return;
	} while (atomic_fetch_sub(&cmd->step_refs, 1) == 1);
}

void zcmu_cmd_run_steps(struct zcmu_cmd *cmd, bool (*step)(struct zcmu_cmd *cmd))
{
	cmd->step = step;
	go_on(cmd);
}

/*
 * Does the error come from a system call that pins a payload which the store has touched before, or
 * that writes into the payload of a WRITE? A copy of the payload works (zcmu-abi.h).
 */
static bool is_of_lending(const struct zcmu_cmd *cmd, int error)
{
	return cmd->req.lent && (error == -EFAULT || error == -EEXIST);
}

/*
 * May the initiator know where a READ or WRITE has failed? It takes the blocks in front of that for
 * done. So it must get that part of a READ: the kernel must pass data on with sense, and the length
 * must be the command's. And that part of a WRITE must be as stable as the command demands.
 */
static bool may_tell_place(const struct zcmu_cmd *cmd, uint64_t done)
{
	const struct zcmu_disk *disk = cmd->disk;

	if (!done)
		return true;
	if (cmd->has_residual)
		return false;
	if (cmd->io.op == ZCMU_IO_READ)
		return disk->ring.gives_part && cmd->req.bytes == cmd->left;
	return !zcmu_scsi_wants_fua(cmd->req.cdb) &&
	       zcmu_store_flush(disk->store) != ZCMU_CAN_EMULATED;
}

/* A medium error of a command that is one READ or WRITE: INFORMATION is the block. */
static void tell_place(struct zcmu_cmd *cmd)
{
	uint64_t block_size = cmd->disk->store->block_size;
	uint64_t block = cmd->io.failed_at / block_size, done;

	if (cmd->step || (cmd->status != ZCMU_READ_ERROR && cmd->status != ZCMU_WRITE_ERROR) ||
	    (cmd->io.op != ZCMU_IO_READ && cmd->io.op != ZCMU_IO_WRITE))
		return;
	/* The store may have moved io.offset. */
	if (cmd->io.failed_at < cmd->begin || cmd->io.failed_at - cmd->begin >= cmd->left)
		return;
	done = block * block_size - cmd->begin;
	if (!may_tell_place(cmd, done))
		return;
	cmd->information = block;
	if (cmd->io.op == ZCMU_IO_READ)
		cmd->part = (uint32_t)done;
}

static void io_done(struct zcmu_io *io, int error)
{
	struct zcmu_cmd *cmd = (struct zcmu_cmd *)((char *)io - offsetof(struct zcmu_cmd, io));

	zcmu_abort_note_answer(cmd);
	if (error) {
		cmd->status = zcmu_status_of_error(io->op, error);
		cmd->wants_copy = is_of_lending(cmd, error);
		tell_place(cmd);
		/* One that comes again as a copy may go well then. */
		if (!cmd->wants_copy)
			zcmu_failing_note(cmd->disk, io->op, error);
	} else if (atomic_load_explicit(&cmd->disk->failing.ops, memory_order_relaxed) &
		   1u << io->op) {
		zcmu_failing_note_well(cmd->disk, io->op);
	}
	if (cmd->flush_after && cmd->status == ZCMU_OK) {
		cmd->flush_after = false;
		prepare_io(cmd, ZCMU_IO_FLUSH, 0, 0);
		ask(cmd);
		return;
	}
	if (!cmd->step)
		zcmu_cmd_finish(cmd, cmd->status);
	else if (atomic_fetch_sub(&cmd->step_refs, 1) == 1)
		go_on(cmd);
}

/* The command whose request to the store it is; NULL: it is no command's own. */
struct zcmu_cmd *zcmu_cmd_of_io(struct zcmu_io *io)
{
	if (io->done != io_done)
		return NULL;
	return (struct zcmu_cmd *)((char *)io - offsetof(struct zcmu_cmd, io));
}

/*
 * Is the length in the answer to a MAP within the range that was asked about? The caller goes on
 * behind it: with a length of 0 it would never end, with a longer one it would miss blocks.
 */
static bool is_map_answer(const struct zcmu_io *io)
{
	return io->length && io->length <= io->asked && io->length % io->store->block_size == 0;
}

static int refuse_map_answer(const struct zcmu_io *io)
{
	struct zcmu_store *store = io->store;

	if (!__atomic_exchange_n(&store->misbehaves, true, __ATOMIC_RELAXED))
		zcmu_error("%s: the store was asked which of %" PRIu64 " bytes at %" PRIu64
			   " take space, and answered for %" PRIu64
			   ": that is an error of the store, and such requests fail; report it to who has made it",
			   store->ops->name, io->asked, io->offset, io->length);
	return -EPROTO;
}

/* All answers of all stores pass through here, whoever made the request. */
void zcmu_io_done(struct zcmu_io *io, int error)
{
	if (io->op == ZCMU_IO_MAP && !error && !is_map_answer(io))
		error = refuse_map_answer(io);
	io->done(io, error);
}
