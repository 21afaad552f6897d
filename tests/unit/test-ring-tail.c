// SPDX-License-Identifier: MIT
/*
 * The kernel's end of the ring (kernel/ring.c): answers, and where the handler's
 * tail may and may not stand. Random histories are test-ring-random.c's.
 */
#include "ring-fixture.h"

static void without_a_move_of_the_tail_there_is_no_answer(void **state)
{
	struct fixture *f = *state;

	put(f, ENTRY, true);
	assert_int_equal(take_all(f), 0);
	assert_int_equal(f->ring.cleaned, 0);
}

static void an_answer_has_what_the_handler_wrote(void **state)
{
	struct fixture *f = *state;
	struct zcmu_answer answer;
	struct zcmu_cmd_entry *e;
	u32 bytes;

	begin_at(f, 64);
	e = entry_at(f, put(f, ENTRY, true));
	e->hdr.cmd_id = 0xfedc;
	e->hdr.uflags = 0x85;
	e->rsp.scsi_status = 0x18;
	e->rsp.read_len = 0xdeadbeef;
	e->rsp.sense[95] = 0x5e;
	set_tail(f, 64 + ENTRY);

	assert_int_equal(zcmu_ring_answered(&f->ring, &bytes), 0);
	assert_int_equal(bytes, ENTRY);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 1);
	assert_int_equal(bytes, 0);
	assert_ptr_equal(answer.span, &f->spans[1]);
	assert_int_equal(answer.cmd_id, 0xfedc);
	assert_int_equal(answer.uflags, 0x85);
	assert_int_equal(answer.scsi_status, 0x18);
	assert_int_equal(answer.read_len, 0xdeadbeef);
	assert_ptr_equal(answer.sense, e->rsp.sense);
	assert_true(list_empty(&f->ring.spans));
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 0);
}

static void an_answered_entry_s_place_is_free(void **state)
{
	struct fixture *f = *state;

	put(f, 512, true);
	put(f, 504, true);
	assert_false(zcmu_ring_has_room(&f->ring, 256));
	set_tail(f, 512);
	assert_int_equal(take_all(f), 1);
	assert_int_equal(put(f, 504, true), 0);
}

static void one_move_of_the_tail_may_pass_many_entries_and_a_pad(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 512);
	put(f, ENTRY, true);
	put(f, 304, true);
	put(f, 120, true);	/* begins at 0, behind a PAD */
	put(f, ENTRY, true);
	set_tail(f, 120 + ENTRY);
	assert_int_equal(take_all(f), 4);
	assert_true(list_empty(&f->ring.spans));
	assert_int_equal(f->ring.cleaned, f->ring.head);
}

static void a_notification_is_passed_and_nothing_of_it_read(void **state)
{
	struct fixture *f = *state;
	struct zcmu_answer answer;
	u32 bytes;

	put(f, 32, false);
	memset(&answer, 0x77, sizeof(answer));
	set_tail(f, 32);
	assert_int_equal(zcmu_ring_answered(&f->ring, &bytes), 0);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 1);
	assert_ptr_equal(answer.span, &f->spans[0]);
	assert_false(answer.span->is_cmd);
	assert_int_equal(answer.cmd_id, 0x7777);
	assert_int_equal(answer.scsi_status, 0x77);
	assert_int_equal(answer.read_len, 0x77777777);
}

static void a_tail_outside_the_ring_is_refused(void **state)
{
	struct fixture *f = *state;

	put(f, ENTRY, true);
	set_tail(f, SIZE);
	assert_int_equal(take_all(f), -EPROTO);
	set_tail(f, UINT32_MAX);
	assert_int_equal(take_all(f), -EPROTO);
}

static void a_tail_beyond_the_head_is_refused(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 64);
	put(f, ENTRY, true);
	set_tail(f, 64 + ENTRY + 8);
	assert_int_equal(take_all(f), -EPROTO);
	assert_int_equal(f->ring.cleaned, 64);
}

static void a_tail_that_goes_back_is_refused(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 64);
	put(f, ENTRY, true);
	set_tail(f, 56);
	assert_int_equal(take_all(f), -EPROTO);
}

static void a_tail_in_an_empty_ring_may_only_stand_at_the_head(void **state)
{
	struct fixture *f = *state;

	begin_at(f, 64);
	assert_int_equal(take_all(f), 0);
	set_tail(f, 72);
	assert_int_equal(take_all(f), -EPROTO);
}

static void a_tail_inside_an_entry_is_refused_after_the_whole_ones(void **state)
{
	struct fixture *f = *state;
	struct zcmu_answer answer;
	u32 bytes;

	put(f, ENTRY, true);
	put(f, ENTRY, true);
	set_tail(f, 2 * ENTRY - 1);
	assert_int_equal(zcmu_ring_answered(&f->ring, &bytes), 0);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 1);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), -EPROTO);
	assert_int_equal(f->ring.cleaned, ENTRY);
	assert_ptr_equal(f->ring.spans.next, &f->spans[1].node);
}

static void a_tail_inside_a_pad_is_refused(void **state)
{
	struct fixture *f = *state;

	begin_at(f, SIZE - 64);
	put(f, ENTRY, true);
	set_tail(f, SIZE - 8);
	assert_int_equal(take_all(f), -EPROTO);
	assert_int_equal(f->ring.cleaned, SIZE - 64);
}

static void a_tail_between_a_pad_and_its_entry_frees_the_pad_alone(void **state)
{
	struct fixture *f = *state;

	begin_at(f, SIZE - 64);
	put(f, ENTRY, true);
	set_tail(f, 0);
	assert_int_equal(take_all(f), 0);
	assert_int_equal(f->ring.cleaned, 0);
	assert_false(list_empty(&f->ring.spans));
	/* The PAD isn't passed twice. */
	set_tail(f, ENTRY);
	assert_int_equal(take_all(f), 1);
	assert_int_equal(f->ring.cleaned, ENTRY);
}

static void lengths_and_head_in_shared_memory_are_never_believed(void **state)
{
	struct fixture *f = *state;

	put(f, ENTRY, true);
	put(f, ENTRY, true);
	header_at(f, 0)->len_op = 0;
	header_at(f, ENTRY)->len_op = 0xfffffff8 | ZCMU_OP_TMR;
	f->ring.mailbox->cmd_head = 0xfffffff0;
	f->ring.mailbox->cmdr_size = 1;
	set_tail(f, 2 * ENTRY);
	assert_int_equal(take_all(f), 2);
	assert_int_equal(put(f, ENTRY, true), 2 * ENTRY);
	assert_int_equal(f->ring.mailbox->cmd_head, 3 * ENTRY);
}

static void a_command_that_is_out_takes_over_the_span_of_the_answered_one(void **state)
{
	struct fixture *f = *state;
	struct zcmu_answer answer;
	u32 bytes;

	begin_at(f, 512);
	put(f, 304, true);	/* [1] */
	put(f, ENTRY, true);	/* [2] ends 96 bytes before the end */
	put(f, 128, true);	/* [3] behind a PAD */
	/* The first entry was used to answer the last command. */
	set_tail(f, 512 + 304);
	assert_int_equal(zcmu_ring_answered(&f->ring, &bytes), 0);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 1);
	assert_ptr_equal(answer.span, &f->spans[1]);
	zcmu_ring_swap_spans(&f->spans[1], &f->spans[3]);

	assert_int_equal(f->spans[1].len, 128);
	assert_int_equal(f->spans[1].pad, 96);
	assert_ptr_equal(f->ring.spans.next, &f->spans[2].node);
	assert_ptr_equal(f->ring.spans.prev, &f->spans[1].node);
	assert_true(list_empty(&f->spans[3].node));
	set_tail(f, 128);
	assert_int_equal(take_all(f), 2);
	assert_true(list_empty(&f->ring.spans));
}

static void a_command_answered_in_its_own_entry_leaves_the_others_alone(void **state)
{
	struct fixture *f = *state;
	struct zcmu_answer answer;
	u32 bytes;

	put(f, ENTRY, true);
	put(f, 128, true);
	set_tail(f, ENTRY);
	assert_int_equal(zcmu_ring_answered(&f->ring, &bytes), 0);
	assert_int_equal(zcmu_ring_next_answer(&f->ring, &bytes, &answer), 1);
	zcmu_ring_swap_spans(answer.span, &f->spans[0]);
	assert_true(list_empty(&f->spans[0].node));
	assert_ptr_equal(f->ring.spans.next, &f->spans[1].node);
	assert_ptr_equal(f->ring.spans.prev, &f->spans[1].node);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(without_a_move_of_the_tail_there_is_no_answer),
		TEST(an_answer_has_what_the_handler_wrote),
		TEST(an_answered_entry_s_place_is_free),
		TEST(one_move_of_the_tail_may_pass_many_entries_and_a_pad),
		TEST(a_notification_is_passed_and_nothing_of_it_read),
		TEST(a_tail_outside_the_ring_is_refused),
		TEST(a_tail_beyond_the_head_is_refused),
		TEST(a_tail_that_goes_back_is_refused),
		TEST(a_tail_in_an_empty_ring_may_only_stand_at_the_head),
		TEST(a_tail_inside_an_entry_is_refused_after_the_whole_ones),
		TEST(a_tail_inside_a_pad_is_refused),
		TEST(a_tail_between_a_pad_and_its_entry_frees_the_pad_alone),
		TEST(lengths_and_head_in_shared_memory_are_never_believed),
		TEST(a_command_that_is_out_takes_over_the_span_of_the_answered_one),
		TEST(a_command_answered_in_its_own_entry_leaves_the_others_alone),
	};

	return cmocka_run_group_tests_name("ring-tail", tests, NULL, NULL);
}
