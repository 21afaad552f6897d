// SPDX-License-Identifier: MIT
/* The basic block commands (SBC-3): READ, WRITE, PRE-FETCH, SYNCHRONIZE CACHE, READ CAPACITY. */
#include <stdlib.h>

#include "scsi/scsi.h"

/* A store reads whole blocks. If the initiator's buffer ends inside one, the block is copied. */
static bool read_in_part_step(struct zcmu_cmd *cmd)
{
	uint32_t block = cmd->disk->store->block_size;

	if (!cmd->phase++) {
		zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_READ, cmd->begin, cmd->buffer,
					  (cmd->left + block - 1) / block * block, false);
		return true;
	}
	if (cmd->status == ZCMU_OK)
		zcmu_iov_put(cmd->payload, cmd->req.iovcnt, 0, cmd->buffer, cmd->left);
	zcmu_cmd_finish(cmd, cmd->status);
	return false;
}

static void read_in_part(struct zcmu_cmd *cmd)
{
	cmd->buffer = malloc(cmd->left + cmd->disk->store->block_size);
	if (cmd->buffer)
		zcmu_cmd_run_steps(cmd, read_in_part_step);
	else
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
}

/* READ_LEN can't say "nothing". In that case the whole payload is padding. */
static void read_nothing(struct zcmu_cmd *cmd)
{
	zcmu_iov_zero(cmd->payload, cmd->req.iovcnt, 0, cmd->req.bytes);
	zcmu_cmd_finish(cmd, ZCMU_OK);
}

static void start_read(struct zcmu_cmd *cmd)
{
	if (cmd->left % cmd->disk->store->block_size) {
		read_in_part(cmd);
		return;
	}
	/*
	 * FUA: the data must come from the medium, or from a cache that agrees with it. That is
	 * always so.
	 */
	zcmu_cmd_ask_store(cmd, ZCMU_IO_READ, cmd->begin, cmd->left, false);
}

void zcmu_scsi_read(struct zcmu_cmd *cmd)
{
	if (!zcmu_scsi_transfer_in(cmd, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_start(cmd, read_nothing);
		return;
	}
	cmd->data_len = (uint32_t)cmd->left;
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_read, cmd->left, memory_order_relaxed);
	zcmu_range_wait(cmd, cmd->begin, cmd->left, start_read);
}

static void start_write(struct zcmu_cmd *cmd)
{
	zcmu_cmd_ask_store(cmd, ZCMU_IO_WRITE, cmd->begin, cmd->left,
			   zcmu_scsi_wants_fua(cmd->req.cdb));
}

void zcmu_scsi_write(struct zcmu_cmd *cmd)
{
	if (!zcmu_scsi_transfer_out(cmd, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_written, cmd->left,
				  memory_order_relaxed);
	zcmu_range_lock(cmd, cmd->begin, cmd->left, start_write);
}

/*
 * PRE-FETCH, SBC-3 5.11, 5.12. The library has no cache, and a store doesn't report its own. GOOD
 * says that not all of the blocks are in a cache; CONDITION MET would say that they are.
 */
void zcmu_scsi_prefetch(struct zcmu_cmd *cmd)
{
	uint64_t offset, length;

	if (zcmu_scsi_range(cmd, &offset, &length))
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

void zcmu_scsi_start_flush(struct zcmu_cmd *cmd)
{
	zcmu_cmd_ask_store(cmd, ZCMU_IO_FLUSH, 0, 0, false);
}

/*
 * SYNCHRONIZE CACHE, SBC-3 5.29. The range is checked, but the whole disk is flushed. With IMMED it
 * is allowed to answer after the flush, too.
 */
void zcmu_scsi_synchronize_cache(struct zcmu_cmd *cmd)
{
	uint64_t offset, length;

	if (!zcmu_scsi_range(cmd, &offset, &length))
		return;
	if (zcmu_store_can(cmd->disk->store, ZCMU_IO_FLUSH))
		zcmu_cmd_start(cmd, zcmu_scsi_start_flush);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* READ CAPACITY (10), SBC-3 5.15 */
void zcmu_scsi_read_capacity10(struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t last = cmd->capacity / store->block_size - 1;
	uint8_t data[8];

	/* An LBA without PMI is invalid; both fields are obsolete. */
	if (cmd->req.cdb[8] & 0x01) {
		zcmu_cmd_bad_field(cmd, 8);
		return;
	}
	if (zcmu_get32(cmd->req.cdb + 2)) {
		zcmu_cmd_bad_field(cmd, 2);
		return;
	}
	zcmu_put32(data, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	zcmu_put32(data + 4, store->block_size);
	zcmu_cmd_reply(cmd, data, sizeof(data), sizeof(data));
}

/* log2 of logical blocks per physical block */
static uint8_t physical_exponent(const struct zcmu_store *store)
{
	uint8_t exponent = 0;

	while (store->block_size << (exponent + 1) <= store->physical_block_size)
		exponent++;
	return exponent;
}

/* READ CAPACITY (16), SBC-3 5.16 */
void zcmu_scsi_read_capacity16(struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint8_t data[32] = { 0 };

	zcmu_put64(data, cmd->capacity / store->block_size - 1);
	zcmu_put32(data + 8, store->block_size);
	data[13] = physical_exponent(store);
	if (zcmu_store_unmaps(store)) {
		data[14] |= 0x80;		/* LBPME: thin */
		if (zcmu_store_trims_to_zeroes(store))
			data[14] |= 0x40;	/* LBPRZ */
	}
	zcmu_cmd_reply(cmd, data, sizeof(data), zcmu_get32(cmd->req.cdb + 10));
}
