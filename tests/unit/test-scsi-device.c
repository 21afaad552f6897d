// SPDX-License-Identifier: MIT
/*
 * SEND DIAGNOSTIC, PREVENT ALLOW MEDIUM REMOVAL, READ DEFECT DATA, REPORT SUPPORTED
 * TASK MANAGEMENT FUNCTIONS, LOG SENSE.
 */
#include "initiator.h"

static void the_self_test_is_passed_and_there_is_no_other(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x1d, 0x04)));
	expect_good(send_none(t, CDB(0x1d)));
	expect_sense(send_none(t, CDB(0x1d, 0x20)), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_none(t, CDB(0x1d, 0x10)), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_none(t, CDB(0x1d, 0x00, 0, 0, 8)), SENSE_INVALID_FIELD_IN_CDB, 3);
}

static void removal_may_be_prevented_and_allowed(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x1e, 0, 0, 0, 1)));
	expect_good(send_none(t, CDB(0x1e)));
	expect_sense(send_none(t, CDB(0x1e, 0, 0, 0, 2)), SENSE_INVALID_FIELD_IN_CDB, 4);
}

static void there_are_no_defects_in_any_format(void **state)
{
	static const uint8_t formats[] = { 0, 3, 4, 5 };
	struct initiator *t = *state;
	const struct fake_answer *a;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		uint8_t lists = 0x18 | formats[i];

		a = send_in(t, CDB(0x37, 0, lists, [8] = 8), 8);
		expect_short(a, 4);
		expect_payload(a, 0, lists, 0, 0, FAKE_STALE);
		a = send_in(t, CDB(0xb7, lists, [9] = 16), 16);
		expect_short(a, 8);
		expect_payload(a, 0, lists, 0, 0, 0, 0, 0, 0, FAKE_STALE);
	}
	expect_payload(send_in(t, CDB(0x37, 0, 0x08, [8] = 4), 4), 0, 0x08, 0, 0);
	expect_sense(send_in(t, CDB(0x37, 0, 0x1f, [8] = 4), 4), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(send_in(t, CDB(0xb7, 0x1e, [9] = 8), 8), SENSE_INVALID_FIELD_IN_CDB, 1);
}

static void the_target_core_s_task_management_is_told(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = send_in(t, CDB(0xa3, 0x0d, 0, 0, 0, 0, BE32(16)), 16);
	expect_short(a, 4);
	expect_payload(a, 0x88, 0, 0, 0, FAKE_STALE);
	a = send_in(t, CDB(0xa3, 0x0d, 0x80, 0, 0, 0, BE32(16)), 16);
	expect_good(a);
	expect_payload(a, 0x88, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	expect_sense(send_in(t, CDB(0xa3, 0x0d, 0, 0, 0, 0, BE32(3)), 16),
		     SENSE_INVALID_FIELD_IN_CDB, 6);
}

static const struct fake_answer *log_sense(struct initiator *t, uint8_t page, uint8_t subpage)
{
	return send_in(t, CDB(0x4d, 0, page, subpage, 0, 0, 0, BE16(64)), 64);
}

static void the_log_has_its_list_of_pages_and_no_exceptions(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = log_sense(t, 0x40, 0);
	expect_short(a, 6);
	expect_payload(a, 0, 0, BE16(2), 0x00, 0x2f, FAKE_STALE);
	a = log_sense(t, 0x40, 0xff);
	expect_short(a, 10);
	expect_payload(a, 0x40, 0xff, BE16(6), 0x00, 0x00, 0x00, 0xff, 0x2f, 0x00, FAKE_STALE);
	a = log_sense(t, 0x6f, 0);
	expect_short(a, 12);
	expect_payload(a, 0x2f, 0, BE16(8), BE16(0), 0x03, 4, 0, 0, 0xff, 0, FAKE_STALE);
}

static void other_pages_and_saving_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(log_sense(t, 0x4d, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(log_sense(t, 0x6f, 1), SENSE_INVALID_FIELD_IN_CDB, 3);
	expect_sense(log_sense(t, 0x40, 1), SENSE_INVALID_FIELD_IN_CDB, 3);
	expect_sense(send_in(t, CDB(0x4d, 0x01, 0x40, [8] = 64), 64),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_in(t, CDB(0x4d, 0x02, 0x40, [8] = 64), 64),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_in(t, CDB(0x4d, 0, 0x6f, 0, 0, BE16(1), BE16(64)), 64),
		     SENSE_INVALID_FIELD_IN_CDB, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(the_self_test_is_passed_and_there_is_no_other),
		SCSI_TEST(removal_may_be_prevented_and_allowed),
		SCSI_TEST(there_are_no_defects_in_any_format),
		SCSI_TEST(the_target_core_s_task_management_is_told),
		SCSI_TEST(the_log_has_its_list_of_pages_and_no_exceptions),
		SCSI_TEST(other_pages_and_saving_are_refused),
	};

	return cmocka_run_group_tests_name("scsi-device", tests, NULL, NULL);
}
