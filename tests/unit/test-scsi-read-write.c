// SPDX-License-Identifier: MIT
/*
 * READ and WRITE: which bytes they move, in CDBs of every length, and which ranges
 * are refused. Payloads, FUA and errors are test-scsi-transfer.c's.
 */
#include "initiator.h"

#include <stdlib.h>

static const uint8_t reads[] = { 0x08, 0x28, 0xa8, 0x88 };
static const uint8_t writes[] = { 0x0a, 0x2a, 0xaa, 0x8a };
static const uint8_t long_reads[] = { 0x28, 0xa8, 0x88 };
static const uint8_t long_writes[] = { 0x2a, 0xaa, 0x8a };

#define for_each(opcode, array) \
	for (const uint8_t *opcode = (array); opcode < (array) + sizeof(array); opcode++)

static void expect_pattern(const struct fake_answer *answer, uint64_t from, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		assert_int_equal(answer->payload[i], scripted_pattern(from + i));
}

static void a_read_brings_the_blocks_it_names(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int n = 0;

	for_each(opcode, reads) {
		a = send_in(t, block_cdb(t, *opcode, 0, 0x1234, 3), 3 * 512);
		expect_good(a);
		expect_request(t, n++, ZCMU_IO_READ, 0x1234 * 512, 3 * 512);
		expect_pattern(a, 0x1234 * 512, 3 * 512);
	}
	assert_int_equal(t->script.nr, 4);
}

static void a_write_changes_the_blocks_it_names_and_no_others(void **state)
{
	struct initiator *t = *state;
	uint8_t data[3 * 512];
	uint64_t at = 0;
	unsigned int n = 0;

	memset(data, 0, sizeof(data));
	for_each(opcode, writes) {
		at = 512u * (0x234 + 16 * n);
		expect_good(send_out(t, block_cdb(t, *opcode, 0, at / 512, 3), data, sizeof(data)));
		expect_request(t, n++, ZCMU_IO_WRITE, at, sizeof(data));
		assert_memory_equal(t->script.contents + at, data, sizeof(data));
		assert_int_equal(t->script.contents[at - 1], scripted_pattern(at - 1));
		assert_int_equal(t->script.contents[at + 1536], scripted_pattern(at + 1536));
	}
}

static void zero_blocks_in_six_bytes_are_256(void **state)
{
	struct initiator *t = *state;
	uint8_t *data = calloc(256, 512);

	expect_good(send_in(t, block_cdb(t, 0x08, 0, 1, 0), 256 * 512));
	expect_request(t, 0, ZCMU_IO_READ, 512, 256 * 512);
	expect_good(send_out(t, block_cdb(t, 0x0a, 0, 1, 0), data, 256 * 512));
	expect_request(t, 1, ZCMU_IO_WRITE, 512, 256 * 512);
	free(data);
}

static void zero_blocks_in_more_bytes_are_none(void **state)
{
	struct initiator *t = *state;

	for_each(opcode, long_reads)
		expect_good(send_none(t, block_cdb(t, *opcode, 0, 5, 0)));
	for_each(opcode, long_writes)
		expect_good(send_none(t, block_cdb(t, *opcode, 0, 5, 0)));
	assert_int_equal(t->script.nr, 0);
}

static void an_lba_in_six_bytes_has_21_bits(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 512ull << 21;
	/* The three bits above were once a LUN. */
	expect_good(send_in(t, CDB(0x08, 0xff, 0xff, 0xff, 1), 512));
	expect_request(t, 0, ZCMU_IO_READ, 512ull * 0x1fffff, 512);
}

static void an_lba_in_ten_and_twelve_bytes_has_32_bits(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 512ull << 32;
	expect_good(send_in(t, block_cdb(t, 0x28, 0, 0xfffffffe, 2), 1024));
	expect_good(send_in(t, block_cdb(t, 0xa8, 0, 0xfffffffe, 2), 1024));
	expect_request(t, 0, ZCMU_IO_READ, 512ull * 0xfffffffe, 1024);
	expect_request(t, 1, ZCMU_IO_READ, 512ull * 0xfffffffe, 1024);
}

static void an_lba_in_sixteen_bytes_has_64_bits(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 1ull << 60;
	expect_good(send_in(t, block_cdb(t, 0x88, 0, (1ull << 51) - 1, 1), 512));
	expect_request(t, 0, ZCMU_IO_READ, ((1ull << 51) - 1) * 512, 512);
}

static void a_number_of_blocks_has_all_its_bytes(void **state)
{
	struct initiator *t = *state;

	/* 0x0102 blocks: a byte forgotten, or two exchanged, would show. */
	for_each(opcode, long_reads) {
		expect_good(send_in(t, block_cdb(t, *opcode, 0, 0, 0x0102), 0x0102 * 512));
		expect_request(t, t->script.nr - 1, ZCMU_IO_READ, 0, 0x0102 * 512);
	}
}

static void the_last_block_can_be_read_and_written(void **state)
{
	struct initiator *t = *state;
	const uint64_t last = SCRIPTED_BLOCKS - 1;
	uint8_t data[512] = { 1 };

	for_each(opcode, reads)
		expect_good(send_in(t, block_cdb(t, *opcode, 0, last, 1), 512));
	for_each(opcode, writes)
		expect_good(send_out(t, block_cdb(t, *opcode, 0, last, 1), data, 512));
}

static void a_range_that_reaches_past_the_end_is_refused_as_a_whole(void **state)
{
	struct initiator *t = *state;
	uint8_t data[1024] = { 1 };
	const struct fake_answer *a;

	for_each(opcode, reads) {
		a = send_in(t, block_cdb(t, *opcode, 0, SCRIPTED_BLOCKS - 1, 2), 1024);
		expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
		expect_information(a, SCRIPTED_BLOCKS);
	}
	for_each(opcode, writes) {
		a = send_out(t, block_cdb(t, *opcode, 0, SCRIPTED_BLOCKS - 1, 2), data, 1024);
		expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
		expect_information(a, SCRIPTED_BLOCKS);
	}
	assert_int_equal(t->script.nr, 0);
}

static void a_block_behind_the_last_is_out_of_range(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	for_each(opcode, reads) {
		a = send_in(t, block_cdb(t, *opcode, 0, SCRIPTED_BLOCKS, 1), 512);
		expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
		expect_information(a, SCRIPTED_BLOCKS);
	}
}

static void an_lba_far_behind_the_last_is_out_of_range(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = send_in(t, block_cdb(t, 0x28, 0, 0xfffffff0, 1), 512);
	expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_information(a, 0xfffffff0);
}

static void zero_blocks_far_behind_the_last_are_out_of_range(void **state)
{
	struct initiator *t = *state;

	for_each(opcode, long_reads)
		expect_sense(send_none(t, block_cdb(t, *opcode, 0, SCRIPTED_BLOCKS + 1, 0)),
			     SENSE_OUT_OF_RANGE, NO_FIELD);
	for_each(opcode, long_writes)
		expect_sense(send_none(t, block_cdb(t, *opcode, 0, SCRIPTED_BLOCKS + 1, 0)),
			     SENSE_OUT_OF_RANGE, NO_FIELD);
}

static void an_lba_and_a_length_that_overflow_together_are_out_of_range(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_in(t, block_cdb(t, 0x88, 0, UINT64_MAX, 2), 1024), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	expect_sense(send_in(t, block_cdb(t, 0x88, 0, UINT64_MAX, 1), 512), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	expect_sense(send_in(t, block_cdb(t, 0x28, 0, UINT32_MAX, 0xffff), 512),
		     SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_sense(send_in(t, block_cdb(t, 0xa8, 0, 1, UINT32_MAX), 512), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	/* Multiplied by the block size it would be 0. */
	expect_sense(send_in(t, block_cdb(t, 0x88, 0, 1ull << 55, 1), 512), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
}

static void an_lba_of_more_than_32_bits_is_not_in_the_sense_data(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, block_cdb(t, 0x88, 0, 1ull << 33, 1), 512);

	expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
	assert_int_equal(a->sense[0], 0x70);
	assert_int_equal(zcmu_get32(a->sense + 3), 0);
}

static void protection_information_is_refused(void **state)
{
	struct initiator *t = *state;
	uint8_t data[512] = { 1 }, bit;

	for (bit = 0x20; bit; bit = (uint8_t)(bit << 1)) {
		for_each(opcode, long_reads)
			expect_sense(send_in(t, block_cdb(t, *opcode, bit, 0, 1), 512),
				     SENSE_INVALID_FIELD_IN_CDB, 1);
		for_each(opcode, long_writes)
			expect_sense(send_out(t, block_cdb(t, *opcode, bit, 0, 1), data, 512),
				     SENSE_INVALID_FIELD_IN_CDB, 1);
	}
	assert_int_equal(t->script.nr, 0);
}

static void a_disk_of_4096_byte_blocks_counts_in_them(void **state)
{
	struct initiator *t = *state;

	t->script.store.block_size = 4096;
	expect_good(send_in(t, block_cdb(t, 0x28, 0, 3, 2), 8192));
	expect_request(t, 0, ZCMU_IO_READ, 3 * 4096, 2 * 4096);
	expect_sense(send_in(t, block_cdb(t, 0x28, 0, SCRIPTED_BYTES / 4096, 1), 4096),
		     SENSE_OUT_OF_RANGE, NO_FIELD);
}

static void a_read_only_disk_can_be_read_and_not_written(void **state)
{
	struct initiator *t = *state;
	uint8_t data[512] = { 1 };

	t->script.store.read_only = true;
	for_each(opcode, writes)
		expect_sense(send_out(t, block_cdb(t, *opcode, 0, 0, 1), data, 512),
			     SENSE_WRITE_PROTECTED, NO_FIELD);
	for_each(opcode, reads)
		expect_good(send_in(t, block_cdb(t, *opcode, 0, 0, 1), 512));
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_WRITE), 0);
}

static void a_disk_whose_store_has_no_write_is_write_protected(void **state)
{
	struct initiator *t = *state;
	uint8_t data[512] = { 1 };

	t->script.ops.write = NULL;
	expect_sense(send_out(t, block_cdb(t, 0x2a, 0, 0, 1), data, 512), SENSE_WRITE_PROTECTED,
		     NO_FIELD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_read_brings_the_blocks_it_names),
		SCSI_TEST(a_write_changes_the_blocks_it_names_and_no_others),
		SCSI_TEST(zero_blocks_in_six_bytes_are_256),
		SCSI_TEST(zero_blocks_in_more_bytes_are_none),
		SCSI_TEST(an_lba_in_six_bytes_has_21_bits),
		SCSI_TEST(an_lba_in_ten_and_twelve_bytes_has_32_bits),
		SCSI_TEST(an_lba_in_sixteen_bytes_has_64_bits),
		SCSI_TEST(a_number_of_blocks_has_all_its_bytes),
		SCSI_TEST(the_last_block_can_be_read_and_written),
		SCSI_TEST(a_range_that_reaches_past_the_end_is_refused_as_a_whole),
		SCSI_TEST(a_block_behind_the_last_is_out_of_range),
		SCSI_TEST(an_lba_far_behind_the_last_is_out_of_range),
		SCSI_TEST(zero_blocks_far_behind_the_last_are_out_of_range),
		SCSI_TEST(an_lba_and_a_length_that_overflow_together_are_out_of_range),
		SCSI_TEST(an_lba_of_more_than_32_bits_is_not_in_the_sense_data),
		SCSI_TEST(protection_information_is_refused),
		SCSI_TEST(a_disk_of_4096_byte_blocks_counts_in_them),
		SCSI_TEST(a_read_only_disk_can_be_read_and_not_written),
		SCSI_TEST(a_disk_whose_store_has_no_write_is_write_protected),
	};

	return cmocka_run_group_tests_name("scsi-read-write", tests, NULL, NULL);
}
