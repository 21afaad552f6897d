// SPDX-License-Identifier: MIT
/*
 * VERIFY and WRITE AND VERIFY: blocks are read back, and compared with the initiator's data if
 * BYTCHK demands it.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define VERIFY_CHUNK	(1u << 20)	/* bytes read back at a time */

/* Are the blocks that the last step has read the same as the initiator's data? */
static bool chunk_matches(const struct zcmu_cmd *cmd)
{
	uint32_t block = cmd->disk->store->block_size;
	uint64_t first = cmd->offset - cmd->chunk - cmd->begin;
	uint8_t expected[4096];
	uint32_t i;

	for (i = 0; i < cmd->chunk; i += block) {
		zcmu_iov_get(cmd->payload, cmd->req.iovcnt, cmd->one_block ? 0 : first + i,
			     expected, block);
		if (memcmp((uint8_t *)cmd->buffer + i, expected, block))
			return false;
	}
	return true;
}

static bool read_back(struct zcmu_cmd *cmd)
{
	cmd->chunk = cmd->left < VERIFY_CHUNK ? (uint32_t)cmd->left : VERIFY_CHUNK;
	cmd->offset += cmd->chunk;
	cmd->left -= cmd->chunk;
	zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_READ, cmd->offset - cmd->chunk, cmd->buffer,
				  cmd->chunk, false);
	return true;
}

static bool verify_step(struct zcmu_cmd *cmd)
{
	bool compares = cmd->req.cdb[1] & 0x06;

	if (cmd->status == ZCMU_OK && compares && cmd->chunk && !chunk_matches(cmd))
		cmd->status = ZCMU_MISCOMPARE;
	if (cmd->status == ZCMU_OK && cmd->left)
		return read_back(cmd);
	zcmu_cmd_finish(cmd, cmd->status);
	return false;
}

/* Runs @step over the range begin, left, with a buffer to read back to. */
static bool has_buffer(struct zcmu_cmd *cmd)
{
	cmd->offset = cmd->begin;
	cmd->buffer = malloc(VERIFY_CHUNK);
	if (!cmd->buffer)
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
	return cmd->buffer;
}

static void start_verify(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, verify_step);
}

/* VERIFY, SBC-3 5.33 */
void zcmu_scsi_verify(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t bytchk = cdb[1] >> 1 & 0x03;
	uint64_t needed;

	if (zcmu_scsi_wants_protection(cdb) || bytchk == 2) {
		zcmu_cmd_bad_field(cmd, 1);
		return;
	}
	if (!zcmu_scsi_range(cmd, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	cmd->one_block = bytchk == 3;
	needed = bytchk == 1 ? cmd->left : bytchk == 3 ? cmd->disk->store->block_size : 0;
	if (cmd->req.bytes < needed) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_blocks_field(cdb));
		return;
	}
	if (has_buffer(cmd))
		zcmu_range_wait(cmd, cmd->begin, cmd->left, start_verify);
}

/*
 * WRITE AND VERIFY, SBC-3 5.47 .. 5.49. The data on the medium is verified, so it has to be there
 * first, as with FUA.
 */

static bool write_and_verify_step(struct zcmu_cmd *cmd)
{
	if (cmd->phase++)
		return verify_step(cmd);
	zcmu_cmd_ask_store(cmd, ZCMU_IO_WRITE, cmd->begin, cmd->left, true);
	return true;
}

static void start_write_and_verify(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, write_and_verify_step);
}

void zcmu_scsi_write_and_verify(struct zcmu_cmd *cmd)
{
	/*
	 * BYTCHK: 1 means compare. The form with one block for the whole range doesn't exist here.
	 */
	if (cmd->req.cdb[1] & 0x04) {
		zcmu_cmd_bad_field(cmd, 1);
		return;
	}
	if (!zcmu_scsi_transfer_out(cmd, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	if (!has_buffer(cmd))
		return;
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_written, cmd->left,
				  memory_order_relaxed);
	zcmu_range_lock(cmd, cmd->begin, cmd->left, start_write_and_verify);
}
