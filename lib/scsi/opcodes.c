// SPDX-License-Identifier: MIT
/*
 * The table of SCSI commands: which function interprets which CDB, and which of the CDB's bits mean
 * something. REPORT SUPPORTED OPERATION CODES reports the same table to the initiator.
 *
 * REPORT LUNS and (PERSISTENT) RESERVE never come here: the target core answers them.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define ANY_ACTION	0xffff	/* the opcode has no service actions */
#define VARIABLE_LENGTH	0x7f

/* What must the store be able to do for the command to exist? */
enum needs {
	NOTHING,
	TRIM,
	WRITE,
};

struct command {
	uint8_t opcode;
	uint16_t action;	/* service action; see action_of() */
	enum needs needs;
	void (*execute)(struct zcmu_cmd *cmd);
	/* CDB usage data, SPC-4 6.35.3: bits that are evaluated; byte 0 is the opcode */
	uint8_t usage[32];
};

static const struct command commands[] = {
	{ 0x00, ANY_ACTION, NOTHING, zcmu_scsi_test_unit_ready,
	  { 0x00, 0, 0, 0, 0, 0x00 } },
	{ 0x03, ANY_ACTION, NOTHING, zcmu_scsi_request_sense,
	  { 0x03, 0x01, 0, 0, 0xff, 0x00 } },
	{ 0x08, ANY_ACTION, NOTHING, zcmu_scsi_read,
	  { 0x08, 0x1f, 0xff, 0xff, 0xff, 0x00 } },
	{ 0x0a, ANY_ACTION, WRITE, zcmu_scsi_write,
	  { 0x0a, 0x1f, 0xff, 0xff, 0xff, 0x00 } },
	{ 0x12, ANY_ACTION, NOTHING, zcmu_scsi_inquiry,
	  { 0x12, 0x01, 0xff, 0xff, 0xff, 0x00 } },
	{ 0x15, ANY_ACTION, NOTHING, zcmu_scsi_mode_select6,
	  { 0x15, 0x11, 0, 0, 0xff, 0x00 } },
	{ 0x1a, ANY_ACTION, NOTHING, zcmu_scsi_mode_sense6,
	  { 0x1a, 0x08, 0xff, 0xff, 0xff, 0x00 } },
	{ 0x1b, ANY_ACTION, NOTHING, zcmu_scsi_start_stop,
	  { 0x1b, 0x01, 0, 0x0f, 0xf7, 0x00 } },
	{ 0x1d, ANY_ACTION, NOTHING, zcmu_scsi_send_diagnostic,
	  { 0x1d, 0xf4, 0, 0xff, 0xff, 0x00 } },
	{ 0x1e, ANY_ACTION, NOTHING, zcmu_scsi_prevent_allow,
	  { 0x1e, 0, 0, 0, 0x03, 0x00 } },
	{ 0x25, ANY_ACTION, NOTHING, zcmu_scsi_read_capacity10,
	  { 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0x00 } },
	{ 0x28, ANY_ACTION, NOTHING, zcmu_scsi_read,
	  { 0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x2a, ANY_ACTION, WRITE, zcmu_scsi_write,
	  { 0x2a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x2e, ANY_ACTION, WRITE, zcmu_scsi_write_and_verify,
	  { 0x2e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x2f, ANY_ACTION, NOTHING, zcmu_scsi_verify,
	  { 0x2f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x34, ANY_ACTION, NOTHING, zcmu_scsi_prefetch,
	  { 0x34, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x35, ANY_ACTION, NOTHING, zcmu_scsi_synchronize_cache,
	  { 0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x37, ANY_ACTION, NOTHING, zcmu_scsi_read_defects,
	  { 0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0x00 } },
	{ 0x41, ANY_ACTION, WRITE, zcmu_scsi_write_same,
	  { 0x41, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0x00 } },
	{ 0x42, ANY_ACTION, TRIM, zcmu_scsi_unmap,
	  { 0x42, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00 } },
	{ 0x4d, ANY_ACTION, NOTHING, zcmu_scsi_log_sense,
	  { 0x4d, 0x03, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x00 } },
	{ 0x55, ANY_ACTION, NOTHING, zcmu_scsi_mode_select10,
	  { 0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00 } },
	{ 0x5a, ANY_ACTION, NOTHING, zcmu_scsi_mode_sense10,
	  { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x00 } },
	{ 0x7f, 0x0d, WRITE, zcmu_scsi_write_same,
	  { 0x7f, 0x00, 0, 0, 0, 0, 0, 0x18, 0x00, 0x0d, 0xf9, 0,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
	{ 0x83, 0x00, WRITE, zcmu_scsi_extended_copy,
	  { 0x83, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0x84, 0x03, NOTHING, zcmu_scsi_copy_parameters,
	  { 0x84, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0x88, ANY_ACTION, NOTHING, zcmu_scsi_read,
	  { 0x88, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x89, ANY_ACTION, WRITE, zcmu_scsi_compare_and_write,
	  { 0x89, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff,
	    0, 0x00 } },
	{ 0x8a, ANY_ACTION, WRITE, zcmu_scsi_write,
	  { 0x8a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x8b, ANY_ACTION, WRITE, zcmu_scsi_orwrite,
	  { 0x8b, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x8e, ANY_ACTION, WRITE, zcmu_scsi_write_and_verify,
	  { 0x8e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x8f, ANY_ACTION, NOTHING, zcmu_scsi_verify,
	  { 0x8f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x90, ANY_ACTION, NOTHING, zcmu_scsi_prefetch,
	  { 0x90, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x91, ANY_ACTION, NOTHING, zcmu_scsi_synchronize_cache,
	  { 0x91, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x93, ANY_ACTION, WRITE, zcmu_scsi_write_same,
	  { 0x93, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0x9e, 0x10, NOTHING, zcmu_scsi_read_capacity16,
	  { 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0x9e, 0x12, NOTHING, zcmu_scsi_get_lba_status,
	  { 0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0x00 } },
	{ 0xa3, 0x0c, NOTHING, zcmu_scsi_report_opcodes,
	  { 0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xa3, 0x0d, NOTHING, zcmu_scsi_report_tmfs,
	  { 0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xa8, ANY_ACTION, NOTHING, zcmu_scsi_read,
	  { 0xa8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xaa, ANY_ACTION, WRITE, zcmu_scsi_write,
	  { 0xaa, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xae, ANY_ACTION, WRITE, zcmu_scsi_write_and_verify,
	  { 0xae, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xaf, ANY_ACTION, NOTHING, zcmu_scsi_verify,
	  { 0xaf, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
	{ 0xb7, ANY_ACTION, NOTHING, zcmu_scsi_read_defects,
	  { 0xb7, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x00 } },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static bool has_actions(const struct command *command)
{
	return command->action != ANY_ACTION;
}

/* Where a CDB has its service action depends on its opcode, SPC-4 4.2.5.1, 4.3.3. */
static uint16_t action_of(const uint8_t *cdb)
{
	if (cdb[0] != VARIABLE_LENGTH)
		return cdb[1] & 0x1f;
	return zcmu_cdb_length(cdb) < 10 ? ANY_ACTION : zcmu_get16(cdb + 8);
}

/* The byte of the service action */
static uint32_t action_field(const uint8_t *cdb)
{
	return cdb[0] == VARIABLE_LENGTH ? 8 : 1;
}

/* The CONTROL byte, which has NACA. */
static uint32_t control_field(const struct zcmu_hreq *req)
{
	return req->cdb[0] == VARIABLE_LENGTH ? 1 : req->cdb_len - 1u;
}

static const struct command *find(uint8_t opcode, uint16_t action)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++) {
		if (commands[i].opcode == opcode &&
		    (!has_actions(&commands[i]) || commands[i].action == action))
			return &commands[i];
	}
	return NULL;
}

/* Bytes of a command's CDB */
static uint16_t cdb_size(const struct command *command)
{
	return (uint16_t)zcmu_cdb_length(command->usage);
}

/* Any command with the opcode, whatever the service action; NULL: none */
static const struct command *find_opcode(uint8_t opcode)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS && commands[i].opcode != opcode; i++)
		;
	return i < NR_COMMANDS ? &commands[i] : NULL;
}

/* Does the disk have the command, given what its store can do? */
static bool is_supported(const struct zcmu_disk *disk, const struct command *command)
{
	switch (command->needs) {
	case TRIM:
		return zcmu_store_unmaps(disk->store);
	default:
		return true;
	}
}

/*
 * Interpret a command. On return it is finished, or on its way through the store, and then it
 * doesn't belong to this thread any more. Nothing here may take long. Only the thread that takes
 * commands calls this.
 */
void zcmu_scsi_execute(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	const struct command *command = find(cdb[0], action_of(cdb)), *other;

	if (!command || !is_supported(cmd->disk, command)) {
		other = find_opcode(cdb[0]);
		/* A known opcode with an unknown service action: the field is wrong. */
		if (other && has_actions(other))
			zcmu_cmd_bad_field(cmd, action_field(cdb));
		else
			zcmu_cmd_finish(cmd, ZCMU_INVALID_OPCODE);
		return;
	}
	/* A variable length that isn't this command's */
	if (cmd->req.cdb_len != cdb_size(command)) {
		zcmu_cmd_bad_field(cmd, 7);
		return;
	}
	if (command->needs == WRITE && !zcmu_store_can(cmd->disk->store, ZCMU_IO_WRITE)) {
		zcmu_cmd_finish(cmd, ZCMU_WRITE_PROTECTED);
		return;
	}
	/* NACA, in the CONTROL byte: there is no auto contingent allegiance here. */
	if (cdb[control_field(&cmd->req)] & 0x04) {
		zcmu_cmd_bad_field(cmd, control_field(&cmd->req));
		return;
	}
	command->execute(cmd);
}

/*
 * REPORT SUPPORTED OPERATION CODES, SPC-4 6.35
 */

/* Timeouts descriptor: no timeout is promised. */
static size_t put_timeouts(uint8_t *p)
{
	memset(p, 0, 12);
	zcmu_put16(p, 10);
	return 12;
}

static void report_all(struct zcmu_cmd *cmd, bool timeouts, uint32_t allocation)
{
	uint8_t data[4 + NR_COMMANDS * 20] = { 0 };
	uint8_t *p = data + 4;
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++) {
		if (!is_supported(cmd->disk, &commands[i]))
			continue;
		memset(p, 0, 8);
		p[0] = commands[i].opcode;
		if (has_actions(&commands[i])) {
			zcmu_put16(p + 2, commands[i].action);
			p[5] |= 0x01;		/* SERVACTV */
		}
		if (timeouts)
			p[5] |= 0x02;		/* CTDP */
		zcmu_put16(p + 6, cdb_size(&commands[i]));
		p += 8;
		if (timeouts)
			p += put_timeouts(p);
	}
	zcmu_put32(data, (uint32_t)(p - data - 4));
	zcmu_cmd_reply(cmd, data, (uint32_t)(p - data), allocation);
}

static void report_one(struct zcmu_cmd *cmd, const struct command *command, bool timeouts,
		       uint32_t allocation)
{
	uint8_t data[4 + 32 + 12] = { 0 };
	uint32_t len = 4;

	data[1] = 0x01;				/* not supported */
	if (command && is_supported(cmd->disk, command)) {
		data[1] = 0x03;			/* supported in conformance with the standard */
		zcmu_put16(data + 2, cdb_size(command));
		memcpy(data + 4, command->usage, cdb_size(command));
		len += cdb_size(command);
		if (timeouts) {
			data[1] |= 0x80;	/* CTDP */
			len += (uint32_t)put_timeouts(data + len);
		}
	}
	zcmu_cmd_reply(cmd, data, len, allocation);
}

void zcmu_scsi_report_opcodes(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint32_t allocation = zcmu_get32(cdb + 6);
	uint16_t action = zcmu_get16(cdb + 4);
	bool timeouts = cdb[2] & 0x80;
	const struct command *any = find_opcode(cdb[3]);
	const struct command *command = find(cdb[3], action);

	switch (cdb[2] & 0x07) {
	case 0:
		report_all(cmd, timeouts, allocation);
		return;
	case 1:
		/* For an opcode that has service actions, the request must name one. */
		if (any && has_actions(any)) {
			zcmu_cmd_bad_field(cmd, 2);
			return;
		}
		command = any;
		break;
	case 2:
		if (any && !has_actions(any)) {
			zcmu_cmd_bad_field(cmd, 2);
			return;
		}
		break;
	case 3:
		if (command && !has_actions(command) && action)
			command = NULL;
		break;
	default:
		zcmu_cmd_bad_field(cmd, 2);
		return;
	}
	report_one(cmd, command, timeouts, allocation);
}
