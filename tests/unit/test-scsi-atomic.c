// SPDX-License-Identifier: MIT
/*
 * COMPARE AND WRITE and ORWRITE: what they compare and write, and who has to wait
 * for whom. That no write gets lost among threads is serve-atomic's.
 */
#include "initiator.h"

#define FUA	0x08

static uint8_t data[2 * 255 * 512 + 512];

/* A COMPARE AND WRITE of @blocks that expects what is there, and writes @byte. */
static const struct fake_answer *compare_and_write(struct initiator *t, uint64_t lba,
						   uint8_t blocks, uint8_t byte, uint8_t flags)
{
	size_t half = blocks * 512u, i;

	for (i = 0; i < half; i++)
		data[i] = t->script.contents[lba * 512 + i];
	memset(data + half, byte, half);
	return send_out(t, CDB(0x89, flags, BE64(lba), 0, 0, 0, blocks), data, 2 * half);
}

static void the_second_half_is_written_if_the_first_is_there(void **state)
{
	struct initiator *t = *state;

	expect_good(compare_and_write(t, 3, 2, 0x77, 0));
	expect_request(t, 0, ZCMU_IO_READ, 3 * 512, 2 * 512);
	expect_request(t, 1, ZCMU_IO_WRITE, 3 * 512, 2 * 512);
	assert_int_equal(t->script.nr, 2);
	assert_int_equal(t->script.contents[3 * 512 - 1], scripted_pattern(3 * 512 - 1));
	assert_int_equal(t->script.contents[3 * 512], 0x77);
	assert_int_equal(t->script.contents[5 * 512 - 1], 0x77);
	assert_int_equal(t->script.contents[5 * 512], scripted_pattern(5 * 512));
}

static void as_many_blocks_as_are_promised_can_be_compared(void **state)
{
	struct initiator *t = *state;

	expect_good(compare_and_write(t, 1, 255, 0x31, 0));
	assert_int_equal(t->script.contents[512], 0x31);
	assert_int_equal(t->script.contents[256 * 512 - 1], 0x31);
}

static void more_blocks_than_the_store_compares_are_refused(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_compare = 1024;
	expect_sense(send_out(t, CDB(0x89, [13] = 3), data, 6 * 512), SENSE_INVALID_FIELD_IN_CDB,
		     13);
	assert_int_equal(t->script.nr, 0);
	memset(data, 0, sizeof(data));
	assert_int_equal(send_out(t, CDB(0x89, [13] = 2), data, 4 * 512)->status, 0x02);
	assert_int_equal(t->script.nr, 1);
}

static void a_miscompare_tells_the_first_byte_and_writes_nothing(void **state)
{
	static const uint32_t places[] = { 0, 511, 700, 4096, 9 * 512 - 1 };
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		t->script.contents[3 * 512 + places[i]] ^= 0x10;
		memcpy(data, t->script.contents + 3 * 512, 9 * 512);
		data[places[i]] ^= 0x10;
		a = send_out(t, CDB(0x89, 0, BE64(3), 0, 0, 0, 9), data, 18 * 512);
		expect_sense(a, SENSE_MISCOMPARE, NO_FIELD);
		expect_information(a, places[i]);
		t->script.contents[3 * 512 + places[i]] ^= 0x10;
	}
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_WRITE), 0);
}

static void halves_in_pieces_are_told_apart(void **state)
{
	static const size_t pieces[] = { 500, 12, 100, 412 };
	struct initiator *t = *state;
	struct fake_request request = { .pieces = pieces, .nr_pieces = 4, .size = 1024,
					.data = data, .cdb = CDB(0x89, 0, BE64(0), 0, 0, 0, 1) };

	memcpy(data, t->script.contents, 512);
	memset(data + 512, 0x5a, 512);
	expect_good(send_request(t, &request));
	assert_int_equal(t->script.contents[0], 0x5a);
	assert_int_equal(t->script.contents[511], 0x5a);
}

static void fua_is_passed_on_or_followed_by_a_flush(void **state)
{
	struct initiator *t = *state;

	expect_good(compare_and_write(t, 0, 1, 1, FUA));
	expect_request(t, 2, ZCMU_IO_FLUSH, 0, 0);
	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_good(compare_and_write(t, 0, 1, 2, FUA));
	assert_true(t->script.requests[4].fua);
	assert_int_equal(t->script.nr, 5);
}

static void errors_of_either_part_are_told_as_such(void **state)
{
	struct initiator *t = *state;

	t->script.error = -EIO;
	t->script.fail_at = 0;
	expect_sense(compare_and_write(t, 0, 1, 1, 0), SENSE_READ_ERROR, NO_FIELD);
	t->script.fail_at = 2;
	expect_sense(compare_and_write(t, 0, 1, 1, 0), SENSE_WRITE_ERROR, NO_FIELD);
}

static void no_blocks_are_no_error(void **state)
{
	struct initiator *t = *state;

	expect_good(compare_and_write(t, 0, 0, 1, 0));
	expect_good(send_none(t, block_cdb(t, 0x8b, 0, 0, 0)));
	assert_int_equal(t->script.nr, 0);
}

static void a_payload_of_another_length_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_out(t, CDB(0x89, [13] = 2), data, 3 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 13);
	expect_sense(send_out(t, CDB(0x89, [13] = 2), data, 5 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 13);
	expect_sense(send_out(t, CDB(0x89), data, 512), SENSE_INVALID_FIELD_IN_CDB, 13);
	assert_int_equal(t->script.nr, 0);
}

static void protection_and_ranges_past_the_end_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_out(t, CDB(0x89, 0x20, [13] = 1), data, 1024),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_out(t, CDB(0x89, 0, BE64(SCRIPTED_BLOCKS), [13] = 1), data, 1024),
		     SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_sense(send_out(t, block_cdb(t, 0x8b, 0x20, 0, 1), data, 512),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_out(t, block_cdb(t, 0x8b, 0, SCRIPTED_BLOCKS, 1), data, 512),
		     SENSE_OUT_OF_RANGE, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static void a_read_only_disk_refuses_both(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	expect_sense(compare_and_write(t, 0, 1, 1, 0), SENSE_WRITE_PROTECTED, NO_FIELD);
	expect_sense(send_out(t, block_cdb(t, 0x8b, 0, 0, 1), data, 512), SENSE_WRITE_PROTECTED,
		     NO_FIELD);
}

static void orwrite_sets_bits_and_keeps_the_others(void **state)
{
	const uint32_t blocks = 2 * 2048 + 3;		/* more than two chunks of 1 MiB */
	static uint8_t bits[(2 * 2048 + 3) * 512];
	struct initiator *t = *state;
	uint32_t i;

	for (i = 0; i < sizeof(bits); i++)
		bits[i] = (uint8_t)(i * 7 + i / 512);
	expect_good(send_out(t, block_cdb(t, 0x8b, 0, 5, blocks), bits, sizeof(bits)));
	for (i = 0; i < sizeof(bits); i++)
		assert_int_equal(t->script.contents[5 * 512 + i],
				 bits[i] | scripted_pattern(5 * 512 + i));
	assert_int_equal(t->script.nr, 6);
}

/*
 * Who waits
 */

static void a_write_waits_for_a_comparison_of_its_blocks(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *atomic, *before, *inside, *behind;

	t->script.hold = true;
	atomic = compare_and_write(t, 4, 2, 0x11, 0);
	before = send_out(t, block_cdb(t, 0x2a, 0, 0, 4), data, 4 * 512);
	inside = send_out(t, block_cdb(t, 0x2a, 0, 5, 4), data, 4 * 512);
	behind = send_out(t, block_cdb(t, 0x2a, 0, 6, 1), data, 512);
	/* The one beside it doesn't; the last overlaps one that waits, and so waits for that. */
	expect_request(t, 1, ZCMU_IO_WRITE, 0, 4 * 512);
	assert_int_equal(t->script.nr, 2);

	answer_held(t, 0, 0);
	expect_request(t, 2, ZCMU_IO_WRITE, 4 * 512, 2 * 512);
	assert_int_equal(t->script.nr, 3);
	answer_held(t, 2, 0);
	expect_good(atomic);
	expect_request(t, 3, ZCMU_IO_WRITE, 5 * 512, 4 * 512);
	assert_int_equal(t->script.nr, 4);
	answer_held(t, 1, 0);
	answer_held(t, 3, 0);
	expect_request(t, 4, ZCMU_IO_WRITE, 6 * 512, 512);
	answer_held(t, 4, 0);
	expect_good(before);
	expect_good(inside);
	expect_good(behind);
}

static void a_comparison_waits_for_every_write_that_is_under_way(void **state)
{
	static const uint8_t unmap[24] = { BE16(22), BE16(16), BE32(0), BE64(2), BE32(1) };
	struct initiator *t = *state;
	const struct fake_answer *atomic;
	unsigned int i;

	t->script.hold = true;
	/* WRITE, WRITE SAME, UNMAP, WRITE AND VERIFY, ORWRITE: each of another block */
	send_out(t, block_cdb(t, 0x2a, 0, 0, 1), data, 512);
	send_out(t, block_cdb(t, 0x41, 0, 1, 1), memset(data, 1, 512), 512);
	send_out(t, CDB(0x42, [8] = 24), unmap, sizeof(unmap));
	send_out(t, block_cdb(t, 0x2e, 0, 3, 1), data, 512);
	send_out(t, block_cdb(t, 0x8b, 0, 4, 1), data, 512);
	assert_int_equal(t->script.nr, 5);
	atomic = compare_and_write(t, 0, 5, 0x22, 0);
	/* The one READ so far is ORWRITE's. */
	for (i = 0; i < 3; i++) {
		answer_held(t, i, 0);
		assert_int_equal(scripted_count(&t->script, ZCMU_IO_READ), 1);
	}
	/* WRITE AND VERIFY: a flush, then what was written is read; ORWRITE: it is written. */
	answer_held(t, 3, 0);
	answer_held(t, 5, 0);
	answer_held(t, 6, 0);
	answer_held(t, 4, 0);
	assert_int_equal(t->script.nr, 8);
	assert_false(atomic->arrived);
	answer_held(t, 7, 0);
	/* Now it begins, and finds other bytes than were there when it was sent. */
	expect_request(t, 8, ZCMU_IO_READ, 0, 5 * 512);
	answer_held(t, 8, 0);
	expect_sense(atomic, SENSE_MISCOMPARE, NO_FIELD);
}

static void those_that_wait_go_on_in_the_order_they_came(void **state)
{
	const struct fake_answer *answers[40];
	struct initiator *t = *state;
	unsigned int i;

	t->script.hold = true;
	for (i = 0; i < 40; i++)
		answers[i] = send_out(t, block_cdb(t, 0x8b, 0, 7, 1), data, 512);
	assert_int_equal(t->script.nr, 1);
	/* From now on all is answered at once: no stack could take that if they nested. */
	t->script.hold = false;
	answer_held(t, 0, 0);
	for (i = 0; i < 40; i++) {
		expect_good(answers[i]);
		assert_int_equal(answers[i]->order, i);
	}
}

static void a_failure_lets_those_behind_it_go_on(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *atomic, *write;

	t->script.hold = true;
	atomic = compare_and_write(t, 4, 2, 0x11, 0);
	write = send_out(t, block_cdb(t, 0x2a, 0, 4, 1), data, 512);
	answer_held(t, 0, -EIO);
	expect_sense(atomic, SENSE_READ_ERROR, NO_FIELD);
	answer_held(t, 1, 0);
	expect_good(write);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(the_second_half_is_written_if_the_first_is_there),
		SCSI_TEST(as_many_blocks_as_are_promised_can_be_compared),
		SCSI_TEST(more_blocks_than_the_store_compares_are_refused),
		SCSI_TEST(a_miscompare_tells_the_first_byte_and_writes_nothing),
		SCSI_TEST(halves_in_pieces_are_told_apart),
		SCSI_TEST(fua_is_passed_on_or_followed_by_a_flush),
		SCSI_TEST(errors_of_either_part_are_told_as_such),
		SCSI_TEST(no_blocks_are_no_error),
		SCSI_TEST(a_payload_of_another_length_is_refused),
		SCSI_TEST(protection_and_ranges_past_the_end_are_refused),
		SCSI_TEST(a_read_only_disk_refuses_both),
		SCSI_TEST(orwrite_sets_bits_and_keeps_the_others),
		SCSI_TEST(a_write_waits_for_a_comparison_of_its_blocks),
		SCSI_TEST(a_comparison_waits_for_every_write_that_is_under_way),
		SCSI_TEST(those_that_wait_go_on_in_the_order_they_came),
		SCSI_TEST(a_failure_lets_those_behind_it_go_on),
	};

	return cmocka_run_group_tests_name("scsi-atomic", tests, NULL, NULL);
}
