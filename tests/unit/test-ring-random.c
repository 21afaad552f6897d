// SPDX-License-Identifier: MIT
/*
 * The kernel's end of the ring (kernel/ring.c) through random histories, against a
 * model that knows which commands are out and which bytes of the ring they hold;
 * and against a handler that puts its tail anywhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "prng.h"
#include "ring.h"

#define SIZE	2048u
#define MAX_OUT	64

struct command {
	struct zcmu_span span;
	bool is_out;
	bool is_cmd;
};

/* What the ring should hold, oldest first. */
struct piece {
	u32 pad;
	u32 position;	/* of the entry */
	u32 len;
	bool is_cmd;
};

struct model {
	struct zcmu_ring ring;
	u8 *map;
	struct prng prng;
	u64 seed;
	struct command commands[MAX_OUT];
	struct piece pieces[MAX_OUT];
	unsigned int nr;	/* of pieces */
	u32 head;
};

static void model_init(struct model *m, u64 seed)
{
	memset(m, 0, sizeof(*m));
	m->seed = seed;
	m->prng.state = seed;
	m->map = calloc(1, sizeof(struct zcmu_mailbox) + SIZE);
	zcmu_ring_init(&m->ring, m->map, SIZE);
}

static void model_deinit(struct model *m)
{
	free(m->map);
}

static void check(const struct model *m, bool holds, const char *what)
{
	if (!holds)
		fail_msg("seed %llu: %s", (unsigned long long)m->seed, what);
}

static u32 bytes_in_use(const struct model *m)
{
	u32 bytes = 0;
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		bytes += m->pieces[i].pad + m->pieces[i].len;
	return bytes;
}

static u32 pad_for(const struct model *m, u32 len)
{
	return m->head + len > SIZE ? SIZE - m->head : 0;
}

static bool should_fit(const struct model *m, u32 len)
{
	return bytes_in_use(m) + pad_for(m, len) + len <= SIZE - 1;
}

static struct command *free_command(struct model *m)
{
	unsigned int i;

	for (i = 0; i < MAX_OUT; i++) {
		if (!m->commands[i].is_out)
			return &m->commands[i];
	}
	return NULL;
}

/* The kernel: an entry of a random length, if it fits. */
static void publish(struct model *m)
{
	u32 len = prng_one_in(&m->prng, 8) ? 32 + 8 * prng_below(&m->prng, 4) :
					     112 + 8 * prng_below(&m->prng, 40);
	struct command *command = free_command(m);
	u32 pad = pad_for(m, len), position = pad ? 0 : m->head, offset;
	u8 *entry;

	check(m, zcmu_ring_has_room(&m->ring, len) == should_fit(m, len), "wrong about its room");
	if (!command || m->nr == MAX_OUT || !should_fit(m, len))
		return;
	command->is_out = true;
	command->is_cmd = len >= 112;
	command->span.is_cmd = command->is_cmd;
	entry = zcmu_ring_begin(&m->ring, &command->span, len, &offset);
	check(m, offset == sizeof(struct zcmu_mailbox) + position, "entry is elsewhere");
	check(m, command->span.pad == pad && command->span.len == len, "wrong span");
	memset(entry, 0xc5, len);
	zcmu_ring_publish(&m->ring, &command->span);
	m->pieces[m->nr++] = (struct piece){ pad, position, len, command->is_cmd };
	m->head = (position + len) % SIZE;
	check(m, m->ring.mailbox->cmd_head == m->head, "wrong head");
}

/* A command that is out, is no notification and was not answered in this batch. */
static unsigned int pick_command(struct model *m, const bool *answered)
{
	unsigned int i;

	do
		i = prng_below(&m->prng, MAX_OUT);
	while (!m->commands[i].is_out || !m->commands[i].is_cmd || answered[i]);
	return i;
}

/* The handler: answer random commands in the oldest few entries. Return: how many. */
static unsigned int answer(struct model *m, unsigned int *order)
{
	bool answered[MAX_OUT] = { false };
	unsigned int i, count = prng_below(&m->prng, m->nr + 1);
	u32 tail = m->ring.cleaned;

	for (i = 0; i < count; i++) {
		struct zcmu_cmd_entry *entry = (void *)((u8 *)m->ring.entries +
					       m->pieces[i].position);

		if (m->pieces[i].is_cmd) {
			order[i] = pick_command(m, answered);
			answered[order[i]] = true;
			entry->hdr.cmd_id = (u16)order[i];
		}
		entry->hdr.len_op = (u32)prng_next(&m->prng);
		tail = (m->pieces[i].position + m->pieces[i].len) % SIZE;
	}
	/* It may stop between a PAD and its entry as well. */
	if (count < m->nr && m->pieces[count].pad && prng_one_in(&m->prng, 2))
		tail = 0;
	m->ring.mailbox->cmd_tail = tail;
	return count;
}

/* The kernel: take the answers, and see that they are the ones the handler gave. */
static void take(struct model *m, const unsigned int *order, unsigned int count)
{
	struct zcmu_answer got;
	unsigned int i;
	u32 bytes;

	check(m, !zcmu_ring_answered(&m->ring, &bytes), "a tail that is right was refused");
	for (i = 0; i < count; i++) {
		struct command *of;

		check(m, zcmu_ring_next_answer(&m->ring, &bytes, &got) == 1, "an answer is lost");
		check(m, got.span->len == m->pieces[i].len, "wrong entry");
		check(m, got.span->is_cmd == m->pieces[i].is_cmd, "wrong kind of entry");
		of = (struct command *)got.span;
		if (got.span->is_cmd) {
			check(m, got.cmd_id == order[i], "wrong command");
			of = &m->commands[order[i]];
			zcmu_ring_swap_spans(got.span, &of->span);
		}
		of->is_out = false;
	}
	check(m, zcmu_ring_next_answer(&m->ring, &bytes, &got) == 0, "an answer too many");
	memmove(m->pieces, m->pieces + count, (m->nr - count) * sizeof(m->pieces[0]));
	m->nr -= count;
	/* The tail may have passed the next entry's PAD. */
	if (m->nr && m->ring.cleaned == m->pieces[0].position)
		m->pieces[0].pad = 0;
}

/* The ring's list says what the model says, and each command that is out is on it once. */
static void check_spans(struct model *m)
{
	struct list_head *node = m->ring.spans.next;
	bool seen[MAX_OUT] = { false };
	unsigned int i, out = 0;

	for (i = 0; i < m->nr; i++, node = node->next) {
		struct command *command = list_entry(node, struct command, span.node);
		ptrdiff_t index = command - m->commands;

		check(m, node != &m->ring.spans, "an entry was forgotten");
		check(m, node->next->prev == node, "a broken list");
		check(m, command->is_out && !seen[index], "an entry without a command");
		seen[index] = true;
		check(m, command->span.len == m->pieces[i].len, "wrong length");
		check(m, command->span.pad == m->pieces[i].pad, "wrong PAD");
		check(m, command->is_cmd == m->pieces[i].is_cmd, "wrong kind");
	}
	check(m, node == &m->ring.spans, "an entry too many");
	for (i = 0; i < MAX_OUT; i++)
		out += m->commands[i].is_out;
	check(m, out == m->nr, "a command without an entry");
}

/* What is out is as it was written: no entry and no PAD was laid over it. */
static void check_entries(const struct model *m)
{
	unsigned int i;
	u32 j;

	for (i = 0; i < m->nr; i++) {
		const u8 *entry = (u8 *)m->ring.entries + m->pieces[i].position;

		for (j = 0; j < m->pieces[i].len; j++)
			check(m, entry[j] == 0xc5, "an entry that is out was written to");
	}
}

static void answers_in_any_order_leave_exactly_the_commands_that_are_out(void **state)
{
	struct model m;
	unsigned int order[MAX_OUT], step;
	u64 seed;

	(void)state;
	for (seed = 1; seed <= 20; seed++) {
		model_init(&m, seed);
		for (step = 0; step < 2000; step++) {
			/* Often full, often empty: the number of puts varies widely. */
			unsigned int puts = prng_below(&m.prng, 24);

			while (puts--)
				publish(&m);
			take(&m, order, answer(&m, order));
			check_spans(&m);
			check_entries(&m);
		}
		model_deinit(&m);
	}
}

/* Let the model come to some state in which entries are out. */
static void wander(struct model *m, u64 seed)
{
	unsigned int order[MAX_OUT], step;

	model_init(m, seed);
	for (step = 0; step < 5 + seed || m->nr < 3; step++) {
		unsigned int puts = 1 + prng_below(&m->prng, 12);

		take(m, order, answer(m, order));
		while (puts--)
			publish(m);
	}
}

/* May a handler's tail stand there? Return: how many entries it has passed, or -1. */
static int entries_passed(const struct model *m, u32 tail)
{
	unsigned int i;

	if (tail == m->ring.cleaned)
		return 0;
	for (i = 0; i < m->nr; i++) {
		if (m->pieces[i].pad && tail == 0)
			return (int)i;
		if (tail == (m->pieces[i].position + m->pieces[i].len) % SIZE)
			return (int)i + 1;
	}
	return -1;
}

static void try_tail(u64 seed, u32 tail)
{
	struct zcmu_answer got;
	struct model m;
	int expected, n = 0, ret;
	u32 bytes;

	wander(&m, seed);
	expected = entries_passed(&m, tail);
	m.ring.mailbox->cmd_tail = tail;
	ret = zcmu_ring_answered(&m.ring, &bytes);
	while (!ret && (ret = zcmu_ring_next_answer(&m.ring, &bytes, &got)) == 1) {
		check(&m, n < (int)m.nr, "walked past what was published");
		check(&m, got.span->len == m.pieces[n].len, "took something else");
		n++;
		ret = 0;
		if (!bytes)
			break;
	}
	if (expected >= 0 ? ret || n != expected : ret != -EPROTO)
		fail_msg("seed %llu, tail %u: expected %d answers, got %d and %d",
			 (unsigned long long)seed, tail, expected, n, ret);
	/* Whatever the handler did, the rest is still in order. */
	memmove(m.pieces, m.pieces + n, (m.nr - n) * sizeof(m.pieces[0]));
	m.nr -= (unsigned int)n;
	check(&m, zcmu_ring_has_room(&m.ring, 8) ==
	      ((SIZE + m.ring.head - m.ring.cleaned) % SIZE + 8 < SIZE), "wrong about its room");
	model_deinit(&m);
}

static void no_tail_makes_the_kernel_walk_past_what_it_has_published(void **state)
{
	u64 seed;
	u32 tail;

	(void)state;
	for (seed = 1; seed <= 6; seed++) {
		for (tail = 0; tail < SIZE + 64; tail++)
			try_tail(seed, tail);
		for (tail = 0; tail < 64; tail++) {
			try_tail(seed, UINT32_MAX - tail);
			try_tail(seed, (1u << 31) - 32 + tail);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_any_order_leave_exactly_the_commands_that_are_out),
		cmocka_unit_test(no_tail_makes_the_kernel_walk_past_what_it_has_published),
	};

	return cmocka_run_group_tests_name("ring-random", tests, NULL, NULL);
}
