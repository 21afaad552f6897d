// SPDX-License-Identifier: MIT
/*
 * The place of a failure (zcmu_io.failed_at): INFORMATION of a medium error, where the initiator
 * may know. It takes all in front of that for done, so it must get the data there.
 */
#include "initiator.h"

#include <string.h>

#define FUA	0x08

static uint8_t data[8 * 512];

/* READ or WRITE of the blocks 16 to 23, which fails at byte @at of the disk. */
static const struct fake_answer *fail_at(struct initiator *t, uint8_t opcode, uint8_t flags,
					 uint64_t at, int error)
{
	t->script.fail_at = (int)t->script.nr;
	t->script.error = error;
	t->script.fails_at = at;
	memset(data, 0x77, sizeof(data));
	if (opcode == 0x28)
		return send_in(t, block_cdb(t, opcode, flags, 16, 8), sizeof(data));
	return send_out(t, block_cdb(t, opcode, flags, 16, 8), data, sizeof(data));
}

#define expect_part(answer, bytes) do {							\
	assert_int_equal((answer)->uflags & ZCMU_UFLAG_READ_LEN,				\
			 (bytes) ? ZCMU_UFLAG_READ_LEN : 0);				\
	if (bytes)									\
		assert_int_equal((answer)->read_len, bytes);				\
} while (0)

static void expect_no_place(const struct fake_answer *a)
{
	assert_int_equal(a->sense[0], 0x70);
	assert_int_equal(zcmu_get32(a->sense + 3), 0);
	expect_part(a, 0);
}

static void a_read_tells_the_block_and_gives_what_is_in_front(void **state)
{
	struct initiator *t = *state;
	/* In the middle of block 19 */
	const struct fake_answer *a = fail_at(t, 0x28, 0, 19 * 512 + 100, -EIO);
	uint8_t front[3 * 512];
	size_t i;

	for (i = 0; i < sizeof(front); i++)
		front[i] = scripted_pattern(16 * 512 + i);
	expect_sense(a, SENSE_READ_ERROR, NO_FIELD);
	expect_information(a, 19);
	expect_part(a, sizeof(front));
	expect_bytes_at(a, front, sizeof(front), __FILE__, __LINE__);
}

static void the_first_block_has_nothing_in_front(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = fail_at(t, 0x28, 0, 16 * 512, -EIO);

	expect_sense(a, SENSE_READ_ERROR, NO_FIELD);
	expect_information(a, 16);
	expect_part(a, 0);
}

static void a_write_tells_the_block_and_has_written_what_is_in_front(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = fail_at(t, 0x2a, 0, 20 * 512, -EIO);

	expect_sense(a, SENSE_WRITE_ERROR, NO_FIELD);
	expect_information(a, 20);
	expect_part(a, 0);
	assert_memory_equal(t->script.contents + 16 * 512, data, 4 * 512);
}

static void what_is_in_front_of_a_write_with_fua_is_not_vouched_for(void **state)
{
	struct initiator *t = *state;

	expect_no_place(fail_at(t, 0x2a, FUA, 20 * 512, -EIO));
	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_no_place(fail_at(t, 0x2a, FUA, 20 * 512, -EIO));
	t->script.store.can_flush = ZCMU_CAN_EMULATED;
	expect_no_place(fail_at(t, 0x2a, 0, 20 * 512, -EIO));
	expect_information(fail_at(t, 0x2a, FUA, 16 * 512, -EIO), 16);
}

static void a_kernel_that_gives_no_part_doesn_t_let_it_be_told(void **state)
{
	struct initiator *t = *state;

	t->disk->ring.gives_part = false;
	expect_no_place(fail_at(t, 0x28, 0, 19 * 512, -EIO));
	expect_information(fail_at(t, 0x28, 0, 16 * 512, -EIO), 16);
	expect_information(fail_at(t, 0x2a, 0, 19 * 512, -EIO), 19);
}

static void a_place_that_makes_no_sense_is_not_told(void **state)
{
	struct initiator *t = *state;

	expect_no_place(fail_at(t, 0x28, 0, 16 * 512 - 1, -EIO));
	expect_no_place(fail_at(t, 0x28, 0, 24 * 512, -EIO));
	expect_no_place(fail_at(t, 0x28, 0, UINT64_MAX, -EIO));
	/* Not of the medium */
	expect_no_place(fail_at(t, 0x28, 0, 19 * 512, -EINVAL));
	expect_no_place(fail_at(t, 0x2a, 0, 19 * 512, -ENODEV));
}

static void a_command_of_several_requests_doesn_t_tell(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	/* Nothing is in front of it that would keep it from being told. */
	t->script.fails_at = 16 * 512;
	/* COMPARE AND WRITE */
	expect_no_place(send_out(t, CDB(0x89, 0, BE64(16), [13] = 4), data, 8 * 512));
}

static void a_request_in_parts_tells_it_as_well(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.store.max_io = 1024;
	t->script.fail_at = 2;
	t->script.error = -EIO;
	t->script.fails_at = 21 * 512;
	a = send_in(t, block_cdb(t, 0x28, 0, 16, 8), sizeof(data));
	expect_information(a, 21);
	expect_part(a, 5 * 512);
}

static const struct fake_answer *fail_in_block(struct initiator *t, uint64_t block)
{
	t->script.fail_at = (int)t->script.nr;
	t->script.error = -EIO;
	t->script.fails_at = block * 512;
	return send_in(t, CDB(0x88, 0, BE64(block), BE32(8)), sizeof(data));
}

/* So is D_SENSE of the control mode page: test-scsi-mode.c. */
static void a_disk_of_more_than_32_bits_of_blocks_has_sense_data_in_descriptors(void **state)
{
	static const uint8_t far[] = {
		0x72, 0x3, 0x11, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, BE64(1ull << 33), 0, 0, 0, 0,
	};
	static const uint8_t field[] = {
		0x72, 0x5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xc0, 0, 1, 0, 0, 0, 0, 0,
	};
	static const uint8_t none[] = { 0x72, 0x5, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct initiator *t = *state;

	t->script.store.size = (1ull << 34) * 512;
	assert_memory_equal(fail_in_block(t, 1ull << 33)->sense, far, sizeof(far));
	assert_memory_equal(send_in(t, CDB(0x28, 0xe0, BE32(0), 0, BE16(1)), 512)->sense, field,
			    sizeof(field));
	assert_memory_equal(send_none(t, CDB(0xff, 0))->sense, none, sizeof(none));
	/* Up to there every number fits. */
	t->script.store.size = (1ull << 32) * 512;
	expect_information(fail_in_block(t, UINT32_MAX - 7), UINT32_MAX - 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_read_tells_the_block_and_gives_what_is_in_front),
		SCSI_TEST(the_first_block_has_nothing_in_front),
		SCSI_TEST(a_write_tells_the_block_and_has_written_what_is_in_front),
		SCSI_TEST(what_is_in_front_of_a_write_with_fua_is_not_vouched_for),
		SCSI_TEST(a_kernel_that_gives_no_part_doesn_t_let_it_be_told),
		SCSI_TEST(a_place_that_makes_no_sense_is_not_told),
		SCSI_TEST(a_command_of_several_requests_doesn_t_tell),
		SCSI_TEST(a_request_in_parts_tells_it_as_well),
		SCSI_TEST(a_disk_of_more_than_32_bits_of_blocks_has_sense_data_in_descriptors),
	};

	return cmocka_run_group_tests_name("scsi-place", tests, NULL, NULL);
}
