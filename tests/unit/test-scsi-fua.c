// SPDX-License-Identifier: MIT
/*
 * READ and WRITE with FUA: by the store, by a flush that follows, or by nothing where there is no
 * cache.
 */
#include "initiator.h"

static uint8_t data[512];

static void fua_is_the_store_s_if_it_knows_it(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_good(send_out(t, block_cdb(t, 0x2a, 0x08, 0, 1), data, 512));
	assert_true(t->script.requests[0].fua);
	assert_int_equal(t->script.nr, 1);
}

static void a_write_without_fua_asks_for_none(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_good(send_out(t, block_cdb(t, 0x2a, 0x10, 0, 1), data, 512));	/* DPO alone */
	assert_false(t->script.requests[0].fua);
}

static void fua_is_a_flush_after_the_write_if_the_store_has_only_that(void **state)
{
	static const uint8_t opcodes[] = { 0x2a, 0xaa, 0x8a };
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		expect_good(send_out(t, block_cdb(t, opcodes[i], 0x08, 4, 1), data, 512));
		expect_request(t, 2 * i, ZCMU_IO_WRITE, 4 * 512, 512);
		expect_request(t, 2 * i + 1, ZCMU_IO_FLUSH, 0, 0);
	}
	assert_int_equal(t->script.nr, 6);
}

static void a_write_with_fua_is_answered_after_its_flush(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.hold = true;
	a = send_out(t, block_cdb(t, 0x2a, 0x08, 0, 1), data, 512);
	assert_int_equal(t->script.nr, 1);
	answer_held(t, 0, 0);
	assert_int_equal(t->script.nr, 2);
	assert_false(a->arrived);
	answer_held(t, 1, 0);
	expect_good(a);
}

static void fua_without_a_cache_is_a_write_and_nothing_else(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flush = NULL;
	expect_good(send_out(t, block_cdb(t, 0x2a, 0x08, 0, 1), data, 512));
	assert_int_equal(t->script.nr, 1);
}

static void a_write_without_fua_is_not_flushed(void **state)
{
	struct initiator *t = *state;

	expect_good(send_out(t, block_cdb(t, 0x2a, 0, 0, 1), data, 512));
	/* In six bytes that bit is one of the LBA's. */
	t->script.store.size = 512ull << 21;
	expect_good(send_out(t, block_cdb(t, 0x0a, 0, 0x080000, 1), data, 512));
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_FLUSH), 0);
}

static void a_read_with_fua_is_a_read(void **state)
{
	struct initiator *t = *state;

	expect_good(send_in(t, block_cdb(t, 0x28, 0x18, 0, 1), 512));
	assert_int_equal(t->script.nr, 1);
	assert_false(t->script.requests[0].fua);
}

static void a_failed_flush_fails_the_write_with_fua(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 1;
	t->script.error = -EIO;
	expect_sense(send_out(t, block_cdb(t, 0x2a, 0x08, 0, 1), data, 512), SENSE_WRITE_ERROR,
		     NO_FIELD);
}

static void a_failed_write_with_fua_is_not_flushed(void **state)
{
	struct initiator *t = *state;

	t->script.fail_at = 0;
	t->script.error = -ENOSPC;
	expect_sense(send_out(t, block_cdb(t, 0x2a, 0x08, 0, 1), data, 512), SENSE_NO_SPACE,
		     NO_FIELD);
	assert_int_equal(t->script.nr, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(fua_is_the_store_s_if_it_knows_it),
		SCSI_TEST(a_write_without_fua_asks_for_none),
		SCSI_TEST(fua_is_a_flush_after_the_write_if_the_store_has_only_that),
		SCSI_TEST(a_write_with_fua_is_answered_after_its_flush),
		SCSI_TEST(fua_without_a_cache_is_a_write_and_nothing_else),
		SCSI_TEST(a_write_without_fua_is_not_flushed),
		SCSI_TEST(a_read_with_fua_is_a_read),
		SCSI_TEST(a_failed_flush_fails_the_write_with_fua),
		SCSI_TEST(a_failed_write_with_fua_is_not_flushed),
	};

	return cmocka_run_group_tests_name("scsi-fua", tests, NULL, NULL);
}
