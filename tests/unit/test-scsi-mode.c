// SPDX-License-Identifier: MIT
/*
 * MODE SENSE (6) and (10): headers, block descriptors, pages, and which combinations
 * of them can be asked for.
 */
#include "initiator.h"

#define DBD	0x08
#define LLBAA	0x10

/* Page controls */
#define CURRENT		0x00
#define CHANGEABLE	0x40
#define DEFAULT		0x80
#define SAVED		0xc0

#define CACHING(byte2)	0x08, 18, byte2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define CONTROL		0x0a, 10, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0
#define CONTROL_LARGE	0x0a, 10, 0x06, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0
#define WCE		0x04

/* MODE SENSE with an allocation length and a payload of 255 bytes. */
static const struct fake_answer *sense6(struct initiator *t, uint8_t flags, uint8_t page,
					uint8_t subpage)
{
	return send_in(t, CDB(0x1a, flags, page, subpage, 255), 255);
}

static const struct fake_answer *sense10(struct initiator *t, uint8_t flags, uint8_t page,
					 uint8_t subpage)
{
	return send_in(t, CDB(0x5a, flags, page, subpage, 0, 0, 0, 0, 255), 255);
}

static void the_short_form_is_header_descriptor_and_page(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = sense6(t, 0, 0x08, 0);

	expect_short(a, 32);
	expect_payload(a, 31, 0, 0x10, 8, BE32(SCRIPTED_BLOCKS), BE32(512), CACHING(WCE));
}

static void the_long_form_is_header_descriptor_and_page(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = sense10(t, 0, 0x0a, 0);

	expect_short(a, 28);
	expect_payload(a, BE16(26), 0, 0x10, 0, 0, BE16(8), BE32(SCRIPTED_BLOCKS), BE32(512),
		       CONTROL);
}

static void without_a_block_descriptor_the_page_follows_the_header(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = sense6(t, DBD, 0x0a, 0);
	expect_short(a, 16);
	expect_payload(a, 15, 0, 0x10, 0, CONTROL);
	a = sense10(t, DBD, 0x0a, 0);
	expect_short(a, 20);
	expect_payload(a, BE16(18), 0, 0x10, 0, 0, BE16(0), CONTROL);
}

static void the_descriptor_may_be_long_in_the_long_form(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.store.size = 512ull << 34;
	a = sense10(t, LLBAA, 0x0a, 0);
	expect_short(a, 8 + 16 + 12);
	expect_payload(a, BE16(34), 0, 0x10, 0x01, 0, BE16(16),
		       BE64(1ull << 34), BE32(0), BE32(512), CONTROL_LARGE);
}

/* Where its blocks have numbers of more than 32 bits; and nobody can change that. */
static void d_sense_is_set_of_a_large_disk(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 512ull << 32;
	expect_payload(sense6(t, DBD, 0x0a, 0), 15, 0, 0x10, 0, CONTROL);
	t->script.store.size += 512;
	expect_payload(sense6(t, DBD, 0x0a, 0), 15, 0, 0x10, 0, CONTROL_LARGE);
	expect_payload(sense6(t, DBD, 0x40 | 0x0a, 0), 15, 0, 0x10, 0, 0x0a, 10, 0, 0, 0, 0, 0, 0,
		       0, 0, 0, 0);
}

static void dbd_outweighs_llbaa(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = sense10(t, DBD | LLBAA, 0x0a, 0);

	expect_short(a, 20);
	expect_payload(a, BE16(18), 0, 0x10, 0, 0, BE16(0), CONTROL);
}

static void a_short_descriptor_has_all_ones_for_too_many_blocks(void **state)
{
	struct initiator *t = *state;

	t->script.store.size = 512ull << 32;
	expect_payload(sense6(t, 0, 0x08, 0), 31, 0, 0x10, 8, BE32(0xffffffff), BE32(512));
	t->script.store.size = 512ull * 0xffffffff;
	expect_payload(sense6(t, 0, 0x08, 0), 31, 0, 0x10, 8, BE32(0xffffffff), BE32(512));
	t->script.store.size = 512ull * 0xfffffffe;
	expect_payload(sense6(t, 0, 0x08, 0), 31, 0, 0x10, 8, BE32(0xfffffffe), BE32(512));
}

static void all_pages_are_those_that_there_are_in_ascending_order(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = sense6(t, DBD, 0x3f, 0);
	expect_short(a, 4 + 20 + 12);
	expect_payload(a, 35, 0, 0x10, 0, CACHING(WCE), CONTROL);
	a = sense10(t, DBD, 0x3f, 0);
	expect_short(a, 8 + 20 + 12);
	expect_payload(a, BE16(38), 0, 0x10, 0, 0, BE16(0), CACHING(WCE), CONTROL);
}

static void all_subpages_are_the_page_itself(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = sense6(t, DBD, 0x3f, 0xff);
	expect_short(a, 36);
	expect_payload(a, 35, 0, 0x10, 0, CACHING(WCE), CONTROL);
	a = sense10(t, DBD, 0x0a, 0xff);
	expect_short(a, 20);
	expect_payload(a, BE16(18), 0, 0x10, 0, 0, BE16(0), CONTROL);
}

static void any_other_subpage_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(sense6(t, 0, 0x08, 0x01), SENSE_INVALID_FIELD_IN_CDB, 3);
	expect_sense(sense10(t, 0, 0x0a, 0x01), SENSE_INVALID_FIELD_IN_CDB, 3);
	expect_sense(sense6(t, 0, 0x3f, 0xfe), SENSE_INVALID_FIELD_IN_CDB, 3);
}

static void a_page_that_isn_t_there_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(sense6(t, 0, 0x1c, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(sense10(t, 0, 0x00, 0), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void nothing_can_be_changed(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = sense6(t, DBD, CHANGEABLE | 0x3f, 0);

	expect_short(a, 36);
	expect_payload(a, 35, 0, 0x10, 0, CACHING(0), 0x0a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void the_defaults_are_what_is_current(void **state)
{
	struct initiator *t = *state;

	expect_payload(sense6(t, DBD, DEFAULT | 0x3f, 0), 35, 0, 0x10, 0, CACHING(WCE), CONTROL);
}

static void saved_pages_are_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(sense6(t, 0, SAVED | 0x08, 0), SENSE_SAVING_NOT_SUPPORTED, NO_FIELD);
	expect_sense(sense10(t, 0, SAVED | 0x3f, 0), SENSE_SAVING_NOT_SUPPORTED, NO_FIELD);
}

static void a_disk_without_flush_has_no_write_cache(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flush = NULL;
	/* No WCE; but DPO and FUA may be set */
	expect_payload(sense6(t, DBD, 0x08, 0), 23, 0, 0x10, 0, CACHING(0));
	expect_payload(sense10(t, DBD, 0x08, 0), BE16(26), 0, 0x10, 0, 0, BE16(0), CACHING(0));
}

static void a_read_only_disk_is_write_protected(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	assert_int_equal(sense6(t, 0, 0x08, 0)->payload[2], 0x90);
	assert_int_equal(sense10(t, 0, 0x08, 0)->payload[3], 0x90);
	t->script.store.read_only = false;
	t->script.ops.write = NULL;
	assert_int_equal(sense6(t, 0, 0x08, 0)->payload[2], 0x90);
}

static void data_are_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = send_in(t, CDB(0x1a, DBD, 0x3f, 0, 6), 64);
	expect_short(a, 6);
	/* The length in the header is that of the whole. */
	expect_payload(a, 35, 0, 0x10, 0, 0x08, 18, FAKE_STALE);
	a = send_in(t, CDB(0x5a, DBD, 0x3f, 0, 0, 0, 0, BE16(8)), 64);
	expect_short(a, 8);
	expect_payload(a, BE16(38), 0, 0x10, 0, 0, BE16(0), FAKE_STALE);
}

static void the_long_form_s_allocation_length_has_two_bytes(void **state)
{
	struct initiator *t = *state;

	expect_short(send_in(t, CDB(0x5a, DBD, 0x3f, 0, 0, 0, 0, BE16(256)), 256), 40);
}

static void an_allocation_length_of_zero_is_no_error(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x1a, 0, 0x3f)));
	expect_good(send_none(t, CDB(0x5a, 0, 0x3f)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(the_short_form_is_header_descriptor_and_page),
		SCSI_TEST(the_long_form_is_header_descriptor_and_page),
		SCSI_TEST(without_a_block_descriptor_the_page_follows_the_header),
		SCSI_TEST(the_descriptor_may_be_long_in_the_long_form),
		SCSI_TEST(d_sense_is_set_of_a_large_disk),
		SCSI_TEST(dbd_outweighs_llbaa),
		SCSI_TEST(a_short_descriptor_has_all_ones_for_too_many_blocks),
		SCSI_TEST(all_pages_are_those_that_there_are_in_ascending_order),
		SCSI_TEST(all_subpages_are_the_page_itself),
		SCSI_TEST(any_other_subpage_is_refused),
		SCSI_TEST(a_page_that_isn_t_there_is_refused),
		SCSI_TEST(nothing_can_be_changed),
		SCSI_TEST(the_defaults_are_what_is_current),
		SCSI_TEST(saved_pages_are_refused),
		SCSI_TEST(a_disk_without_flush_has_no_write_cache),
		SCSI_TEST(a_read_only_disk_is_write_protected),
		SCSI_TEST(data_are_cut_off_at_the_allocation_length),
		SCSI_TEST(the_long_form_s_allocation_length_has_two_bytes),
		SCSI_TEST(an_allocation_length_of_zero_is_no_error),
	};

	return cmocka_run_group_tests_name("scsi-mode", tests, NULL, NULL);
}
