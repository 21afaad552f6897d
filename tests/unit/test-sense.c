// SPDX-License-Identifier: MIT
/*
 * lib/scsi/sense.c: what an errno of a store means, what a status looks like to the
 * initiator, and how long a CDB is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/sense.h"

static const enum zcmu_io_op modifying[] = {
	ZCMU_IO_WRITE, ZCMU_IO_FLUSH, ZCMU_IO_TRIM, ZCMU_IO_ZERO,
};

/* Whatever was asked for, that errno means that status. */
static void assert_always(int error, enum zcmu_status status)
{
	unsigned int i;

	assert_int_equal(zcmu_status_of_error(ZCMU_IO_READ, error), status);
	for (i = 0; i < 4; i++)
		assert_int_equal(zcmu_status_of_error(modifying[i], error), status);
}

/* That errno means one thing for a READ and another for the rest. */
static void assert_either(int error, enum zcmu_status of_read, enum zcmu_status of_write)
{
	unsigned int i;

	assert_int_equal(zcmu_status_of_error(ZCMU_IO_READ, error), of_read);
	for (i = 0; i < 4; i++)
		assert_int_equal(zcmu_status_of_error(modifying[i], error), of_write);
}

static void zero_is_success(void **state)
{
	(void)state;
	assert_always(0, ZCMU_OK);
}

static void eio_says_whether_reading_or_writing_failed(void **state)
{
	(void)state;
	assert_either(-EIO, ZCMU_READ_ERROR, ZCMU_WRITE_ERROR);
}

static void no_space_is_for_those_who_need_some(void **state)
{
	(void)state;
	assert_either(-ENOSPC, ZCMU_HARDWARE_ERROR, ZCMU_NO_SPACE);
	assert_either(-EDQUOT, ZCMU_HARDWARE_ERROR, ZCMU_NO_SPACE);
	assert_either(-EFBIG, ZCMU_HARDWARE_ERROR, ZCMU_NO_SPACE);
}

static void only_what_changes_the_disk_is_write_protected(void **state)
{
	(void)state;
	assert_either(-EROFS, ZCMU_HARDWARE_ERROR, ZCMU_WRITE_PROTECTED);
	assert_either(-EPERM, ZCMU_HARDWARE_ERROR, ZCMU_WRITE_PROTECTED);
	assert_either(-EACCES, ZCMU_HARDWARE_ERROR, ZCMU_WRITE_PROTECTED);
}

static void what_may_do_better_next_time_is_busy(void **state)
{
	(void)state;
	assert_always(-EAGAIN, ZCMU_BUSY);
	assert_always(-ENOMEM, ZCMU_BUSY);
}

static void a_store_that_is_gone_is_not_ready(void **state)
{
	(void)state;
	assert_always(-ENODEV, ZCMU_NOT_READY);
	assert_always(-ENOTCONN, ZCMU_NOT_READY);
	assert_always(-ESHUTDOWN, ZCMU_NOT_READY);
}

static void a_cancelled_request_is_an_aborted_command(void **state)
{
	(void)state;
	assert_always(-ECANCELED, ZCMU_ABORTED);
}

static void no_other_number_is_success(void **state)
{
	unsigned int i;
	int error;

	(void)state;
	for (error = -5000; error <= 5000; error++) {
		assert_int_equal(zcmu_status_of_error(ZCMU_IO_READ, error) == ZCMU_OK, !error);
		for (i = 0; i < 4; i++)
			assert_int_equal(zcmu_status_of_error(modifying[i], error) == ZCMU_OK,
					 !error);
	}
	assert_always(-EINVAL, ZCMU_HARDWARE_ERROR);
	assert_always(EIO, ZCMU_HARDWARE_ERROR);
	assert_always(INT32_MIN, ZCMU_HARDWARE_ERROR);
}

/*
 * Sense data
 */

static const struct {
	enum zcmu_status status;
	uint8_t scsi_status, key, asc, ascq;
} table[] = {
	{ ZCMU_OK, 0x00, 0, 0, 0 },
	{ ZCMU_BUSY, 0x08, 0, 0, 0 },
	{ ZCMU_NOT_READY, 0x02, 0x2, 0x04, 0x00 },
	{ ZCMU_READ_ERROR, 0x02, 0x3, 0x11, 0x00 },
	{ ZCMU_WRITE_ERROR, 0x02, 0x3, 0x0c, 0x00 },
	{ ZCMU_MISCOMPARE, 0x02, 0xe, 0x1d, 0x00 },
	{ ZCMU_NO_SPACE, 0x02, 0x7, 0x27, 0x07 },
	{ ZCMU_WRITE_PROTECTED, 0x02, 0x7, 0x27, 0x00 },
	{ ZCMU_INVALID_OPCODE, 0x02, 0x5, 0x20, 0x00 },
	{ ZCMU_INVALID_FIELD_IN_CDB, 0x02, 0x5, 0x24, 0x00 },
	{ ZCMU_OUT_OF_RANGE, 0x02, 0x5, 0x21, 0x00 },
	{ ZCMU_PARAMETER_LIST_LENGTH, 0x02, 0x5, 0x1a, 0x00 },
	{ ZCMU_WRONG_PAYLOAD_LENGTH, 0x02, 0x5, 0x0e, 0x03 },
	{ ZCMU_INVALID_PARAMETER, 0x02, 0x5, 0x26, 0x00 },
	{ ZCMU_SAVING_NOT_SUPPORTED, 0x02, 0x5, 0x39, 0x00 },
	{ ZCMU_TOO_MANY_TARGETS, 0x02, 0x5, 0x26, 0x06 },
	{ ZCMU_UNSUPPORTED_TARGET, 0x02, 0x5, 0x26, 0x07 },
	{ ZCMU_TOO_MANY_SEGMENTS, 0x02, 0x5, 0x26, 0x08 },
	{ ZCMU_UNSUPPORTED_SEGMENT, 0x02, 0x5, 0x26, 0x09 },
	{ ZCMU_INLINE_DATA_TOO_LONG, 0x02, 0x5, 0x26, 0x0b },
	{ ZCMU_COPY_ABORTED, 0x02, 0xa, 0x00, 0x00 },
	{ ZCMU_COPY_FAILED, 0x02, 0xa, 0x0d, 0x01 },
	{ ZCMU_UNREACHABLE_COPY_TARGET, 0x02, 0xa, 0x08, 0x04 },
	{ ZCMU_COPY_TARGET_NOT_REACHABLE, 0x02, 0xa, 0x0d, 0x02 },
	{ ZCMU_WRONG_COPY_TARGET, 0x02, 0xa, 0x0d, 0x03 },
	{ ZCMU_ABORTED, 0x02, 0xb, 0x00, 0x00 },
	{ ZCMU_HARDWARE_ERROR, 0x02, 0x4, 0x44, 0x00 },
};

#define NR	(sizeof(table) / sizeof(table[0]))

/* A status without field or information. */
static uint8_t translate(enum zcmu_status status, uint8_t *sense)
{
	memset(sense, 0x55, ZCMU_SENSE_LEN);
	return zcmu_status_to_scsi(status, ZCMU_NO_FIELD, UINT64_MAX, sense);
}

static void every_status_has_its_scsi_status_and_sense(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];
	unsigned int i;

	(void)state;
	assert_int_equal(NR, ZCMU_NR_STATUSES);
	for (i = 0; i < NR; i++) {
		assert_int_equal(translate(table[i].status, sense), table[i].scsi_status);
		if (table[i].scsi_status != 0x02)
			continue;
		assert_int_equal(sense[2], table[i].key);
		assert_int_equal(sense[12], table[i].asc);
		assert_int_equal(sense[13], table[i].ascq);
	}
}

static void sense_data_are_18_bytes_in_fixed_format(void **state)
{
	static const uint8_t expected[ZCMU_SENSE_LEN] = { 0x70, [2] = 0x3, [7] = 10, [12] = 0x11 };
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	translate(ZCMU_READ_ERROR, sense);
	assert_memory_equal(sense, expected, sizeof(expected));
}

static void without_check_condition_there_are_no_sense_data(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN], untouched[ZCMU_SENSE_LEN];

	(void)state;
	memset(untouched, 0x55, sizeof(untouched));
	translate(ZCMU_OK, sense);
	assert_memory_equal(sense, untouched, sizeof(sense));
	translate(ZCMU_BUSY, sense);
	assert_memory_equal(sense, untouched, sizeof(sense));
}

static void a_field_of_the_cdb_is_pointed_at_as_such(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	zcmu_status_to_scsi(ZCMU_INVALID_FIELD_IN_CDB, 0x123, UINT64_MAX, sense);
	assert_memory_equal(sense + 15, "\xc0\x01\x23", 3);
}

static void a_field_of_the_parameters_is_pointed_at_as_such(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	zcmu_status_to_scsi(ZCMU_INVALID_PARAMETER, 2, UINT64_MAX, sense);
	assert_memory_equal(sense + 15, "\x80\x00\x02", 3);
}

static void no_field_is_pointed_at_if_there_is_none(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	zcmu_status_to_scsi(ZCMU_INVALID_FIELD_IN_CDB, ZCMU_NO_FIELD, UINT64_MAX, sense);
	assert_memory_equal(sense + 15, "\0\0\0", 3);
	/* The pointer has 16 bits. */
	zcmu_status_to_scsi(ZCMU_INVALID_FIELD_IN_CDB, 0x10000, UINT64_MAX, sense);
	assert_memory_equal(sense + 15, "\0\0\0", 3);
}

static void information_that_fits_is_valid(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	zcmu_status_to_scsi(ZCMU_OUT_OF_RANGE, ZCMU_NO_FIELD, 0x12345678, sense);
	assert_memory_equal(sense, "\xf0\x00\x05\x12\x34\x56\x78", 7);
	zcmu_status_to_scsi(ZCMU_OUT_OF_RANGE, ZCMU_NO_FIELD, UINT32_MAX, sense);
	assert_memory_equal(sense, "\xf0\x00\x05\xff\xff\xff\xff", 7);
}

static void information_that_doesn_t_fit_is_not_valid(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	zcmu_status_to_scsi(ZCMU_OUT_OF_RANGE, ZCMU_NO_FIELD, 1ull << 32, sense);
	assert_memory_equal(sense, "\x70\x00\x05\x00\x00\x00\x00", 7);
}

static void a_status_that_isn_t_one_is_a_hardware_error(void **state)
{
	uint8_t sense[ZCMU_SENSE_LEN];

	(void)state;
	assert_int_equal(translate(ZCMU_NR_STATUSES, sense), 0x02);
	assert_int_equal(sense[2], 0x4);
	assert_int_equal(translate((enum zcmu_status)-1, sense), 0x02);
	assert_int_equal(sense[2], 0x4);
}

static void every_status_has_a_name_of_its_own(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ZCMU_NR_STATUSES; i++) {
		for (j = 0; j < i; j++)
			assert_string_not_equal(zcmu_status_name(i), zcmu_status_name(j));
	}
	assert_string_equal(zcmu_status_name(ZCMU_NR_STATUSES), "unknown");
}

static void a_cdb_s_length_follows_from_its_first_byte(void **state)
{
	static const uint8_t lengths[8] = { 6, 10, 10, 12, 16, 12, 10, 10 };
	uint8_t cdb[16] = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 0x100; i++) {
		cdb[0] = (uint8_t)i;
		if (i != 0x7f)
			assert_int_equal(zcmu_cdb_length(cdb), lengths[i / 32]);
	}
}

static void a_cdb_of_variable_length_says_it_itself(void **state)
{
	uint8_t cdb[16] = { 0x7f };

	(void)state;
	assert_int_equal(zcmu_cdb_length(cdb), 8);
	cdb[7] = 24;
	assert_int_equal(zcmu_cdb_length(cdb), 32);
	cdb[7] = 252;
	assert_int_equal(zcmu_cdb_length(cdb), 260);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_is_success),
		cmocka_unit_test(eio_says_whether_reading_or_writing_failed),
		cmocka_unit_test(no_space_is_for_those_who_need_some),
		cmocka_unit_test(only_what_changes_the_disk_is_write_protected),
		cmocka_unit_test(what_may_do_better_next_time_is_busy),
		cmocka_unit_test(a_store_that_is_gone_is_not_ready),
		cmocka_unit_test(a_cancelled_request_is_an_aborted_command),
		cmocka_unit_test(no_other_number_is_success),
		cmocka_unit_test(every_status_has_its_scsi_status_and_sense),
		cmocka_unit_test(sense_data_are_18_bytes_in_fixed_format),
		cmocka_unit_test(without_check_condition_there_are_no_sense_data),
		cmocka_unit_test(a_field_of_the_cdb_is_pointed_at_as_such),
		cmocka_unit_test(a_field_of_the_parameters_is_pointed_at_as_such),
		cmocka_unit_test(no_field_is_pointed_at_if_there_is_none),
		cmocka_unit_test(information_that_fits_is_valid),
		cmocka_unit_test(information_that_doesn_t_fit_is_not_valid),
		cmocka_unit_test(a_status_that_isn_t_one_is_a_hardware_error),
		cmocka_unit_test(every_status_has_a_name_of_its_own),
		cmocka_unit_test(a_cdb_s_length_follows_from_its_first_byte),
		cmocka_unit_test(a_cdb_of_variable_length_says_it_itself),
	};

	return cmocka_run_group_tests_name("sense", tests, NULL, NULL);
}
