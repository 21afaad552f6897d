// SPDX-License-Identifier: MIT
/*
 * GET LBA STATUS: runs of blocks that take space and runs that don't.
 */
#include "initiator.h"

#define BLOCKS	(SCRIPTED_PAGE / 512)	/* of a page */

static const struct fake_answer *get_status(struct initiator *t, uint64_t lba, uint32_t allocation)
{
	return send_in(t, CDB(0x9e, 0x12, BE64(lba), BE32(allocation)), 8192);
}

static void make_hole(struct initiator *t, unsigned int page, unsigned int pages)
{
	memset(t->script.contents + page * SCRIPTED_PAGE, 0, pages * SCRIPTED_PAGE);
}

static void runs_are_told_from_the_block_asked_for_to_the_end(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	make_hole(t, 2, 3);
	a = get_status(t, 5, 8192);
	expect_short(a, 8 + 3 * 16);
	expect_payload(a, BE32(4 + 3 * 16), 0, 0, 0, 0,
		       BE64(5), BE32(2 * BLOCKS - 5), 0, 0, 0, 0,
		       BE64(2 * BLOCKS), BE32(3 * BLOCKS), 1, 0, 0, 0,
		       BE64(5 * BLOCKS), BE32(SCRIPTED_BLOCKS - 5 * BLOCKS), 0, 0, 0, 0);
}

static void neighbours_that_are_alike_are_one_run(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.hold = true;
	a = get_status(t, 0, 24);
	/* The store looks no further than it likes. */
	t->script.requests[0].io->length = SCRIPTED_PAGE;
	answer_held(t, 0, 0);
	expect_request(t, 1, ZCMU_IO_MAP, SCRIPTED_PAGE, SCRIPTED_BYTES - SCRIPTED_PAGE);
	answer_held(t, 1, 0);
	expect_short(a, 24);
	expect_payload(a, BE32(20), 0, 0, 0, 0, BE64(0), BE32(SCRIPTED_BLOCKS), 0);
}

static void as_many_are_told_as_there_is_room_for(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	make_hole(t, 1, 1);
	make_hole(t, 3, 1);
	a = get_status(t, 0, 8 + 2 * 16 + 15);
	expect_short(a, 8 + 2 * 16);
	expect_payload(a, BE32(4 + 2 * 16), 0, 0, 0, 0, BE64(0), BE32(BLOCKS), 0, 0, 0, 0,
		       BE64(BLOCKS), BE32(BLOCKS), 1);
	/* With less room than for one there is one, cut off. */
	a = get_status(t, 0, 12);
	expect_short(a, 12);
	expect_payload(a, BE32(20), 0, 0, 0, 0, 0, 0, 0, 0, FAKE_STALE);
}

static void a_store_that_can_t_tell_has_all_of_it_mapped(void **state)
{
	struct initiator *t = *state;

	t->script.ops.map = NULL;
	make_hole(t, 0, 8);
	expect_payload(get_status(t, 3, 8192), BE32(20), 0, 0, 0, 0, BE64(3),
		       BE32(SCRIPTED_BLOCKS - 3), 0, 0, 0, 0, FAKE_STALE);
}

static void a_run_of_more_blocks_than_the_field_holds_is_cut_off(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = UINT64_C(3) << 42;
	expect_payload(get_status(t, 1ull << 30, 24), BE32(20), 0, 0, 0, 0, BE64(1ull << 30),
		       BE32(UINT32_MAX), 1);
}

static void the_store_s_errors_are_not_those_of_a_write(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -EIO;
	expect_sense(get_status(t, 0, 24), SENSE_READ_ERROR, NO_FIELD);
}

/* Nothing, more than was asked for, and what ends within a block. */
static void a_wrong_answer_of_the_store_is_an_error(void **state)
{
	static const uint64_t lengths[] = { 0, SCRIPTED_BYTES, UINT64_MAX / 512 * 512, 700, 511 };
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int i;

	t->script.hold = true;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		a = get_status(t, 1, 8192);
		t->script.requests[i].io->length = lengths[i];
		answer_held_as_it_is(t, i);
		expect_sense(a, SENSE_HARDWARE_ERROR, NO_FIELD);
	}
	assert_int_equal(t->script.nr, i);
}

static void a_block_that_isn_t_there_has_no_status(void **state)
{
	struct initiator *t = *state;

	expect_sense(get_status(t, SCRIPTED_BLOCKS, 24), SENSE_OUT_OF_RANGE, NO_FIELD);
	expect_sense(get_status(t, UINT64_MAX, 24), SENSE_OUT_OF_RANGE, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(runs_are_told_from_the_block_asked_for_to_the_end),
		SCSI_TEST(neighbours_that_are_alike_are_one_run),
		SCSI_TEST(as_many_are_told_as_there_is_room_for),
		SCSI_TEST(a_store_that_can_t_tell_has_all_of_it_mapped),
		SCSI_TEST(a_run_of_more_blocks_than_the_field_holds_is_cut_off),
		SCSI_TEST(the_store_s_errors_are_not_those_of_a_write),
		SCSI_TEST(a_wrong_answer_of_the_store_is_an_error),
		SCSI_TEST(a_block_that_isn_t_there_has_no_status),
	};

	return cmocka_run_group_tests_name("scsi-map", tests, NULL, NULL);
}
