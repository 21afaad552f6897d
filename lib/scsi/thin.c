// SPDX-License-Identifier: MIT
/*
 * Commands that give space back, or fill ranges without a payload for each block: UNMAP and WRITE
 * SAME.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define SAME_CHUNK	(1u << 20)	/* bytes written at a time */

/* UNMAP, SBC-3 5.31: a list of ranges. All are checked before the first is trimmed. */

/* The request for a trim. A store that has no trim of its own is asked to zero. */
static enum zcmu_io_op trim_op(const struct zcmu_cmd *cmd)
{
	return zcmu_store_can(cmd->disk->store, ZCMU_IO_TRIM) ? ZCMU_IO_TRIM : ZCMU_IO_ZERO;
}

static bool unmap_step(struct zcmu_cmd *cmd)
{
	uint32_t block = cmd->disk->store->block_size;
	const uint8_t *descriptor = cmd->buffer;

	/* offset counts the descriptors that are done, left those that are not. */
	while (cmd->status == ZCMU_OK && cmd->left) {
		const uint8_t *d = descriptor + 16 * cmd->offset;
		uint64_t lba = zcmu_get64(d);
		uint32_t blocks = zcmu_get32(d + 8);

		cmd->offset++;
		cmd->left--;
		if (!blocks)
			continue;
		cmd->may_trim = true;
		zcmu_cmd_ask_store(cmd, trim_op(cmd), lba * block, (uint64_t)blocks * block, false);
		return true;
	}
	zcmu_cmd_finish(cmd, cmd->status);
	return false;
}

static void start_unmap(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, unmap_step);
}

/* @ranges gets the ranges to trim, and has room for one per descriptor. */
static enum zcmu_status check_descriptors(struct zcmu_cmd *cmd, uint32_t count,
					  struct zcmu_range *ranges)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t capacity = cmd->capacity / store->block_size;
	uint32_t i;

	for (i = 0; i < count; i++) {
		const uint8_t *d = (const uint8_t *)cmd->buffer + 16 * i;
		uint64_t lba = zcmu_get64(d);
		uint32_t blocks = zcmu_get32(d + 8);

		if (lba > capacity || blocks > capacity - lba) {
			cmd->information = lba > capacity ? lba : capacity;
			return ZCMU_OUT_OF_RANGE;
		}
		ranges[i] = (struct zcmu_range){
			.begin = lba * store->block_size, .end = (lba + blocks) * store->block_size,
			.writes = true,
		};
	}
	return ZCMU_OK;
}

void zcmu_scsi_unmap(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint32_t len = zcmu_get16(cdb + 7);
	struct zcmu_range *ranges;
	enum zcmu_status status;
	uint8_t header[8];
	uint32_t count;

	if (cdb[1] & 0x01) {			/* ANCHOR */
		zcmu_cmd_bad_field(cmd, 1);
		return;
	}
	if (!len) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	if (len < 8 || cmd->req.bytes < len) {
		zcmu_cmd_finish(cmd, ZCMU_PARAMETER_LIST_LENGTH);
		return;
	}
	zcmu_iov_get(cmd->payload, cmd->req.iovcnt, 0, header, sizeof(header));
	count = zcmu_get16(header + 2) / 16;
	if (8 + 16 * count > len || count > ZCMU_MAX_UNMAP_DESCRIPTORS) {
		cmd->field = 2;
		zcmu_cmd_finish(cmd, ZCMU_INVALID_PARAMETER);
		return;
	}
	if (!count) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	/*
	 * The descriptors, and behind them the ranges. These are sorted, so they are a separate
	 * list.
	 */
	cmd->buffer = malloc((16 + sizeof(*ranges)) * (size_t)count);
	if (!cmd->buffer) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	zcmu_iov_get(cmd->payload, cmd->req.iovcnt, 8, cmd->buffer, 16 * (size_t)count);
	ranges = (struct zcmu_range *)((uint8_t *)cmd->buffer + 16 * (size_t)count);
	status = check_descriptors(cmd, count, ranges);
	if (status != ZCMU_OK) {
		zcmu_cmd_finish(cmd, status);
		return;
	}
	cmd->offset = 0;
	cmd->left = count;
	zcmu_range_lock_all(cmd, ranges, count, start_unmap);
}

/*
 * WRITE SAME, SBC-3 5.42 .. 5.44
 */

static bool write_same_step(struct zcmu_cmd *cmd)
{
	if (cmd->status != ZCMU_OK || !cmd->left) {
		zcmu_cmd_finish(cmd, cmd->status);
		return false;
	}
	cmd->chunk = cmd->left < cmd->chunk ? (uint32_t)cmd->left : cmd->chunk;
	cmd->offset += cmd->chunk;
	cmd->left -= cmd->chunk;
	zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_WRITE, cmd->offset - cmd->chunk, cmd->buffer,
				  cmd->chunk, false);
	return true;
}

/* Can a range be given back, and does it read as zeroes from then on? */
static bool trims_to_zeroes(const struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;

	return zcmu_store_can(store, ZCMU_IO_TRIM) && store->ops->flags & ZCMU_STORE_TRIM_ZEROES;
}

/* Can the store fill a range with zeroes by itself? */
static bool zeroes_natively(const struct zcmu_cmd *cmd)
{
	return zcmu_store_can(cmd->disk->store, ZCMU_IO_ZERO) ||
	       (cmd->may_trim && trims_to_zeroes(cmd));
}

/* A store that can zero needs no buffer full of zeroes. */
static bool zero_step(struct zcmu_cmd *cmd)
{
	uint64_t length = cmd->left;

	if (cmd->status != ZCMU_OK || !length) {
		zcmu_cmd_finish(cmd, cmd->status);
		return false;
	}
	cmd->left = 0;
	zcmu_cmd_ask_store(cmd, cmd->may_trim && trims_to_zeroes(cmd) ? ZCMU_IO_TRIM : ZCMU_IO_ZERO,
			   cmd->offset, length, false);
	return true;
}

/* The buffer: room for a chunk, and the one block. */
static bool make_buffer(struct zcmu_cmd *cmd, const uint8_t *block, uint32_t block_size)
{
	uint64_t len = cmd->left < SAME_CHUNK ? cmd->left : SAME_CHUNK;

	cmd->buffer = malloc(len < block_size ? block_size : len);
	if (!cmd->buffer)
		return false;
	memcpy(cmd->buffer, block, block_size);
	cmd->chunk = (uint32_t)len;
	return true;
}

static void start_zero(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, zero_step);
}

/* Repeat the one block as often as it fits into a chunk. */
static void start_write_same(struct zcmu_cmd *cmd)
{
	uint32_t block = cmd->disk->store->block_size, i;

	for (i = block; i < cmd->chunk; i += block)
		memcpy((uint8_t *)cmd->buffer + i, cmd->buffer, block);
	zcmu_cmd_run_steps(cmd, write_same_step);
}

/* NDOB: there is no payload, and the block is one of zeroes. WRITE SAME (10) doesn't have it. */
static bool has_no_block(const uint8_t *cdb)
{
	return zcmu_cdb_length(cdb) > 10 && cdb[zcmu_scsi_flags_field(cdb)] & 0x01;
}

void zcmu_scsi_write_same(struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t flags = cdb[zcmu_scsi_flags_field(cdb)];
	uint8_t block[4096] = { 0 };

	/* WRPROTECT; ANCHOR: no store reserves space for blocks that aren't allocated */
	if (flags & 0xf0) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_flags_field(cdb));
		return;
	}
	if (!zcmu_scsi_range(cmd, &cmd->begin, &cmd->left))
		return;
	/* SBC-3 5.42: 0 blocks means up to the end of the disk (WSNZ is 0). */
	if (!cmd->left)
		cmd->left = cmd->capacity - cmd->begin;
	/* The payload must be exactly one block; a longer one can't be meant for this. */
	if (!has_no_block(cdb) &&
	    (cmd->req.bytes != store->block_size ||
	     zcmu_iov_get(cmd->payload, cmd->req.iovcnt, 0, block, store->block_size) <
	     store->block_size)) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_blocks_field(cdb));
		return;
	}
	cmd->offset = cmd->begin;
	cmd->may_trim = flags & 0x08;		/* UNMAP */
	if (zcmu_is_zero(block, store->block_size) && zeroes_natively(cmd)) {
		zcmu_range_lock(cmd, cmd->begin, cmd->left, start_zero);
		return;
	}
	if (!make_buffer(cmd, block, store->block_size)) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	zcmu_range_lock(cmd, cmd->begin, cmd->left, start_write_same);
}
