// SPDX-License-Identifier: MIT
/*
 * Plans of random scatter lists (kernel/plan.c) against a model that goes byte by
 * byte: a byte keeps its place in its page, and each page of the payload that is
 * begun gets the next page of the window.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "plan.h"
#include "prng.h"

#define PAGE		ZCMU_PAGE
#define MAX_SEGMENTS	20
#define MAX_PAGES	(6 * MAX_SEGMENTS)

struct segment {
	u32 offset, len;
};

struct list {
	u64 seed;
	struct segment segments[MAX_SEGMENTS];
	unsigned int nr;
};

/* What the plan should be; addresses count from the loan's first byte. */
struct model {
	u32 address[MAX_PAGES * PAGE];	/* of each byte of the payload */
	u32 bytes;
	u32 in_page[MAX_PAGES];		/* payload bytes in each page of the window */
	u32 nr_pages;
	u32 nr_runs;
};

static void make_list(struct list *list, u64 seed)
{
	struct prng prng = { seed };
	/* From lists that break at each segment to lists that hardly ever do. */
	u32 rarity = 1 + (u32)(seed % 6);
	unsigned int i;

	list->seed = seed;
	list->nr = 1 + prng_below(&prng, MAX_SEGMENTS);
	for (i = 0; i < list->nr; i++) {
		struct segment *s = &list->segments[i];

		s->offset = prng_one_in(&prng, rarity) ? 8 * prng_below(&prng, PAGE / 8) : 0;
		if (prng_one_in(&prng, rarity))
			s->len = 1 + prng_below(&prng, 4 * PAGE);
		else
			s->len = PAGE * (1 + prng_below(&prng, 4)) - s->offset;
	}
}

static void make_model(struct model *m, const struct list *list)
{
	unsigned int i;
	u32 j;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < list->nr; i++) {
		for (j = 0; j < list->segments[i].len; j++) {
			u32 in_page = (list->segments[i].offset + j) % PAGE;

			if (!j || !in_page)
				m->nr_pages++;
			m->address[m->bytes] = (m->nr_pages - 1) * PAGE + in_page;
			m->in_page[m->nr_pages - 1]++;
			if (!m->bytes || m->address[m->bytes] != m->address[m->bytes - 1] + 1)
				m->nr_runs++;
			m->bytes++;
		}
	}
}

static void check(const struct list *list, bool holds, const char *what)
{
	if (!holds)
		fail_msg("seed %llu: %s", (unsigned long long)list->seed, what);
}

static void check_runs(const struct list *list, const struct model *m, const struct zcmu_plan *p)
{
	u32 i, j, byte = 0;

	check(list, p->too_many_runs == (m->nr_runs > ZCMU_MAX_RUNS), "wrong about too many runs");
	if (p->too_many_runs)
		return;
	check(list, p->nr_runs == m->nr_runs, "wrong number of runs");
	for (i = 0; i < p->nr_runs; i++) {
		const struct zcmu_run *run = &p->runs[i];

		check(list, run->len, "an empty run");
		check(list, run->offset < PAGE, "a run that begins behind its page");
		for (j = 0; j < run->len; j++, byte++) {
			check(list, byte < m->bytes, "more bytes than the payload has");
			check(list, run->page * PAGE + run->offset + j == m->address[byte],
			      "a byte is elsewhere");
		}
	}
	check(list, byte == m->bytes, "bytes are missing");
}

static void check_edges(const struct list *list, const struct model *m, const struct zcmu_plan *p)
{
	u32 i, edges = 0, edge_bytes = 0;

	if (p->too_many_runs)
		return;
	for (i = 0; i < m->nr_pages; i++) {
		if (m->in_page[i] < PAGE) {
			edges++;
			edge_bytes += m->in_page[i];
		}
	}
	check(list, p->bytes == m->bytes, "wrong number of bytes");
	check(list, p->nr_pages == m->nr_pages, "wrong number of pages");
	check(list, p->nr_edges == edges, "wrong number of edges");
	check(list, p->edge_bytes == edge_bytes, "wrong number of bytes in edges");
}

static struct model model;

static void every_byte_lies_where_its_page_is_and_runs_are_contiguous(void **state)
{
	struct zcmu_plan p;
	struct list list;
	unsigned int i;
	u64 seed;

	(void)state;
	for (seed = 1; seed <= 600; seed++) {
		make_list(&list, seed);
		make_model(&model, &list);
		zcmu_plan_init(&p);
		for (i = 0; i < list.nr; i++)
			zcmu_plan_add(&p, list.segments[i].offset, list.segments[i].len);
		check_runs(&list, &model, &p);
		check_edges(&list, &model, &p);
	}
}

/* kernel/payload.c walks once more, to map: it must come to the same pages. */
static void a_walk_comes_to_the_pages_that_were_planned(void **state)
{
	struct list list;
	unsigned int i;
	u32 first, byte, page, index, count;
	u64 seed;

	(void)state;
	for (seed = 1; seed <= 300; seed++) {
		struct zcmu_walk walk = { 0 };

		make_list(&list, seed);
		make_model(&model, &list);
		for (i = 0, byte = 0, page = 0; i < list.nr; i++) {
			const struct segment *s = &list.segments[i];
			bool continues = byte && model.address[byte] == model.address[byte - 1] + 1;

			check(&list, zcmu_walk_segment(&walk, s->offset, s->len, &first) !=
			      continues, "wrong about a new run");
			check(&list, first == model.address[byte] / PAGE, "wrong first page");
			check(&list, first == page, "a page is left out");
			count = zcmu_segment_pages(s->offset, s->len);
			for (index = 0; index < count; index++, page++)
				check(&list, zcmu_page_is_edge(s->offset, s->len, index, count) ==
				      (model.in_page[page] < PAGE), "wrong about an edge");
			byte += s->len;
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_lies_where_its_page_is_and_runs_are_contiguous),
		cmocka_unit_test(a_walk_comes_to_the_pages_that_were_planned),
	};

	return cmocka_run_group_tests_name("plan-random", tests, NULL, NULL);
}
