// SPDX-License-Identifier: MIT
/*
 * Stores that take so much at a time (max_io, max_trim, max_zero): what the initiator is told,
 * and what becomes of a command that asks for more.
 */
#include "initiator.h"

#include <pthread.h>

#define BLOCK		512u
#define MANY		4000u		/* parts: more than would fit onto a stack, nested */
#define SMALL_STACK	(256u << 10)

static uint8_t data[64 * BLOCK], zeroes[BLOCK];

static const struct fake_answer *unmap(struct initiator *t, uint32_t lba, uint32_t blocks)
{
	const uint8_t list[] = { BE16(22), BE16(16), 0, 0, 0, 0, BE64(lba), BE32(blocks),
				 0, 0, 0, 0 };

	return send_out(t, CDB(0x42, 0, 0, 0, 0, 0, 0, BE16(sizeof(list))), list, sizeof(list));
}

/* READ or WRITE of all of the data. */
static const struct fake_answer *transfer(struct initiator *t, uint8_t opcode, uint8_t flags)
{
	const uint8_t *cdb = block_cdb(t, opcode, flags, 100, sizeof(data) / BLOCK);

	return opcode == 0x28 ? send_in(t, cdb, sizeof(data)) :
	       send_out(t, cdb, data, sizeof(data));
}

static void a_long_unmap_is_asked_for_in_parts(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_trim = 8 * BLOCK;
	expect_good(unmap(t, 100, 20));
	assert_int_equal(t->script.nr, 3);
	expect_request(t, 0, ZCMU_IO_TRIM, 100 * BLOCK, 8 * BLOCK);
	expect_request(t, 1, ZCMU_IO_TRIM, 108 * BLOCK, 8 * BLOCK);
	expect_request(t, 2, ZCMU_IO_TRIM, 116 * BLOCK, 4 * BLOCK);
}

static void one_that_fits_is_one(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_trim = 20 * BLOCK;
	t->script.store.max_io = sizeof(data);
	expect_good(unmap(t, 100, 20));
	expect_good(transfer(t, 0x2a, 0));
	assert_int_equal(t->script.nr, 2);
}

/* Half of what can be given back would stay, and so would the other half. */
static void parts_of_a_trim_end_where_the_store_s_pieces_do(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_trim = 20 * BLOCK;
	t->script.store.trim_granularity = 8 * BLOCK;
	t->script.store.trim_alignment = 3 * BLOCK;
	expect_good(unmap(t, 1, 50));
	assert_int_equal(t->script.nr, 3);
	expect_request(t, 0, ZCMU_IO_TRIM, 1 * BLOCK, 18 * BLOCK);
	expect_request(t, 1, ZCMU_IO_TRIM, 19 * BLOCK, 16 * BLOCK);
	expect_request(t, 2, ZCMU_IO_TRIM, 35 * BLOCK, 16 * BLOCK);
}

static void the_next_part_waits_for_the_one_before(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *a;

	t->script.store.max_trim = 8 * BLOCK;
	t->script.hold = true;
	a = unmap(t, 100, 16);
	assert_int_equal(t->script.nr, 1);
	answer_held(t, 0, 0);
	assert_int_equal(t->script.nr, 2);
	assert_false(a->arrived);
	answer_held(t, 1, 0);
	expect_good(a);
}

static void the_first_part_that_fails_is_the_last(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_trim = 8 * BLOCK;
	t->script.store.max_io = 8 * BLOCK;
	t->script.fail_at = 1;
	t->script.error = -ENOSPC;
	expect_sense(unmap(t, 100, 64), SENSE_NO_SPACE, NO_FIELD);
	assert_int_equal(t->script.nr, 2);
	t->script.fail_at = 3;
	t->script.error = -EIO;
	expect_sense(transfer(t, 0x2a, 0), SENSE_WRITE_ERROR, NO_FIELD);
	assert_int_equal(t->script.nr, 4);
}

static void a_long_write_and_read_are_asked_for_in_parts(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / BLOCK);
	t->script.store.max_io = 24 * BLOCK;
	t->script.ops.flags |= ZCMU_STORE_FUA;
	expect_good(transfer(t, 0x2a, 0x08));
	assert_int_equal(t->script.nr, 3);
	for (i = 0; i < 3; i++) {
		expect_request(t, i, ZCMU_IO_WRITE, (100 + 24 * i) * BLOCK,
			       (i < 2 ? 24 : 16) * BLOCK);
		assert_true(t->script.requests[i].fua);
	}
	assert_memory_equal(t->script.contents + 100 * BLOCK, data, sizeof(data));
	assert_memory_equal(transfer(t, 0x28, 0)->payload, data, sizeof(data));
	assert_int_equal(t->script.nr, 6);
}

static void fua_by_a_flush_is_one_flush_after_all_parts(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_io = 32 * BLOCK;
	expect_good(transfer(t, 0x2a, 0x08));
	assert_int_equal(t->script.nr, 3);
	assert_int_equal(t->script.requests[2].op, ZCMU_IO_FLUSH);
}

static void a_long_write_same_of_zeroes_is_asked_for_in_parts(void **state)
{
	struct initiator *t = *state;

	t->script.store.max_zero = 16 * BLOCK;
	expect_good(send_out(t, block_cdb(t, 0x41, 0, 100, 40), zeroes, BLOCK));
	assert_int_equal(t->script.nr, 3);
	expect_request(t, 2, ZCMU_IO_ZERO, 132 * BLOCK, 8 * BLOCK);
}

static void *unmap_all(void *argument)
{
	return (void *)unmap(argument, 0, MANY);
}

/* A part of a store that answers at once has come back before it is asked for the next. */
static void parts_do_not_nest(void **state)
{
	struct initiator *t = *state;
	pthread_attr_t attributes;
	pthread_t thread;
	void *answer;

	t->script.store.max_trim = BLOCK;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, SMALL_STACK);
	assert_int_equal(pthread_create(&thread, &attributes, unmap_all, t), 0);
	assert_int_equal(pthread_join(thread, &answer), 0);
	pthread_attr_destroy(&attributes);
	expect_good((const struct fake_answer *)answer);
	assert_int_equal(t->script.nr, MANY);
}

static const uint8_t *page_b0(struct initiator *t)
{
	return send_in(t, CDB(0x12, 1, 0xb0, 0, 255), 255)->payload + 4;
}

static void page_b0_has_the_store_s_limits(void **state)
{
	struct initiator *t = *state;
	const uint8_t *p;

	t->disk->max_blocks = 16384;
	t->script.store.max_io = 0x1000 * BLOCK;
	t->script.store.max_trim = 0x2000 * BLOCK;
	t->script.store.max_zero = 0x3000 * BLOCK;
	t->script.store.trim_granularity = 8 * BLOCK;
	t->script.store.trim_alignment = 3 * BLOCK;
	p = page_b0(t);
	assert_int_equal(zcmu_get32(p + 4), 0x1000);
	assert_int_equal(zcmu_get32(p + 16), 0x2000);
	assert_int_equal(zcmu_get32(p + 24), 8);
	assert_int_equal(zcmu_get32(p + 28), 0x80000003);
	assert_int_equal(zcmu_get64(p + 32), 0x3000);
	/* An UNMAP that is a zero has a zero's limit; what the kernel takes counts, too. */
	t->script.store.can_trim = ZCMU_CAN_EMULATED;
	t->script.store.max_io = 0x10000 * BLOCK;
	p = page_b0(t);
	assert_int_equal(zcmu_get32(p + 4), 16384);
	assert_int_equal(zcmu_get32(p + 16), 0x3000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(a_long_unmap_is_asked_for_in_parts),
		SCSI_TEST(one_that_fits_is_one),
		SCSI_TEST(parts_of_a_trim_end_where_the_store_s_pieces_do),
		SCSI_TEST(the_next_part_waits_for_the_one_before),
		SCSI_TEST(the_first_part_that_fails_is_the_last),
		SCSI_TEST(a_long_write_and_read_are_asked_for_in_parts),
		SCSI_TEST(fua_by_a_flush_is_one_flush_after_all_parts),
		SCSI_TEST(a_long_write_same_of_zeroes_is_asked_for_in_parts),
		SCSI_TEST(parts_do_not_nest),
		SCSI_TEST(page_b0_has_the_store_s_limits),
	};

	return cmocka_run_group_tests_name("scsi-split", tests, NULL, NULL);
}
