// SPDX-License-Identifier: MIT
/*
 * Sends CDBs to a disk and looks at the answers. See initiator.h.
 */
#include "initiator.h"
#include "scsi/scsi.h"

#include <stdlib.h>

#define RING_BYTES	8192u
#define DATA_SLOTS	64u	/* 64 KiB each */

int initiator_setup(void **state)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
		.serial = "serial-1", .product = "disk",
	};
	struct initiator *t = calloc(1, sizeof(*t));

	t->kernel = fake_kernel_create(RING_BYTES, DATA_SLOTS);
	t->disk = fake_kernel_disk(t->kernel);
	scripted_init(&t->script);
	t->disk->store = &t->script.store;
	zcmu_disk_identify(t->disk, &options);
	t->thread = (struct zcmu_thread){ .disk = t->disk, .epoll_fd = -1, .wake_fd = -1 };
	t->disk->threads = &t->thread;
	t->disk->nr_threads = 1;
	*state = t;
	return 0;
}

static int complain(const char *who, const char *what)
{
	if (!what)
		return 0;
	print_error("%s: %s\n", who, what);
	return -1;
}

int initiator_teardown(void **state)
{
	struct initiator *t = *state;
	int err;

	err = complain("fake kernel", fake_kernel_complaint(t->kernel));
	if (!err)
		err = complain("scripted store", t->script.complaint);
	if (!err && !zcmu_disk_is_idle(t->disk))
		err = complain("library", "it has commands that were not answered");
	fake_kernel_destroy(t->kernel);
	scripted_deinit(&t->script);
	free(t);
	return err;
}

const uint8_t *block_cdb(struct initiator *t, uint8_t opcode, uint8_t flags, uint64_t lba,
			 uint32_t blocks)
{
	uint8_t *cdb = memset(t->cdb, 0, sizeof(t->cdb));

	if (opcode >= 0x80 && opcode < 0xa0) {		/* 16 bytes */
		memcpy(cdb + 2, (const uint8_t[]){ BE64(lba), BE32(blocks) }, 12);
	} else if (opcode >= 0xa0 && opcode < 0xc0) {	/* 12 */
		memcpy(cdb + 2, (const uint8_t[]){ BE32(lba), BE32(blocks) }, 8);
	} else if (opcode >= 0x20) {			/* 10 */
		memcpy(cdb + 2, (const uint8_t[]){ BE32(lba), 0, BE16(blocks) }, 7);
	} else {					/* 6: five bits of the LBA are in byte 1 */
		memcpy(cdb, (const uint8_t[]){ BE32(lba), (uint8_t)blocks }, 5);
		flags |= cdb[1];
	}
	cdb[0] = opcode;
	cdb[1] = flags;
	return cdb;
}

void answer_held(struct initiator *t, unsigned int index, int error)
{
	scripted_answer(&t->script, index, error);
	zcmu_backlog_run(&t->thread);
}

void answer_held_as_it_is(struct initiator *t, unsigned int index)
{
	scripted_answer_as_it_is(&t->script, index);
	zcmu_backlog_run(&t->thread);
}

const struct fake_answer *send_request(struct initiator *t, const struct fake_request *request)
{
	int id = fake_kernel_put(t->kernel, request);
	struct zcmu_cmd *cmd;

	assert_true(id > 0);
	cmd = zcmu_cmd_take(t->disk, &t->thread);
	if (cmd)
		zcmu_scsi_execute(cmd);
	zcmu_backlog_run(&t->thread);
	return fake_kernel_answer(t->kernel, id);
}

const struct fake_answer *send_none(struct initiator *t, const uint8_t *cdb)
{
	struct fake_request request = { .cdb = cdb };

	return send_request(t, &request);
}

const struct fake_answer *send_in(struct initiator *t, const uint8_t *cdb, size_t size)
{
	struct fake_request request = { .cdb = cdb, .size = size };

	return send_request(t, &request);
}

const struct fake_answer *send_out(struct initiator *t, const uint8_t *cdb, const void *data,
				   size_t size)
{
	struct fake_request request = { .cdb = cdb, .data = data, .size = size };

	return send_request(t, &request);
}

/*
 * Expectations
 */

#define FAIL(file, line, ...) do {	\
	print_error(__VA_ARGS__);	\
	_fail(file, line);		\
} while (0)

static uint32_t sense_of(const struct fake_answer *answer)
{
	if ((answer->sense[0] & 0x7f) == 0x72)
		return (uint32_t)answer->sense[1] << 16 | zcmu_get16(answer->sense + 2);
	return (uint32_t)answer->sense[2] << 16 | (uint32_t)answer->sense[12] << 8 |
	       answer->sense[13];
}

static void expect_status(const struct fake_answer *answer, uint8_t status, const char *file,
			  int line)
{
	if (!answer->arrived)
		FAIL(file, line, "expected an answer, got none\n");
	if (answer->status == status)
		return;
	if (answer->status == 0x02)
		FAIL(file, line, "expected status %02x, got CHECK CONDITION %05x\n", status,
		     sense_of(answer));
	FAIL(file, line, "expected status %02x, got %02x\n", status, answer->status);
}

void expect_good_at(const struct fake_answer *answer, uint32_t bytes, const char *file, int line)
{
	bool limits;

	expect_status(answer, 0x00, file, line);
	limits = answer->uflags & ZCMU_UFLAG_READ_LEN;
	if (answer->uflags & ~ZCMU_UFLAG_READ_LEN)
		FAIL(file, line, "expected no more flags than READ_LEN, got %02x\n",
		     answer->uflags);
	if (bytes == ALL && limits && answer->read_len != answer->size)
		FAIL(file, line, "expected the whole payload, got %u bytes\n", answer->read_len);
	if (bytes != ALL && (!limits || answer->read_len != bytes))
		FAIL(file, line, "expected READ_LEN %u, got %s %u\n", bytes,
		     limits ? "READ_LEN" : "none and", answer->read_len);
}

void expect_residual_at(const struct fake_answer *answer, uint32_t bytes, const char *file,
			int line)
{
	expect_status(answer, 0x00, file, line);
	if (answer->uflags != ZCMU_UFLAG_CDB_LEN)
		FAIL(file, line, "expected the flag CDB_LEN and no other, got %02x\n",
		     answer->uflags);
	if (answer->read_len != bytes)
		FAIL(file, line, "expected CDB_LEN %u, got %u\n", bytes, answer->read_len);
}

void expect_sense_at(const struct fake_answer *answer, enum sense sense, int field,
		     const char *file, int line)
{
	const uint8_t *s = answer->sense;
	uint8_t specific = 0;

	expect_status(answer, 0x02, file, line);
	if ((s[0] & 0x7f) != 0x70 || s[7] != 10)
		FAIL(file, line, "expected sense data of 18 bytes in fixed format, got %02x, %u\n",
		     s[0], s[7] + 8);
	if (sense_of(answer) != (uint32_t)sense)
		FAIL(file, line, "expected sense %05x, got %05x\n", sense, sense_of(answer));
	if (field != NO_FIELD)
		specific = sense == SENSE_INVALID_FIELD_IN_CDB ? 0xc0 : 0x80;
	if (s[15] != specific)
		FAIL(file, line, "expected %02x in front of the field pointer, got %02x\n",
		     specific, s[15]);
	if (field != NO_FIELD && zcmu_get16(s + 16) != field)
		FAIL(file, line, "expected byte %d to be at fault, got byte %u\n", field,
		     zcmu_get16(s + 16));
}

void expect_information_at(const struct fake_answer *answer, uint32_t information,
			   const char *file, int line)
{
	if (!(answer->sense[0] & 0x80))
		FAIL(file, line, "expected INFORMATION %u, got none\n", information);
	if (zcmu_get32(answer->sense + 3) != information)
		FAIL(file, line, "expected INFORMATION %u, got %u\n", information,
		     zcmu_get32(answer->sense + 3));
}

void expect_request_at(struct initiator *t, unsigned int index, enum zcmu_io_op op,
		       uint64_t offset, uint64_t length, const char *file, int line)
{
	static const char *const names[] = { "READ", "WRITE", "FLUSH", "TRIM", "ZERO", "MAP" };
	const struct scripted_request *r;

	if (index >= t->script.nr)
		FAIL(file, line, "expected request %u (%s), got %u requests\n", index, names[op],
		     t->script.nr);
	r = &t->script.requests[index];
	if (r->op != op || r->offset != offset || r->length != length)
		FAIL(file, line, "expected %s of %llu at %llu, got %s of %llu at %llu\n", names[op],
		     (unsigned long long)length, (unsigned long long)offset, names[r->op],
		     (unsigned long long)r->length, (unsigned long long)r->offset);
}

void expect_bytes_at(const struct fake_answer *answer, const uint8_t *bytes, size_t size,
		     const char *file, int line)
{
	size_t i;

	if (size > answer->size)
		FAIL(file, line, "expected %zu bytes, got %zu\n", size, answer->size);
	for (i = 0; i < size; i++) {
		if (answer->payload[i] != bytes[i])
			FAIL(file, line, "expected %02x in byte %zu, got %02x\n", bytes[i], i,
			     answer->payload[i]);
	}
}
