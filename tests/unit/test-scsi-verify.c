// SPDX-License-Identifier: MIT
/*
 * VERIFY, SYNCHRONIZE CACHE and START STOP UNIT: what they read, compare and flush.
 */
#include "initiator.h"

#include <stdlib.h>

#define CHUNK	(1u << 20)	/* read back at a time */

static const uint8_t verifies[] = { 0x2f, 0xaf, 0x8f };
static const uint8_t blocks_field[] = { 7, 6, 10 };

#define BYTCHK(n)	((n) << 1)

static uint8_t data[3 * CHUNK];

/* What the disk has from block @lba on. */
static uint8_t *what_is_there(uint64_t lba, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = scripted_pattern(lba * 512 + i);
	return data;
}

static void without_bytchk_the_range_is_read_and_not_compared(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		expect_good(send_none(t, block_cdb(t, verifies[i], 0, 0x100, 5)));
		expect_request(t, i, ZCMU_IO_READ, 0x100 * 512, 5 * 512);
	}
	assert_int_equal(t->script.nr, 3);
}

static void a_range_that_can_t_be_read_fails(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	expect_sense(send_none(t, block_cdb(t, 0x2f, 0, 0, 8)), SENSE_READ_ERROR, NO_FIELD);
}

static void with_bytchk_1_the_same_bytes_are_good(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_good(send_out(t, block_cdb(t, verifies[i], BYTCHK(1), 3, 5),
				     what_is_there(3, 5 * 512), 5 * 512));
}

static void with_bytchk_1_one_other_byte_is_a_miscompare(void **state)
{
	static const size_t places[] = { 0, 511, 512, 5 * 512 - 1 };
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		what_is_there(3, 5 * 512)[places[i]] ^= 0x40;
		expect_sense(send_out(t, block_cdb(t, 0x2f, BYTCHK(1), 3, 5), data, 5 * 512),
			     SENSE_MISCOMPARE, NO_FIELD);
	}
}

static void a_range_larger_than_a_chunk_is_compared_to_its_end(void **state)
{
	const size_t size = 2 * CHUNK + 512;
	struct initiator *t = *state;

	what_is_there(1, size);
	expect_good(send_out(t, block_cdb(t, 0x8f, BYTCHK(1), 1, size / 512), data, size));
	expect_request(t, 0, ZCMU_IO_READ, 512, CHUNK);
	expect_request(t, 1, ZCMU_IO_READ, 512 + CHUNK, CHUNK);
	expect_request(t, 2, ZCMU_IO_READ, 512 + 2 * CHUNK, 512);
	data[size - 1] ^= 1;
	expect_sense(send_out(t, block_cdb(t, 0x8f, BYTCHK(1), 1, size / 512), data, size),
		     SENSE_MISCOMPARE, NO_FIELD);
}

static void a_miscompare_ends_the_command_at_its_chunk(void **state)
{
	const size_t size = 2 * CHUNK;
	struct initiator *t = *state;

	what_is_there(0, size)[5] ^= 1;
	expect_sense(send_out(t, block_cdb(t, 0x8f, BYTCHK(1), 0, size / 512), data, size),
		     SENSE_MISCOMPARE, NO_FIELD);
	assert_int_equal(t->script.nr, 1);
}

static void a_payload_in_pieces_is_compared_across_them(void **state)
{
	static const size_t pieces[] = { 500, 12, 700, 324 };
	struct initiator *t = *state;
	struct fake_request request = { .pieces = pieces, .nr_pieces = 4, .size = 1536 };

	request.cdb = block_cdb(t, 0x2f, BYTCHK(1), 3, 3);
	request.data = what_is_there(3, 1536);
	expect_good(send_request(t, &request));
	data[1200] ^= 1;
	expect_sense(send_request(t, &request), SENSE_MISCOMPARE, NO_FIELD);
}

static void bytchk_2_is_refused(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_sense(send_out(t, block_cdb(t, verifies[i], BYTCHK(2), 0, 1), data, 512),
			     SENSE_INVALID_FIELD_IN_CDB, 1);
}

static void with_bytchk_3_one_block_is_compared_with_each(void **state)
{
	struct initiator *t = *state;
	uint8_t block[512];

	memset(block, 0x3c, sizeof(block));
	memset(t->script.contents + 7 * 512, 0x3c, 4 * 512);
	expect_good(send_out(t, block_cdb(t, 0x2f, BYTCHK(3), 7, 4), block, 512));
	t->script.contents[9 * 512 + 17] ^= 1;
	expect_sense(send_out(t, block_cdb(t, 0x2f, BYTCHK(3), 7, 4), block, 512),
		     SENSE_MISCOMPARE, NO_FIELD);
	expect_good(send_out(t, block_cdb(t, 0x2f, BYTCHK(3), 7, 2), block, 512));
}

static void with_bytchk_3_a_range_larger_than_a_chunk_is_compared_to_its_end(void **state)
{
	const uint32_t blocks = CHUNK / 512 + 3;
	struct initiator *t = *state;
	uint8_t block[512];

	memset(block, 0x3c, sizeof(block));
	memset(t->script.contents, 0x3c, blocks * 512);
	expect_good(send_out(t, block_cdb(t, 0x8f, BYTCHK(3), 0, blocks), block, 512));
	t->script.contents[blocks * 512 - 1] ^= 1;
	expect_sense(send_out(t, block_cdb(t, 0x8f, BYTCHK(3), 0, blocks), block, 512),
		     SENSE_MISCOMPARE, NO_FIELD);
}

static void a_payload_that_is_too_short_to_compare_is_refused(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		expect_sense(send_out(t, block_cdb(t, verifies[i], BYTCHK(1), 0, 2), data, 1023),
			     SENSE_INVALID_FIELD_IN_CDB, blocks_field[i]);
		expect_sense(send_out(t, block_cdb(t, verifies[i], BYTCHK(3), 0, 2), data, 511),
			     SENSE_INVALID_FIELD_IN_CDB, blocks_field[i]);
	}
	assert_int_equal(t->script.nr, 0);
}

static void no_blocks_are_verified_without_a_look(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, block_cdb(t, 0x2f, 0, 5, 0)));
	expect_good(send_none(t, block_cdb(t, 0x2f, BYTCHK(1), 5, 0)));
	assert_int_equal(t->script.nr, 0);
}

/* SBC-3 5.33: a length of 0 is no error, and then there is nothing to compare with. */
static void no_blocks_need_no_block_to_compare_with(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, block_cdb(t, 0x2f, BYTCHK(3), 5, 0)));
}

static void a_verification_past_the_end_is_refused(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_sense(send_none(t, block_cdb(t, verifies[i], 0, SCRIPTED_BLOCKS - 1, 2)),
			     SENSE_OUT_OF_RANGE, NO_FIELD);
}

static void protection_information_is_refused(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++)
		expect_sense(send_none(t, block_cdb(t, verifies[i], 0x20, 0, 1)),
			     SENSE_INVALID_FIELD_IN_CDB, 1);
}

static void a_read_only_disk_can_be_verified(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	expect_good(send_out(t, block_cdb(t, 0x2f, BYTCHK(1), 3, 1), what_is_there(3, 512), 512));
}

/*
 * SYNCHRONIZE CACHE
 */

static void a_synchronize_cache_flushes_the_disk(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, block_cdb(t, 0x35, 0, 0, 0)));
	expect_good(send_none(t, block_cdb(t, 0x91, 0, 17, 4)));
	expect_request(t, 0, ZCMU_IO_FLUSH, 0, 0);
	expect_request(t, 1, ZCMU_IO_FLUSH, 0, 0);
}

static void a_synchronize_cache_is_answered_after_the_flush(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *plain, *immed;

	t->script.hold = true;
	plain = send_none(t, block_cdb(t, 0x35, 0, 0, 0));
	immed = send_none(t, block_cdb(t, 0x35, 0x02, 0, 0));
	assert_false(plain->arrived);
	answer_held(t, 0, -EIO);
	answer_held(t, 1, 0);
	expect_sense(plain, SENSE_WRITE_ERROR, NO_FIELD);
	expect_good(immed);
}

static void a_disk_without_a_cache_is_always_synchronized(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flush = NULL;
	expect_good(send_none(t, block_cdb(t, 0x35, 0, 0, 0)));
	expect_good(send_none(t, block_cdb(t, 0x91, 0, 0, 0)));
	assert_int_equal(t->script.nr, 0);
}

static void a_synchronize_cache_past_the_end_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, block_cdb(t, 0x35, 0, SCRIPTED_BLOCKS, 1)), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	expect_sense(send_none(t, block_cdb(t, 0x91, 0, UINT64_MAX, 1)), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

/*
 * START STOP UNIT
 */

static void a_stop_flushes_the_disk(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x1b, 0, 0, 0, 0x00)));
	expect_request(t, 0, ZCMU_IO_FLUSH, 0, 0);
}

static void a_stop_with_no_flush_and_a_start_do_nothing(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x1b, 0, 0, 0, 0x04)));
	expect_good(send_none(t, CDB(0x1b, 0, 0, 0, 0x01)));
	t->script.ops.flush = NULL;
	expect_good(send_none(t, CDB(0x1b, 0, 0, 0, 0x00)));
	assert_int_equal(t->script.nr, 0);
}

static void loading_and_power_conditions_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, CDB(0x1b, 0, 0, 0, 0x02)), SENSE_INVALID_FIELD_IN_CDB, 4);
	expect_sense(send_none(t, CDB(0x1b, 0, 0, 0, 0x03)), SENSE_INVALID_FIELD_IN_CDB, 4);
	expect_sense(send_none(t, CDB(0x1b, 0, 0, 0, 0x20)), SENSE_INVALID_FIELD_IN_CDB, 4);
	expect_sense(send_none(t, CDB(0x1b, 0, 0, 0, 0x30)), SENSE_INVALID_FIELD_IN_CDB, 4);
	assert_int_equal(t->script.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(without_bytchk_the_range_is_read_and_not_compared),
		SCSI_TEST(a_range_that_can_t_be_read_fails),
		SCSI_TEST(with_bytchk_1_the_same_bytes_are_good),
		SCSI_TEST(with_bytchk_1_one_other_byte_is_a_miscompare),
		SCSI_TEST(a_range_larger_than_a_chunk_is_compared_to_its_end),
		SCSI_TEST(a_miscompare_ends_the_command_at_its_chunk),
		SCSI_TEST(a_payload_in_pieces_is_compared_across_them),
		SCSI_TEST(bytchk_2_is_refused),
		SCSI_TEST(with_bytchk_3_one_block_is_compared_with_each),
		SCSI_TEST(with_bytchk_3_a_range_larger_than_a_chunk_is_compared_to_its_end),
		SCSI_TEST(a_payload_that_is_too_short_to_compare_is_refused),
		SCSI_TEST(no_blocks_are_verified_without_a_look),
		SCSI_TEST(no_blocks_need_no_block_to_compare_with),
		SCSI_TEST(a_verification_past_the_end_is_refused),
		SCSI_TEST(protection_information_is_refused),
		SCSI_TEST(a_read_only_disk_can_be_verified),
		SCSI_TEST(a_synchronize_cache_flushes_the_disk),
		SCSI_TEST(a_synchronize_cache_is_answered_after_the_flush),
		SCSI_TEST(a_disk_without_a_cache_is_always_synchronized),
		SCSI_TEST(a_synchronize_cache_past_the_end_is_refused),
		SCSI_TEST(a_stop_flushes_the_disk),
		SCSI_TEST(a_stop_with_no_flush_and_a_start_do_nothing),
		SCSI_TEST(loading_and_power_conditions_are_refused),
	};

	return cmocka_run_group_tests_name("scsi-verify", tests, NULL, NULL);
}
