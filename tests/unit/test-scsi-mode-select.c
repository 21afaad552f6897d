// SPDX-License-Identifier: MIT
/*
 * MODE SELECT: what is as it is may be written back, and nothing else.
 */
#include "initiator.h"

#define PF	0x10

/* What MODE SENSE says of all pages. Return: its length. */
static size_t sense(struct initiator *t, bool ten, uint8_t *list)
{
	const struct fake_answer *a = ten ?
		send_in(t, CDB(0x5a, 0x10, 0x3f, [8] = 128), 128) :
		send_in(t, CDB(0x1a, 0, 0x3f, 0, 128), 128);

	memcpy(list, a->payload, a->read_len);
	return a->read_len;
}

static const struct fake_answer *select_mode(struct initiator *t, bool ten, uint8_t flags,
					     const uint8_t *list, size_t len)
{
	if (ten)
		return send_out(t, CDB(0x55, flags, [7] = 0, (uint8_t)len), list, len);
	return send_out(t, CDB(0x15, flags, 0, 0, (uint8_t)len), list, len);
}

static void what_was_sensed_may_be_selected(void **state)
{
	struct initiator *t = *state;
	uint8_t list[128];
	size_t len;
	int ten;

	for (ten = 0; ten < 2; ten++) {
		len = sense(t, ten, list);
		expect_good(select_mode(t, ten, PF, list, len));
		/* PS is set where pages can be saved: it is not looked at. */
		list[ten ? 24 : 12] |= 0x80;
		expect_good(select_mode(t, ten, PF, list, len));
	}
	expect_good(send_none(t, CDB(0x15, PF)));
	expect_good(send_none(t, CDB(0x55, PF)));
}

/* Every byte of the pages and of the blocks' size; the header's are not looked at. */
static void any_change_is_refused_where_it_is(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;
	uint8_t list[128];
	size_t len, i;
	int ten;

	for (ten = 0; ten < 2; ten++) {
		len = sense(t, ten, list);
		for (i = ten ? 24 : 12; i < len; i++) {
			list[i] ^= 0x01;
			a = select_mode(t, ten, PF, list, len);
			expect_sense(a, SENSE_INVALID_FIELD_IN_PARAMETERS, (int)i);
			list[i] ^= 0x01;
		}
		i = ten ? 8 + 12 : 4 + 4;
		list[i + 3] ^= 1;
		a = select_mode(t, ten, PF, list, len);
		expect_sense(a, SENSE_INVALID_FIELD_IN_PARAMETERS, (int)i);
		list[i + 3] ^= 1;
		i = ten ? 8 : 4;
		list[i + (ten ? 7 : 3)] ^= 1;
		a = select_mode(t, ten, PF, list, len);
		expect_sense(a, SENSE_INVALID_FIELD_IN_PARAMETERS, (int)i);
	}
}

static void a_number_of_blocks_of_0_is_as_it_is(void **state)
{
	struct initiator *t = *state;

	expect_good(select_mode(t, false, PF, CDB(0, 0, 0, 8, BE32(0), BE32(512)), 12));
	expect_good(select_mode(t, false, PF, CDB(0, 0, 0, 8, BE32(UINT32_MAX), BE32(512)), 12));
	expect_good(select_mode(t, true, PF, CDB([4] = 1, [7] = 16, [22] = 2), 24));
}

static void lists_that_are_cut_off_are_refused(void **state)
{
	struct initiator *t = *state;
	uint8_t list[128];
	size_t len = sense(t, false, list), i;

	for (i = 1; i < len; i++) {
		/* After the descriptor and after the first page it is complete. */
		if (i == 12 || i == 32)
			continue;
		if (i == 4)
			list[3] = 0;
		if (i == 4)
			expect_good(select_mode(t, false, PF, list, i));
		else
			expect_sense(select_mode(t, false, PF, list, i),
				     SENSE_PARAMETER_LIST_LENGTH, NO_FIELD);
		list[3] = 8;
	}
	/* Less came than was told */
	expect_sense(send_out(t, CDB(0x15, PF, 0, 0, 32), list, 12), SENSE_PARAMETER_LIST_LENGTH,
		     NO_FIELD);
}

static void wrong_headers_and_cdbs_are_refused(void **state)
{
	struct initiator *t = *state;
	uint8_t list[128];
	size_t len = sense(t, false, list);

	expect_sense(select_mode(t, false, 0, list, len), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(select_mode(t, false, PF | 1, list, len), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(select_mode(t, false, PF, CDB(0, 1, 0, 0), 4),
		     SENSE_INVALID_FIELD_IN_PARAMETERS, 1);
	expect_sense(select_mode(t, false, PF, CDB(0, 0, 0, 16), 20),
		     SENSE_INVALID_FIELD_IN_PARAMETERS, 3);
	expect_sense(select_mode(t, true, PF, CDB(0, 0, 0, 0, 0, 0, BE16(16)), 24),
		     SENSE_INVALID_FIELD_IN_PARAMETERS, 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(what_was_sensed_may_be_selected),
		SCSI_TEST(any_change_is_refused_where_it_is),
		SCSI_TEST(a_number_of_blocks_of_0_is_as_it_is),
		SCSI_TEST(lists_that_are_cut_off_are_refused),
		SCSI_TEST(wrong_headers_and_cdbs_are_refused),
	};

	return cmocka_run_group_tests_name("scsi-mode-select", tests, NULL, NULL);
}
