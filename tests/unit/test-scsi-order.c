// SPDX-License-Identifier: MIT
/*
 * Commands of the same blocks that are out at the same time: whatever reads or writes them waits
 * for older ones that write there and aren't answered, and for nothing else. The initiator may have
 * been told long ago that an older one is over. The same among threads is serve-order's.
 */
#include "initiator.h"
#include "scsi/scsi.h"

#define LBA	3000u		/* where all of them read or write, 4 blocks */
#define BYTES	(4 * 512u)
#define ELSEWHERE	6000u

static uint8_t data[2 * BYTES];

/*
 * Commands of 4 blocks at an LBA
 */

static const struct fake_answer *send_write(struct initiator *t, uint32_t lba)
{
	return send_out(t, block_cdb(t, 0x2a, 0, lba, 4), memset(data, 1, BYTES), BYTES);
}

static const struct fake_answer *send_write_and_verify(struct initiator *t, uint32_t lba)
{
	return send_out(t, block_cdb(t, 0x2e, 0, lba, 4), memset(data, 2, BYTES), BYTES);
}

static const struct fake_answer *send_same(struct initiator *t, uint32_t lba)
{
	return send_out(t, block_cdb(t, 0x41, 0, lba, 4), memset(data, 3, 512), 512);
}

static const struct fake_answer *send_same_zeroes(struct initiator *t, uint32_t lba)
{
	return send_out(t, block_cdb(t, 0x93, 8, lba, 4), memset(data, 0, 512), 512);
}

/* The range in question is the last of three. */
static const struct fake_answer *send_unmap(struct initiator *t, uint32_t lba)
{
	const uint8_t list[56] = {
		BE16(54), BE16(48), BE32(0),
		BE64(lba - 1000), BE32(1), BE32(0),
		BE64(lba - 2000), BE32(2), BE32(0),
		BE64(lba), BE32(4), BE32(0),
	};

	return send_out(t, CDB(0x42, [8] = sizeof(list)), list, sizeof(list));
}

static const struct fake_answer *send_compare(struct initiator *t, uint32_t lba)
{
	memcpy(data, t->script.contents + lba * 512, BYTES);
	memset(data + BYTES, 4, BYTES);
	return send_out(t, CDB(0x89, 0, BE64(lba), 0, 0, 0, 4), data, 2 * BYTES);
}

static const struct fake_answer *send_or(struct initiator *t, uint32_t lba)
{
	return send_out(t, block_cdb(t, 0x8b, 0, lba, 4), memset(data, 0x40, BYTES), BYTES);
}

static const struct fake_answer *send_copy(struct initiator *t, uint32_t from, uint32_t to)
{
	uint8_t list[16 + 32 + 28] = { [3] = 32, [11] = 28, [16] = 0xe4, [46] = 2 };
	const uint8_t segment[28] = {
		0x02, 0, BE16(24), BE16(0), BE16(0), 0, 0, BE16(4), BE64(from), BE64(to),
	};
	const uint8_t *page = send_in(t, CDB(0x12, 1, 0x83, 0, 255), 255)->payload + 4;

	while (page[1] != 0x03)
		page += 4 + page[3];
	list[20] = page[0];
	list[21] = page[1];
	list[23] = page[3];
	memcpy(list + 24, page + 4, page[3]);
	memcpy(list + 48, segment, sizeof(segment));
	return send_out(t, CDB(0x83, [13] = sizeof(list)), list, sizeof(list));
}

static const struct fake_answer *send_copy_to(struct initiator *t, uint32_t lba)
{
	return send_copy(t, lba - 500, lba);
}

static const struct fake_answer *send_copy_from(struct initiator *t, uint32_t lba)
{
	/* Not to where another one has copied */
	return send_copy(t, lba, lba - 600 - 8 * (t->script.nr % 2));
}

static const struct fake_answer *send_read(struct initiator *t, uint32_t lba)
{
	return send_in(t, block_cdb(t, 0x28, 0, lba, 4), BYTES);
}

static const struct fake_answer *send_read_in_part(struct initiator *t, uint32_t lba)
{
	return send_in(t, block_cdb(t, 0x28, 0, lba, 4), 100);
}

static const struct fake_answer *send_verify(struct initiator *t, uint32_t lba)
{
	return send_none(t, block_cdb(t, 0x2f, 0, lba, 4));
}

/* It goes on to the end of the disk. */
static const struct fake_answer *send_status(struct initiator *t, uint32_t lba)
{
	return send_in(t, CDB(0x9e, 0x12, BE64(lba), BE32(24)), 24);
}

struct kind {
	const char *name;
	const struct fake_answer *(*send)(struct initiator *t, uint32_t lba);
	bool writes;
};

static const struct kind kinds[] = {
	{ "WRITE", send_write, true },
	{ "WRITE AND VERIFY", send_write_and_verify, true },
	{ "WRITE SAME", send_same, true },
	{ "WRITE SAME of zeroes", send_same_zeroes, true },
	{ "UNMAP", send_unmap, true },
	{ "COMPARE AND WRITE", send_compare, true },
	{ "ORWRITE", send_or, true },
	{ "EXTENDED COPY to", send_copy_to, true },
	{ "EXTENDED COPY from", send_copy_from, false },
	{ "READ", send_read, false },
	{ "READ in part", send_read_in_part, false },
	{ "VERIFY", send_verify, false },
	{ "GET LBA STATUS", send_status, false },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/*
 * Two of them
 */

/* Answer what @answer's command has asked, one by one, and nobody else may have asked. */
static void finish(struct initiator *t, const struct fake_answer *answer, unsigned int *answered,
		   const char *who)
{
	while (!answer->arrived) {
		if (t->script.nr != *answered + 1)
			fail_msg("expected nothing but %s to be in the store while %s isn't answered, got %u requests",
				 who, who, t->script.nr - *answered);
		answer_held(t, (*answered)++, 0);
	}
}

static void expect_newer_to_wait(struct initiator *t, const struct kind *older,
				 const struct kind *newer)
{
	const struct fake_answer *first, *second;
	unsigned int answered = t->script.nr;

	t->script.hold = true;
	first = older->send(t, LBA);
	second = newer->send(t, LBA);
	finish(t, first, &answered, older->name);
	if (t->script.nr != answered + 1)
		fail_msg("expected %s to go on when %s is answered, got nothing", newer->name,
			 older->name);
	finish(t, second, &answered, newer->name);
}

static void whatever_comes_later_waits_until_what_writes_is_answered(void **state)
{
	unsigned int i, j;

	for (i = 0; i < KINDS; i++) {
		for (j = 0; j < KINDS && kinds[i].writes; j++)
			expect_newer_to_wait(*state, &kinds[i], &kinds[j]);
	}
}

/* Nobody waits: both are in the store. */
static void expect_both(struct initiator *t, const struct kind *older, const struct kind *newer,
			uint32_t lba)
{
	unsigned int before = t->script.nr;

	t->script.hold = true;
	older->send(t, LBA);
	newer->send(t, lba);
	if (t->script.nr != before + 2)
		fail_msg("expected %s at %u not to wait for %s at %u, got %u requests",
			 newer->name, lba, older->name, LBA, t->script.nr - before);
	while (scripted_answer_any(&t->script, 0))
		zcmu_backlog_run(&t->thread);
}

static void nobody_waits_for_a_command_of_other_blocks(void **state)
{
	unsigned int i, j;

	for (i = 0; i < KINDS; i++) {
		for (j = 0; j < KINDS; j++) {
			expect_both(*state, &kinds[i], &kinds[j], LBA + 4);
			expect_both(*state, &kinds[i], &kinds[j], ELSEWHERE);
		}
	}
}

static void nobody_waits_for_one_that_reads(void **state)
{
	unsigned int i, j;

	for (i = 0; i < KINDS; i++) {
		for (j = 0; j < KINDS && !kinds[i].writes; j++)
			expect_both(*state, &kinds[i], &kinds[j], LBA);
	}
}

/*
 * More of them
 */

static void a_read_that_waits_keeps_no_write_waiting(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *first, *read, *second;

	t->script.hold = true;
	first = send_write(t, LBA);
	/* It reads more than is being written. */
	read = send_in(t, block_cdb(t, 0x28, 0, LBA, 8), 2 * BYTES);
	second = send_write(t, LBA + 4);
	expect_request(t, 1, ZCMU_IO_WRITE, (LBA + 4) * 512, BYTES);
	assert_int_equal(t->script.nr, 2);
	answer_held(t, 0, 0);
	expect_good(first);
	expect_request(t, 2, ZCMU_IO_READ, LBA * 512, 2 * BYTES);
	answer_held(t, 2, 0);
	expect_good(read);
	answer_held(t, 1, 0);
	expect_good(second);
}

/* One that was told to be over is not: what is newer waits, and stays. */
static void what_was_written_last_is_there_in_the_end(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *unmap, *write, *read;
	uint32_t i;

	t->script.hold = true;
	unmap = send_unmap(t, LBA);
	write = send_write(t, LBA);
	read = send_read(t, LBA);
	t->script.hold = false;
	answer_held(t, 0, 0);
	expect_good(unmap);
	expect_good(write);
	expect_good(read);
	for (i = 0; i < BYTES; i++) {
		assert_int_equal(t->script.contents[LBA * 512 + i], 1);
		assert_int_equal(read->payload[i], 1);
	}
}

static void a_command_waits_for_all_that_are_in_its_way(void **state)
{
	struct initiator *t = *state;
	const struct fake_answer *both;
	unsigned int i;

	t->script.hold = true;
	for (i = 0; i < 8; i++)
		send_out(t, block_cdb(t, 0x2a, 0, 7 - i, 1), data, 512);
	both = send_out(t, block_cdb(t, 0x2a, 0, 0, 8), data, 8 * 512);
	for (i = 0; i < 8; i++) {
		assert_int_equal(t->script.nr, 8);
		answer_held(t, (i * 3) % 8, i == 4 ? -EIO : 0);
	}
	expect_request(t, 8, ZCMU_IO_WRITE, 0, 8 * 512);
	answer_held(t, 8, 0);
	expect_good(both);
}

/* As many ranges as there may be, not in order, and some that overlap */
static void each_range_of_an_unmap_counts_and_nothing_between_them(void **state)
{
	static uint8_t list[8 + 16 * ZCMU_MAX_UNMAP_DESCRIPTORS];
	struct initiator *t = *state;
	const struct fake_answer *unmap, *inside[ZCMU_MAX_UNMAP_DESCRIPTORS];
	unsigned int i, n = ZCMU_MAX_UNMAP_DESCRIPTORS;

	zcmu_put16(list, sizeof(list) - 2);
	zcmu_put16(list + 2, sizeof(list) - 8);
	for (i = 0; i < n; i++) {
		/* 1 block, or 2, in every 8; every fourth range is empty or there twice. */
		uint32_t at = i % 8 == 5 ? i - 1 : i;

		zcmu_put64(list + 8 + 16 * i, (n - 1 - at) * 8);
		zcmu_put32(list + 8 + 16 * i + 8, i % 8 == 7 ? 0 : 1 + i % 2);
	}
	t->script.hold = true;
	unmap = send_out(t, CDB(0x42, [7] = sizeof(list) >> 8, sizeof(list) & 0xff), list,
			 sizeof(list));
	assert_int_equal(t->script.nr, 1);
	for (i = 0; i < n; i += 16) {
		uint32_t lba = (n - 1 - i) * 8;

		inside[i] = send_out(t, block_cdb(t, 0x2a, 0, lba, 1), data, 512);
		assert_int_equal(t->script.nr, 1 + i / 16);
		send_out(t, block_cdb(t, 0x2a, 0, lba + 2, 6), data, 6 * 512);
		assert_int_equal(t->script.nr, 2 + i / 16);
	}
	t->script.hold = false;
	answer_held(t, 0, 0);
	expect_good(unmap);
	for (i = 0; i < n; i += 16)
		expect_good(inside[i]);
	while (scripted_answer_any(&t->script, 0))
		zcmu_backlog_run(&t->thread);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCSI_TEST(whatever_comes_later_waits_until_what_writes_is_answered),
		SCSI_TEST(nobody_waits_for_a_command_of_other_blocks),
		SCSI_TEST(nobody_waits_for_one_that_reads),
		SCSI_TEST(a_read_that_waits_keeps_no_write_waiting),
		SCSI_TEST(what_was_written_last_is_there_in_the_end),
		SCSI_TEST(a_command_waits_for_all_that_are_in_its_way),
		SCSI_TEST(each_range_of_an_unmap_counts_and_nothing_between_them),
	};

	return cmocka_run_group_tests_name("scsi-order", tests, NULL, NULL);
}
