// SPDX-License-Identifier: MIT
/*
 * INQUIRY: standard data and each vital product data page, bit by bit, and how they
 * depend on what the store can do.
 */
#include "initiator.h"

#include <stdio.h>

#include "scsi/scsi.h"
#include "zcmu.h"

#define EVPD	1

/* INQUIRY with an allocation length and a payload of 255 bytes. */
static const struct fake_answer *inquire(struct initiator *t, uint8_t evpd, uint8_t page)
{
	return send_in(t, CDB(0x12, evpd, page, 0, 255), 255);
}

/* A page that has to be there; its header is checked. Return: what is behind it. */
static const uint8_t *page(struct initiator *t, uint8_t code, uint16_t length)
{
	const struct fake_answer *a = inquire(t, EVPD, code);

	expect_short(a, 4u + length);
	expect_payload(a, 0, code, BE16(length));
	return a->payload + 4;
}

static void identify(struct initiator *t, const char *serial, const char *product)
{
	struct zcmu_serve_options options = {
		.struct_size = sizeof(options), .serial = serial, .product = product,
	};

	zcmu_disk_identify(t->disk, &options);
}

static void standard_data_are_those_of_a_disk_by_spc_4(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = inquire(t, 0, 0);

	expect_short(a, 96);
	/* disk, not removable, SPC-4, HISUP and format 2, 91 more bytes, 3PC, CMDQUE */
	expect_payload(a, 0x00, 0x00, 0x06, 0x12, 91, 0x08, 0, 0x02);
	assert_memory_equal(a->payload + 8, "ZCMU    disk            ", 24);
	assert_memory_equal(a->payload + 32, zcmu_version(), 4);
	/* SAM-5, SPC-4, SBC-3 */
	assert_memory_equal(a->payload + 58, "\x00\xa0\x04\x60\x04\xc0", 6);
}

static uint8_t tpgs_by(struct initiator *t, const struct zcmu_port *port)
{
	const struct fake_answer *a = send_request(t, &(struct fake_request){
		.cdb = CDB(0x12, 0, 0, BE16(96)), .size = 96, .port = port });

	return a->payload[5] >> 4 & 3;
}

static void states_can_be_asked_for_where_a_port_was_put_into_a_group(void **state)
{
	static const struct zcmu_port in_group_5 = { .port_group = 5, .has_port_group = 1 };
	static const struct zcmu_port in_group_0 = { .has_port_group = 1 };
	static const struct zcmu_port in_none = { .port_group = 5 };
	struct initiator *t = *state;

	/* 1: implicit asymmetric access */
	assert_int_equal(tpgs_by(t, &in_group_5), 1);
	assert_int_equal(tpgs_by(t, &in_group_0), 0);
	assert_int_equal(tpgs_by(t, &in_none), 0);
	assert_int_equal(tpgs_by(t, NULL), 0);
}

static void a_long_product_name_is_cut_off(void **state)
{
	struct initiator *t = *state;

	identify(t, NULL, "seventeen letters!");
	assert_memory_equal(inquire(t, 0, 0)->payload + 16, "seventeen letter", 16);
}

static void the_product_is_by_default_the_store_s_name(void **state)
{
	struct initiator *t = *state;

	identify(t, NULL, NULL);
	assert_memory_equal(inquire(t, 0, 0)->payload + 16, "scripted        ", 16);
}

static void data_are_cut_off_at_the_allocation_length(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	a = send_in(t, CDB(0x12, 0, 0, 0, 5), 64);
	expect_short(a, 5);
	/* The length in the data is that of the whole (SPC-4 4.2.5.6). */
	expect_payload(a, 0x00, 0x00, 0x06, 0x12, 91, FAKE_STALE, FAKE_STALE);
	a = send_in(t, CDB(0x12, EVPD, 0x00, 0, 4), 64);
	expect_short(a, 4);
	expect_payload(a, 0, 0, 0, 8, FAKE_STALE);
}

static void the_allocation_length_has_two_bytes(void **state)
{
	struct initiator *t = *state;

	expect_short(send_in(t, CDB(0x12, 0, 0, 1, 0), 256), 96);
}

static void data_are_cut_off_at_the_payload_s_end(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a = send_in(t, CDB(0x12, 0, 0, 0, 255), 36);

	expect_good(a);
	assert_memory_equal(a->payload + 8, "ZCMU    disk            ", 24);
}

static void an_allocation_length_of_zero_is_no_error(void **state)
{
	struct initiator *t = *state;

	expect_good(send_none(t, CDB(0x12)));
	expect_good(send_none(t, CDB(0x12, EVPD, 0x80)));
}

static void a_page_code_without_evpd_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(inquire(t, 0, 0x80), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void a_page_that_isn_t_there_is_refused(void **state)
{
	struct initiator *t = *state;

	expect_sense(inquire(t, EVPD, 0x81), SENSE_INVALID_FIELD_IN_CDB, 2);
	expect_sense(inquire(t, EVPD, 0xff), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void a_thin_disk_has_eight_pages(void **state)
{
	struct initiator *t = *state;

	assert_memory_equal(page(t, 0x00, 8), "\x00\x80\x83\x86\x8f\xb0\xb1\xb2", 8);
	t->script.ops.zero = NULL;
	page(t, 0x00, 8);
}

static void a_disk_that_isn_t_thin_has_seven(void **state)
{
	struct initiator *t = *state;

	/* Zeroing may be writing, and that is not what an initiator wants who gives back. */
	t->script.ops.trim = NULL;
	assert_memory_equal(page(t, 0x00, 7), "\x00\x80\x83\x86\x8f\xb0\xb1", 7);
	expect_sense(inquire(t, EVPD, 0xb2), SENSE_INVALID_FIELD_IN_CDB, 2);
}

static void a_disk_that_can_t_be_written_to_has_no_copies(void **state)
{
	struct initiator *t = *state;

	t->script.store.read_only = true;
	expect_payload(inquire(t, 0, 0), 0x00, 0x00, 0x06, 0x12, 91, 0, 0, 0x02);
	assert_memory_equal(page(t, 0x00, 6), "\x00\x80\x83\x86\xb0\xb1", 6);
	expect_sense(inquire(t, EVPD, 0x8f), SENSE_INVALID_FIELD_IN_CDB, 2);
	/* Nor COMPARE AND WRITE */
	assert_int_equal(page(t, 0xb0, 0x3c)[1], 0);
}

/* What ZCMU_MAX_COMPARE_BLOCKS promises, test-scsi-atomic.c tries. */
static void block_limits_tell_of_compare_and_write_and_of_no_atomic_writes(void **state)
{
	static const uint8_t none[20];
	struct initiator *t = *state;
	const uint8_t *p = page(t, 0xb0, 0x3c);

	assert_int_equal(p[0] & 0x01, 0);		/* WSNZ */
	assert_int_equal(p[1], 255);
	assert_memory_equal(p + 40, none, sizeof(none));
}

static void compare_and_write_has_no_more_blocks_than_a_transfer(void **state)
{
	struct initiator *t = *state;

	t->disk->max_blocks = 128;
	assert_int_equal(page(t, 0xb0, 0x3c)[1], 128);
	t->disk->max_blocks = 0;
	t->script.store.max_io = 64 * 512;
	assert_int_equal(page(t, 0xb0, 0x3c)[1], 64);
	t->disk->max_blocks = 65535;
	t->script.store.max_io = 0;
	assert_int_equal(page(t, 0xb0, 0x3c)[1], 255);
}

static void every_page_of_the_list_can_be_had(void **state)
{
	struct initiator *t = *state;
	const uint8_t *codes = page(t, 0x00, 8);
	const struct fake_answer *a;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		a = inquire(t, EVPD, codes[i]);
		expect_short(a, 4u + zcmu_get16(a->payload + 2));
		assert_int_equal(a->payload[1], codes[i]);
	}
}

static void page_80_is_the_serial_number(void **state)
{
	struct initiator *t = *state;

	assert_memory_equal(page(t, 0x80, 8), "serial-1", 8);
}

static void the_serial_number_is_by_default_the_backstore_s(void **state)
{
	struct initiator *t = *state;

	snprintf(t->disk->serial, sizeof(t->disk->serial), "by-the-kernel");
	identify(t, NULL, NULL);
	assert_memory_equal(page(t, 0x80, 13), "by-the-kernel", 13);
}

static void a_disk_without_a_serial_number_has_its_name_for_it(void **state)
{
	struct initiator *t = *state;

	t->disk->serial[0] = '\0';
	identify(t, NULL, NULL);
	assert_memory_equal(page(t, 0x80, 4), "disk", 4);
}

static void page_83_has_the_vendor_and_the_serial_number(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p = page(t, 0x83, 4 + 16 + 12);

	/* ASCII; of the logical unit, by T10 vendor ID; 16 bytes */
	assert_memory_equal(p, "\x02\x01\x00\x10ZCMU    serial-1", 20);
}

static void page_83_has_a_locally_assigned_naa(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p = page(t, 0x83, 4 + 16 + 12) + 20;

	/* binary; of the logical unit, NAA; 8 bytes, the first four bits 3 */
	assert_memory_equal(p, "\x01\x03\x00\x08", 4);
	assert_int_equal(p[4] >> 4, 3);
}

static void the_naa_follows_from_the_serial_number(void **state)
{
	struct initiator *t = *state;
	uint8_t first[8];

	memcpy(first, page(t, 0x83, 32) + 24, 8);
	identify(t, "serial-2", NULL);
	assert_memory_not_equal(page(t, 0x83, 32) + 24, first, 8);
	identify(t, "serial-1", NULL);
	assert_memory_equal(page(t, 0x83, 32) + 24, first, 8);
}

static void the_longest_serial_number_fits_into_its_pages(void **state)
{
	static const char longest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";
	struct initiator *t = *state;

	identify(t, longest, NULL);
	assert_memory_equal(page(t, 0x80, 63), longest, 63);
	assert_memory_equal(page(t, 0x83, 4 + 8 + 63 + 12) + 12, longest, 63);
}

/* INQUIRY of page 83h that came in by a target port. Return: what is behind the logical unit's. */
static const uint8_t *port_designators(struct initiator *t, const struct zcmu_port *port,
				       uint16_t length)
{
	const struct fake_answer *a = send_request(t, &(struct fake_request){
		.cdb = CDB(0x12, EVPD, 0x83, BE16(1000)), .size = 1024, .port = port });

	expect_short(a, 4u + 32 + length);
	expect_payload(a, 0, 0x83, BE16(32 + length));
	return a->payload + 4 + 32;
}

static void page_83_has_an_iscsi_port_s_numbers_and_names(void **state)
{
	static const struct zcmu_port port = { .relative_port = 0x102, .port_group = 0x304,
		.has_port_group = 1, .portal_group = 5, .protocol = 5, .name = "iqn.2026-11.x:disk" };
	const uint8_t *p = port_designators(*state, &port, 8 + 8 + 32 + 24);

	/* binary, PIV, of the target port: relative target port, target port group */
	assert_memory_equal(p, "\x51\x94\x00\x04\x00\x00\x01\x02", 8);
	assert_memory_equal(p + 8, "\x51\x95\x00\x04\x00\x00\x03\x04", 8);
	/* UTF-8, SCSI name string: of the port, and of the target device */
	assert_memory_equal(p + 16, "\x53\x98\x00\x1ciqn.2026-11.x:disk,t,0x0005\0", 32);
	assert_memory_equal(p + 48, "\x53\xa8\x00\x14iqn.2026-11.x:disk\0\0", 24);
}

static void page_83_has_another_port_s_numbers(void **state)
{
	static const struct zcmu_port port = { .relative_port = 7, .protocol = 6,
		.name = "naa.5001405000000001" };
	const uint8_t *p = port_designators(*state, &port, 8);

	assert_memory_equal(p, "\x61\x94\x00\x04\x00\x00\x00\x07", 8);
}

/* With 0 behind it, and the length a multiple of four */
static void the_longest_name_of_a_port_fits_into_page_83(void **state)
{
	struct zcmu_port port = { .relative_port = 1, .protocol = 5 };
	const uint8_t *p;

	memset(port.name, 'n', sizeof(port.name));
	p = port_designators(*state, &port, 8 + 4 + 236 + 4 + 224);
	assert_int_equal(p[8 + 3], 236);
	assert_memory_equal(p + 8 + 4 + 223, ",t,0x0000\0\0\0\0", 13);
	assert_int_equal(p[8 + 4 + 236 + 3], 224);
	assert_int_equal(p[8 + 4 + 236 + 4 + 222], 'n');
	assert_int_equal(p[8 + 4 + 236 + 4 + 223], 0);
}

static void page_86_says_what_task_attributes_there_are_and_whether_a_cache(void **state)
{
	struct initiator *t = *state;

	assert_memory_equal(page(t, 0x86, 0x3c), "\x00\x01\x01\x00", 4);
	t->script.ops.flush = NULL;
	assert_memory_equal(page(t, 0x86, 0x3c), "\x00\x01\x00\x00", 4);
}

static void page_b0_has_the_limits(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;

	t->disk->max_blocks = 0x10203;
	t->script.store.optimal_io_size = 0x10000;
	t->script.store.trim_granularity = 8192;
	p = page(t, 0xb0, 0x3c);
	assert_int_equal(p[0], 0);			/* WSNZ: 0 blocks are to the end */
	assert_int_equal(zcmu_get16(p + 2), 8);		/* 4096 bytes by 512 */
	assert_int_equal(zcmu_get32(p + 4), 0x10203);
	assert_int_equal(zcmu_get32(p + 8), 0x80);
	assert_int_equal(zcmu_get32(p + 16), UINT32_MAX);
	assert_int_equal(zcmu_get32(p + 20), ZCMU_MAX_UNMAP_DESCRIPTORS);
	assert_int_equal(zcmu_get32(p + 24), 16);
	assert_int_equal(zcmu_get64(p + 32), 0);	/* WRITE SAME: no limit */
}

static void page_b0_has_the_store_s_own_granularity_and_limit_of_comparing(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;

	t->script.store.min_io_size = 65536;
	t->script.store.max_compare = 1024;
	p = page(t, 0xb0, 0x3c);
	assert_int_equal(zcmu_get16(p + 2), 128);
	assert_int_equal(p[1], 2);
	t->script.store.min_io_size = 1u << 31;
	t->script.store.max_compare = 1 << 20;
	p = page(t, 0xb0, 0x3c);
	assert_int_equal(zcmu_get16(p + 2), UINT16_MAX);
	assert_int_equal(p[1], ZCMU_MAX_COMPARE_BLOCKS);
}

static void page_b0_counts_in_blocks(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;

	t->script.store.block_size = 4096;
	t->script.store.optimal_io_size = 0x10000;
	t->script.store.trim_granularity = 8192;
	p = page(t, 0xb0, 0x3c);
	assert_int_equal(zcmu_get16(p + 2), 1);
	assert_int_equal(zcmu_get32(p + 8), 0x10);
	assert_int_equal(zcmu_get32(p + 24), 2);
}

static void a_granularity_that_isn_t_told_is_one_block(void **state)
{
	struct initiator *t = *state;

	t->script.store.trim_granularity = 0;
	assert_int_equal(zcmu_get32(page(t, 0xb0, 0x3c) + 24), 1);
}

static void page_b0_of_a_disk_without_trim_has_no_unmap(void **state)
{
	struct initiator *t = *state;
	static const uint8_t none[12];

	t->script.ops.trim = NULL;
	assert_memory_equal(page(t, 0xb0, 0x3c) + 16, none, 12);
}

static void page_b1_says_whether_the_disk_turns(void **state)
{
	struct initiator *t = *state;

	assert_int_equal(zcmu_get16(page(t, 0xb1, 0x3c)), 1);
	t->script.store.rotational = true;
	assert_int_equal(zcmu_get16(page(t, 0xb1, 0x3c)), 0);
}

/* LBPU 80, LBPWS 40, LBPWS10 20, LBPRZ 04; 2 is "thin" */
static void page_b2_says_what_gives_space_back(void **state)
{
	struct initiator *t = *state;

	/* WRITE SAME with UNMAP would write, where a trim may leave anything. */
	assert_memory_equal(page(t, 0xb2, 4), "\x00\x80\x02\x00", 4);
	t->script.ops.flags |= ZCMU_STORE_TRIM_ZEROES;
	assert_memory_equal(page(t, 0xb2, 4), "\x00\xe4\x02\x00", 4);
	t->script.store.can_trim = ZCMU_CAN_EMULATED;
	assert_memory_equal(page(t, 0xb2, 4), "\x00\xe4\x02\x00", 4);
	t->script.store.can_trim = ZCMU_CAN_NONE;
	expect_sense(inquire(t, EVPD, 0xb2), SENSE_INVALID_FIELD_IN_CDB, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(standard_data_are_those_of_a_disk_by_spc_4),
		SCSI_TEST(a_long_product_name_is_cut_off),
		SCSI_TEST(the_product_is_by_default_the_store_s_name),
		SCSI_TEST(data_are_cut_off_at_the_allocation_length),
		SCSI_TEST(the_allocation_length_has_two_bytes),
		SCSI_TEST(data_are_cut_off_at_the_payload_s_end),
		SCSI_TEST(an_allocation_length_of_zero_is_no_error),
		SCSI_TEST(a_page_code_without_evpd_is_refused),
		SCSI_TEST(a_page_that_isn_t_there_is_refused),
		SCSI_TEST(a_thin_disk_has_eight_pages),
		SCSI_TEST(a_disk_that_isn_t_thin_has_seven),
		SCSI_TEST(a_disk_that_can_t_be_written_to_has_no_copies),
		SCSI_TEST(block_limits_tell_of_compare_and_write_and_of_no_atomic_writes),
		SCSI_TEST(compare_and_write_has_no_more_blocks_than_a_transfer),
		SCSI_TEST(every_page_of_the_list_can_be_had),
		SCSI_TEST(page_80_is_the_serial_number),
		SCSI_TEST(the_serial_number_is_by_default_the_backstore_s),
		SCSI_TEST(a_disk_without_a_serial_number_has_its_name_for_it),
		SCSI_TEST(page_83_has_the_vendor_and_the_serial_number),
		SCSI_TEST(page_83_has_a_locally_assigned_naa),
		SCSI_TEST(the_naa_follows_from_the_serial_number),
		SCSI_TEST(the_longest_serial_number_fits_into_its_pages),
		SCSI_TEST(states_can_be_asked_for_where_a_port_was_put_into_a_group),
		SCSI_TEST(page_83_has_an_iscsi_port_s_numbers_and_names),
		SCSI_TEST(page_83_has_another_port_s_numbers),
		SCSI_TEST(the_longest_name_of_a_port_fits_into_page_83),
		SCSI_TEST(page_86_says_what_task_attributes_there_are_and_whether_a_cache),
		SCSI_TEST(page_b0_has_the_limits),
		SCSI_TEST(page_b0_has_the_store_s_own_granularity_and_limit_of_comparing),
		SCSI_TEST(page_b0_counts_in_blocks),
		SCSI_TEST(a_granularity_that_isn_t_told_is_one_block),
		SCSI_TEST(page_b0_of_a_disk_without_trim_has_no_unmap),
		SCSI_TEST(page_b1_says_whether_the_disk_turns),
		SCSI_TEST(page_b2_says_what_gives_space_back),
	};

	return cmocka_run_group_tests_name("scsi-inquiry", tests, NULL, NULL);
}
