// SPDX-License-Identifier: MIT
/*
 * GET LBA STATUS: which blocks take space in the store. If a store can't tell, all of its blocks
 * count as mapped.
 */
#include <stdlib.h>

#include "scsi/scsi.h"

#define MAX_DESCRIPTORS	256u		/* in one answer; the initiator asks again from there */
#define DESCRIPTOR	16u		/* bytes */
#define MAX_STEPS	4096u		/* requests to the store, so that the command ends */

#define MAPPED		0x00
#define DEALLOCATED	0x01

static void put_descriptor(uint8_t *p, uint64_t lba, uint32_t blocks, uint8_t status)
{
	zcmu_put64(p, lba);
	zcmu_put32(p + 8, blocks);
	p[12] = status;
}

/* Note the result of the last step; phase counts the descriptors. */
static void add_run(struct zcmu_cmd *cmd)
{
	uint32_t block = cmd->disk->store->block_size;
	uint64_t lba = cmd->offset / block, blocks = cmd->io.length / block;
	uint8_t status = cmd->io.mapped ? MAPPED : DEALLOCATED;
	uint8_t *p = cmd->buffer;

	if (blocks > UINT32_MAX)
		blocks = UINT32_MAX;
	if (cmd->phase) {
		uint8_t *last = p + DESCRIPTOR * (cmd->phase - 1);
		uint64_t sum = zcmu_get32(last + 8) + blocks;

		if (last[12] == status && sum <= UINT32_MAX) {
			zcmu_put32(last + 8, (uint32_t)sum);
			goto done;
		}
	}
	put_descriptor(p + DESCRIPTOR * cmd->phase++, lba, (uint32_t)blocks, status);
done:
	cmd->offset += blocks * block;
	cmd->left -= blocks * block;
}

static void answer(struct zcmu_cmd *cmd)
{
	uint32_t len = DESCRIPTOR * cmd->phase, allocation = zcmu_get32(cmd->req.cdb + 10);
	uint8_t header[8] = { 0 };
	uint32_t n;

	zcmu_put32(header, 4 + len);
	n = allocation < sizeof(header) ? allocation : sizeof(header);
	cmd->data_len = (uint32_t)zcmu_iov_put(cmd->payload, cmd->req.iovcnt, 0, header, n);
	allocation -= n;
	cmd->data_len += (uint32_t)zcmu_iov_put(cmd->payload, cmd->req.iovcnt, sizeof(header),
						cmd->buffer, len < allocation ? len : allocation);
	zcmu_cmd_finish(cmd, ZCMU_OK);
}

static bool map_step(struct zcmu_cmd *cmd)
{
	if (cmd->status != ZCMU_OK) {
		zcmu_cmd_finish(cmd, cmd->status);
		return false;
	}
	if (cmd->chunk)
		add_run(cmd);
	/*
	 * Look for one more than fits, so that the last one is complete: it may continue in the
	 * next run.
	 */
	if (!cmd->left || cmd->phase > cmd->begin || cmd->chunk == MAX_STEPS) {
		if (cmd->phase > cmd->begin)
			cmd->phase = (unsigned int)cmd->begin;
		answer(cmd);
		return false;
	}
	cmd->chunk++;			/* counts the requests */
	zcmu_cmd_ask_store(cmd, ZCMU_IO_MAP, cmd->offset, cmd->left, false);
	return true;
}

static void start_map(struct zcmu_cmd *cmd)
{
	zcmu_cmd_run_steps(cmd, map_step);
}

void zcmu_scsi_get_lba_status(struct zcmu_cmd *cmd)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t lba = zcmu_get64(cmd->req.cdb + 2), capacity = cmd->capacity / store->block_size;
	uint32_t allocation = zcmu_get32(cmd->req.cdb + 10);
	uint64_t fit = allocation < 8 ? 0 : (allocation - 8) / DESCRIPTOR;

	if (lba >= capacity) {
		cmd->information = lba;
		zcmu_cmd_finish(cmd, ZCMU_OUT_OF_RANGE);
		return;
	}
	/* begin has no other use here: it is the most descriptors that fit into the answer. */
	cmd->begin = !fit ? 1 : fit > MAX_DESCRIPTORS ? MAX_DESCRIPTORS : fit;
	cmd->offset = lba * store->block_size;
	cmd->left = cmd->capacity - cmd->offset;
	cmd->buffer = calloc(cmd->begin + 1, DESCRIPTOR);
	if (!cmd->buffer) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	if (zcmu_store_can(store, ZCMU_IO_MAP)) {
		zcmu_range_wait(cmd, cmd->offset, cmd->left, start_map);
		return;
	}
	cmd->io.mapped = true;
	cmd->io.length = cmd->left;
	add_run(cmd);
	answer(cmd);
}
