// SPDX-License-Identifier: MIT
/*
 * Commands that every device has, and that a disk in memory answers without its store: TEST UNIT
 * READY, REQUEST SENSE, START STOP UNIT, SEND DIAGNOSTIC, PREVENT ALLOW MEDIUM REMOVAL, READ DEFECT
 * DATA, REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, LOG SENSE.
 */
#include <string.h>

#include "scsi/scsi.h"

/* START STOP UNIT, SBC-3 5.25: there is no motor, but stopping implies a flush. */
void zcmu_scsi_start_stop(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	bool stops = !(cdb[4] & 0x01), no_flush = cdb[4] & 0x04;

	if (cdb[4] & 0x02)			/* LOEJ: no medium to load or eject */
		zcmu_cmd_bad_field(cmd, 4);
	else if (cdb[4] >> 4)			/* POWER CONDITION: only active */
		zcmu_cmd_bad_field(cmd, 4);
	else if (stops && !no_flush && zcmu_store_can(cmd->disk->store, ZCMU_IO_FLUSH))
		zcmu_cmd_start(cmd, zcmu_scsi_start_flush);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

void zcmu_scsi_test_unit_ready(struct zcmu_cmd *cmd)
{
	zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* REQUEST SENSE, SPC-4 6.39: sense data is sent with each status, so none is pending. */
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

/* SEND DIAGNOSTIC, SPC-4 6.42: only the default self-test, which a disk that answers passes. */
void zcmu_scsi_send_diagnostic(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;

	if (cdb[1] & 0xf0)			/* SELF-TEST CODE, PF: no other test and no pages */
		zcmu_cmd_bad_field(cmd, 1);
	else if (zcmu_get16(cdb + 3))		/* PARAMETER LIST LENGTH */
		zcmu_cmd_bad_field(cmd, 3);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* PREVENT ALLOW MEDIUM REMOVAL, SBC-3 5.10: the medium can't be removed anyway. */
void zcmu_scsi_prevent_allow(struct zcmu_cmd *cmd)
{
	if (cmd->req.cdb[4] & 0x02)		/* obsolete: for medium changers */
		zcmu_cmd_bad_field(cmd, 4);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

/*
 * READ DEFECT DATA, SBC-3 5.17, 5.18. No block has ever been replaced here: both lists are empty in
 * each format that lists blocks or places.
 */
static bool is_defect_format(uint8_t format)
{
	return format == 0 || format == 3 || format == 4 || format == 5;
}

void zcmu_scsi_read_defects(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	bool is_12 = cdb[0] == 0xb7;
	uint32_t field = is_12 ? 1 : 2;
	uint8_t data[8] = { 0 };

	if (!is_defect_format(cdb[field] & 0x07)) {
		zcmu_cmd_bad_field(cmd, field);
		return;
	}
	data[1] = cdb[field] & 0x1f;		/* PLISTV, GLISTV, format: as asked for */
	zcmu_cmd_reply(cmd, data, is_12 ? 8 : 4,
		       is_12 ? zcmu_get32(cdb + 6) : zcmu_get16(cdb + 7));
}

/*
 * REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, SPC-4 6.36. Task management never comes here: the
 * target core does it, and it has these two functions.
 */
void zcmu_scsi_report_tmfs(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t data[16] = { 0x88 };		/* ATS: ABORT TASK; LURS: LOGICAL UNIT RESET */
	bool extended = cdb[2] & 0x80;		/* REPD: with timeouts; none is promised */

	/* In SPC-4 it is never shorter than the answer without timeouts. */
	if (zcmu_get32(cdb + 6) < 4) {
		zcmu_cmd_bad_field(cmd, 6);
		return;
	}
	if (extended)
		data[3] = sizeof(data) - 4;
	zcmu_cmd_reply(cmd, data, extended ? sizeof(data) : 4, zcmu_get32(cdb + 6));
}

/*
 * LOG SENSE, SPC-4 6.8
 */

#define SUPPORTED_PAGES	0x00
#define EXCEPTIONS	0x2f
#define ALL_SUBPAGES	0xff

/* Informational exceptions, SPC-4 7.3.9: there are none, and there is no thermometer. */
static uint32_t page_exceptions(uint8_t *p)
{
	static const uint8_t parameter[] = {
		0x00, 0x00,			/* parameter code */
		0x03,				/* a binary list */
		4,				/* length */
		0x00, 0x00,			/* ASC, ASCQ */
		0xff,				/* temperature: unknown */
		0x00,
	};

	memcpy(p, parameter, sizeof(parameter));
	return sizeof(parameter);
}

void zcmu_scsi_log_sense(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t page = cdb[2] & 0x3f, subpage = cdb[3];
	uint8_t data[32] = { 0 };
	uint32_t len;

	if (cdb[1] & 0x03) {			/* PPC, SP */
		zcmu_cmd_bad_field(cmd, 1);
		return;
	}
	if (zcmu_get16(cdb + 5)) {		/* PARAMETER POINTER: each page has only one */
		zcmu_cmd_bad_field(cmd, 5);
		return;
	}
	if (page == SUPPORTED_PAGES && !subpage) {
		data[4] = SUPPORTED_PAGES;
		data[5] = EXCEPTIONS;
		len = 2;
	} else if (page == SUPPORTED_PAGES && subpage == ALL_SUBPAGES) {
		static const uint8_t list[] = {
			SUPPORTED_PAGES, 0, SUPPORTED_PAGES, ALL_SUBPAGES, EXCEPTIONS, 0,
		};

		memcpy(data + 4, list, sizeof(list));
		len = sizeof(list);
	} else if (page == EXCEPTIONS && !subpage) {
		len = page_exceptions(data + 4);
	} else {
		zcmu_cmd_bad_field(cmd, page == SUPPORTED_PAGES || page == EXCEPTIONS ? 3 : 2);
		return;
	}
	data[0] = page | (subpage ? 0x40 : 0);	/* SPF */
	data[1] = subpage;
	zcmu_put16(data + 2, (uint16_t)len);
	zcmu_cmd_reply(cmd, data, 4 + len, zcmu_get16(cdb + 7));
}
