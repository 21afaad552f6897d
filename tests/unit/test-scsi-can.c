// SPDX-License-Identifier: MIT
/*
 * What a store says it can do (enum zcmu_can) is what the initiator is told, and what its
 * commands become.
 */
#include "initiator.h"

#include "zcmu.h"

#define FUA	0x08

static uint8_t data[8 * 512];

static const struct fake_answer *write_blocks(struct initiator *t, uint8_t flags)
{
	return send_out(t, block_cdb(t, 0x2a, flags, 8, 8), data, sizeof(data));
}

static const struct fake_answer *unmap(struct initiator *t)
{
	static const uint8_t list[] = { BE16(22), BE16(16), 0, 0, 0, 0, BE64(8), BE32(16) };
	uint8_t padded[24] = { 0 };

	memcpy(padded, list, sizeof(list));
	return send_out(t, CDB(0x42, 0, 0, 0, 0, 0, 0, BE16(24)), padded, sizeof(padded));
}

/* DPOFUA of MODE SENSE, and WCE of its caching page */
static void expect_mode(struct initiator *t, bool dpofua, bool wce)
{
	const uint8_t *p = send_in(t, CDB(0x1a, 0x08, 0x08, 0, 255), 255)->payload;

	assert_int_equal(!!(p[2] & 0x10), dpofua);
	assert_int_equal(!!(p[4 + 2] & 0x04), wce);
}

/*
 * LBPU and LBPRZ of page B2, which only thin disks have; LBPRZ of READ CAPACITY (16), and whether
 * page B0 limits UNMAP
 */
static void expect_thin(struct initiator *t, bool unmaps, bool zeroes)
{
	const struct fake_answer *a = send_in(t, CDB(0x12, 1, 0xb2, BE16(255)), 255);
	const uint8_t *p;

	if (unmaps) {
		assert_int_equal(a->payload[5] & 0x84, 0x80 | zeroes << 2);
	} else {
		expect_sense(a, SENSE_INVALID_FIELD_IN_CDB, 2);
	}
	p = send_in(t, CDB(0x12, 1, 0xb0, BE16(255)), 255)->payload;
	assert_int_equal(zcmu_get32(p + 20) != 0, unmaps);
	p = send_in(t, CDB(0x9e, 0x10, BE64(0), BE32(32)), 32)->payload;
	assert_int_equal(!!(p[14] & 0x40), zeroes);
}

static void no_fua_is_told_and_refused(void **state)
{
	struct initiator *t = *state;

	t->script.store.can_fua = ZCMU_CAN_NONE;
	expect_mode(t, false, true);
	expect_sense(write_blocks(t, FUA), SENSE_INVALID_FIELD_IN_CDB, 1);
	expect_sense(send_in(t, block_cdb(t, 0x28, FUA, 8, 8), sizeof(data)),
		     SENSE_INVALID_FIELD_IN_CDB, 1);
	assert_int_equal(t->script.nr, 0);
	expect_good(write_blocks(t, 0));
}

static void emulated_fua_is_a_flush_though_the_store_knows_fua(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags |= ZCMU_STORE_FUA;
	t->script.store.can_fua = ZCMU_CAN_EMULATED;
	expect_mode(t, true, true);
	expect_good(write_blocks(t, FUA));
	assert_false(t->script.requests[0].fua);
	assert_int_equal(t->script.requests[1].op, ZCMU_IO_FLUSH);
	assert_int_equal(t->script.nr, 2);
}

static void without_flush_there_is_no_cache_though_there_is_a_callback(void **state)
{
	struct initiator *t = *state;

	t->script.store.can_flush = ZCMU_CAN_NONE;
	expect_mode(t, true, false);
	expect_good(send_none(t, CDB(0x35)));
	assert_int_equal(t->script.nr, 0);
}

static void emulated_flush_is_fua_with_everything(void **state)
{
	struct initiator *t = *state;
	unsigned int i;

	t->script.ops.flags |= ZCMU_STORE_FUA;
	t->script.store.can_flush = ZCMU_CAN_EMULATED;
	expect_mode(t, true, false);
	expect_good(write_blocks(t, 0));
	expect_good(write_blocks(t, FUA));
	expect_good(unmap(t));
	/* WRITE SAME of zeroes, as a zero */
	expect_good(send_out(t, block_cdb(t, 0x41, 0, 8, 8), data, 512));
	assert_int_equal(t->script.nr, 4);
	assert_int_equal(t->script.requests[2].op, ZCMU_IO_TRIM);
	assert_int_equal(t->script.requests[3].op, ZCMU_IO_ZERO);
	for (i = 0; i < 4; i++)
		assert_true(t->script.requests[i].fua);
	expect_good(send_none(t, CDB(0x35)));
	expect_good(send_in(t, block_cdb(t, 0x28, 0, 8, 8), sizeof(data)));
	assert_int_equal(t->script.nr, 5);
	assert_false(t->script.requests[4].fua);
}

/* WRITE, WRITE AND VERIFY, COMPARE AND WRITE, ORWRITE: each asks the store for one write. */
static void send_all_with_fua(struct initiator *t)
{
	uint8_t both[1024] = { 0 };

	memset(t->script.contents + 9 * 512, 0, 512);
	expect_good(write_blocks(t, FUA));
	expect_good(send_out(t, block_cdb(t, 0x2e, 0, 8, 8), data, sizeof(data)));
	expect_good(send_out(t, CDB(0x89, FUA, BE64(9), 0, 0, 0, 1), both, sizeof(both)));
	expect_good(send_out(t, block_cdb(t, 0x8b, FUA, 8, 8), data, sizeof(data)));
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_WRITE), 4);
}

static unsigned int count_fua(const struct initiator *t)
{
	unsigned int i, n = 0;

	for (i = 0; i < t->script.nr; i++)
		n += t->script.requests[i].fua;
	return n;
}

/* open() has found it out; the flags are of all stores of that kind. */
static void fua_that_only_open_has_told_of_goes_with_each_write(void **state)
{
	struct initiator *t = *state;

	t->script.store.can_fua = ZCMU_CAN_NATIVE;
	expect_mode(t, true, true);
	send_all_with_fua(t);
	assert_int_equal(count_fua(t), 4);
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_FLUSH), 0);
	expect_good(write_blocks(t, 0));
	assert_int_equal(count_fua(t), 4);
}

static void fua_is_a_flush_after_each_write_without(void **state)
{
	struct initiator *t = *state;

	send_all_with_fua(t);
	assert_int_equal(count_fua(t), 0);
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_FLUSH), 4);
}

/* FUA is what they promise; there is nothing to do for it. */
static void a_store_without_a_cache_is_told_nothing_of_fua(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flush = NULL;
	expect_mode(t, true, false);
	send_all_with_fua(t);
	assert_int_equal(count_fua(t), 0);
	assert_int_equal(scripted_count(&t->script, ZCMU_IO_FLUSH), 0);
}

/*
 * Not by a disk
 */

static void note_error(struct zcmu_io *io, int error)
{
	*(int *)io->data = error;
}

static int ask(struct initiator *t, enum zcmu_io_op op, bool fua)
{
	static uint8_t zeroes[512];
	struct iovec iov = { zeroes, sizeof(zeroes) };
	int error = 1;
	struct zcmu_io io = {
		.struct_size = sizeof(io), .op = op, .fua = fua, .offset = 512, .length = 512,
		.iov = &iov, .iovcnt = op == ZCMU_IO_WRITE || op == ZCMU_IO_READ, .data = &error,
		.done = note_error,
	};

	zcmu_store_ask(&t->script.store, &io);
	return error;
}

static void who_asks_a_store_without_a_disk_gets_fua_or_is_told(void **state)
{
	struct initiator *t = *state;

	t->script.store.can_fua = ZCMU_CAN_NATIVE;
	assert_int_equal(ask(t, ZCMU_IO_WRITE, true), 0);
	assert_true(t->script.requests[0].fua);
	assert_int_equal(ask(t, ZCMU_IO_WRITE, false), 0);
	assert_false(t->script.requests[1].fua);
	/* A flush has to follow, and that can't be done here. */
	t->script.store.can_fua = ZCMU_CAN_EMULATED;
	assert_int_equal(ask(t, ZCMU_IO_WRITE, true), -EOPNOTSUPP);
	assert_int_equal(t->script.nr, 2);
	/* Each is to have it, though nobody said so. */
	t->script.store.can_fua = ZCMU_CAN_NATIVE;
	t->script.store.can_flush = ZCMU_CAN_EMULATED;
	assert_int_equal(ask(t, ZCMU_IO_WRITE, false), 0);
	assert_int_equal(ask(t, ZCMU_IO_ZERO, false), 0);
	assert_int_equal(ask(t, ZCMU_IO_TRIM, false), 0);
	assert_int_equal(count_fua(t), 4);
	assert_int_equal(ask(t, ZCMU_IO_READ, true), 0);
	assert_int_equal(count_fua(t), 4);
}

static void emulated_trim_is_a_zero_that_may_trim(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags &= ~ZCMU_STORE_TRIM_ZEROES;
	t->script.store.can_trim = ZCMU_CAN_EMULATED;
	expect_thin(t, true, true);
	expect_good(unmap(t));
	expect_request(t, 0, ZCMU_IO_ZERO, 8 * 512, 16 * 512);
	assert_true(t->script.requests[0].may_trim);
	assert_int_equal(t->script.nr, 1);
}

static void a_trim_that_leaves_anything_is_told_as_that(void **state)
{
	struct initiator *t = *state;

	t->script.ops.flags &= ~ZCMU_STORE_TRIM_ZEROES;
	expect_thin(t, true, false);
	t->script.store.can_trim = ZCMU_CAN_NONE;
	expect_thin(t, false, false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(no_fua_is_told_and_refused),
		SCSI_TEST(emulated_fua_is_a_flush_though_the_store_knows_fua),
		SCSI_TEST(without_flush_there_is_no_cache_though_there_is_a_callback),
		SCSI_TEST(emulated_flush_is_fua_with_everything),
		SCSI_TEST(fua_that_only_open_has_told_of_goes_with_each_write),
		SCSI_TEST(fua_is_a_flush_after_each_write_without),
		SCSI_TEST(a_store_without_a_cache_is_told_nothing_of_fua),
		SCSI_TEST(who_asks_a_store_without_a_disk_gets_fua_or_is_told),
		SCSI_TEST(emulated_trim_is_a_zero_that_may_trim),
		SCSI_TEST(a_trim_that_leaves_anything_is_told_as_that),
	};

	return cmocka_run_group_tests_name("scsi-can", tests, NULL, NULL);
}
