// SPDX-License-Identifier: MIT
/*
 * Which commands there are: REPORT SUPPORTED OPERATION CODES with all of its options,
 * whether it tells the truth, and what is answered to commands that there are not.
 */
#include "initiator.h"

#include <stdlib.h>

#define RCTD	0x80	/* return command timeouts descriptors */
#define NR	44	/* commands of a disk whose store can do everything */

static const struct fake_answer *report(struct initiator *t, uint8_t option, uint8_t opcode,
					uint16_t action)
{
	return send_in(t, CDB(0xa3, 0x0c, option, opcode, BE16(action), BE32(2048)), 2048);
}

/* The list of all, without its header. Return: how many there are. */
static unsigned int list(struct initiator *t, uint8_t flags, const uint8_t **ret)
{
	unsigned int size = flags & RCTD ? 20 : 8;
	const struct fake_answer *a = report(t, flags, 0, 0);
	uint32_t bytes = zcmu_get32(a->payload);

	expect_short(a, 4 + bytes);
	assert_int_equal(bytes % size, 0);
	*ret = a->payload + 4;
	return bytes / size;
}

/* Is it in the list of all? */
static bool is_listed(const uint8_t *p, unsigned int nr, uint8_t opcode, uint16_t action)
{
	for (; nr--; p += 8) {
		if (p[0] == opcode && (!(p[5] & 0x01) || zcmu_get16(p + 2) == action))
			return true;
	}
	return false;
}

static void every_command_is_listed_with_its_length(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;
	unsigned int nr = list(t, 0, &p);

	assert_int_equal(nr, NR);
	for (; nr--; p += 8) {
		uint16_t length = p[0] < 0x20 ? 6 : p[0] < 0x60 ? 10 : p[0] < 0x80 ? 32 :
				  p[0] < 0xa0 ? 16 : 12;

		assert_int_equal(zcmu_get16(p + 6), length);
		assert_int_equal(p[5] & 0x02, 0);		/* CTDP */
		assert_int_equal(p[1] | p[4], 0);
	}
}

static void service_actions_are_listed_as_such(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;
	static const uint32_t with[] = { 0x7f000d, 0x830000, 0x840003, 0x9e0010, 0x9e0012,
					 0xa3000c, 0xa3000d };
	unsigned int nr = list(t, 0, &p), seen = 0, i;

	for (; nr--; p += 8) {
		uint32_t both = (uint32_t)p[0] << 16 | zcmu_get16(p + 2);
		bool has_action = false;

		for (i = 0; i < 7; i++)
			has_action |= both == with[i];
		assert_int_equal(p[5] & 0x01, has_action);	/* SERVACTV */
		assert_true(has_action || !zcmu_get16(p + 2));
		seen += has_action;
	}
	assert_int_equal(seen, 7);
}

static void the_list_may_have_timeouts_which_promise_nothing(void **state)
{
	static const uint8_t descriptor[12] = { 0, 10 };
	struct initiator *t = *state;
	const uint8_t *p;
	unsigned int nr = list(t, RCTD, &p);

	assert_int_equal(nr, NR);
	for (; nr--; p += 20) {
		assert_int_equal(p[5] & 0x02, 0x02);
		assert_memory_equal(p + 8, descriptor, 12);
	}
}

/* Send every opcode there can be: those of the list are known, and no others. */
static void the_list_is_the_truth(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	const uint8_t *p;
	unsigned int nr = list(t, 0, &p), opcode;

	for (opcode = 0; opcode < 0x100; opcode++) {
		uint8_t action = opcode == 0x83 ? 0 : opcode == 0x84 ? 3 : opcode == 0xa3 ? 0x0c :
				 0x10;

		/* The action is one that it has; for WRITE SAME it is a bit that is refused. */
		a = send_in(t, CDB((uint8_t)opcode, action, [7] = 24, [9] = 0x0d, [10] = 0x10),
			    512);
		assert_true(a->arrived);
		if (is_listed(p, nr, (uint8_t)opcode, opcode == 0x7f ? 0x0d : action))
			assert_false(a->status == 0x02 && a->sense[12] == 0x20);
		else
			expect_sense(a, SENSE_INVALID_OPCODE, NO_FIELD);
	}
}

static void a_disk_that_can_t_trim_doesn_t_list_unmap(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;
	unsigned int nr;

	t->script.ops.trim = NULL;
	nr = list(t, 0, &p);
	assert_int_equal(nr, NR - 1);
	assert_false(is_listed(p, nr, 0x42, 0));
	expect_payload(report(t, 1, 0x42, 0), 0, 0x01, 0, 0);
}

static void the_list_is_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0xa3, 0x0c, 0, 0, 0, 0, BE32(6)), 2048);

	expect_short(a, 6);
	expect_payload(a, BE32(8 * NR), 0x00, 0, FAKE_STALE);
}

/*
 * One command
 */

static void a_command_is_told_with_its_usage(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = report(t, 1, 0x28, 0);
	expect_short(a, 4 + 10);
	expect_payload(a, 0, 0x03, BE16(10),
		       0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0, FAKE_STALE);
	a = report(t, 1, 0x08, 0);
	expect_short(a, 4 + 6);
	expect_payload(a, 0, 0x03, BE16(6), 0x08, 0x1f, 0xff, 0xff, 0xff, 0);
}

static void the_usage_of_each_command_begins_with_its_opcode_and_action(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	const uint8_t *p;
	unsigned int nr = list(t, 0, &p);

	for (; nr--; p += 8) {
		a = report(t, 3, p[0], zcmu_get16(p + 2));
		expect_short(a, 4u + zcmu_get16(p + 6));
		assert_int_equal(a->payload[1], 0x03);
		assert_int_equal(zcmu_get16(a->payload + 2), zcmu_get16(p + 6));
		assert_int_equal(a->payload[4], p[0]);
		if (p[0] == 0x7f)
			assert_int_equal(zcmu_get16(a->payload + 12), zcmu_get16(p + 2));
		else if (p[5] & 0x01)
			assert_int_equal(a->payload[5] & 0x1f, zcmu_get16(p + 2));
	}
}

static void a_command_may_be_told_with_its_timeouts(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = report(t, RCTD | 1, 0x00, 0);

	expect_short(a, 4 + 6 + 12);
	expect_payload(a, 0, 0x83, BE16(6), 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		       FAKE_STALE);
}

static void a_command_that_isn_t_there_is_told_as_such(void **state)
{
	struct initiator *t = *state;
	uint8_t option;

	for (option = 1; option <= 3; option++) {
		const struct fake_answer *a = report(t, option, 0x04, 0);

		expect_short(a, 4);
		expect_payload(a, 0, 0x01, 0, 0, FAKE_STALE);
	}
	/* And it has no timeouts. */
	expect_short(report(t, RCTD | 1, 0x04, 0), 4);
}

static void a_command_with_actions_must_be_asked_for_with_one(void **state)
{
	struct initiator *t = *state;

	expect_sense(report(t, 1, 0x9e, 0x10), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(report(t, 1, 0xa3, 0x0c), SENSE_INVALID_FIELD_IN_CDB, 2);
}

/* SPC-4 6.35.1: with option 1 the service action is not looked at. */
static void a_command_with_actions_can_t_be_asked_for_without_one(void **state)
{
	struct initiator *t = *state;

	expect_sense(report(t, 1, 0x9e, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(report(t, 1, 0xa3, 0x05), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void an_action_can_be_asked_for(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = report(t, 2, 0x9e, 0x10);

	expect_short(a, 4 + 16);
	expect_payload(a, 0, 0x03, BE16(16), 0x9e, 0x10);
	expect_payload(report(t, 2, 0xa3, 0x0c), 0, 0x03, BE16(12), 0xa3, 0x0c, 0x87);
}

static void an_action_that_isn_t_there_is_told_as_such(void **state)
{
	struct initiator *t = *state;

	expect_payload(report(t, 2, 0x9e, 0x11), 0, 0x01, 0, 0);
	expect_payload(report(t, 3, 0x9e, 0x11), 0, 0x01, 0, 0);
	/* An action has five bits: this is not 10h. */
	expect_payload(report(t, 2, 0x9e, 0x110), 0, 0x01, 0, 0);
}

static void an_action_of_more_than_five_bits_isn_t_there_with_option_3(void **state)
{
	struct initiator *t = *state;

	expect_payload(report(t, 3, 0x9e, 0x110), 0, 0x01, 0, 0);
	expect_payload(report(t, 3, 0xa3, 0x20c), 0, 0x01, 0, 0);
}

static void an_action_of_a_command_that_has_none_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(report(t, 2, 0x28, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(report(t, 2, 0x28, 0x10), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void option_3_takes_commands_with_and_without_actions(void **state)
{
	struct initiator *t = *state;

	expect_payload(report(t, 3, 0x28, 0), 0, 0x03, BE16(10), 0x28);
	expect_payload(report(t, 3, 0x9e, 0x10), 0, 0x03, BE16(16), 0x9e);
	expect_payload(report(t, 3, 0x28, 0x10), 0, 0x01, 0, 0);
}

static void options_that_are_reserved_are_refused(void **state)
{
	struct initiator *t = *state;
	uint8_t option;

	for (option = 4; option <= 7; option++)
		expect_sense(report(t, option, 0x28, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void one_command_is_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0xa3, 0x0c, 1, 0x28, 0, 0, BE32(5)), 64);

	expect_short(a, 5);
	expect_payload(a, 0, 0x03, BE16(10), 0x28, FAKE_STALE);
}

/*
 * Commands that there are not
 */

static void an_unknown_opcode_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, CDB(0x04)), SENSE_INVALID_OPCODE, NO_FIELD);
	expect_sense(send_none(t, CDB(0xff)), SENSE_INVALID_OPCODE, NO_FIELD);
}

static void an_unknown_action_of_a_known_opcode_is_a_wrong_field(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, CDB(0x9e, 0x11)), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_none(t, CDB(0xa3, 0x0e)), SENSE_INVALID_FIELD_IN_CDB, 1);
	/* of variable length: READ (32) */
	expect_sense(send_none(t, CDB(0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 9)),
		     SENSE_INVALID_FIELD_IN_CDB, 8);
}

static void a_cdb_of_variable_length_has_the_command_s(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, CDB(0x7f, 0, 0, 0, 0, 0, 0, 16, 0, 0x0d)),
		     SENSE_INVALID_FIELD_IN_CDB, 7);
	/* Not even an action */
	expect_sense(send_none(t, CDB(0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0x0d)),
		     SENSE_INVALID_FIELD_IN_CDB, 8);
	assert_int_equal(t->script.nr, 0);
}

static void the_bits_beside_an_action_don_t_matter(void **state)
{
	struct initiator *t = *state;

	expect_good(send_in(t, CDB(0x9e, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, BE32(32)), 32));
}

static void naca_is_refused_in_a_cdb_of_any_length(void **state)
{
	struct initiator *t = *state;

	expect_sense(send_none(t, CDB(0x00, [5] = 0x04)), SENSE_INVALID_FIELD_IN_CDB, 5);
	expect_sense(send_none(t, CDB(0x35, [9] = 0x04)), SENSE_INVALID_FIELD_IN_CDB, 9);
	expect_sense(send_none(t, CDB(0xa8, [11] = 0x04)), SENSE_INVALID_FIELD_IN_CDB, 11);
	expect_sense(send_none(t, CDB(0x88, [15] = 0x04)), SENSE_INVALID_FIELD_IN_CDB, 15);
	expect_sense(send_none(t, CDB(0x7f, 0x04, [7] = 24, [9] = 0x0d)),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	assert_int_equal(t->script.nr, 0);
}

static void the_other_bits_of_the_control_byte_don_t_matter(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x00, [5] = 0xfb)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(every_command_is_listed_with_its_length),
		SCSI_TEST(service_actions_are_listed_as_such),
		SCSI_TEST(the_list_may_have_timeouts_which_promise_nothing),
		SCSI_TEST(the_list_is_the_truth),
		SCSI_TEST(a_disk_that_can_t_trim_doesn_t_list_unmap),
		SCSI_TEST(the_list_is_cut_off_at_the_allocation_length),
		SCSI_TEST(a_command_is_told_with_its_usage),
		SCSI_TEST(the_usage_of_each_command_begins_with_its_opcode_and_action),
		SCSI_TEST(a_command_may_be_told_with_its_timeouts),
		SCSI_TEST(a_command_that_isn_t_there_is_told_as_such),
		SCSI_TEST(a_command_with_actions_must_be_asked_for_with_one),
		SCSI_TEST(a_command_with_actions_can_t_be_asked_for_without_one),
		SCSI_TEST(an_action_can_be_asked_for),
		SCSI_TEST(an_action_that_isn_t_there_is_told_as_such),
		SCSI_TEST(an_action_of_more_than_five_bits_isn_t_there_with_option_3),
		SCSI_TEST(an_action_of_a_command_that_has_none_is_refused),
		SCSI_TEST(option_3_takes_commands_with_and_without_actions),
		SCSI_TEST(options_that_are_reserved_are_refused),
		SCSI_TEST(one_command_is_cut_off_at_the_allocation_length),
		SCSI_TEST(an_unknown_opcode_is_refused),
		SCSI_TEST(an_unknown_action_of_a_known_opcode_is_a_wrong_field),
		SCSI_TEST(a_cdb_of_variable_length_has_the_command_s),
		SCSI_TEST(the_bits_beside_an_action_don_t_matter),
		SCSI_TEST(naca_is_refused_in_a_cdb_of_any_length),
		SCSI_TEST(the_other_bits_of_the_control_byte_don_t_matter),
	};

	return cmocka_run_group_tests_name("scsi-opcodes", tests, NULL, NULL);
}
