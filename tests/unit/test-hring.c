// SPDX-License-Identifier: MIT
/*
 * The handler's end of the ring (lib/serve/hring.c) against the kernel's: requests that
 * are taken, and answers. Threads are test-hring-edges.c's.
 */
#include "initiator.h"

#include <stdlib.h>

#define RING	1024u
#define ENTRY	120u	/* of a CDB of six bytes */
#define FIT	8	/* of them, which leaves 64 bytes before the ring's end */

struct fixture {
	struct fake_kernel *kernel;
	struct zcmu_hring *ring;
	struct iovec iov[32];
	struct zcmu_hreq req;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->kernel = fake_kernel_create(RING, 8);
	f->ring = &fake_kernel_disk(f->kernel)->ring;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const char *complaint = fake_kernel_complaint(f->kernel);

	if (complaint)
		print_error("fake kernel: %s\n", complaint);
	fake_kernel_destroy(f->kernel);
	free(f);
	return complaint ? -1 : 0;
}

static int put(struct fixture *f)
{
	struct fake_request request = { .cdb = CDB(0x00) };

	return fake_kernel_put(f->kernel, &request);
}

static int next(struct fixture *f)
{
	f->req.iov = f->iov;
	f->req.iov_max = 32;
	return zcmu_hring_next(f->ring, &f->req);
}

/* Answer a command that was taken, with a status by which the answer is known. */
static void answer(struct fixture *f, int id, uint8_t status)
{
	struct zcmu_hanswer a = { .id = (uint16_t)id, .scsi_status = status };

	zcmu_hring_answer(f->ring, &a);
	fake_kernel_collect(f->kernel);
}

/* Put, take and answer a command. */
static void pass(struct fixture *f)
{
	int id = put(f);

	assert_true(id > 0);
	assert_int_equal(next(f), 1);
	answer(f, id, 0);
	assert_true(fake_kernel_answer(f->kernel, id)->arrived);
}

static struct zcmu_mailbox *mailbox(struct fixture *f)
{
	return f->ring->mailbox;
}

static struct zcmu_entry_hdr *header_at(struct fixture *f, uint32_t position)
{
	return (struct zcmu_entry_hdr *)(f->ring->entries + position);
}

/*
 * Requests
 */

static void an_empty_ring_has_no_request(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(next(f), 0);
	assert_int_equal(zcmu_hring_backlog(f->ring), 0);
}

static void a_request_is_what_the_kernel_has_put(void **state)
{
	static const size_t pieces[] = { 512, 100 };
	struct fixture *f = *state;
	struct fake_request request = {
		.cdb = CDB(0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9), .size = 612, .pieces = pieces,
		.nr_pieces = 2, .lent = true,
	};
	int id = fake_kernel_put(f->kernel, &request);

	assert_int_equal(next(f), 1);
	assert_int_equal(f->req.id, id);
	assert_true(f->req.lent);
	assert_int_equal(f->req.cdb_len, 10);
	assert_memory_equal(f->req.cdb, "\x28\1\2\3\4\5\6\7\x08\x09", 10);
	assert_int_equal(f->req.iovcnt, 2);
	assert_int_equal(f->req.bytes, 612);
	assert_int_equal(f->iov[0].iov_len, 512);
	assert_int_equal(f->iov[1].iov_len, 100);
	assert_int_equal(*(uint8_t *)f->iov[0].iov_base, FAKE_STALE);
	assert_int_equal(*(uint8_t *)f->iov[1].iov_base, FAKE_STALE);
	answer(f, id, 0);
}

static void a_payload_that_was_copied_is_not_lent(void **state)
{
	struct fixture *f = *state;
	struct fake_request request = { .cdb = CDB(0x28), .size = 512 };

	fake_kernel_put(f->kernel, &request);
	assert_int_equal(next(f), 1);
	assert_false(f->req.lent);
}

static void a_cdb_may_have_up_to_260_bytes(void **state)
{
	struct fixture *f = *state;
	uint8_t cdb[260] = { 0x7f, [7] = 252, [259] = 0x5a };
	struct fake_request request = { .cdb = cdb };

	fake_kernel_put(f->kernel, &request);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->req.cdb_len, 260);
	assert_memory_equal(f->req.cdb, cdb, 260);
}

static void a_request_of_more_iovecs_than_there_is_room_for_stays(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct fixture *f = *state;
	struct fake_request request = {
		.cdb = CDB(0x28), .size = 36, .pieces = pieces, .nr_pieces = 8,
	};

	fake_kernel_put(f->kernel, &request);
	f->req.iov = f->iov;
	f->req.iov_max = 7;
	assert_int_equal(zcmu_hring_next(f->ring, &f->req), -E2BIG);
	assert_int_equal(f->req.iovcnt, 8);
	f->req.iov_max = 8;
	assert_int_equal(zcmu_hring_next(f->ring, &f->req), 1);
	assert_int_equal(f->req.bytes, 36);
	assert_int_equal(f->iov[7].iov_len, 8);
}

static void put_base_behind_the_map(struct zcmu_cmd_entry *entry)
{
	entry->req.iov[0].base = 1ull << 40;
}

static void put_end_behind_the_map(struct zcmu_cmd_entry *entry)
{
	entry->req.iov[0].len = 1ull << 40;
}

static void put_end_round_to_the_start(struct zcmu_cmd_entry *entry)
{
	entry->req.iov[0].len = UINT64_MAX - 4096;
}

static void put_cdb_behind_the_map(struct zcmu_cmd_entry *entry)
{
	entry->req.cdb_off = UINT64_MAX - 8;
}

static void a_request_that_points_outside_the_map_is_taken_as_an_error(void **state)
{
	static void (*const spoil[])(struct zcmu_cmd_entry *) = {
		put_base_behind_the_map, put_end_behind_the_map, put_end_round_to_the_start,
		put_cdb_behind_the_map,
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct fake_request request = { .cdb = CDB(0x28), .size = 512, .spoil = spoil[i] };
		int id = fake_kernel_put(f->kernel, &request);

		assert_int_equal(next(f), -EPROTO);
		assert_int_equal(f->req.id, id);
		assert_int_equal(next(f), 0);
		answer(f, id, 2);
	}
}

static void a_cdb_that_reaches_past_the_map_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct fake_request request = { .cdb = CDB(0x28) };
	struct zcmu_cmd_entry *entry = (void *)header_at(f, 0);
	size_t size;
	uint8_t *map = fake_kernel_map(f->kernel, &size);

	fake_kernel_put(f->kernel, &request);
	/* Its last eight bytes would do for its length, not for sixteen bytes. */
	map[size - 8] = 0x88;
	entry->req.cdb_off = size - 8;
	assert_int_equal(next(f), -EPROTO);
}

static void a_pad_is_passed_over(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < FIT; i++)
		pass(f);
	pass(f);
	assert_int_equal(header_at(f, FIT * ENTRY)->len_op, 64 | ZCMU_OP_PAD);
	assert_int_equal(mailbox(f)->cmd_tail, ENTRY);
}

static void a_notification_is_passed_over(void **state)
{
	struct fixture *f = *state;
	int id;

	fake_kernel_notify(f->kernel);
	id = put(f);
	fake_kernel_notify(f->kernel);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->req.id, id);
	assert_int_equal(next(f), 0);
	answer(f, id, 0);
	assert_int_equal(mailbox(f)->cmd_tail, mailbox(f)->cmd_head);
}

static void an_entry_of_an_unknown_kind_is_passed_over(void **state)
{
	struct fixture *f = *state;
	int id;

	fake_kernel_notify(f->kernel);
	header_at(f, 0)->len_op |= 0x7;
	id = put(f);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->req.id, id);
	answer(f, id, 0);
	assert_int_equal(mailbox(f)->cmd_tail, mailbox(f)->cmd_head);
}

static void requests_that_wait_are_counted_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < FIT - 1; i++)
		pass(f);
	put(f);
	fake_kernel_notify(f->kernel);
	put(f);		/* behind a PAD */
	put(f);
	assert_int_equal(zcmu_hring_backlog(f->ring), 3);
	assert_int_equal(next(f), 1);
	assert_int_equal(zcmu_hring_backlog(f->ring), 2);
}

/*
 * Answers
 */

static void an_answer_is_what_the_handler_has_put(void **state)
{
	static const uint8_t sense[ZCMU_SENSE_LEN] = {
		0x70, 0, 5, [7] = 10, [12] = 0x24, [17] = 0x33,
	};
	static const size_t pieces[] = { 512, 512, 512, 512 };
	/* The iovecs lie where the sense data come. */
	struct fake_request request = {
		.cdb = CDB(0x28), .size = 2048, .pieces = pieces, .nr_pieces = 4,
	};
	struct fixture *f = *state;
	struct zcmu_hanswer a = {
		.scsi_status = 2, .uflags = 0x04, .read_len = 77, .sense = sense,
	};
	const struct fake_answer *got;
	unsigned int i;

	a.id = (uint16_t)fake_kernel_put(f->kernel, &request);
	assert_int_equal(next(f), 1);
	zcmu_hring_answer(f->ring, &a);
	fake_kernel_collect(f->kernel);
	got = fake_kernel_answer(f->kernel, a.id);
	assert_true(got->arrived);
	assert_int_equal(got->status, 2);
	assert_int_equal(got->uflags, 0x04 | ZCMU_UFLAG_READ_LEN);
	assert_int_equal(got->read_len, 77);
	assert_memory_equal(got->sense, sense, ZCMU_SENSE_LEN);
	for (i = ZCMU_SENSE_LEN; i < ZCMU_SENSE_SIZE; i++)
		assert_int_equal(got->sense[i], 0);
}

static void a_cdb_s_length_is_no_read_len(void **state)
{
	struct fixture *f = *state;
	struct fake_request request = { .cdb = CDB(0x28), .size = 512 };
	struct zcmu_hanswer a = { .uflags = ZCMU_UFLAG_CDB_LEN, .read_len = 1024 };

	a.id = (uint16_t)fake_kernel_put(f->kernel, &request);
	next(f);
	zcmu_hring_answer(f->ring, &a);
	fake_kernel_collect(f->kernel);
	assert_int_equal(fake_kernel_answer(f->kernel, a.id)->uflags, ZCMU_UFLAG_CDB_LEN);
	assert_int_equal(fake_kernel_answer(f->kernel, a.id)->read_len, 1024);
}

static void an_answer_that_limits_nothing_has_no_read_len(void **state)
{
	struct fixture *f = *state;
	struct fake_request request = { .cdb = CDB(0x28), .size = 512 };
	int id = fake_kernel_put(f->kernel, &request);

	next(f);
	answer(f, id, 0x08);
	assert_int_equal(fake_kernel_answer(f->kernel, id)->status, 0x08);
	assert_int_equal(fake_kernel_answer(f->kernel, id)->uflags, 0);
	assert_int_equal(fake_kernel_answer(f->kernel, id)->read_len, 0);
}

static void answers_may_come_in_any_order(void **state)
{
	static const int order[] = { 4, 2, 0, 3, 1 };
	struct fixture *f = *state;
	int ids[5], i;

	for (i = 0; i < 5; i++) {
		/* of different lengths */
		struct fake_request request = { .cdb = i & 1 ? CDB(0x88) : CDB(0x00) };

		ids[i] = fake_kernel_put(f->kernel, &request);
		assert_int_equal(next(f), 1);
	}
	for (i = 0; i < 5; i++) {
		answer(f, ids[order[i]], (uint8_t)(0x40 + order[i]));
		assert_int_equal(fake_kernel_answers(f->kernel), i + 1);
		assert_true(fake_kernel_answer(f->kernel, ids[order[i]])->arrived);
	}
	for (i = 0; i < 5; i++)
		assert_int_equal(fake_kernel_answer(f->kernel, ids[i])->status, 0x40 + i);
}

static void an_answer_may_come_before_a_later_request_is_taken(void **state)
{
	struct fixture *f = *state;
	int first = put(f), second = put(f);

	assert_int_equal(next(f), 1);
	answer(f, first, 0x41);
	assert_int_equal(mailbox(f)->cmd_tail, ENTRY);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->req.id, second);
	answer(f, second, 0x42);
	assert_int_equal(fake_kernel_answer(f->kernel, first)->status, 0x41);
	assert_int_equal(fake_kernel_answer(f->kernel, second)->status, 0x42);
}

static void the_ring_goes_round_and_round(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 100; i++)
		pass(f);
	assert_int_equal(fake_kernel_answers(f->kernel), 100);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_empty_ring_has_no_request),
		TEST(a_request_is_what_the_kernel_has_put),
		TEST(a_payload_that_was_copied_is_not_lent),
		TEST(a_cdb_may_have_up_to_260_bytes),
		TEST(a_request_of_more_iovecs_than_there_is_room_for_stays),
		TEST(a_request_that_points_outside_the_map_is_taken_as_an_error),
		TEST(a_cdb_that_reaches_past_the_map_is_an_error),
		TEST(a_pad_is_passed_over),
		TEST(a_notification_is_passed_over),
		TEST(an_entry_of_an_unknown_kind_is_passed_over),
		TEST(requests_that_wait_are_counted_and_nothing_else),
		TEST(an_answer_is_what_the_handler_has_put),
		TEST(a_cdb_s_length_is_no_read_len),
		TEST(an_answer_that_limits_nothing_has_no_read_len),
		TEST(answers_may_come_in_any_order),
		TEST(an_answer_may_come_before_a_later_request_is_taken),
		TEST(the_ring_goes_round_and_round),
	};

	return cmocka_run_group_tests_name("hring", tests, NULL, NULL);
}
