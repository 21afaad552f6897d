// SPDX-License-Identifier: MIT
/*
 * Which blocks a CDB addresses, and whether they are on the disk: where LBA, number and flags are,
 * and the checks that all commands with a range share.
 */
#include "scsi/scsi.h"

/* COMPARE AND WRITE is the only one whose fields are not where its length says. */
#define COMPARE_AND_WRITE	0x89

/* Byte of the CDB with the PROTECT field, DPO and FUA, or ANCHOR, UNMAP and NDOB */
uint32_t zcmu_scsi_flags_field(const uint8_t *cdb)
{
	return zcmu_cdb_length(cdb) == 32 ? 10 : 1;
}

static uint8_t flags_of(const uint8_t *cdb)
{
	return zcmu_cdb_length(cdb) == 6 ? 0 : cdb[zcmu_scsi_flags_field(cdb)];
}

/* From 10 bytes on, the places of a CDB's fields depend on its length alone. */
uint64_t zcmu_scsi_lba(const uint8_t *cdb)
{
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return zcmu_get32(cdb) & 0x1fffff;
	case 16:
		return zcmu_get64(cdb + 2);
	case 32:
		return zcmu_get64(cdb + 12);
	default:
		return zcmu_get32(cdb + 2);
	}
}

uint32_t zcmu_scsi_blocks_field(const uint8_t *cdb)
{
	if (cdb[0] == COMPARE_AND_WRITE)
		return 13;
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return 4;
	case 10:
		return 7;
	case 12:
		return 6;
	case 32:
		return 28;
	default:
		return 10;
	}
}

static uint32_t blocks_of(const uint8_t *cdb)
{
	const uint8_t *field = cdb + zcmu_scsi_blocks_field(cdb);

	if (cdb[0] == COMPARE_AND_WRITE)
		return *field;
	switch (zcmu_cdb_length(cdb)) {
	case 6:
		return *field ? *field : 256;	/* SBC-3 5.10: 0 is 256 */
	case 10:
		return zcmu_get16(field);
	default:
		return zcmu_get32(field);
	}
}

/*
 * The command's range in bytes, which is on the disk. Return: false if it isn't; then the command
 * is finished.
 */
bool zcmu_scsi_range(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t capacity = cmd->capacity / store->block_size;
	uint64_t lba = zcmu_scsi_lba(cmd->req.cdb);
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

/* RDPROTECT, WRPROTECT, VRPROTECT, ORPROTECT: the disk has no protection information. */
bool zcmu_scsi_wants_protection(const uint8_t *cdb)
{
	return flags_of(cdb) & 0xe0;
}

bool zcmu_scsi_wants_fua(const uint8_t *cdb)
{
	return flags_of(cdb) & 0x08;
}

/* All checks of a transfer but those of its payload. */
static bool check_transfer(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	const uint8_t *cdb = cmd->req.cdb;

	if (zcmu_scsi_wants_protection(cdb)) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_flags_field(cdb));
		return false;
	}
	/* FUA, but nothing could make the data stable: the mode pages don't offer it (DPOFUA). */
	if (zcmu_scsi_wants_fua(cdb) && zcmu_store_fua(cmd->disk->store) == ZCMU_CAN_NONE) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_flags_field(cdb));
		return false;
	}
	/* VPD page B0 reports the limit; SBC-3 6.6.4 says what to answer if it is exceeded. */
	if (cmd->disk->max_blocks && blocks_of(cdb) > cmd->disk->max_blocks) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_blocks_field(cdb));
		return false;
	}
	return zcmu_scsi_range(cmd, offset, length);
}

/*
 * Checks of commands whose payload is @times their range. Return: false if one failed; then the
 * command is finished.
 */
bool zcmu_scsi_transfer(struct zcmu_cmd *cmd, unsigned int times, uint64_t *offset,
			uint64_t *length)
{
	if (!check_transfer(cmd, offset, length))
		return false;
	/* The initiator's buffer is smaller than the CDB demands: nothing is done. */
	if (cmd->req.bytes < *length * times) {
		zcmu_cmd_bad_field(cmd, zcmu_scsi_blocks_field(cmd->req.cdb));
		return false;
	}
	return true;
}

/*
 * READ and WRITE transfer what both the CDB and the initiator's buffer allow, and report the
 * residual (RFC 7143 11.4.5). The initiator has given both lengths, so it can know what was done.
 * Other commands make no sense in part.
 */

static void note_residual(struct zcmu_cmd *cmd, uint64_t cdb_bytes)
{
	cmd->has_residual = true;
	cmd->cdb_bytes = cdb_bytes < UINT32_MAX ? (uint32_t)cdb_bytes : UINT32_MAX;
}

/* As zcmu_scsi_transfer(), for a READ: @length may end inside a block. */
bool zcmu_scsi_transfer_in(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	if (!check_transfer(cmd, offset, length))
		return false;
	/* If the buffer is too long, data_len says so. */
	if (cmd->req.bytes < *length) {
		note_residual(cmd, *length);
		*length = cmd->req.bytes;
	}
	return true;
}

/* For a WRITE. @length is in whole blocks, because a part of a block can't be written. */
bool zcmu_scsi_transfer_out(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length)
{
	if (!check_transfer(cmd, offset, length))
		return false;
	if (cmd->req.bytes == *length)
		return true;
	note_residual(cmd, *length);
	if (cmd->req.bytes > *length)
		return true;
	*length = cmd->req.bytes;
	if (*length % cmd->disk->store->block_size) {
		zcmu_cmd_finish(cmd, ZCMU_WRONG_PAYLOAD_LENGTH);
		return false;
	}
	return true;
}
