// SPDX-License-Identifier: MIT
/*
 * READ CAPACITY (10) and (16), TEST UNIT READY and REQUEST SENSE: what the disk says
 * of its size and its state.
 */
#include "initiator.h"

static const struct fake_answer *capacity10(struct initiator *t)
{
	return send_in(t, CDB(0x25), 8);
}

/* READ CAPACITY (16) with an allocation length and a payload of 32 bytes. */
static const struct fake_answer *capacity16(struct initiator *t)
{
	return send_in(t, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, BE32(32)), 32);
}

static void the_capacity_is_the_last_block_and_the_block_size(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = capacity10(t);
	expect_good(a);
	expect_payload(a, BE32(SCRIPTED_BLOCKS - 1), BE32(512));
	a = capacity16(t);
	expect_good(a);
	expect_payload(a, BE64(SCRIPTED_BLOCKS - 1), BE32(512));
}

static void the_capacity_of_a_disk_of_4096_byte_blocks_counts_in_them(void **state)
{
	struct initiator *t = *state;

	t->script.store.block_size = 4096;
	expect_payload(capacity10(t), BE32(SCRIPTED_BYTES / 4096 - 1), BE32(4096));
	expect_payload(capacity16(t), BE64(SCRIPTED_BYTES / 4096 - 1), BE32(4096));
}

static void more_than_the_short_form_can_say_is_all_ones(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 512ull * 0xffffffff;
	expect_payload(capacity10(t), BE32(0xfffffffe), BE32(512));
	/* 2 TiB */
	t->script.store.size = 512ull << 32;
	expect_payload(capacity10(t), BE32(0xffffffff), BE32(512));
	t->script.store.size = (512ull << 32) + 512;
	expect_payload(capacity10(t), BE32(0xffffffff), BE32(512));
}

static void the_long_form_can_say_more_than_two_terabytes(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 1ull << 50;
	expect_payload(capacity16(t), BE64((1ull << 41) - 1), BE32(512));
}

static void the_long_form_has_the_physical_block_size(void **state)
{
	struct initiator *t = *state;

	assert_int_equal(capacity16(t)->payload[13], 3);	/* 4096 bytes, 512 << 3 */
	t->script.store.physical_block_size = 512;
	assert_int_equal(capacity16(t)->payload[13], 0);
	t->script.store.block_size = 4096;
	t->script.store.physical_block_size = 4096;
	assert_int_equal(capacity16(t)->payload[13], 0);
}

/* LBPME 80, LBPRZ 40 */
static void the_long_form_says_whether_the_disk_is_thin(void **state)
{
	struct initiator *t = *state;

	assert_int_equal(capacity16(t)->payload[14], 0x80);
	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	assert_int_equal(capacity16(t)->payload[14], 0xc0);
	/* What can only be zeroed might be written. */
	t->script.ops.trim = NULL;
	assert_int_equal(capacity16(t)->payload[14], 0);
}

static void a_read_only_disk_is_not_thin(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	assert_int_equal(capacity16(t)->payload[14], 0);
}

static void the_long_form_is_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = send_in(t, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, BE32(12)), 32);
	expect_short(a, 12);
	expect_payload(a, BE64(SCRIPTED_BLOCKS - 1), BE32(512), FAKE_STALE);
	expect_short(send_in(t, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, BE32(UINT32_MAX)), 64), 32);
}

static void a_short_payload_gets_what_fits(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x25), 4);

	expect_good(a);
	expect_payload(a, BE32(SCRIPTED_BLOCKS - 1));
}

static void the_short_form_takes_no_lba(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_in(t, CDB(0x25, 0, BE32(1)), 8), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(send_in(t, CDB(0x25, [8] = 1), 8), SENSE_INVALID_FIELD_IN_CDB, 8);
}

static void the_unit_is_ready(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x00)));
	assert_int_equal(t->script.nr, 0);
}

static void no_sense_data_are_pending_in_fixed_format(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x03, 0, 0, 0, 252), 252);

	expect_short(a, 18);
	expect_payload(a, 0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, FAKE_STALE);
}

static void no_sense_data_are_pending_in_descriptor_format(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x03, 1, 0, 0, 252), 252);

	expect_short(a, 8);
	expect_payload(a, 0x72, 0, 0, 0, 0, 0, 0, 0, FAKE_STALE);
}

static void sense_data_are_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x03, 0, 0, 0, 8), 18);

	expect_short(a, 8);
	expect_payload(a, 0x70, 0, 0, 0, 0, 0, 0, 10, FAKE_STALE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(the_capacity_is_the_last_block_and_the_block_size),
		SCSI_TEST(the_capacity_of_a_disk_of_4096_byte_blocks_counts_in_them),
		SCSI_TEST(more_than_the_short_form_can_say_is_all_ones),
		SCSI_TEST(the_long_form_can_say_more_than_two_terabytes),
		SCSI_TEST(the_long_form_has_the_physical_block_size),
		SCSI_TEST(the_long_form_says_whether_the_disk_is_thin),
		SCSI_TEST(a_read_only_disk_is_not_thin),
		SCSI_TEST(the_long_form_is_cut_off_at_the_allocation_length),
		SCSI_TEST(a_short_payload_gets_what_fits),
		SCSI_TEST(the_short_form_takes_no_lba),
		SCSI_TEST(the_unit_is_ready),
		SCSI_TEST(no_sense_data_are_pending_in_fixed_format),
		SCSI_TEST(no_sense_data_are_pending_in_descriptor_format),
		SCSI_TEST(sense_data_are_cut_off_at_the_allocation_length),
	};

	return cmocka_run_group_tests_name("scsi-capacity", tests, NULL, NULL);
}
