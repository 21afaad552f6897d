/* SPDX-License-Identifier: MIT */
/*
 * Sends CDBs to a disk whose kernel is fake-kernel.c and whose store is
 * scripted-store.c, and looks at the answers. No threads: a command is executed
 * where it is sent, and is answered when send_...() returns unless the store holds it.
 */
#ifndef INITIATOR_H
#define INITIATOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fake-kernel.h"
#include "scripted-store.h"

struct initiator {
	struct fake_kernel *kernel;
	struct zcmu_disk *disk;
	struct scripted_store script;
	struct zcmu_thread thread;
	uint8_t cdb[16];	/* block_cdb()'s */
};

/* cmocka's; the teardown fails if kernel or store complain. */
int initiator_setup(void **state);
int initiator_teardown(void **state);

#define SCSI_TEST(f)	cmocka_unit_test_setup_teardown(f, initiator_setup, initiator_teardown)

/* A CDB; what is not given is 0. */
#define CDB(...)	((const uint8_t[32]){ __VA_ARGS__ })

/* Big-endian numbers, as bytes of a CDB or a parameter list */
#define BE16(n)	(uint8_t)((n) >> 8), (uint8_t)(n)
#define BE32(n)	BE16((uint32_t)(n) >> 16), BE16((uint32_t)(n))
#define BE64(n)	BE32((uint64_t)(n) >> 32), BE32((uint64_t)(n))

/* A CDB with an LBA and a number of blocks; @flags is byte 1. Valid until the next one. */
const uint8_t *block_cdb(struct initiator *t, uint8_t opcode, uint8_t flags, uint64_t lba,
			 uint32_t blocks);

const struct fake_answer *send_none(struct initiator *t, const uint8_t *cdb);
const struct fake_answer *send_in(struct initiator *t, const uint8_t *cdb, size_t size);
const struct fake_answer *send_out(struct initiator *t, const uint8_t *cdb, const void *data,
				   size_t size);
const struct fake_answer *send_request(struct initiator *t, const struct fake_request *request);

/* Answer what the store holds, as scripted_answer() does; who has waited for it goes on. */
void answer_held(struct initiator *t, unsigned int index, int error);
void answer_held_as_it_is(struct initiator *t, unsigned int index);

/* Sense key, additional sense code and qualifier */
enum sense {
	SENSE_NOT_READY = 0x20400,
	SENSE_READ_ERROR = 0x31100,
	SENSE_WRITE_ERROR = 0x30c00,
	SENSE_HARDWARE_ERROR = 0x44400,
	SENSE_WRONG_PAYLOAD_LENGTH = 0x50e03,
	SENSE_PARAMETER_LIST_LENGTH = 0x51a00,
	SENSE_INVALID_OPCODE = 0x52000,
	SENSE_OUT_OF_RANGE = 0x52100,
	SENSE_INVALID_FIELD_IN_CDB = 0x52400,
	SENSE_INVALID_FIELD_IN_PARAMETERS = 0x52600,
	SENSE_SAVING_NOT_SUPPORTED = 0x53900,
	SENSE_WRITE_PROTECTED = 0x72700,
	SENSE_NO_SPACE = 0x72707,
	SENSE_COPY_ABORTED = 0xa0000,
	SENSE_UNREACHABLE_COPY_TARGET = 0xa0804,
	SENSE_COPY_FAILED = 0xa0d01,
	SENSE_COPY_TARGET_NOT_REACHABLE = 0xa0d02,
	SENSE_WRONG_COPY_TARGET = 0xa0d03,
	SENSE_TOO_MANY_TARGETS = 0x52606,
	SENSE_UNSUPPORTED_TARGET = 0x52607,
	SENSE_TOO_MANY_SEGMENTS = 0x52608,
	SENSE_UNSUPPORTED_SEGMENT = 0x52609,
	SENSE_INLINE_DATA = 0x5260b,
	SENSE_ABORTED = 0xb0000,
	SENSE_MISCOMPARE = 0xe1d00,
};

#define NO_FIELD	(-1)
#define ALL		UINT32_MAX

/* GOOD, and every byte of the payload counts. */
#define expect_good(answer)		expect_good_at(answer, ALL, __FILE__, __LINE__)
/* GOOD, and so many bytes of the payload count. */
#define expect_short(answer, bytes)	expect_good_at(answer, bytes, __FILE__, __LINE__)
/* GOOD, and the CDB asks for so many bytes, which isn't what the payload has. */
#define expect_residual(answer, bytes)	expect_residual_at(answer, bytes, __FILE__, __LINE__)
/* CHECK CONDITION, with that sense and a pointer to that byte. */
#define expect_sense(answer, sense, field) \
	expect_sense_at(answer, sense, field, __FILE__, __LINE__)
/* The sense data's INFORMATION field. */
#define expect_information(answer, n)	expect_information_at(answer, n, __FILE__, __LINE__)
/* A request that the store got. */
#define expect_request(t, index, op, offset, length) \
	expect_request_at(t, index, op, offset, length, __FILE__, __LINE__)
/* Bytes of the payload, counted from its start. */
#define expect_payload(answer, ...) \
	expect_bytes_at(answer, (const uint8_t[]){ __VA_ARGS__ }, \
			sizeof((const uint8_t[]){ __VA_ARGS__ }), __FILE__, __LINE__)

void expect_good_at(const struct fake_answer *answer, uint32_t bytes, const char *file, int line);
void expect_residual_at(const struct fake_answer *answer, uint32_t bytes, const char *file,
			int line);
void expect_sense_at(const struct fake_answer *answer, enum sense sense, int field,
		     const char *file, int line);
void expect_information_at(const struct fake_answer *answer, uint32_t information,
			   const char *file, int line);
void expect_request_at(struct initiator *t, unsigned int index, enum zcmu_io_op op,
		       uint64_t offset, uint64_t length, const char *file, int line);
void expect_bytes_at(const struct fake_answer *answer, const uint8_t *bytes, size_t size,
		     const char *file, int line);

#endif /* INITIATOR_H */
