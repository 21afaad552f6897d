// SPDX-License-Identifier: MIT
/*
 * UNMAP: parameter lists that are right, wrong, cut off; ranges that are trimmed, all
 * or none.
 */
#include "initiator.h"
#include "scsi/scsi.h"

#include <stdlib.h>

#define LIST(...)	{ __VA_ARGS__ }
#define HEADER(n)	BE16((n) * 16 + 6), BE16((n) * 16), 0, 0, 0, 0
#define RANGE(lba, blocks)	BE64(lba), BE32(blocks), 0, 0, 0, 0

/* UNMAP with a parameter list of @size bytes, and that length in the CDB. */
static const struct fake_answer *unmap(struct initiator *t, const uint8_t *list, size_t size)
{
	return send_out(t, CDB(0x42, 0, 0, 0, 0, 0, 0, BE16(size)), list, size);
}

static void a_range_is_trimmed(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(0x123, 0x45));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 0x123 * 512, 0x45 * 512);
	assert_int_equal(t->script.nr, 1);
}

static void several_ranges_are_trimmed_in_order(void **state)
{
	static const uint8_t list[] = LIST(HEADER(3), RANGE(30, 3), RANGE(20, 2), RANGE(10, 1));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 30 * 512, 3 * 512);
	expect_request(t, 1, ZCMU_IO_TRIM, 20 * 512, 2 * 512);
	expect_request(t, 2, ZCMU_IO_TRIM, 10 * 512, 1 * 512);
	assert_int_equal(t->script.nr, 3);
}

static void the_next_range_waits_for_the_one_before(void **state)
{
	static const uint8_t list[] = LIST(HEADER(2), RANGE(1, 1), RANGE(2, 1));
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.hold = true;
	a = unmap(t, list, sizeof(list));
	assert_int_equal(t->script.nr, 1);
	answer_held(t, 0, 0);
	assert_int_equal(t->script.nr, 2);
	assert_false(a->arrived);
	answer_held(t, 1, 0);
	expect_good(a);
}

static void a_range_of_no_blocks_is_passed_over(void **state)
{
	static const uint8_t list[] = LIST(HEADER(3), RANGE(1, 0), RANGE(2, 1), RANGE(3, 0));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 2 * 512, 512);
	assert_int_equal(t->script.nr, 1);
}

static void ranges_of_no_blocks_alone_are_nothing_to_do(void **state)
{
	static const uint8_t list[] = LIST(HEADER(2), RANGE(1, 0), RANGE(SCRIPTED_BLOCKS, 0));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	assert_int_equal(t->script.nr, 0);
}

static void the_whole_disk_can_be_trimmed(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(0, SCRIPTED_BLOCKS));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 0, SCRIPTED_BYTES);
}

static void a_range_may_be_larger_than_four_gigabytes(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1ull << 32, 0xffffffff));
	struct initiator *t = *state;

	t->script.store.size = 1ull << 50;
	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 512ull << 32, 512ull * 0xffffffff);
}

static void as_many_ranges_as_page_b0_allows_are_trimmed(void **state)
{
	struct initiator *t = *state;
	size_t size = 8 + 16 * ZCMU_MAX_UNMAP_DESCRIPTORS;
	uint8_t *list = calloc(1, size);
	unsigned int i;

	memcpy(list, (const uint8_t[]){ HEADER(ZCMU_MAX_UNMAP_DESCRIPTORS) }, 8);
	for (i = 0; i < ZCMU_MAX_UNMAP_DESCRIPTORS; i++)
		memcpy(list + 8 + 16 * i, (const uint8_t[]){ RANGE(i, 1) }, 16);
	expect_good(unmap(t, list, size));
	assert_int_equal(t->script.nr, ZCMU_MAX_UNMAP_DESCRIPTORS);
	expect_request(t, 255, ZCMU_IO_TRIM, 255 * 512, 512);
	free(list);
}

static void more_ranges_than_page_b0_allows_are_refused(void **state)
{
	struct initiator *t = *state;
	size_t size = 8 + 16 * (ZCMU_MAX_UNMAP_DESCRIPTORS + 1);
	uint8_t *list = calloc(1, size);

	memcpy(list, (const uint8_t[]){ HEADER(ZCMU_MAX_UNMAP_DESCRIPTORS + 1) }, 8);
	expect_sense(unmap(t, list, size), SENSE_INVALID_FIELD_IN_PARAMETERS, 2);
	assert_int_equal(t->script.nr, 0);
	free(list);
}

/*
 * Ranges that are not on the disk
 */

static void a_range_past_the_end_is_refused_before_any_is_trimmed(void **state)
{
	static const uint8_t list[] = LIST(HEADER(3), RANGE(0, 1), RANGE(5, 1),
					   RANGE(SCRIPTED_BLOCKS - 1, 2));
	struct initiator *t = *state;
	const struct fake_answer *a = unmap(t, list, sizeof(list));

	expect_sense(a, SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_information(a, SCRIPTED_BLOCKS);
	assert_int_equal(t->script.nr, 0);
}

static void a_range_whose_end_overflows_is_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(UINT64_MAX, 2));
	struct initiator *t = *state;

	expect_sense(unmap(t, list, sizeof(list)), SENSE_OUT_OF_RANGE, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static void a_range_whose_bytes_overflow_is_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1ull << 55, 1));
	struct initiator *t = *state;

	expect_sense(unmap(t, list, sizeof(list)), SENSE_OUT_OF_RANGE, NO_FIELD);
}

static void a_range_of_no_blocks_behind_the_end_is_refused_as_well(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(SCRIPTED_BLOCKS + 1, 0));
	struct initiator *t = *state;

	expect_sense(unmap(t, list, sizeof(list)), SENSE_OUT_OF_RANGE, NO_FIELD);
}

/*
 * Lists that are not what they say
 */

static void a_list_of_length_zero_is_nothing_to_do(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x42)));
	assert_int_equal(t->script.nr, 0);
}

static void a_list_without_ranges_is_nothing_to_do(void **state)
{
	static const uint8_t list[] = LIST(HEADER(0));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	assert_int_equal(t->script.nr, 0);
}

static void a_list_shorter_than_its_header_is_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(0));
	struct initiator *t = *state;
	size_t size;

	for (size = 1; size < 8; size++)
		expect_sense(unmap(t, list, size), SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);
}

static void a_list_longer_than_the_payload_is_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1, 1));
	struct initiator *t = *state;

	expect_sense(send_out(t, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24), list, 23),
		     SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);
	expect_sense(send_none(t, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24)),
		     SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static void more_ranges_than_the_list_has_are_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(2), RANGE(1, 1));
	struct initiator *t = *state;

	expect_sense(unmap(t, list, sizeof(list)), SENSE_INVALID_FIELD_IN_PARAMETERS, 2);
	assert_int_equal(t->script.nr, 0);
}

static void ranges_beyond_the_length_in_the_cdb_are_not_read(void **state)
{
	static const uint8_t list[] = LIST(HEADER(2), RANGE(1, 1), RANGE(2, 1));
	struct initiator *t = *state;

	/* They are in the payload, but the CDB says that they are no part of the list. */
	expect_sense(send_out(t, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24), list, sizeof(list)),
		     SENSE_INVALID_FIELD_IN_PARAMETERS, 2);
}

static void a_range_that_is_cut_off_is_passed_over(void **state)
{
	/* SBC-3 5.31.2: the block descriptor data length is 24, one range and a half. */
	static const uint8_t list[] = LIST(BE16(30), BE16(24), 0, 0, 0, 0, RANGE(7, 1), BE64(9));
	struct initiator *t = *state;

	expect_good(unmap(t, list, sizeof(list)));
	expect_request(t, 0, ZCMU_IO_TRIM, 7 * 512, 512);
	assert_int_equal(t->script.nr, 1);
}

static void a_list_in_pieces_is_read_across_them(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(0x123, 0x45));
	static const size_t pieces[] = { 3, 10, 1, 10 };
	struct initiator *t = *state;
	struct fake_request request = {
		.cdb = CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24), .data = list, .size = 24,
		.pieces = pieces, .nr_pieces = 4,
	};

	expect_good(send_request(t, &request));
	expect_request(t, 0, ZCMU_IO_TRIM, 0x123 * 512, 0x45 * 512);
}

static void anchoring_is_refused(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1, 1));
	struct initiator *t = *state;

	expect_sense(send_out(t, CDB(0x42, 1, 0, 0, 0, 0, 0, 0, 24), list, sizeof(list)),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	assert_int_equal(t->script.nr, 0);
}

/*
 * Stores
 */

static void an_error_in_the_middle_ends_the_command(void **state)
{
	static const uint8_t list[] = LIST(HEADER(3), RANGE(1, 1), RANGE(2, 1), RANGE(3, 1));
	struct initiator *t = *state;

	t->script.fail_at = 1;
	t->script.error = -EIO;
	expect_sense(unmap(t, list, sizeof(list)), SENSE_WRITE_ERROR, NO_FIELD);
	assert_int_equal(t->script.nr, 2);
}

static void a_disk_that_can_t_trim_doesn_t_know_the_command(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1, 1));
	struct initiator *t = *state;

	t->script.store.can_trim = ZCMU_CAN_NONE;
	expect_sense(unmap(t, list, sizeof(list)), SENSE_INVALID_OPCODE, NO_FIELD);
	t->script.store.can_trim = ZCMU_CAN_DEFAULT;
	t->script.ops.trim = NULL;
	expect_sense(unmap(t, list, sizeof(list)), SENSE_INVALID_OPCODE, NO_FIELD);
}

static void a_read_only_disk_is_not_trimmed(void **state)
{
	static const uint8_t list[] = LIST(HEADER(1), RANGE(1, 1));
	struct initiator *t = *state;

	t->script.store.read_only = true;
	assert_int_equal(unmap(t, list, sizeof(list))->status, 0x02);
	assert_int_equal(t->script.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_range_is_trimmed),
		SCSI_TEST(several_ranges_are_trimmed_in_order),
		SCSI_TEST(the_next_range_waits_for_the_one_before),
		SCSI_TEST(a_range_of_no_blocks_is_passed_over),
		SCSI_TEST(ranges_of_no_blocks_alone_are_nothing_to_do),
		SCSI_TEST(the_whole_disk_can_be_trimmed),
		SCSI_TEST(a_range_may_be_larger_than_four_gigabytes),
		SCSI_TEST(as_many_ranges_as_page_b0_allows_are_trimmed),
		SCSI_TEST(more_ranges_than_page_b0_allows_are_refused),
		SCSI_TEST(a_range_past_the_end_is_refused_before_any_is_trimmed),
		SCSI_TEST(a_range_whose_end_overflows_is_refused),
		SCSI_TEST(a_range_whose_bytes_overflow_is_refused),
		SCSI_TEST(a_range_of_no_blocks_behind_the_end_is_refused_as_well),
		SCSI_TEST(a_list_of_length_zero_is_nothing_to_do),
		SCSI_TEST(a_list_without_ranges_is_nothing_to_do),
		SCSI_TEST(a_list_shorter_than_its_header_is_refused),
		SCSI_TEST(a_list_longer_than_the_payload_is_refused),
		SCSI_TEST(more_ranges_than_the_list_has_are_refused),
		SCSI_TEST(ranges_beyond_the_length_in_the_cdb_are_not_read),
		SCSI_TEST(a_range_that_is_cut_off_is_passed_over),
		SCSI_TEST(a_list_in_pieces_is_read_across_them),
		SCSI_TEST(anchoring_is_refused),
		SCSI_TEST(an_error_in_the_middle_ends_the_command),
		SCSI_TEST(a_disk_that_can_t_trim_doesn_t_know_the_command),
		SCSI_TEST(a_read_only_disk_is_not_trimmed),
	};

	return cmocka_run_group_tests_name("scsi-unmap", tests, NULL, NULL);
}
