// SPDX-License-Identifier: MIT
/*
 * The kernel's end of the ring (kernel/ring.c) with a handler that writes what it likes,
 * where it likes, between any two steps. Whatever that is, the kernel's own notes stay
 * consistent: an entry that it has taken is one that it has published, and none is lost.
 */
#include "ring.h"

#include "input.h"

#define SIZE	1024u
#define MAX	64u

struct entry {
	struct zcmu_span span;
	bool on_ring;
};

struct ring_test {
	struct zcmu_ring ring;
	struct entry entries[MAX];
	uint8_t *map;
	struct input in;
};

static unsigned int count_on_ring(const struct ring_test *t)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX; i++)
		n += t->entries[i].on_ring;
	return n;
}

static void put(struct ring_test *t)
{
	u32 len = 32 + input_number(&t->in, 1) % 63 * 8, offset;
	struct entry *entry = NULL;
	unsigned int i;
	void *at;

	for (i = 0; i < MAX && !entry; i++) {
		if (!t->entries[i].on_ring)
			entry = &t->entries[i];
	}
	if (!entry || len > SIZE / 2 || !zcmu_ring_has_room(&t->ring, len))
		return;
	entry->span.is_cmd = input_number(&t->in, 1) % 8;
	/* A command's answer has to fit in. */
	if (entry->span.is_cmd && len < sizeof(struct zcmu_cmd_entry))
		return;
	at = zcmu_ring_begin(&t->ring, &entry->span, len, &offset);
	must(at == t->map + offset && offset + len <= sizeof(struct zcmu_mailbox) + SIZE);
	zcmu_ring_publish(&t->ring, &entry->span);
	entry->on_ring = true;
}

/* As kernel/complete.c does: the id is an index here, and may be of another entry. */
static bool take(struct ring_test *t, const struct zcmu_answer *answer)
{
	struct entry *passed = (struct entry *)answer->span;
	struct entry *answered;

	must(passed >= t->entries && passed < t->entries + MAX && passed->on_ring);
	if (!answer->span->is_cmd) {
		passed->on_ring = false;
		return true;
	}
	answered = &t->entries[answer->cmd_id % MAX];
	if (!answered->on_ring || !answered->span.is_cmd)
		return false;
	zcmu_ring_swap_spans(answer->span, &answered->span);
	answered->on_ring = false;
	return true;
}

/* Broken, it is emptied, as action/reset_ring does. */
static void reset(struct ring_test *t)
{
	unsigned int i;

	for (i = 0; i < MAX; i++)
		t->entries[i].on_ring = false;
	zcmu_ring_reset(&t->ring);
	must(t->ring.mailbox->cmd_head == 0 && t->ring.mailbox->cmd_tail == 0);
}

static void collect(struct ring_test *t)
{
	unsigned int before = count_on_ring(t), taken = 0;
	struct zcmu_answer answer;
	u32 bytes = 0;
	int ret;

	if (zcmu_ring_answered(&t->ring, &bytes)) {
		reset(t);
		return;
	}
	must(bytes < SIZE);
	while ((ret = zcmu_ring_next_answer(&t->ring, &bytes, &answer)) > 0) {
		if (!take(t, &answer)) {
			reset(t);
			return;
		}
		taken++;
	}
	must(count_on_ring(t) == before - taken);
	if (ret)
		reset(t);
}

static void write_anything(struct ring_test *t)
{
	u32 at = input_number(&t->in, 2) % (sizeof(struct zcmu_mailbox) + SIZE - 8);

	input_bytes(&t->in, t->map + at, 8);
}

/* Where a tail may well be. */
static void move_tail(struct ring_test *t)
{
	u32 tail = t->ring.cleaned + input_number(&t->in, 1) * 8;

	t->ring.mailbox->cmd_tail = tail % SIZE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring_test t = { .in = { data, size } };

	t.map = calloc(1, sizeof(struct zcmu_mailbox) + SIZE);
	zcmu_ring_init(&t.ring, t.map, SIZE);
	while (t.in.size) {
		switch (input_number(&t.in, 1) % 5) {
		case 0:
			put(&t);
			break;
		case 1:
			write_anything(&t);
			break;
		case 2:
			move_tail(&t);
			break;
		case 3:
			t.ring.mailbox->cmd_tail = t.ring.head;
			break;
		default:
			collect(&t);
			break;
		}
		must(t.ring.head < SIZE && t.ring.cleaned < SIZE);
	}
	free(t.map);
	return 0;
}
