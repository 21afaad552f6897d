// SPDX-License-Identifier: MIT
/*
 * Commands that read, decide and write, with no other write in between: COMPARE AND WRITE and
 * ORWRITE. range_lock.c keeps other commands away.
 *
 * WRITE ATOMIC is not here: it promises that after a power failure all of it is written or nothing,
 * and no store promises that for its writes.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define OR_CHUNK	(1u << 20)	/* bytes at a time */
#define PIECE		4096u		/* bytes of the payload compared at a time */

/*
 * COMPARE AND WRITE, SBC-3 5.2: the payload's first half is the expected data, and its second half
 * is what is written if that data is there.
 */

/* Where the payload's @length bytes begin to differ from @there; @length if they don't. */
static uint64_t first_difference(const struct zcmu_cmd *cmd, const uint8_t *there,
				 uint64_t length)
{
	uint8_t expected[PIECE];
	uint64_t at, i, n;

	for (at = 0; at < length; at += n) {
		n = length - at < PIECE ? length - at : PIECE;
		zcmu_iov_get(cmd->payload, cmd->req.iovcnt, at, expected, n);
		if (!memcmp(there + at, expected, n))
			continue;
		for (i = 0; there[at + i] == expected[i]; i++)
			;
		return at + i;
	}
	return length;
}

static bool compare_and_write_step(struct zcmu_cmd *cmd)
{
	uint64_t difference;

	if (cmd->status != ZCMU_OK) {
		zcmu_cmd_finish(cmd, cmd->status);
		return false;
	}
	switch (cmd->phase++) {
	case 0:
		zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_READ, cmd->begin, cmd->buffer, cmd->left,
					  false);
		return true;
	case 1:
		difference = first_difference(cmd, cmd->buffer, cmd->left);
		if (difference < cmd->left) {
			cmd->information = difference;
			zcmu_cmd_finish(cmd, ZCMU_MISCOMPARE);
			return false;
		}
		atomic_fetch_add_explicit(&cmd->disk->counts.bytes_written, cmd->left,
					  memory_order_relaxed);
		zcmu_cmd_write_part(cmd, cmd->left, cmd->begin, cmd->left,
				    zcmu_scsi_wants_fua(cmd->req.cdb));
		return true;
	default:
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return false;
	}
}

static void start_compare_and_write(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, compare_and_write_step);
}

/* The limit in blocks; VPD page B0 reports it. */
uint32_t zcmu_scsi_max_compare(const struct zcmu_disk *disk)
{
	uint64_t most = disk->store->max_compare / disk->store->block_size;

	return most && most < ZCMU_MAX_COMPARE_BLOCKS ? (uint32_t)most : ZCMU_MAX_COMPARE_BLOCKS;
}

void zcmu_scsi_compare_and_write(struct zcmu_cmd *cmd)
{
	uint32_t field = zcmu_scsi_blocks_field(cmd->req.cdb);

	if (cmd->req.cdb[field] > zcmu_scsi_max_compare(cmd->disk)) {
		zcmu_cmd_bad_field(cmd, field);
		return;
	}
	if (!zcmu_scsi_transfer(cmd, 2, &cmd->begin, &cmd->left))
		return;
	/* If the payload is longer than the two halves, it is unclear where they are. */
	if (cmd->req.bytes != 2 * cmd->left) {
		zcmu_cmd_bad_field(cmd, field);
		return;
	}
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	cmd->buffer = malloc(cmd->left);
	if (!cmd->buffer) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	zcmu_range_lock(cmd, cmd->begin, cmd->left, start_compare_and_write);
}

/*
 * ORWRITE, SBC-3 5.9: bits of the payload are set on the disk.
 */

/* The chunk at offset was read: set the payload's bits in it. */
static void or_chunk(struct zcmu_cmd *cmd)
{
	uint8_t bits[PIECE], *there = cmd->buffer;
	uint32_t at, i, n;

	for (at = 0; at < cmd->chunk; at += n) {
		n = cmd->chunk - at < PIECE ? cmd->chunk - at : PIECE;
		zcmu_iov_get(cmd->payload, cmd->req.iovcnt, cmd->offset - cmd->begin + at, bits, n);
		for (i = 0; i < n; i++)
			there[at + i] |= bits[i];
	}
}

/* Reads a chunk and writes it, in turn; the chunk is done when it was written. */
static bool orwrite_step(struct zcmu_cmd *cmd)
{
	bool was_read = cmd->phase == 1;

	if (cmd->status == ZCMU_OK && was_read) {
		cmd->phase = 2;
		or_chunk(cmd);
		zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_WRITE, cmd->offset, cmd->buffer, cmd->chunk,
					  zcmu_scsi_wants_fua(cmd->req.cdb));
		return true;
	}
	cmd->offset += cmd->chunk;
	cmd->left -= cmd->chunk;
	if (cmd->status != ZCMU_OK || !cmd->left) {
		zcmu_cmd_finish(cmd, cmd->status);
		return false;
	}
	cmd->phase = 1;
	cmd->chunk = cmd->left < OR_CHUNK ? (uint32_t)cmd->left : OR_CHUNK;
	zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_READ, cmd->offset, cmd->buffer, cmd->chunk, false);
	return true;
}

static void start_orwrite(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, orwrite_step);
}

void zcmu_scsi_orwrite(struct zcmu_cmd *cmd)
{
	if (!zcmu_scsi_transfer(cmd, 1, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	cmd->offset = cmd->begin;
	cmd->buffer = malloc(cmd->left < OR_CHUNK ? cmd->left : OR_CHUNK);
	if (!cmd->buffer) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_written, cmd->left,
				  memory_order_relaxed);
	zcmu_range_lock(cmd, cmd->begin, cmd->left, start_orwrite);
}
