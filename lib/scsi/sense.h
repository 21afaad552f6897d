/* SPDX-License-Identifier: MIT */
/*
 * The statuses that a command can end with. How each looks to the initiator is in one table, in
 * sense.c.
 */
#ifndef ZCMU_SENSE_H
#define ZCMU_SENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcmu-store.h"

enum zcmu_status {
	ZCMU_OK,
	ZCMU_BUSY,			/* try again */
	ZCMU_NOT_READY,
	ZCMU_READ_ERROR,
	ZCMU_WRITE_ERROR,
	ZCMU_MISCOMPARE,
	ZCMU_NO_SPACE,
	ZCMU_WRITE_PROTECTED,
	ZCMU_INVALID_OPCODE,
	ZCMU_INVALID_FIELD_IN_CDB,
	ZCMU_OUT_OF_RANGE,
	ZCMU_PARAMETER_LIST_LENGTH,
	ZCMU_WRONG_PAYLOAD_LENGTH,
	ZCMU_INVALID_PARAMETER,
	ZCMU_SAVING_NOT_SUPPORTED,
	/* EXTENDED COPY */
	ZCMU_TOO_MANY_TARGETS,
	ZCMU_UNSUPPORTED_TARGET,
	ZCMU_TOO_MANY_SEGMENTS,
	ZCMU_UNSUPPORTED_SEGMENT,
	ZCMU_INLINE_DATA_TOO_LONG,
	ZCMU_COPY_ABORTED,
	ZCMU_COPY_FAILED,		/* because of an error of the store */
	ZCMU_UNREACHABLE_COPY_TARGET,	/* a segment names one that the list doesn't have */
	ZCMU_COPY_TARGET_NOT_REACHABLE,	/* it isn't this disk */
	ZCMU_WRONG_COPY_TARGET,		/* it isn't a disk */
	ZCMU_ABORTED,
	ZCMU_HARDWARE_ERROR,		/* and all other failures */
	ZCMU_NR_STATUSES,
};

#define ZCMU_SENSE_LEN	18		/* fixed format, SPC-4 4.5.3 */
#define ZCMU_SENSE_MAX	28		/* with the descriptors that are used, SPC-4 4.5.2 */

#define SAM_GOOD		0x00
#define SAM_CHECK_CONDITION	0x02
#define SAM_BUSY		0x08

/* Points at the CDB or parameter byte that a status complains about. */
#define ZCMU_NO_FIELD		UINT32_MAX

uint8_t zcmu_status_to_scsi(enum zcmu_status status, uint32_t field, uint64_t information,
			    uint8_t sense[ZCMU_SENSE_LEN]);
uint8_t zcmu_status_to_descriptors(enum zcmu_status status, uint32_t field, uint64_t information,
				   uint8_t sense[ZCMU_SENSE_MAX]);
enum zcmu_status zcmu_status_of_error(enum zcmu_io_op op, int error);
const char *zcmu_status_name(enum zcmu_status status);

size_t zcmu_cdb_length(const uint8_t *cdb);

#endif /* ZCMU_SENSE_H */
