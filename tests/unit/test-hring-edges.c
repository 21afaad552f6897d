// SPDX-License-Identifier: MIT
/*
 * The handler's end of the ring (lib/serve/hring.c) where it gets tight: mailboxes that it
 * must refuse, rings that another handler has left, tails that run ahead, and many
 * threads that answer at once.
 */
#include "initiator.h"

#include <sched.h>
#include <stdlib.h>

#include "prng.h"

#define RING	1024u
#define ENTRY	120u	/* of a CDB of six bytes */

static int put(struct fake_kernel *kernel)
{
	struct fake_request request = { .cdb = CDB(0x00) };

	return fake_kernel_put(kernel, &request);
}

static int next(struct zcmu_hring *ring, struct zcmu_hreq *req)
{
	req->iov_max = 0;
	return zcmu_hring_next(ring, req);
}

static void answer(struct fake_kernel *kernel, struct zcmu_hring *ring, int id)
{
	struct zcmu_hanswer a = { .id = (uint16_t)id };

	zcmu_hring_answer(ring, &a);
	fake_kernel_collect(kernel);
}

/*
 * Mailboxes
 */

static int setup(void **state)
{
	*state = fake_kernel_create(RING, 0);
	return 0;
}

static int teardown(void **state)
{
	const char *complaint = fake_kernel_complaint(*state);

	if (complaint)
		print_error("fake kernel: %s\n", complaint);
	fake_kernel_destroy(*state);
	return complaint ? -1 : 0;
}

/* Attach another handler to the ring, as after a restart. */
static int attach(struct fake_kernel *kernel, struct zcmu_hring *ring)
{
	size_t size;
	void *map = fake_kernel_map(kernel, &size);

	return zcmu_hring_init(ring, map, size);
}

static struct zcmu_mailbox *mailbox(struct fake_kernel *kernel)
{
	size_t size;

	return fake_kernel_map(kernel, &size);
}

static void a_mailbox_of_another_version_is_refused(void **state)
{
	struct zcmu_hring ring;

	mailbox(*state)->version = 1;
	assert_int_equal(attach(*state, &ring), -EPROTO);
	mailbox(*state)->version = 3;
	assert_int_equal(attach(*state, &ring), -EPROTO);
}

static void a_kernel_that_wants_answers_in_order_is_refused(void **state)
{
	struct zcmu_hring ring;

	mailbox(*state)->flags &= (uint16_t)~ZCMU_CAP_OOOC;
	assert_int_equal(attach(*state, &ring), -EPROTO);
}

static void a_ring_that_is_not_inside_the_map_is_refused(void **state)
{
	struct zcmu_hring ring;

	mailbox(*state)->cmdr_size = 0;
	assert_int_equal(attach(*state, &ring), -EPROTO);
	mailbox(*state)->cmdr_size = 1u << 20;
	assert_int_equal(attach(*state, &ring), -EPROTO);
	mailbox(*state)->cmdr_size = RING;
	mailbox(*state)->cmdr_off = UINT32_MAX - RING + 1;
	assert_int_equal(attach(*state, &ring), -EPROTO);
}

static void a_map_too_small_for_a_mailbox_is_refused(void **state)
{
	/* Of its own, so that the sanitizer sees a look beyond it. */
	uint8_t *small = malloc(1);
	struct zcmu_hring ring;

	(void)state;
	*small = ZCMU_MAILBOX_VERSION;
	assert_int_equal(zcmu_hring_init(&ring, small, 1), -EPROTO);
	free(small);
}

/* A handler that ran wild may have left it there; the kernel doesn't mend it. */
static void a_tail_that_is_not_in_the_ring_is_refused(void **state)
{
	struct zcmu_hring ring;

	mailbox(*state)->cmd_tail = RING;
	assert_int_equal(attach(*state, &ring), -EPROTO);
	mailbox(*state)->cmd_tail = UINT32_MAX - 7;
	assert_int_equal(attach(*state, &ring), -EPROTO);
}

static void what_another_handler_has_begun_to_answer_is_answered_afresh(void **state)
{
	struct zcmu_hring *dead = &fake_kernel_disk(*state)->ring, ring;
	struct zcmu_cmd_entry *entry = (void *)dead->entries;
	struct zcmu_hreq req = { 0 };
	int id = put(*state);

	/* It died before it moved the tail. */
	entry->hdr.uflags = 0xff;
	assert_int_equal(attach(*state, &ring), 0);
	assert_int_equal(next(&ring, &req), 1);
	answer(*state, &ring, id);
	assert_int_equal(fake_kernel_answer(*state, id)->status, 0);
	assert_int_equal(fake_kernel_answer(*state, id)->uflags, 0);
	zcmu_hring_deinit(&ring);
}

static void what_another_handler_has_taken_and_not_answered_is_seen_again(void **state)
{
	struct zcmu_hring *dead = &fake_kernel_disk(*state)->ring, ring;
	int first = put(*state), second = put(*state), third = put(*state);
	struct zcmu_hreq req = { 0 };

	assert_int_equal(next(dead, &req), 1);
	assert_int_equal(next(dead, &req), 1);
	answer(*state, dead, first);

	assert_int_equal(attach(*state, &ring), 0);
	assert_int_equal(next(&ring, &req), 1);
	assert_int_equal(req.id, second);
	assert_int_equal(next(&ring, &req), 1);
	assert_int_equal(req.id, third);
	assert_int_equal(next(&ring, &req), 0);
	zcmu_hring_deinit(&ring);
}

/*
 * Tails that run ahead of what was taken. The kernel then uses that place again.
 */

/* Fill the ring, which nobody has taken anything of. Return: with how many commands. */
static unsigned int fill(struct fake_kernel *kernel)
{
	unsigned int n = 0;

	while (put(kernel) > 0)
		n++;
	return n;
}

static unsigned int take_all(struct zcmu_hring *ring)
{
	struct zcmu_hreq req = { 0 };
	unsigned int n = 0;

	while (n < 64 && next(ring, &req) == 1)
		n++;
	return n;
}

static void no_command_is_lost_when_the_tail_passes_a_pad_that_was_not_taken(void **state)
{
	struct zcmu_hring *ring = &fake_kernel_disk(*state)->ring;
	unsigned int n;
	int ids[8], i;

	/* Eight entries, of which the last is out; then a PAD and an entry at 0. */
	for (i = 0; i < 8; i++)
		ids[i] = put(*state);
	assert_int_equal(take_all(ring), 8);
	for (i = 0; i < 7; i++)
		answer(*state, ring, ids[i]);
	assert_true(put(*state) > 0);
	answer(*state, ring, ids[7]);
	n = 1 + fill(*state);
	assert_int_equal(take_all(ring), n);
}

static void no_command_is_lost_when_the_tail_passes_a_notification_that_was_not_taken(void **state)
{
	struct zcmu_hring *ring = &fake_kernel_disk(*state)->ring;
	int id = put(*state);
	unsigned int n;

	assert_int_equal(take_all(ring), 1);
	assert_true(fake_kernel_notify(*state) > 0);
	answer(*state, ring, id);
	n = fill(*state);
	assert_int_equal(take_all(ring), n);
}

/* Nobody answers a notification: if the tail didn't pass it, the ring would stay full. */
static void a_ring_full_of_notifications_is_emptied(void **state)
{
	struct zcmu_hring *ring = &fake_kernel_disk(*state)->ring;

	while (fake_kernel_notify(*state) > 0)
		;
	assert_int_equal(put(*state), -ENOSPC);
	assert_int_equal(take_all(ring), 0);
	fake_kernel_collect(*state);
	assert_true(put(*state) > 0);
}

/*
 * Threads
 */

#define COMMANDS	20000
#define DEPTH		32	/* commands that are out at a time, in a ring for twice as many */
#define THREADS		4

struct crowd {
	struct fake_kernel *kernel;
	struct zcmu_hring *ring;
	pthread_mutex_t taking;		/* only one may take at a time */
	atomic_bool stop;
};

struct member {
	struct crowd *crowd;
	struct prng prng;
	pthread_t handle;
};

static uint32_t take_some(struct crowd *crowd, uint16_t *ids, uint32_t max)
{
	struct zcmu_hreq req = { 0 };
	uint32_t n = 0;

	pthread_mutex_lock(&crowd->taking);
	while (n < max && next(crowd->ring, &req) == 1)
		ids[n++] = req.id;
	pthread_mutex_unlock(&crowd->taking);
	return n;
}

/* Take a few, answer them in another order, and put what each is into its answer. */
static void *take_and_answer(void *argument)
{
	struct member *member = argument;
	struct crowd *crowd = member->crowd;
	uint16_t ids[5];
	uint32_t n, i;

	while (!atomic_load(&crowd->stop)) {
		n = take_some(crowd, ids, 5);
		while (n) {
			struct zcmu_hanswer a = { 0 };

			i = prng_below(&member->prng, n);
			a.id = ids[i];
			a.read_len = a.id;
			a.scsi_status = a.id & 0x3e;
			ids[i] = ids[--n];
			zcmu_hring_answer(crowd->ring, &a);
			if (prng_one_in(&member->prng, 3))
				fake_kernel_collect(crowd->kernel);
		}
		fake_kernel_collect(crowd->kernel);
		sched_yield();
	}
	return NULL;
}

static void many_threads_that_answer_at_once_lose_and_mix_up_nothing(void **state)
{
	struct crowd crowd = { .kernel = fake_kernel_create(2 * DEPTH * ENTRY, 0) };
	struct member members[THREADS];
	bool came = true;
	unsigned int n;
	int i;

	(void)state;
	crowd.ring = &fake_kernel_disk(crowd.kernel)->ring;
	pthread_mutex_init(&crowd.taking, NULL);
	for (i = 0; i < THREADS; i++) {
		members[i] = (struct member){ .crowd = &crowd, .prng = { (uint64_t)i } };
		pthread_create(&members[i].handle, NULL, take_and_answer, &members[i]);
	}
	for (n = 0; n < COMMANDS + DEPTH && came; n++) {
		if (n < COMMANDS)
			put(crowd.kernel);
		if (n >= DEPTH)
			came = fake_kernel_wait_for_answers(crowd.kernel, n - DEPTH + 1);
	}
	atomic_store(&crowd.stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(members[i].handle, NULL);
	pthread_mutex_destroy(&crowd.taking);

	assert_null(fake_kernel_complaint(crowd.kernel));
	assert_int_equal(fake_kernel_answers(crowd.kernel), COMMANDS);
	for (i = 1; i <= COMMANDS; i++) {
		assert_int_equal(fake_kernel_answer(crowd.kernel, i)->read_len, i);
		assert_int_equal(fake_kernel_answer(crowd.kernel, i)->status, i & 0x3e);
	}
	fake_kernel_destroy(crowd.kernel);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_mailbox_of_another_version_is_refused),
		TEST(a_kernel_that_wants_answers_in_order_is_refused),
		TEST(a_ring_that_is_not_inside_the_map_is_refused),
		TEST(a_map_too_small_for_a_mailbox_is_refused),
		TEST(a_tail_that_is_not_in_the_ring_is_refused),
		TEST(what_another_handler_has_begun_to_answer_is_answered_afresh),
		TEST(what_another_handler_has_taken_and_not_answered_is_seen_again),
		TEST(no_command_is_lost_when_the_tail_passes_a_pad_that_was_not_taken),
		TEST(no_command_is_lost_when_the_tail_passes_a_notification_that_was_not_taken),
		TEST(a_ring_full_of_notifications_is_emptied),
		TEST(many_threads_that_answer_at_once_lose_and_mix_up_nothing),
	};

	return cmocka_run_group_tests_name("hring-edges", tests, NULL, NULL);
}
