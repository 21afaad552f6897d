// SPDX-License-Identifier: MIT
/*
 * WRITE SAME: one block for a whole range, by the cheapest way that the store has for
 * it, and never by another.
 */
#include "initiator.h"

#include <stdlib.h>

#define CHUNK	(1u << 20)	/* written at a time */

static const uint8_t zeroes[512];
static uint8_t block[512];

#define UNMAP	0x08
#define NDOB	0x01

/* WRITE SAME (10) or (16), with one block of payload. */
static const struct fake_answer *same(struct initiator *t, uint8_t opcode, uint8_t flags,
				      uint64_t lba, uint32_t blocks, const uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 3 + 1);
	return send_out(t, block_cdb(t, opcode, flags, lba, blocks), data, 512);
}

/* The range is the block again and again, and what is around it is as it was. */
static void expect_range(struct initiator *t, uint64_t lba, uint32_t blocks, const uint8_t *data)
{
	uint64_t at = lba * 512, end = at + blocks * 512ull;

	if (at)
		assert_int_equal(t->script.contents[at - 1], scripted_pattern(at - 1));
	if (end < SCRIPTED_BYTES)
		assert_int_equal(t->script.contents[end], scripted_pattern(end));
	for (; at < end; at += 512)
		assert_memory_equal(t->script.contents + at, data, 512);
}

static void a_block_is_written_to_each_of_the_range(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x41, 0, 0x100, 5, block));
	expect_range(t, 0x100, 5, block);
	expect_good(same(t, 0x93, 0, 0x200, 7, block));
	expect_range(t, 0x200, 7, block);
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_WRITE), t->script.nr);
}

static void a_block_of_4096_bytes_is_written_as_a_whole(void **state)
{
	struct initiator *t = *state;
	uint8_t large[4096];
	unsigned int i;

	t->script.store.block_size = 4096;
	for (i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i / 16);
	expect_good(send_out(t, block_cdb(t, 0x93, 0, 2, 3), large, sizeof(large)));
	for (i = 2; i < 5; i++)
		assert_memory_equal(t->script.contents + i * 4096, large, sizeof(large));
	assert_int_equal(t->script.contents[5 * 4096], scripted_pattern(5 * 4096));
}

static void a_range_larger_than_a_chunk_is_written_in_chunks(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x93, 0, 1, 2 * CHUNK / 512 + 3, block));
	expect_request(t, 0, ZCMU_IO_WRITE, 512, CHUNK);
	expect_request(t, 1, ZCMU_IO_WRITE, 512 + CHUNK, CHUNK);
	expect_request(t, 2, ZCMU_IO_WRITE, 512 + 2 * CHUNK, 3 * 512);
	assert_int_equal(t->script.nr, 3);
	expect_range(t, 1, 2 * CHUNK / 512 + 3, block);
}

static void chunks_follow_each_other_when_the_store_answers_later(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.hold = true;
	a = same(t, 0x93, 0, 0, CHUNK / 512 + 1, block);
	assert_int_equal(t->script.nr, 1);
	answer_held(t, 0, 0);
	assert_int_equal(t->script.nr, 2);
	assert_false(a->arrived);
	answer_held(t, 1, 0);
	expect_good(a);
	expect_range(t, 0, CHUNK / 512 + 1, block);
}

static void an_error_ends_the_command_at_its_chunk(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 1;
	t->script.error = -EIO;
	expect_sense(same(t, 0x93, 0, 0, 3 * CHUNK / 512, block), SENSE_WRITE_ERROR, NO_FIELD);
	assert_int_equal(t->script.nr, 2);
}

/*
 * Zeroes
 */

static void zeroes_are_left_to_a_store_that_can_zero(void **state)
{
	static const uint8_t opcodes[] = { 0x41, 0x93 };
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		expect_good(same(t, opcodes[i], 0, 9, 4, zeroes));
		expect_request(t, i, ZCMU_IO_ZERO, 9 * 512, 4 * 512);
		assert_false(t->script.requests[i].may_trim);
	}
	assert_int_equal(t->script.nr, 2);
}

static void zeroes_of_a_large_range_are_one_request(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 1ull << 50;
	expect_good(same(t, 0x93, 0, 1ull << 32, UINT32_MAX, zeroes));
	expect_request(t, 0, ZCMU_IO_ZERO, 512ull << 32, 512ull * UINT32_MAX);
}

static void zeroes_with_unmap_may_give_space_back(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x93, UNMAP, 9, 4, zeroes));
	expect_request(t, 0, ZCMU_IO_ZERO, 9 * 512, 4 * 512);
	assert_true(t->script.requests[0].may_trim);
}

static void zeroes_with_unmap_are_a_trim_if_that_reads_as_zeroes(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	expect_good(same(t, 0x93, UNMAP, 9, 4, zeroes));
	expect_request(t, 0, ZCMU_IO_TRIM, 9 * 512, 4 * 512);
	expect_good(same(t, 0x41, UNMAP, 9, 4, zeroes));
	expect_request(t, 1, ZCMU_IO_TRIM, 9 * 512, 4 * 512);
}

static void zeroes_without_unmap_are_never_a_trim(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	expect_good(same(t, 0x93, 0, 9, 4, zeroes));
	t->script.ops.zero = NULL;
	expect_good(same(t, 0x93, 0, 9, 4, zeroes));
	expect_request(t, 0, ZCMU_IO_ZERO, 9 * 512, 4 * 512);
	expect_request(t, 1, ZCMU_IO_WRITE, 9 * 512, 4 * 512);
}

static void zeroes_are_written_where_a_trim_may_leave_something(void **state)
{
	struct initiator *t = *state;

	/* It can trim, but what was trimmed may read as anything. */
	t->script.ops.zero = NULL;
	expect_good(same(t, 0x93, UNMAP, 9, 4, zeroes));
	expect_request(t, 0, ZCMU_IO_WRITE, 9 * 512, 4 * 512);
	expect_range(t, 9, 4, zeroes);
}

static void zeroes_are_written_if_the_store_can_t_do_better(void **state)
{
	struct initiator *t = *state;

	t->script.store.can_zero = ZCMU_CAN_EMULATED;
	t->script.store.can_trim = ZCMU_CAN_NONE;
	expect_good(same(t, 0x41, 0, 9, 4, zeroes));
	expect_request(t, 0, ZCMU_IO_WRITE, 9 * 512, 4 * 512);
	expect_range(t, 9, 4, zeroes);
}

static void a_block_that_is_not_zero_is_never_trimmed(void **state)
{
	struct initiator *t = *state;
	uint8_t nearly[512] = { 0 };

	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	nearly[511] = 1;
	expect_good(same(t, 0x93, UNMAP, 9, 4, nearly));
	expect_range(t, 9, 4, nearly);
	nearly[511] = 0;
	nearly[0] = 1;
	expect_good(same(t, 0x41, UNMAP, 9, 4, nearly));
	expect_range(t, 9, 4, nearly);
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_WRITE), t->script.nr);
}

static void a_block_of_ones_is_not_zero(void **state)
{
	struct initiator *t = *state;
	uint8_t ones[512];

	memset(ones, 0xff, sizeof(ones));
	expect_good(same(t, 0x93, UNMAP, 9, 4, ones));
	expect_range(t, 9, 4, ones);
}

static void an_error_of_a_zeroing_is_a_write_error(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	expect_sense(same(t, 0x93, 0, 9, 4, zeroes), SENSE_WRITE_ERROR, NO_FIELD);
}

/*
 * No payload
 */

static void ndob_means_zeroes_without_a_payload(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, block_cdb(t, 0x93, NDOB, 9, 4)));
	expect_request(t, 0, ZCMU_IO_ZERO, 9 * 512, 4 * 512);
	t->script.ops.zero = NULL;
	expect_good(send_none(t, block_cdb(t, 0x93, NDOB, 20, 4)));
	expect_range(t, 20, 4, zeroes);
}

static void ndob_is_no_bit_of_the_short_cdb(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x41, NDOB, 9, 4, block));
	expect_range(t, 9, 4, block);
}

static void a_payload_of_less_than_a_block_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_out(t, block_cdb(t, 0x41, 0, 9, 4), zeroes, 511),
		     SENSE_INVALID_FIELD_IN_CDB, 7);
	expect_sense(send_none(t, block_cdb(t, 0x93, 0, 9, 4)), SENSE_INVALID_FIELD_IN_CDB, 10);
	assert_int_equal(t->script.nr, 0);
}

/*
 * Ranges and bits
 */

static void no_blocks_are_all_up_to_the_end(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x41, 0, 8190, 0, zeroes));
	expect_request(t, 0, ZCMU_IO_ZERO, 8190 * 512, 2 * 512);
	expect_good(same(t, 0x93, 0, SCRIPTED_BLOCKS - 3, 0, block));
	expect_range(t, SCRIPTED_BLOCKS - 3, 3, block);
}

static void no_blocks_behind_the_last_one_are_nothing_to_do(void **state)
{
	struct initiator *t = *state;

	expect_good(same(t, 0x93, 0, SCRIPTED_BLOCKS, 0, zeroes));
	expect_good(same(t, 0x93, 0, SCRIPTED_BLOCKS, 0, block));
	assert_int_equal(t->script.nr, 0);
}

static void a_range_past_the_end_is_refused(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = same(t, 0x93, 0, SCRIPTED_BLOCKS - 1, 2, block);

	expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_information(a, SCRIPTED_BLOCKS);
	expect_sense(same(t, 0x41, 0, SCRIPTED_BLOCKS + 1, 0, zeroes), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static void protection_and_anchoring_are_refused(void **state)
{
	static const uint8_t flags[] = { 0x20, 0x40, 0x80, 0x10 };
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		expect_sense(same(t, 0x41, flags[i], 0, 1, block), SENSE_INVALID_FIELD_IN_CDB, 1);
		expect_sense(same(t, 0x93, flags[i], 0, 1, block), SENSE_INVALID_FIELD_IN_CDB, 1);
	}
	assert_int_equal(t->script.nr, 0);
}

static void a_read_only_disk_is_write_protected(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	expect_sense(same(t, 0x41, 0, 0, 1, zeroes), SENSE_WRITE_PROTECTED, NO_FIELD);
	expect_sense(same(t, 0x93, UNMAP, 0, 1, zeroes), SENSE_WRITE_PROTECTED, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_block_is_written_to_each_of_the_range),
		SCSI_TEST(a_block_of_4096_bytes_is_written_as_a_whole),
		SCSI_TEST(a_range_larger_than_a_chunk_is_written_in_chunks),
		SCSI_TEST(chunks_follow_each_other_when_the_store_answers_later),
		SCSI_TEST(an_error_ends_the_command_at_its_chunk),
		SCSI_TEST(zeroes_are_left_to_a_store_that_can_zero),
		SCSI_TEST(zeroes_of_a_large_range_are_one_request),
		SCSI_TEST(zeroes_with_unmap_may_give_space_back),
		SCSI_TEST(zeroes_with_unmap_are_a_trim_if_that_reads_as_zeroes),
		SCSI_TEST(zeroes_without_unmap_are_never_a_trim),
		SCSI_TEST(zeroes_are_written_where_a_trim_may_leave_something),
		SCSI_TEST(zeroes_are_written_if_the_store_can_t_do_better),
		SCSI_TEST(a_block_that_is_not_zero_is_never_trimmed),
		SCSI_TEST(a_block_of_ones_is_not_zero),
		SCSI_TEST(an_error_of_a_zeroing_is_a_write_error),
		SCSI_TEST(ndob_means_zeroes_without_a_payload),
		SCSI_TEST(ndob_is_no_bit_of_the_short_cdb),
		SCSI_TEST(a_payload_of_less_than_a_block_is_refused),
		SCSI_TEST(no_blocks_are_all_up_to_the_end),
		SCSI_TEST(no_blocks_behind_the_last_one_are_nothing_to_do),
		SCSI_TEST(a_range_past_the_end_is_refused),
		SCSI_TEST(protection_and_anchoring_are_refused),
		SCSI_TEST(a_read_only_disk_is_write_protected),
	};

	return cmocka_run_group_tests_name("scsi-write-same", tests, NULL, NULL);
}
