// SPDX-License-Identifier: MIT
/*
 * Maps a store's errno to a status, and a status to SCSI status and sense data. Nothing else in the
 * library makes sense data.
 */
#include <errno.h>
#include <string.h>

#include "scsi/sense.h"

/* Sense keys, SPC-4 table 48 */
enum {
	NO_SENSE = 0x0,
	NOT_READY = 0x2,
	MEDIUM_ERROR = 0x3,
	HARDWARE_ERROR = 0x4,
	ILLEGAL_REQUEST = 0x5,
	DATA_PROTECT = 0x7,
	COPY_ABORTED = 0xa,
	ABORTED_COMMAND = 0xb,
	MISCOMPARE = 0xe,
};

/* Additional sense codes and qualifiers, SPC-4 table F.1 */
enum {
	ASC_NONE = 0x0000,
	ASC_LU_NOT_READY_CAUSE_NOT_REPORTABLE = 0x0400,
	ASC_UNREACHABLE_COPY_TARGET = 0x0804,
	ASC_WRITE_ERROR = 0x0c00,
	ASC_THIRD_PARTY_DEVICE_FAILURE = 0x0d01,
	ASC_COPY_TARGET_DEVICE_NOT_REACHABLE = 0x0d02,
	ASC_INCORRECT_COPY_TARGET_DEVICE_TYPE = 0x0d03,
	ASC_INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT = 0x0e03,
	ASC_UNRECOVERED_READ_ERROR = 0x1100,
	ASC_PARAMETER_LIST_LENGTH_ERROR = 0x1a00,
	ASC_MISCOMPARE_DURING_VERIFY = 0x1d00,
	ASC_INVALID_COMMAND_OPERATION_CODE = 0x2000,
	ASC_LBA_OUT_OF_RANGE = 0x2100,
	ASC_INVALID_FIELD_IN_CDB = 0x2400,
	ASC_INVALID_FIELD_IN_PARAMETER_LIST = 0x2600,
	ASC_TOO_MANY_TARGET_DESCRIPTORS = 0x2606,
	ASC_UNSUPPORTED_TARGET_DESCRIPTOR = 0x2607,
	ASC_TOO_MANY_SEGMENT_DESCRIPTORS = 0x2608,
	ASC_UNSUPPORTED_SEGMENT_DESCRIPTOR = 0x2609,
	ASC_INLINE_DATA_LENGTH_EXCEEDED = 0x260b,
	ASC_WRITE_PROTECTED = 0x2700,
	ASC_SPACE_ALLOCATION_FAILED = 0x2707,
	ASC_SAVING_PARAMETERS_NOT_SUPPORTED = 0x3900,
	ASC_INTERNAL_TARGET_FAILURE = 0x4400,
};

static const struct {
	uint8_t scsi_status;
	uint8_t key;
	uint16_t asc_ascq;
	const char *name;
} statuses[ZCMU_NR_STATUSES] = {
	[ZCMU_OK] = { SAM_GOOD, NO_SENSE, ASC_NONE, "good" },
	[ZCMU_BUSY] = { SAM_BUSY, NO_SENSE, ASC_NONE, "busy" },
	[ZCMU_NOT_READY] = { SAM_CHECK_CONDITION, NOT_READY,
			     ASC_LU_NOT_READY_CAUSE_NOT_REPORTABLE, "not ready" },
	[ZCMU_READ_ERROR] = { SAM_CHECK_CONDITION, MEDIUM_ERROR,
			      ASC_UNRECOVERED_READ_ERROR, "read error" },
	[ZCMU_WRITE_ERROR] = { SAM_CHECK_CONDITION, MEDIUM_ERROR,
			       ASC_WRITE_ERROR, "write error" },
	[ZCMU_MISCOMPARE] = { SAM_CHECK_CONDITION, MISCOMPARE,
			      ASC_MISCOMPARE_DURING_VERIFY, "miscompare" },
	[ZCMU_NO_SPACE] = { SAM_CHECK_CONDITION, DATA_PROTECT,
			    ASC_SPACE_ALLOCATION_FAILED, "no space left" },
	[ZCMU_WRITE_PROTECTED] = { SAM_CHECK_CONDITION, DATA_PROTECT,
				   ASC_WRITE_PROTECTED, "write protected" },
	[ZCMU_INVALID_OPCODE] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				  ASC_INVALID_COMMAND_OPERATION_CODE, "invalid opcode" },
	[ZCMU_INVALID_FIELD_IN_CDB] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
					ASC_INVALID_FIELD_IN_CDB, "invalid field in CDB" },
	[ZCMU_OUT_OF_RANGE] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				ASC_LBA_OUT_OF_RANGE, "LBA out of range" },
	[ZCMU_PARAMETER_LIST_LENGTH] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
					 ASC_PARAMETER_LIST_LENGTH_ERROR,
					 "parameter list length error" },
	[ZCMU_WRONG_PAYLOAD_LENGTH] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
					ASC_INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
					"a payload of the wrong length" },
	[ZCMU_INVALID_PARAMETER] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				     ASC_INVALID_FIELD_IN_PARAMETER_LIST,
				     "invalid field in parameter list" },
	[ZCMU_SAVING_NOT_SUPPORTED] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
					ASC_SAVING_PARAMETERS_NOT_SUPPORTED,
					"saving parameters not supported" },
	[ZCMU_TOO_MANY_TARGETS] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				    ASC_TOO_MANY_TARGET_DESCRIPTORS, "too many copy targets" },
	[ZCMU_UNSUPPORTED_TARGET] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				      ASC_UNSUPPORTED_TARGET_DESCRIPTOR,
				      "unsupported copy target descriptor" },
	[ZCMU_TOO_MANY_SEGMENTS] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				     ASC_TOO_MANY_SEGMENT_DESCRIPTORS, "too many copy segments" },
	[ZCMU_UNSUPPORTED_SEGMENT] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
				       ASC_UNSUPPORTED_SEGMENT_DESCRIPTOR,
				       "unsupported copy segment descriptor" },
	[ZCMU_INLINE_DATA_TOO_LONG] = { SAM_CHECK_CONDITION, ILLEGAL_REQUEST,
					ASC_INLINE_DATA_LENGTH_EXCEEDED,
					"inline data length exceeded" },
	[ZCMU_COPY_ABORTED] = { SAM_CHECK_CONDITION, COPY_ABORTED, ASC_NONE, "copy aborted" },
	[ZCMU_COPY_FAILED] = { SAM_CHECK_CONDITION, COPY_ABORTED,
			       ASC_THIRD_PARTY_DEVICE_FAILURE, "copy failed" },
	[ZCMU_UNREACHABLE_COPY_TARGET] = { SAM_CHECK_CONDITION, COPY_ABORTED,
					   ASC_UNREACHABLE_COPY_TARGET,
					   "unreachable copy target" },
	[ZCMU_COPY_TARGET_NOT_REACHABLE] = { SAM_CHECK_CONDITION, COPY_ABORTED,
					     ASC_COPY_TARGET_DEVICE_NOT_REACHABLE,
					     "copy target not reachable" },
	[ZCMU_WRONG_COPY_TARGET] = { SAM_CHECK_CONDITION, COPY_ABORTED,
				     ASC_INCORRECT_COPY_TARGET_DEVICE_TYPE,
				     "wrong type of copy target" },
	[ZCMU_ABORTED] = { SAM_CHECK_CONDITION, ABORTED_COMMAND, ASC_NONE, "aborted" },
	[ZCMU_HARDWARE_ERROR] = { SAM_CHECK_CONDITION, HARDWARE_ERROR,
				  ASC_INTERNAL_TARGET_FAILURE, "hardware error" },
};

/*
 * Fill in @sense (fixed format) if the SCSI status is CHECK CONDITION.
 * @field: the byte of the CDB or parameter list at fault, or ZCMU_NO_FIELD.
 * @information: the LBA or offset at fault, or UINT64_MAX for none.
 * Return: the SCSI status. A status that isn't in the table is a hardware error.
 */
uint8_t zcmu_status_to_scsi(enum zcmu_status status, uint32_t field, uint64_t information,
			    uint8_t sense[ZCMU_SENSE_LEN])
{
	if ((unsigned int)status >= ZCMU_NR_STATUSES)
		status = ZCMU_HARDWARE_ERROR;
	if (statuses[status].scsi_status != SAM_CHECK_CONDITION)
		return statuses[status].scsi_status;

	memset(sense, 0, ZCMU_SENSE_LEN);
	sense[0] = 0x70;			/* current error, fixed format */
	sense[2] = statuses[status].key;
	sense[7] = ZCMU_SENSE_LEN - 8;		/* additional length */
	sense[12] = statuses[status].asc_ascq >> 8;
	sense[13] = statuses[status].asc_ascq & 0xff;
	/* The field has 32 bits. A larger value is marked as not valid. */
	if (information <= UINT32_MAX) {
		sense[0] |= 0x80;
		sense[3] = (uint8_t)(information >> 24);
		sense[4] = (uint8_t)(information >> 16);
		sense[5] = (uint8_t)(information >> 8);
		sense[6] = (uint8_t)information;
	}
	if (field <= UINT16_MAX) {
		sense[15] = 0x80;		/* sense key specific, valid */
		if (status == ZCMU_INVALID_FIELD_IN_CDB)
			sense[15] |= 0x40;	/* C/D: in the CDB */
		sense[16] = (uint8_t)(field >> 8);
		sense[17] = (uint8_t)field;
	}
	return SAM_CHECK_CONDITION;
}

/*
 * The same in descriptor format, where INFORMATION has 64 bits. As in the other format, the data
 * tells its length: 8 bytes, and the additional length behind them.
 */
uint8_t zcmu_status_to_descriptors(enum zcmu_status status, uint32_t field, uint64_t information,
				   uint8_t sense[ZCMU_SENSE_MAX])
{
	uint8_t fixed[ZCMU_SENSE_LEN];
	uint8_t scsi_status = zcmu_status_to_scsi(status, field, UINT64_MAX, fixed);
	uint8_t *p = sense + 8;
	int i;

	if (scsi_status != SAM_CHECK_CONDITION)
		return scsi_status;
	memset(sense, 0, ZCMU_SENSE_MAX);
	sense[0] = 0x72;			/* current error, descriptor format */
	sense[1] = fixed[2];
	sense[2] = fixed[12];
	sense[3] = fixed[13];
	if (information != UINT64_MAX) {
		p[0] = 0x00;			/* information */
		p[1] = 10;
		p[2] = 0x80;			/* valid */
		for (i = 0; i < 8; i++)
			p[4 + i] = (uint8_t)(information >> (56 - 8 * i));
		p += 12;
	}
	if (fixed[15]) {
		p[0] = 0x02;			/* sense key specific */
		p[1] = 6;
		memcpy(p + 4, fixed + 15, 3);
		p += 8;
	}
	sense[7] = (uint8_t)(p - (sense + 8));	/* additional length */
	return scsi_status;
}

const char *zcmu_status_name(enum zcmu_status status)
{
	return (unsigned int)status < ZCMU_NR_STATUSES ? statuses[status].name : "unknown";
}

/* Did the request change the disk, or would it have changed it? */
static bool is_modifying(enum zcmu_io_op op)
{
	return op != ZCMU_IO_READ && op != ZCMU_IO_MAP;
}

/* Map a store's error to a status. Positive and unknown values are errors as well. */
enum zcmu_status zcmu_status_of_error(enum zcmu_io_op op, int error)
{
	switch (error) {
	case 0:
		return ZCMU_OK;
	case -EIO:
		return is_modifying(op) ? ZCMU_WRITE_ERROR : ZCMU_READ_ERROR;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return is_modifying(op) ? ZCMU_NO_SPACE : ZCMU_HARDWARE_ERROR;
	case -EROFS:
	case -EPERM:
	case -EACCES:
		return is_modifying(op) ? ZCMU_WRITE_PROTECTED : ZCMU_HARDWARE_ERROR;
	case -EAGAIN:
	case -ENOMEM:
		return ZCMU_BUSY;
	case -ENODEV:
	case -ENOTCONN:
	case -ESHUTDOWN:
		return ZCMU_NOT_READY;
	case -ECANCELED:
		return ZCMU_ABORTED;
	default:
		return ZCMU_HARDWARE_ERROR;
	}
}

/* Length of a CDB in bytes, by its group code; SPC-4 4.2.5.1, and 4.3.3 for 7Fh. */
size_t zcmu_cdb_length(const uint8_t *cdb)
{
	static const uint8_t by_group[8] = { 6, 10, 10, 12, 16, 12, 10, 10 };

	if (cdb[0] == 0x7f)
		return 8 + (size_t)cdb[7];
	return by_group[cdb[0] >> 5];
}
