// SPDX-License-Identifier: MIT
/*
 * MODE SELECT. Nothing can be changed (whether there is a write cache is a property of the store),
 * so the parameters must be the same as those of MODE SENSE. Initiators do send that: they read a
 * page, change a field, and write all of it back.
 */
#include <string.h>

#include "scsi/scsi.h"

struct list {
	struct zcmu_cmd *cmd;
	uint32_t len, at;		/* bytes; those before at were checked */
};

/* Take the next bytes of the list. Return: false if it is too short. */
static bool take(struct list *list, void *to, uint32_t bytes)
{
	if (bytes > list->len - list->at)
		return false;
	zcmu_iov_get(list->cmd->payload, list->cmd->req.iovcnt, list->at, to, bytes);
	list->at += bytes;
	return true;
}

static enum zcmu_status wrong(struct list *list, uint32_t byte)
{
	list->cmd->field = byte;
	return ZCMU_INVALID_PARAMETER;
}

/* 0 and all ones mean "as it is" (SBC-3 6.5.2.2). */
static bool is_as_it_is(uint64_t blocks, uint64_t capacity, uint64_t all_ones)
{
	return !blocks || blocks == capacity || blocks == all_ones;
}

static enum zcmu_status check_block_descriptor(struct list *list, uint32_t len, bool long_lba)
{
	const struct zcmu_store *store = list->cmd->disk->store;
	uint64_t capacity = list->cmd->capacity / store->block_size;
	uint32_t begin = list->at;
	uint8_t d[16];

	if (!take(list, d, len))
		return ZCMU_PARAMETER_LIST_LENGTH;
	if (long_lba && !is_as_it_is(zcmu_get64(d), capacity, UINT64_MAX))
		return wrong(list, begin);
	if (!long_lba && !is_as_it_is(zcmu_get32(d), capacity, UINT32_MAX))
		return wrong(list, begin);
	if (zcmu_get32(d + len - 4) != store->block_size)
		return wrong(list, begin + len - 4);
	return ZCMU_OK;
}

static enum zcmu_status check_page(struct list *list)
{
	uint8_t page[ZCMU_MAX_MODE_PAGE], current[ZCMU_MAX_MODE_PAGE];
	uint32_t begin = list->at, len, i;

	if (!take(list, page, 2))
		return ZCMU_PARAMETER_LIST_LENGTH;
	page[0] &= 0x7f;			/* PS is ignored */
	len = page[0] & 0x40 ? 0 : zcmu_scsi_mode_page(list->cmd->disk, page[0], current);
	if (!len)
		return wrong(list, begin);
	if (page[1] != current[1])
		return wrong(list, begin + 1);
	if (!take(list, page + 2, len - 2))
		return ZCMU_PARAMETER_LIST_LENGTH;
	for (i = 2; i < len; i++) {
		if (page[i] != current[i])
			return wrong(list, begin + i);
	}
	return ZCMU_OK;
}

/* @descriptor_len, @long_lba: from the header, which was taken */
static enum zcmu_status check_list(struct list *list, uint32_t descriptor_len, bool long_lba,
				   uint32_t descriptor_field)
{
	enum zcmu_status status = ZCMU_OK;

	if (descriptor_len && descriptor_len != (long_lba ? 16 : 8))
		return wrong(list, descriptor_field);
	if (descriptor_len)
		status = check_block_descriptor(list, descriptor_len, long_lba);
	while (status == ZCMU_OK && list->at < list->len)
		status = check_page(list);
	return status;
}

/* Checks of the CDB. Return: false if the command was finished. */
static bool has_list(struct zcmu_cmd *cmd, uint32_t len)
{
	/* PF: only pages as in the standard; SP: there is nowhere to save to */
	if (!(cmd->req.cdb[1] & 0x10) || cmd->req.cdb[1] & 0x01)
		zcmu_cmd_bad_field(cmd, 1);
	else if (!len)
		zcmu_cmd_finish(cmd, ZCMU_OK);
	else if (cmd->req.bytes < len)
		zcmu_cmd_finish(cmd, ZCMU_PARAMETER_LIST_LENGTH);
	else
		return true;
	return false;
}

void zcmu_scsi_mode_select6(struct zcmu_cmd *cmd)
{
	struct list list = { .cmd = cmd, .len = cmd->req.cdb[4] };
	uint8_t h[4];

	if (!has_list(cmd, list.len))
		return;
	if (!take(&list, h, sizeof(h)))
		zcmu_cmd_finish(cmd, ZCMU_PARAMETER_LIST_LENGTH);
	else if (h[1])				/* MEDIUM TYPE */
		zcmu_cmd_finish(cmd, wrong(&list, 1));
	else
		zcmu_cmd_finish(cmd, check_list(&list, h[3], false, 3));
}

void zcmu_scsi_mode_select10(struct zcmu_cmd *cmd)
{
	struct list list = { .cmd = cmd, .len = zcmu_get16(cmd->req.cdb + 7) };
	uint8_t h[8];

	if (!has_list(cmd, list.len))
		return;
	if (!take(&list, h, sizeof(h)))
		zcmu_cmd_finish(cmd, ZCMU_PARAMETER_LIST_LENGTH);
	else if (h[2])				/* MEDIUM TYPE */
		zcmu_cmd_finish(cmd, wrong(&list, 2));
	else
		zcmu_cmd_finish(cmd, check_list(&list, zcmu_get16(h + 6), h[4] & 0x01, 6));
}
