// SPDX-License-Identifier: MIT
/*
 * The block commands (SBC-3): READ, WRITE, VERIFY, SYNCHRONIZE CACHE, READ CAPACITY;
 * and those every device has: TEST UNIT READY, REQUEST SENSE, START STOP UNIT.
 */
#include <stdlib.h>
#include <string.h>

#include "disk.h"

#define VERIFY_CHUNK	(1u << 20)	/* bytes read back at a time */

/* Where the fields of a CDB are depends on its length alone, from 10 bytes on. */
static uint64_t lba_of(const uint8_t *cdb)
{
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return zcmu_get32(cdb) & 0x1fffff;
	case 16:
		return zcmu_get64(cdb + 2);
	default:
		return zcmu_get32(cdb + 2);
	}
}

static uint32_t blocks_of(const uint8_t *cdb)
{
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return cdb[4] ? cdb[4] : 256;	/* SBC-3 5.10: 0 is 256 */
	case 10:
		return zcmu_get16(cdb + 7);
	case 12:
		return zcmu_get32(cdb + 6);
	default:
		return zcmu_get32(cdb + 10);
	}
}

static uint32_t blocks_field(const uint8_t *cdb)
{
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return 4;
	case 10:
		return 7;
	case 12:
		return 6;
	default:
		return 10;
	}
}

/*
 * The command's range in bytes, which is on the disk. Return: false if it isn't, and
 * the command is finished.
 */
bool zcmu_scsi_range(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t capacity = cmd->capacity / store->block_size;
	uint64_t lba = lba_of(cmd->req.cdb);
	uint64_t blocks = blocks_of(cmd->req.cdb);

	if (lba > capacity || blocks > capacity - lba) {
		cmd->information = lba > capacity ? lba : capacity;
		zcmu_cmd_finish(cmd, ZCMU_OUT_OF_RANGE);
		return false;
	}
	*offset = lba * store->block_size;
	*length = blocks * store->block_size;
	return true;
}

/* RDPROTECT, WRPROTECT, VRPROTECT: the disk has no protection information. */
static bool wants_protection(const uint8_t *cdb)
{
	return zcmu_cdb_length(cdb) > 6 && cdb[1] & 0xe0;
}

static bool wants_fua(const uint8_t *cdb)
{
	return zcmu_cdb_length(cdb) > 6 && cdb[1] & 0x08;
}

/* Checks that READ and WRITE share. Return: false if the command was finished. */
static bool check_transfer(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	const uint8_t *cdb = cmd->req.cdb;

	if (wants_protection(cdb)) {
		zcmu_cmd_bad_field(cmd, 1);
		return false;
	}
	/* Told in VPD page B0; SBC-3 6.6.4 says what to answer if it isn't heeded. */
	if (cmd->disk->max_blocks && blocks_of(cdb) > cmd->disk->max_blocks) {
		zcmu_cmd_bad_field(cmd, blocks_field(cdb));
		return false;
	}
	if (!zcmu_scsi_range(cmd, offset, length))
		return false;
	/* The initiator's buffer is smaller than what it asks for: nothing is done. */
	if (cmd->req.bytes < *length) {
		zcmu_cmd_bad_field(cmd, blocks_field(cdb));
		return false;
	}
	return true;
}

void zcmu_scsi_read(struct zcmu_cmd *cmd)
{
	uint64_t offset, length;

	if (!check_transfer(cmd, &offset, &length))
		return;
	if (!length) {
		/* READ_LEN can't say "nothing": all of it is padding, then. */
		zcmu_iov_zero(cmd->payload, cmd->req.iovcnt, 0, cmd->req.bytes);
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	cmd->data_len = (uint32_t)length;
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_read, length, memory_order_relaxed);
	/*
	 * FUA: what is read comes from the medium, or from a cache that agrees with
	 * it. That is so in any case.
	 */
	zcmu_cmd_ask_store(cmd, ZCMU_IO_READ, offset, length, false);
}

void zcmu_scsi_write(struct zcmu_cmd *cmd)
{
	uint64_t offset, length;

	if (!check_transfer(cmd, &offset, &length))
		return;
	if (!length) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	atomic_fetch_add_explicit(&cmd->disk->counts.bytes_written, length,
				  memory_order_relaxed);
	zcmu_cmd_ask_store(cmd, ZCMU_IO_WRITE, offset, length, wants_fua(cmd->req.cdb));
}

/*
 * VERIFY, SBC-3 5.33: read the range, and compare it if BYTCHK says with what.
 */

/* Is what the last step has read what the initiator sent? */
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
				  cmd->chunk);
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

void zcmu_scsi_verify(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t bytchk = cdb[1] >> 1 & 0x03;
	uint64_t needed;

	if (wants_protection(cdb) || bytchk == 2) {
		zcmu_cmd_bad_field(cmd, 1);
		return;
	}
	if (!zcmu_scsi_range(cmd, &cmd->begin, &cmd->left))
		return;
	if (!cmd->left) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	cmd->offset = cmd->begin;
	cmd->one_block = bytchk == 3;
	needed = bytchk == 1 ? cmd->left : bytchk == 3 ? cmd->disk->store->block_size : 0;
	if (cmd->req.bytes < needed) {
		zcmu_cmd_bad_field(cmd, blocks_field(cdb));
		return;
	}
	cmd->buffer = malloc(VERIFY_CHUNK);
	if (!cmd->buffer) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	zcmu_cmd_run_steps(cmd, verify_step);
}

/*
 * SYNCHRONIZE CACHE, SBC-3 5.29. The range is checked; what is flushed is the whole
 * disk. IMMED: an answer after the deed is as good.
 */
void zcmu_scsi_synchronize_cache(struct zcmu_cmd *cmd)
{
	uint64_t offset, length;

	if (!zcmu_scsi_range(cmd, &offset, &length))
		return;
	if (zcmu_store_can(cmd->disk->store, ZCMU_IO_FLUSH))
		zcmu_cmd_ask_store(cmd, ZCMU_IO_FLUSH, 0, 0, false);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* START STOP UNIT, SBC-3 5.25: there is nothing to turn, but stopping implies a flush. */
void zcmu_scsi_start_stop(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	bool stops = !(cdb[4] & 0x01), no_flush = cdb[4] & 0x04;

	if (cdb[4] & 0x02)			/* LOEJ: no medium to load or eject */
		zcmu_cmd_bad_field(cmd, 4);
	else if (cdb[4] >> 4)			/* POWER CONDITION: none but active */
		zcmu_cmd_bad_field(cmd, 4);
	else if (stops && !no_flush && zcmu_store_can(cmd->disk->store, ZCMU_IO_FLUSH))
		zcmu_cmd_ask_store(cmd, ZCMU_IO_FLUSH, 0, 0, false);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

void zcmu_scsi_test_unit_ready(struct zcmu_cmd *cmd)
{
	zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* REQUEST SENSE, SPC-4 6.39: sense data go with each status, so none are pending. */
void zcmu_scsi_request_sense(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t data[ZCMU_SENSE_LEN] = { 0 };

	if (cdb[1] & 0x01) {			/* DESC */
		data[0] = 0x72;
		zcmu_cmd_reply(cmd, data, 8, cdb[4]);
		return;
	}
	data[0] = 0x70;
	data[7] = sizeof(data) - 8;
	zcmu_cmd_reply(cmd, data, sizeof(data), cdb[4]);
}

/* READ CAPACITY (10), SBC-3 5.15 */
void zcmu_scsi_read_capacity10(struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t last = cmd->capacity / store->block_size - 1;
	uint8_t data[8];

	/* An LBA without PMI is wrong, and both are obsolete. */
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
	if (zcmu_store_can(store, ZCMU_IO_TRIM) || zcmu_store_can(store, ZCMU_IO_ZERO)) {
		data[14] |= 0x80;		/* LBPME: thin */
		if (store->ops->flags & ZCMU_STORE_TRIM_ZEROES)
			data[14] |= 0x40;	/* LBPRZ */
	}
	zcmu_cmd_reply(cmd, data, sizeof(data), zcmu_get32(cmd->req.cdb + 10));
}
