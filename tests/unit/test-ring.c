// SPDX-License-Identifier: MIT
/*
 * The kernel's end of the ring (kernel/ring.c): room, entries, PAD. What the
 * handler's tail may do is test-ring-tail.c's.
 */
#include "ring-fixture.h"

static void a_fresh_mailbox_says_where_the_ring_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ring.mailbox->version, 2);
	assert_int_equal(f->ring.mailbox->cmdr_off, 128);
	assert_int_equal(f->ring.mailbox->cmdr_size, SIZE);
	assert_int_equal(f->ring.mailbox->cmd_head, 0);
	assert_int_equal(f->ring.mailbox->cmd_tail, 0);
	assert_ptr_equal(f->ring.entries, f->map + 128);
}

static void an_empty_ring_has_room_for_all_but_one_byte(void **state)
{
	struct fixture *f = *state;

	assert_true(zcmu_ring_has_room(&f->ring, SIZE - 1));
	assert_false(zcmu_ring_has_room(&f->ring, SIZE));
}

static void a_ring_in_use_has_room_for_all_but_one_free_byte(void **state)
{
	struct fixture *f = *state;

	put(f, ENTRY, true);
	assert_true(zcmu_ring_has_room(&f->ring, SIZE - ENTRY - 1));
	assert_false(zcmu_ring_has_room(&f->ring, SIZE - ENTRY));
}

static void a_pad_counts_when_room_is_asked_for(void **state)
{
	struct fixture *f = *state;
	u32 to_end = ENTRY - 8;

	/* Empty, but the head stands so late that an entry has to begin at 0. */
	begin_at(f, SIZE - to_end);
	assert_true(zcmu_ring_has_room(&f->ring, SIZE - to_end - 1));
	assert_false(zcmu_ring_has_room(&f->ring, SIZE - to_end));
}

static void an_entry_up_to_the_free_byte_before_the_tail_fits(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 256);
	put(f, SIZE - 256, true);
	/* The head has wrapped; the tail is at 256. */
	assert_true(zcmu_ring_has_room(&f->ring, 255));
	assert_false(zcmu_ring_has_room(&f->ring, 256));
}

static void an_entry_is_zeroed_whatever_was_there(void **state)
{
	struct fixture *f = *state;
	static const u8 zeroes[ENTRY];
	struct zcmu_span span;
	u32 offset;
	void *entry;

	memset(f->ring.entries, 0xee, SIZE);
	entry = zcmu_ring_begin(&f->ring, &span, ENTRY, &offset);
	assert_memory_equal(entry, zeroes, ENTRY);
	assert_int_equal(((u8 *)entry)[ENTRY], 0xee);
}

static void an_entry_s_offset_counts_from_the_start_of_the_map(void **state)
{
	struct fixture *f = *state;
	struct zcmu_span span;
	u32 offset;
	void *entry;

	begin_at(f, 64);
	entry = zcmu_ring_begin(&f->ring, &span, ENTRY, &offset);
	assert_ptr_equal(entry, f->map + offset);
	assert_int_equal(offset, 128 + 64);
}

static void nothing_is_visible_before_it_is_published(void **state)
{
	struct fixture *f = *state;
	struct zcmu_span *span = &f->spans[0];
	u32 offset;

	zcmu_ring_begin(&f->ring, span, ENTRY, &offset);
	assert_int_equal(f->ring.mailbox->cmd_head, 0);
	assert_true(list_empty(&f->ring.spans));
	zcmu_ring_publish(&f->ring, span);
	assert_int_equal(f->ring.mailbox->cmd_head, ENTRY);
}

static void an_entry_that_would_wrap_is_preceded_by_a_pad(void **state)
{
	struct fixture *f = *state;

	begin_at(f, SIZE - 104);
	assert_int_equal(put(f, ENTRY, true), 0);
	assert_int_equal(header_at(f, SIZE - 104)->len_op, 104 | ZCMU_OP_PAD);
	assert_int_equal(f->ring.mailbox->cmd_head, ENTRY);
}

static void a_pad_of_eight_bytes_is_a_header_alone(void **state)
{
	struct fixture *f = *state;

	begin_at(f, SIZE - 8);
	assert_int_equal(put(f, ENTRY, true), 0);
	assert_int_equal(header_at(f, SIZE - 8)->len_op, 8 | ZCMU_OP_PAD);
}

static void an_entry_that_ends_exactly_at_the_end_needs_no_pad(void **state)
{
	struct fixture *f = *state;

	begin_at(f, SIZE - ENTRY);
	assert_int_equal(put(f, ENTRY, true), SIZE - ENTRY);
	assert_int_equal(f->spans[f->nr - 1].pad, 0);
	assert_int_equal(f->ring.mailbox->cmd_head, 0);
}

static void a_reset_ring_is_empty_for_both_sides(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 64);
	put(f, ENTRY, true);
	zcmu_ring_reset(&f->ring);
	assert_int_equal(f->ring.mailbox->cmd_head, 0);
	assert_int_equal(f->ring.mailbox->cmd_tail, 0);
	assert_int_equal(take_all(f), 0);
	assert_true(zcmu_ring_has_room(&f->ring, SIZE - 1));
	assert_int_equal(put(f, ENTRY, true), 0);
}

static void a_reset_ring_has_its_mailbox_back(void **state)
{
	struct fixture *f = *state;

	memset(f->map, 0xff, sizeof(struct zcmu_mailbox));
	zcmu_ring_reset(&f->ring);
	assert_int_equal(f->ring.mailbox->version, ZCMU_MAILBOX_VERSION);
	assert_int_equal(f->ring.mailbox->cmdr_off, sizeof(struct zcmu_mailbox));
	assert_int_equal(f->ring.mailbox->cmdr_size, SIZE);
	assert_int_equal(f->ring.mailbox->cmd_head, 0);
	assert_int_equal(f->ring.mailbox->cmd_tail, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_fresh_mailbox_says_where_the_ring_is),
		TEST(an_empty_ring_has_room_for_all_but_one_byte),
		TEST(a_ring_in_use_has_room_for_all_but_one_free_byte),
		TEST(a_pad_counts_when_room_is_asked_for),
		TEST(an_entry_up_to_the_free_byte_before_the_tail_fits),
		TEST(an_entry_is_zeroed_whatever_was_there),
		TEST(an_entry_s_offset_counts_from_the_start_of_the_map),
		TEST(nothing_is_visible_before_it_is_published),
		TEST(an_entry_that_would_wrap_is_preceded_by_a_pad),
		TEST(a_pad_of_eight_bytes_is_a_header_alone),
		TEST(an_entry_that_ends_exactly_at_the_end_needs_no_pad),
		TEST(a_reset_ring_is_empty_for_both_sides),
		TEST(a_reset_ring_has_its_mailbox_back),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
