// SPDX-License-Identifier: MIT
/*
 * EXTENDED COPY (LID1) within the disk, and what is told of it.
 */
#include "initiator.h"

#include <stdlib.h>

#include "prng.h"

#define CHUNK	(1u << 20)

/* A parameter list in the making */
struct list {
	uint8_t data[1024];
	unsigned int targets, segments;
};

/* A target descriptor: the disk itself, by its NAA designator. Return: its place. */
static uint8_t *add_target(struct initiator *t, struct list *list)
{
	const uint8_t *page = send_in(t, CDB(0x12, 1, 0x83, 0, 255), 255)->payload + 4;
	uint8_t *p = list->data + 16 + 32 * list->targets++;

	while (page[1] != 0x03)
		page += 4 + page[3];
	p[0] = 0xe4;
	p[4] = page[0];
	p[5] = page[1];
	p[7] = page[3];
	memcpy(p + 8, page + 4, page[3]);
	p[30] = 512 >> 8;
	return p;
}

static uint8_t *add_segment(struct list *list, uint64_t from, uint64_t to, uint16_t blocks)
{
	uint8_t *p = list->data + 16 + 32 * list->targets + 28 * list->segments++;

	memcpy(p, ((uint8_t[]){ 0x02, 0, BE16(24), BE16(0), BE16(0), 0, 0, BE16(blocks), BE64(from),
				BE64(to) }), 28);
	return p;
}

static const struct fake_answer *send_list(struct initiator *t, struct list *list)
{
	uint32_t len = 16 + 32 * list->targets + 28 * list->segments;

	zcmu_put16(list->data + 2, (uint16_t)(32 * list->targets));
	zcmu_put32(list->data + 8, 28 * list->segments);
	return send_out(t, CDB(0x83, [10] = 0, 0, BE16(len)), list->data, len);
}

static const struct fake_answer *copy(struct initiator *t, uint64_t from, uint64_t to,
				      uint16_t blocks)
{
	struct list list = { 0 };

	add_target(t, &list);
	add_segment(&list, from, to, blocks);
	return send_list(t, &list);
}

static void blocks_are_copied(void **state)
{
	struct initiator *t = *state;
	uint32_t i;

	expect_good(copy(t, 5, 5000, 2051));		/* two chunks */
	for (i = 0; i < 2051 * 512; i++)
		assert_int_equal(t->script.contents[5000 * 512 + i], scripted_pattern(5 * 512 + i));
	assert_int_equal(t->script.contents[7051 * 512], scripted_pattern(7051 * 512));
	expect_request(t, 0, ZCMU_IO_READ, 5 * 512, CHUNK);
	expect_request(t, 1, ZCMU_IO_WRITE, 5000 * 512, CHUNK);
	expect_request(t, 2, ZCMU_IO_READ, 5 * 512 + CHUNK, 3 * 512);
	assert_int_equal(t->script.nr, 4);
}

/* After a part of it the second time would read what the first has written. */
static void a_copy_onto_itself_is_refused(void **state)
{
	struct initiator *t = *state;
	struct list list = { 0 };

	expect_sense(copy(t, 100, 103, 4500), SENSE_INVALID_FIELD_IN_PARAMETERS, 48 + 20);
	expect_sense(copy(t, 103, 100, 4500), SENSE_INVALID_FIELD_IN_PARAMETERS, 48 + 20);
	expect_sense(copy(t, 0, 1, 2), SENSE_INVALID_FIELD_IN_PARAMETERS, 48 + 20);
	/* A segment whose source is overwritten by a later one */
	add_target(t, &list);
	add_segment(&list, 0, 1000, 8);
	add_segment(&list, 500, 2000, 8);
	add_segment(&list, 100, 507, 8);
	expect_sense(send_list(t, &list), SENSE_INVALID_FIELD_IN_PARAMETERS, 48 + 2 * 28 + 20);
	assert_int_equal(t->script.nr, 0);
}

/* To where it is, or beside it, or onto what was copied there: nothing of that is in doubt. */
static void a_copy_that_can_be_done_again_is_not_refused(void **state)
{
	struct initiator *t = *state;
	struct list list = { 0 };
	uint32_t i;

	expect_good(copy(t, 100, 100, 4));
	assert_int_equal(t->script.nr, 0);
	expect_good(copy(t, 100, 104, 4));
	expect_good(copy(t, 104, 100, 4));
	for (i = 0; i < SCRIPTED_BYTES; i++)
		t->script.contents[i] = scripted_pattern(i);
	/* As if all were read before anything is written */
	add_target(t, &list);
	add_segment(&list, 4096, 100, 3000);
	add_segment(&list, 100, 103, 2997);
	expect_good(send_list(t, &list));
	for (i = 0; i < 2997 * 512; i++)
		assert_int_equal(t->script.contents[103 * 512 + i],
				 scripted_pattern(4096 * 512 + i));
}

static void copy_in_memory(uint8_t *memory, const struct list *list)
{
	const uint8_t *p = list->data + 16 + 32 * list->targets;
	unsigned int i;

	for (i = 0; i < list->segments; i++, p += 28)
		memmove(memory + zcmu_get64(p + 20) * 512, memory + zcmu_get64(p + 12) * 512,
			zcmu_get16(p + 10) * 512u);
}

/* Lists at random; the store is busy at any of the requests, and the initiator sends it again. */
static void what_was_answered_busy_can_be_sent_again(void **state)
{
	struct initiator *t = *state;
	uint8_t *begun = malloc(SCRIPTED_BYTES), *want = malloc(SCRIPTED_BYTES);
	struct prng prng = { 14 };
	unsigned int round, refused = 0, repeated = 0, i, n;
	const struct fake_answer *a;

	memcpy(begun, t->script.contents, SCRIPTED_BYTES);
	for (round = 0; round < 600; round++) {
		struct list list = { 0 };
		unsigned int blocks = round % 10 ? 24 : 4200;	/* these by several chunks */

		add_target(t, &list);
		n = 1 + prng_below(&prng, 4);
		for (i = 0; i < n; i++)
			add_segment(&list, prng_below(&prng, blocks), prng_below(&prng, blocks),
				    (uint16_t)prng_below(&prng, blocks * 2 / 3));
		memcpy(want, begun, blocks * 5 / 3 * 512);
		copy_in_memory(want, &list);
		t->script.error = -EAGAIN;
		t->script.fail_at = (int)(t->script.nr + prng_below(&prng, 2 * n + 2));
		memcpy(t->script.contents, begun, blocks * 5 / 3 * 512);
		a = send_list(t, &list);
		t->script.fail_at = -1;
		if (a->status == 0x02) {
			expect_sense(a, SENSE_INVALID_FIELD_IN_PARAMETERS,
				     zcmu_get16(a->sense + 16));
			refused++;
			continue;
		}
		if (a->status == 0x08) {
			repeated++;
			a = send_list(t, &list);
		}
		expect_good(a);
		for (i = 0; i < blocks * 5 / 3 * 512; i++) {
			if (t->script.contents[i] != want[i])
				fail_msg("expected %02x in byte %u after copying twice (list %u), got %02x",
					 want[i], i, round, t->script.contents[i]);
		}
	}
	/* It was about something. */
	assert_true(refused > 50 && repeated > 50);
	free(begun);
	free(want);
}

static void segments_are_copied_one_after_the_other(void **state)
{
	struct initiator *t = *state;
	struct list list = { 0 };

	add_target(t, &list);
	add_target(t, &list);
	add_segment(&list, 0, 1000, 1)[7] = 1;
	add_segment(&list, 7, 7, 0);
	add_segment(&list, 1000, 2000, 1)[5] = 1;
	expect_good(send_list(t, &list));
	assert_int_equal(t->script.contents[2000 * 512], scripted_pattern(0));
	assert_int_equal(t->script.nr, 4);
	/* Nothing at all */
	expect_good(copy(t, 7, 7, 0));
	expect_good(send_none(t, CDB(0x83)));
	assert_int_equal(t->script.nr, 4);
}

static void a_copy_waits_for_an_atomic_command(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.hold = true;
	send_out(t, block_cdb(t, 0x8b, 0, 51, 1), t->script.contents, 512);
	a = copy(t, 0, 50, 2);
	assert_int_equal(t->script.nr, 1);
	t->script.hold = false;
	answer_held(t, 0, 0);
	expect_good(a);
}

static void a_failing_store_aborts_the_copy(void **state)
{
	struct initiator *t = *state;

	t->script.error = -EIO;
	t->script.fail_at = 0;
	expect_sense(copy(t, 0, 50, 2), SENSE_COPY_FAILED, NO_FIELD);
	t->script.fail_at = 2;
	expect_sense(copy(t, 0, 50, 2), SENSE_COPY_FAILED, NO_FIELD);
}

static void a_copy_past_the_end_is_aborted_before_it_begins(void **state)
{
	struct initiator *t = *state;

	expect_sense(copy(t, 0, SCRIPTED_BLOCKS - 1, 2), SENSE_COPY_ABORTED, NO_FIELD);
	expect_sense(copy(t, SCRIPTED_BLOCKS - 1, 0, 2), SENSE_COPY_ABORTED, NO_FIELD);
	expect_sense(copy(t, UINT64_MAX, 0, 2), SENSE_COPY_ABORTED, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static const struct fake_answer *with_target(struct initiator *t, unsigned int byte, uint8_t value)
{
	struct list list = { 0 };

	add_target(t, &list)[byte] = value;
	add_segment(&list, 0, 50, 2);
	return send_list(t, &list);
}

static void targets_other_than_this_disk_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(with_target(t, 0, 0xe0), SENSE_UNSUPPORTED_TARGET, 16);
	expect_sense(with_target(t, 1, 0x20), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 1, 0x01), SENSE_WRONG_COPY_TARGET, NO_FIELD);
	expect_sense(with_target(t, 4, 0x02), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 5, 0x13), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 7, 7), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 7, 255), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 15, 0xff), SENSE_COPY_TARGET_NOT_REACHABLE, NO_FIELD);
	expect_sense(with_target(t, 30, 0x10), SENSE_INVALID_FIELD_IN_PARAMETERS, 16 + 29);
	assert_int_equal(t->script.nr, 0);
}

static const struct fake_answer *with_segment(struct initiator *t, unsigned int byte, uint8_t value)
{
	struct list list = { 0 };

	add_target(t, &list);
	add_segment(&list, 0, 50, 2)[byte] = value;
	return send_list(t, &list);
}

static void other_segments_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(with_segment(t, 0, 0x0a), SENSE_UNSUPPORTED_SEGMENT, 48);
	expect_sense(with_segment(t, 3, 23), SENSE_INVALID_FIELD_IN_PARAMETERS, 50);
	expect_sense(with_segment(t, 5, 1), SENSE_UNREACHABLE_COPY_TARGET, NO_FIELD);
	expect_sense(with_segment(t, 6, 1), SENSE_UNREACHABLE_COPY_TARGET, NO_FIELD);
	assert_int_equal(t->script.nr, 0);
}

static void wrong_headers_are_refused(void **state)
{
	struct initiator *t = *state;
	struct list list = { 0 };
	unsigned int i;

	add_target(t, &list);
	add_segment(&list, 0, 50, 2);
	list.data[1] = 0x08;
	expect_sense(send_list(t, &list), SENSE_INVALID_FIELD_IN_PARAMETERS, 1);
	list.data[1] = 0x18;
	list.data[15] = 4;
	expect_sense(send_list(t, &list), SENSE_INLINE_DATA, NO_FIELD);
	list.data[15] = 0;
	expect_good(send_list(t, &list));
	/* Cut off anywhere */
	for (i = 1; i < 16 + 32 + 28; i++)
		expect_sense(send_out(t, CDB(0x83, [13] = (uint8_t)i), list.data, i),
			     SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);
	expect_sense(send_out(t, CDB(0x83, [13] = 76), list.data, 75), SENSE_PARAMETER_LIST_LENGTH,
		     NO_FIELD);
	zcmu_put32(list.data + 8, UINT32_MAX);
	expect_sense(send_out(t, CDB(0x83, [13] = 76), list.data, 76), SENSE_PARAMETER_LIST_LENGTH,
		     NO_FIELD);
	zcmu_put32(list.data + 8, 0);
	zcmu_put16(list.data + 2, 33);
	expect_sense(send_out(t, CDB(0x83, [13] = 76), list.data, 76),
		     SENSE_INVALID_FIELD_IN_PARAMETERS, 2);
}

static void as_many_descriptors_are_taken_as_are_promised(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p = send_in(t, CDB(0x84, 3, [13] = 64), 64)->payload;
	unsigned int targets = zcmu_get16(p + 8), segments = zcmu_get16(p + 10), i;
	struct list list = { 0 };

	assert_int_equal(zcmu_get32(p + 12), 32 * targets + 28 * segments);
	for (i = 0; i < targets; i++)
		add_target(t, &list);
	for (i = 0; i < segments; i++)
		add_segment(&list, i, 100 + i, 1);
	expect_good(send_list(t, &list));
	assert_int_equal(t->script.nr, 2 * segments);
	add_segment(&list, 0, 100, 1);
	expect_sense(send_list(t, &list), SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);

	list = (struct list){ 0 };
	add_target(t, &list);
	for (i = 0; i <= segments; i++)
		add_segment(&list, 0, 100, 1);
	expect_sense(send_list(t, &list), SENSE_TOO_MANY_SEGMENTS, NO_FIELD);
	list = (struct list){ 0 };
	for (i = 0; i <= targets; i++)
		add_target(t, &list);
	add_segment(&list, 0, 100, 1);
	expect_sense(send_list(t, &list), SENSE_TOO_MANY_TARGETS, NO_FIELD);
}

static void operating_parameters_and_vpd_page_agree(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x84, 3, [13] = 64), 64);
	const uint8_t *p;

	expect_short(a, 46);
	expect_payload(a, BE32(42), 1, 0, 0, 0, BE16(4), BE16(16), BE32(576), BE32(65535 * 512));
	assert_memory_equal(a->payload + 36, "\0\x09\0\0\0\0\0\x02\x02\xe4", 10);
	p = send_in(t, CDB(0x12, 1, 0x8f, 0, 255), 255)->payload;
	assert_int_equal(zcmu_get16(p + 2), 12 + 32 + 8 + 36);
	assert_memory_equal(p + 4, "\0\x01\0\x08\x06\x83\x01\0\x84\x01\x03", 11);
	assert_int_equal(zcmu_get16(p + 24), 4);
	assert_int_equal(zcmu_get16(p + 26), 16);
	assert_int_equal(zcmu_get32(p + 28), 576);
	/* No copy is under way, and of none are results kept. */
	expect_sense(send_in(t, CDB(0x84, 0, [13] = 64), 64), SENSE_INVALID_FIELD_IN_CDB, 1);
}

static void a_read_only_disk_refuses_copies(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	expect_sense(copy(t, 0, 50, 2), SENSE_WRITE_PROTECTED, NO_FIELD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(blocks_are_copied),
		SCSI_TEST(a_copy_onto_itself_is_refused),
		SCSI_TEST(a_copy_that_can_be_done_again_is_not_refused),
		SCSI_TEST(what_was_answered_busy_can_be_sent_again),
		SCSI_TEST(segments_are_copied_one_after_the_other),
		SCSI_TEST(a_copy_waits_for_an_atomic_command),
		SCSI_TEST(a_failing_store_aborts_the_copy),
		SCSI_TEST(a_copy_past_the_end_is_aborted_before_it_begins),
		SCSI_TEST(targets_other_than_this_disk_are_refused),
		SCSI_TEST(other_segments_are_refused),
		SCSI_TEST(wrong_headers_are_refused),
		SCSI_TEST(as_many_descriptors_are_taken_as_are_promised),
		SCSI_TEST(operating_parameters_and_vpd_page_agree),
		SCSI_TEST(a_read_only_disk_refuses_copies),
	};

	return cmocka_run_group_tests_name("scsi-copy", tests, NULL, NULL);
}
