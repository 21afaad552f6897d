// SPDX-License-Identifier: MIT
/*
 * WRITE AND VERIFY, WRITE SAME (32) and PRE-FETCH. The rest of VERIFY and WRITE SAME
 * has programs of its own.
 */
#include "initiator.h"

static const uint8_t opcodes[] = { 0x2e, 0xae, 0x8e };
static uint8_t data[(2048 + 3) * 512];

static void what_is_written_is_made_stable_and_read_back(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		memset(data, 0x61 + (int)i, 5 * 512);
		expect_good(send_out(t, block_cdb(t, opcodes[i], 0x02, 7, 5), data, 5 * 512));
		expect_request(t, 3 * i, ZCMU_IO_WRITE, 7 * 512, 5 * 512);
		expect_request(t, 3 * i + 1, ZCMU_IO_FLUSH, 0, 0);
		expect_request(t, 3 * i + 2, ZCMU_IO_READ, 7 * 512, 5 * 512);
		assert_memory_equal(t->script.contents + 7 * 512, data, 5 * 512);
	}
	assert_int_equal(t->script.nr, 9);
}

static void a_store_with_fua_needs_no_flush(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_good(send_out(t, block_cdb(t, 0x2e, 0x02, 7, 5), data, 5 * 512));
	assert_int_equal(t->script.nr, 2);
	assert_true(t->script.requests[0].fua);
}

/* What was written is not what is read: with BYTCHK somebody looks. */
static void a_difference_is_a_miscompare_if_bytchk_asks_for_it(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	uint8_t bytchk;

	for (bytchk = 0; bytchk < 2; bytchk++) {
		t->script.hold = true;
		t->script.nr = 0;
		a = send_out(t, block_cdb(t, 0x8e, (uint8_t)(bytchk << 1), 0, 2051), data,
			     sizeof(data));
		answer_held(t, 0, 0);
		answer_held(t, 1, 0);
		t->script.contents[2050 * 512] ^= 1;
		t->script.hold = false;
		answer_held(t, 2, 0);
		if (bytchk)
			expect_sense(a, SENSE_MISCOMPARE, NO_FIELD);
		else
			expect_good(a);
	}
}

static void errors_end_it_where_they_come(void **state)
{
	struct initiator *t = *state;

	t->script.error = -EIO;
	t->script.fail_at = 0;
	expect_sense(send_out(t, block_cdb(t, 0x2e, 0, 0, 1), data, 512), SENSE_WRITE_ERROR,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 1);
	t->script.fail_at = 2;
	expect_sense(send_out(t, block_cdb(t, 0x2e, 0, 0, 1), data, 512), SENSE_WRITE_ERROR,
		     NO_FIELD);
	t->script.fail_at = 5;
	expect_sense(send_out(t, block_cdb(t, 0x2e, 0, 0, 1), data, 512), SENSE_READ_ERROR,
		     NO_FIELD);
}

static void wrong_fields_are_refused(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		expect_sense(send_out(t, block_cdb(t, opcodes[i], 0x20, 0, 1), data, 512),
			     SENSE_INVALID_FIELD_IN_CDB, 1);
		expect_sense(send_out(t, block_cdb(t, opcodes[i], 0x04, 0, 1), data, 512),
			     SENSE_INVALID_FIELD_IN_CDB, 1);
		expect_sense(send_out(t, block_cdb(t, opcodes[i], 0, SCRIPTED_BLOCKS, 1), data,
				      512),
			     SENSE_OUT_OF_RANGE, NO_FIELD);
		expect_good(send_none(t, block_cdb(t, opcodes[i], 0x02, 0, 0)));
	}
	t->script.store.read_only = true;
	expect_sense(send_out(t, block_cdb(t, 0x2e, 0, 0, 1), data, 512), SENSE_WRITE_PROTECTED,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

/*
 * WRITE SAME (32)
 */

#define SAME32(flags, lba, blocks) \
	CDB(0x7f, [7] = 24, [9] = 0x0d, flags, 0, BE64(lba), 0, 0, 0, 0, 0, 0, 0, 0, BE32(blocks))

static void write_same_32_fills_a_range(void **state)
{
	struct initiator *t = *state;

	memset(data, 0x29, 512);
	expect_good(send_out(t, SAME32(0, 0x101, 3), data, 512));
	expect_request(t, 0, ZCMU_IO_WRITE, 0x101 * 512, 3 * 512);
	assert_int_equal(t->script.contents[0x101 * 512], 0x29);
	assert_int_equal(t->script.contents[0x104 * 512 - 1], 0x29);
}

static void write_same_32_trims_and_needs_no_block(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	expect_good(send_none(t, SAME32(0x09, 8, 5)));		/* UNMAP, NDOB */
	expect_request(t, 0, ZCMU_IO_TRIM, 8 * 512, 5 * 512);
	expect_good(send_none(t, SAME32(0x01, 8, 0)));		/* to the end */
	expect_request(t, 1, ZCMU_IO_ZERO, 8 * 512, SCRIPTED_BYTES - 8 * 512);
}

static void write_same_32_refuses_what_the_others_refuse(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_out(t, SAME32(0x20, 0, 1), data, 512), SENSE_INVALID_FIELD_IN_CDB, 10);
	expect_sense(send_out(t, SAME32(0x18, 0, 1), data, 512), SENSE_INVALID_FIELD_IN_CDB, 10);
	expect_sense(send_none(t, SAME32(0, 0, 1)), SENSE_INVALID_FIELD_IN_CDB, 28);
	expect_sense(send_out(t, SAME32(0, 0, 1), data, 1024), SENSE_INVALID_FIELD_IN_CDB, 28);
	expect_sense(send_out(t, SAME32(0, SCRIPTED_BLOCKS, 1), data, 512), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

/*
 * PRE-FETCH
 */

static void a_prefetch_checks_the_range_and_promises_nothing(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, block_cdb(t, 0x34, 0, 0, 8)));
	expect_good(send_none(t, block_cdb(t, 0x90, 0x02, 5, 0)));
	expect_sense(send_none(t, block_cdb(t, 0x34, 0, SCRIPTED_BLOCKS - 1, 2)),
		     SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_sense(send_none(t, block_cdb(t, 0x90, 0, UINT64_MAX, 2)), SENSE_OUT_OF_RANGE,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(what_is_written_is_made_stable_and_read_back),
		SCSI_TEST(a_store_with_fua_needs_no_flush),
		SCSI_TEST(a_difference_is_a_miscompare_if_bytchk_asks_for_it),
		SCSI_TEST(errors_end_it_where_they_come),
		SCSI_TEST(wrong_fields_are_refused),
		SCSI_TEST(write_same_32_fills_a_range),
		SCSI_TEST(write_same_32_trims_and_needs_no_block),
		SCSI_TEST(write_same_32_refuses_what_the_others_refuse),
		SCSI_TEST(a_prefetch_checks_the_range_and_promises_nothing),
	};

	return cmocka_run_group_tests_name("scsi-write-verify", tests, NULL, NULL);
}
