// SPDX-License-Identifier: MIT
/*
 * READ and WRITE: payloads in pieces, too long or too short; limits; errors of the store; what
 * is counted. FUA is test-scsi-fua.c's, and which bytes of the disk are meant
 * test-scsi-read-write.c's.
 */
#include "initiator.h"

#include <stdlib.h>

static uint8_t data[128 * 512];

/* READ or WRITE (10) of @blocks from block 8 on, with a payload in pieces. */
static const struct fake_answer *send_pieces(struct initiator *t, uint8_t opcode, uint32_t blocks,
					     const size_t *pieces, unsigned int nr)
{
	struct fake_request request = {
		.cdb = block_cdb(t, opcode, 0, 8, blocks), .pieces = pieces, .nr_pieces = nr,
		.data = opcode == 0x2a ? data : NULL,
	};
	unsigned int i;

	for (i = 0; i < nr; i++)
		request.size += pieces[i];
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11 + i / 512);
	return send_request(t, &request);
}

static void a_read_fills_pieces_of_any_length_in_order(void **state)
{
	static const size_t pieces[] = { 100, 412, 1, 1023, 512 };
	struct initiator *t = *state;
	const struct fake_answer *a = send_pieces(t, 0x28, 4, pieces, 5);

	expect_good(a);
	assert_memory_equal(a->payload, t->script.contents + 8 * 512, 4 * 512);
}

static void a_write_takes_pieces_of_any_length_in_order(void **state)
{
	static const size_t pieces[] = { 100, 412, 1, 1023, 512 };
	struct initiator *t = *state;

	expect_good(send_pieces(t, 0x2a, 4, pieces, 5));
	assert_memory_equal(t->script.contents + 8 * 512, data, 4 * 512);
}

static void a_payload_may_have_a_hundred_pieces(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	size_t pieces[100];
	unsigned int i;

	for (i = 0; i < 100; i++)
		pieces[i] = 512;
	a = send_pieces(t, 0x28, 100, pieces, 100);
	expect_good(a);
	assert_memory_equal(a->payload, t->script.contents + 8 * 512, 100 * 512);
	expect_good(send_pieces(t, 0x2a, 100, pieces, 100));
	assert_memory_equal(t->script.contents + 8 * 512, data, 100 * 512);
}

static void a_read_into_too_long_a_payload_tells_how_much_it_is(void **state)
{
	static const size_t pieces[] = { 700, 700, 648 };
	struct initiator *t = *state;
	const struct fake_answer *a = send_pieces(t, 0x28, 2, pieces, 3);
	unsigned int i;

	expect_short(a, 1024);
	assert_memory_equal(a->payload, t->script.contents + 8 * 512, 1024);
	for (i = 1024; i < 2048; i++)
		assert_int_equal(a->payload[i], FAKE_STALE);
}

static void a_write_of_too_long_a_payload_takes_its_beginning(void **state)
{
	static const size_t pieces[] = { 700, 700, 648 };
	struct initiator *t = *state;

	expect_residual(send_pieces(t, 0x2a, 2, pieces, 3), 1024);
	expect_request(t, 0, ZCMU_IO_WRITE, 8 * 512, 1024);
	assert_memory_equal(t->script.contents + 8 * 512, data, 1024);
	assert_int_equal(t->script.contents[10 * 512], scripted_pattern(10 * 512));
}

static void a_read_fills_what_payload_there_is_and_tells_how_much_it_would_be(void **state)
{
	static const size_t lengths[] = { 1024, 512, 1023, 513, 200, 1 };
	static const uint8_t opcodes[] = { 0x08, 0x28, 0xa8, 0x88 };
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 6; j++) {
			a = send_in(t, block_cdb(t, opcodes[i], 0, 8, 3), lengths[j]);
			expect_residual(a, 3 * 512);
			assert_memory_equal(a->payload, t->script.contents + 8 * 512, lengths[j]);
		}
	}
}

static void a_read_into_pieces_may_end_inside_a_block(void **state)
{
	static const size_t pieces[] = { 100, 412, 1, 87 };
	struct initiator *t = *state;
	const struct fake_answer *a = send_pieces(t, 0x28, 2, pieces, 4);

	expect_residual(a, 1024);
	expect_request(t, 0, ZCMU_IO_READ, 8 * 512, 1024);
	assert_memory_equal(a->payload, t->script.contents + 8 * 512, 600);
}

static void a_failed_read_of_a_part_of_a_block_is_an_error(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	expect_sense(send_in(t, block_cdb(t, 0x28, 0, 8, 1), 200), SENSE_READ_ERROR, NO_FIELD);
}

static void a_write_takes_the_whole_blocks_there_are_and_tells_how_many_it_wants(void **state)
{
	static const uint8_t opcodes[] = { 0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e };
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		memset(data, (int)i + 1, sizeof(data));
		expect_residual(send_out(t, block_cdb(t, opcodes[i], 0, 8, 3), data, 1024),
				3 * 512);
		assert_memory_equal(t->script.contents + 8 * 512, data, 1024);
		assert_int_equal(t->script.contents[10 * 512], scripted_pattern(10 * 512));
	}
}

static void a_write_of_a_part_of_a_block_is_refused_before_anything_is_done(void **state)
{
	static const uint8_t opcodes[] = { 0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e };
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		a = send_out(t, block_cdb(t, opcodes[i], 0, 8, 2), data, 1023);
		expect_sense(a, SENSE_WRONG_PAYLOAD_LENGTH, NO_FIELD);
		assert_int_equal(a->uflags, ZCMU_UFLAG_CDB_LEN);
		assert_int_equal(a->read_len, 1024);
	}
	assert_int_equal(t->script.nr, 0);
}

static void without_a_payload_nothing_is_done_and_all_of_it_is_residual(void **state)
{
	struct initiator *t = *state;

	expect_residual(send_none(t, block_cdb(t, 0x28, 0, 8, 2)), 1024);
	expect_residual(send_none(t, block_cdb(t, 0x2a, 0, 8, 2)), 1024);
	assert_int_equal(t->script.nr, 0);
}

static void a_write_of_no_blocks_leaves_all_of_its_payload(void **state)
{
	struct initiator *t = *state;

	expect_residual(send_out(t, block_cdb(t, 0x2a, 0, 8, 0), data, 512), 0);
	assert_int_equal(t->script.nr, 0);
}

static void a_command_of_more_blocks_than_the_limit_is_refused(void **state)
{
	struct initiator *t = *state;

	t->disk->max_blocks = 8;
	expect_sense(send_in(t, block_cdb(t, 0x28, 0, 0, 9), 9 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 7);
	expect_sense(send_in(t, block_cdb(t, 0xa8, 0, 0, 9), 9 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 6);
	expect_sense(send_out(t, block_cdb(t, 0x8a, 0, 0, 9), data, 9 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 10);
	expect_sense(send_in(t, block_cdb(t, 0x08, 0, 0, 0), 256 * 512),
		     SENSE_INVALID_FIELD_IN_CDB, 4);
	assert_int_equal(t->script.nr, 0);
}

static void a_command_of_exactly_the_limit_is_done(void **state)
{
	struct initiator *t = *state;

	t->disk->max_blocks = 8;
	expect_good(send_in(t, block_cdb(t, 0x28, 0, 0, 8), 8 * 512));
	expect_good(send_out(t, block_cdb(t, 0x0a, 0, 0, 8), data, 8 * 512));
}

/* I6: to say nothing of the payload is to say that all of it was read. */
static void a_read_of_no_blocks_leaves_nothing_stale_in_its_payload(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, block_cdb(t, 0x28, 0, 0, 0), 8);

	expect_good(a);
	expect_payload(a, 0, 0, 0, 0, 0, 0, 0, 0);
}

/*
 * Errors
 */

static const struct fake_answer *failed(struct initiator *t, uint8_t opcode, int error)
{
	t->script.fail_at = (int)t->script.nr;
	t->script.error = error;
	return opcode == 0x28 ? send_in(t, block_cdb(t, opcode, 0, 0, 1), 512) :
				send_out(t, block_cdb(t, opcode, 0, 0, 1), data, 512);
}

static void errors_of_reads_say_that_reading_failed(void **state)
{
	struct initiator *t = *state;

	expect_sense(failed(t, 0x28, -EIO), SENSE_READ_ERROR, NO_FIELD);
	expect_sense(failed(t, 0x28, -ENODEV), SENSE_NOT_READY, NO_FIELD);
	expect_sense(failed(t, 0x28, -EINVAL), SENSE_HARDWARE_ERROR, NO_FIELD);
}

static void errors_of_writes_say_that_writing_failed(void **state)
{
	struct initiator *t = *state;

	expect_sense(failed(t, 0x2a, -EIO), SENSE_WRITE_ERROR, NO_FIELD);
	expect_sense(failed(t, 0x2a, -ENOSPC), SENSE_NO_SPACE, NO_FIELD);
	expect_sense(failed(t, 0x2a, -EROFS), SENSE_WRITE_PROTECTED, NO_FIELD);
	expect_sense(failed(t, 0x2a, -EINVAL), SENSE_HARDWARE_ERROR, NO_FIELD);
}

static void a_store_that_wants_another_try_makes_the_disk_busy(void **state)
{
	struct initiator *t = *state;

	assert_int_equal(failed(t, 0x28, -EAGAIN)->status, 0x08);
	assert_int_equal(failed(t, 0x2a, -ENOMEM)->status, 0x08);
}

static void a_failed_read_limits_no_payload(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	a = send_in(t, block_cdb(t, 0x28, 0, 0, 1), 2048);
	expect_sense(a, SENSE_READ_ERROR, NO_FIELD);
	assert_int_equal(a->uflags, 0);
}

static void commands_may_be_answered_in_any_order(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *answers[3];
	unsigned int i;

	t->script.hold = true;
	for (i = 0; i < 3; i++)
		answers[i] = send_in(t, block_cdb(t, 0x28, 0, i, 1), 512);
	answer_held(t, 1, 0);
	answer_held(t, 2, -EIO);
	assert_false(answers[0]->arrived);
	answer_held(t, 0, 0);
	expect_good(answers[0]);
	expect_good(answers[1]);
	expect_sense(answers[2], SENSE_READ_ERROR, NO_FIELD);
	assert_memory_equal(answers[0]->payload, t->script.contents, 512);
	assert_memory_equal(answers[1]->payload, t->script.contents + 512, 512);
}

static void commands_and_their_bytes_are_counted(void **state)
{
	struct initiator *t = *state;
	struct fake_request lent = { .size = 4096, .lent = true };
	struct zcmu_statistics n = { .struct_size = sizeof(n) };

	lent.cdb = block_cdb(t, 0x28, 0, 0, 8);
	expect_good(send_request(t, &lent));
	expect_good(send_out(t, block_cdb(t, 0x2a, 0, 0, 1), data, 512));
	expect_sense(send_none(t, CDB(0xff)), SENSE_INVALID_OPCODE, NO_FIELD);
	zcmu_disk_statistics(t->disk, &n);
	assert_int_equal(n.commands, 3);
	assert_int_equal(n.errors, 1);
	assert_int_equal(n.bytes_read, 4096);
	assert_int_equal(n.bytes_written, 512);
	assert_int_equal(n.bytes_in_place, 4096);
	assert_int_equal(n.bytes_copied, 512);
}

/* Which errors are taken for a pin that lending is in the way of, as a copy isn't */
static void a_lent_payload_that_fails_by_lending_is_asked_for_as_a_copy(void **state)
{
	static const struct {
		int error;
		bool lent, asks;
	} rows[] = {
		{ -EFAULT, true, true },
		{ -EEXIST, true, true },
		{ -EFAULT, false, false },
		{ -EEXIST, false, false },
		{ -EIO, true, false },
		{ -EAGAIN, true, false },
		{ 0, true, false },
	};
	struct initiator *t = *state;
	struct zcmu_counts *counts = &t->disk->counts;
	size_t i;

	for (i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_write = i % 2, asks = rows[i / 2].asks;
		struct fake_request request = {
			.size = 4096, .lent = rows[i / 2].lent,
			.data = is_write ? data : NULL,
		};
		const struct fake_answer *a;
		uint64_t before = atomic_load(&counts->commands);

		t->script.fail_at = rows[i / 2].error ? (int)t->script.nr : -1;
		t->script.error = rows[i / 2].error;
		request.cdb = block_cdb(t, is_write ? 0x2a : 0x28, 0, 0, 8);
		a = send_request(t, &request);
		if (!!(a->uflags & ZCMU_UFLAG_TRY_COPIED) != asks)
			fail_msg("error %d, lent %d: expected that it %s, got uflags 0x%x",
				 rows[i / 2].error, rows[i / 2].lent,
				 asks ? "asks for a copy" : "doesn't ask", a->uflags);
		assert_int_equal(a->status == SAM_GOOD, !rows[i / 2].error);
		/* What comes again is counted then. */
		assert_int_equal(atomic_load(&counts->commands) - before, !asks);
	}
}

static void the_library_says_that_it_knows_lending(void **state)
{
	struct initiator *t = *state;

	assert_int_equal(t->disk->ring.mailbox->handler_flags, ZCMU_HANDLER_KNOWS_LENDING);
}

/* A kernel that doesn't do it (stock's, or an older one of ours) must not be told anything. */
static void nobody_is_asked_for_a_copy_who_does_not_offer_it(void **state)
{
	struct initiator *t = *state;
	struct fake_request request = { .size = 4096, .lent = true };
	struct zcmu_mailbox *mailbox = t->disk->ring.mailbox;
	struct zcmu_hring other;
	size_t size;
	void *map = fake_kernel_map(t->kernel, &size);

	t->disk->ring.tries_copied = false;
	t->script.fail_at = 0;
	t->script.error = -EFAULT;
	request.cdb = block_cdb(t, 0x28, 0, 0, 8);
	assert_int_equal(send_request(t, &request)->uflags, 0);

	mailbox->flags &= (uint16_t)~ZCMU_CAP_TRY_COPIED;
	mailbox->handler_flags = 0;
	assert_int_equal(zcmu_hring_init(&other, map, size), 0);
	assert_int_equal(mailbox->handler_flags, 0);
	assert_false(other.tries_copied);
	zcmu_hring_deinit(&other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_read_fills_pieces_of_any_length_in_order),
		SCSI_TEST(a_write_takes_pieces_of_any_length_in_order),
		SCSI_TEST(a_payload_may_have_a_hundred_pieces),
		SCSI_TEST(a_read_into_too_long_a_payload_tells_how_much_it_is),
		SCSI_TEST(a_write_of_too_long_a_payload_takes_its_beginning),
		SCSI_TEST(a_read_fills_what_payload_there_is_and_tells_how_much_it_would_be),
		SCSI_TEST(a_read_into_pieces_may_end_inside_a_block),
		SCSI_TEST(a_failed_read_of_a_part_of_a_block_is_an_error),
		SCSI_TEST(a_write_takes_the_whole_blocks_there_are_and_tells_how_many_it_wants),
		SCSI_TEST(a_write_of_a_part_of_a_block_is_refused_before_anything_is_done),
		SCSI_TEST(without_a_payload_nothing_is_done_and_all_of_it_is_residual),
		SCSI_TEST(a_write_of_no_blocks_leaves_all_of_its_payload),
		SCSI_TEST(a_command_of_more_blocks_than_the_limit_is_refused),
		SCSI_TEST(a_command_of_exactly_the_limit_is_done),
		SCSI_TEST(a_read_of_no_blocks_leaves_nothing_stale_in_its_payload),
		SCSI_TEST(errors_of_reads_say_that_reading_failed),
		SCSI_TEST(errors_of_writes_say_that_writing_failed),
		SCSI_TEST(a_store_that_wants_another_try_makes_the_disk_busy),
		SCSI_TEST(a_failed_read_limits_no_payload),
		SCSI_TEST(commands_may_be_answered_in_any_order),
		SCSI_TEST(commands_and_their_bytes_are_counted),
		SCSI_TEST(a_lent_payload_that_fails_by_lending_is_asked_for_as_a_copy),
		SCSI_TEST(the_library_says_that_it_knows_lending),
		SCSI_TEST(nobody_is_asked_for_a_copy_who_does_not_offer_it),
	};

	return cmocka_run_group_tests_name("scsi-transfer", tests, NULL, NULL);
}
