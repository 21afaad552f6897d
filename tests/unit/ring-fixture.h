/* SPDX-License-Identifier: MIT */
/*
 * A small ring of kernel/ring.c's, for the tests of its functions: a test puts
 * entries, and moves the tail as a handler would. Not a handler: see fake-kernel.h.
 */
#ifndef RING_FIXTURE_H
#define RING_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define SIZE	1024u
#define ENTRY	112u	/* a command's entry is at least that long */

struct fixture {
	struct zcmu_ring ring;
	struct zcmu_span spans[16];
	unsigned int nr;	/* spans that were used */
	uint8_t *map;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* Not a byte more than it takes: the sanitizer sees a step beyond. */
	f->map = calloc(1, sizeof(struct zcmu_mailbox) + SIZE);
	zcmu_ring_init(&f->ring, f->map, SIZE);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->map);
	free(f);
	return 0;
}

static inline struct zcmu_entry_hdr *header_at(struct fixture *f, u32 position)
{
	return (void *)((u8 *)f->ring.entries + position);
}

static inline struct zcmu_cmd_entry *entry_at(struct fixture *f, u32 position)
{
	return (void *)((u8 *)f->ring.entries + position);
}

/* Publish an entry. Return: where in the ring it begins. */
static inline u32 put(struct fixture *f, u32 len, bool is_cmd)
{
	struct zcmu_span *span = &f->spans[f->nr++];
	struct zcmu_entry_hdr *hdr;
	u32 offset;

	assert_true(zcmu_ring_has_room(&f->ring, len));
	span->is_cmd = is_cmd;
	hdr = zcmu_ring_begin(&f->ring, span, len, &offset);
	hdr->len_op = len | (is_cmd ? ZCMU_OP_CMD : ZCMU_OP_TMR);
	zcmu_ring_publish(&f->ring, span);
	return offset - sizeof(struct zcmu_mailbox);
}

static inline void set_tail(struct fixture *f, u32 tail)
{
	f->ring.mailbox->cmd_tail = tail;
}

/* Take every answer up to the tail. Return: how many, or a negative errno. */
static inline int take_all(struct fixture *f)
{
	struct zcmu_answer answer;
	u32 bytes;
	int n = 0, ret;

	ret = zcmu_ring_answered(&f->ring, &bytes);
	if (ret)
		return ret;
	while ((ret = zcmu_ring_next_answer(&f->ring, &bytes, &answer)) > 0)
		n++;
	return ret ? ret : n;
}

/* An empty ring whose next entry begins at @position. */
static inline void begin_at(struct fixture *f, u32 position)
{
	if (!position)
		return;
	put(f, position, true);
	set_tail(f, position);
	assert_int_equal(take_all(f), 1);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif /* RING_FIXTURE_H */
