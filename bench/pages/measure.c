// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the module zcmu_pages what mapping and unmapping of pages takes, touches what
 * was mapped, and prints a line of JSON for each method and number of pages: ns per
 * page, median, lowest and highest of the rounds. Tables and plots are run's.
 *
 *	measure ROUNDS
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"

#define PAGE		4096
#define SIZES		11	/* 1, 2, 4 ... PAGES_MAX */
#define MAX_ROUNDS	99

static const char *const names[PAGES_METHODS] = {
	"clock", "fault", "special", "remap_pfn", "insert_pfn", "insert_mixed", "insert_pages",
	"memcpy",
};

struct figure {
	double map[MAX_ROUNDS], unmap[MAX_ROUNDS], both[MAX_ROUNDS];
};

static struct figure figures[PAGES_METHODS][SIZES];
static int device, pipe_end;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* So often that PAGES_MAX pages are mapped and unmapped. */
static void measure(volatile char *view, uint32_t method, int size, int round)
{
	struct pages_request map = { method, 1 << size, (uintptr_t)view, 0 }, unmap = map;
	struct figure *figure = &figures[method][size];
	uint64_t begin, map_ns = 0, unmap_ns = 0;
	uint32_t i, page;

	for (i = 0; i < PAGES_MAX; i += map.nr) {
		if (ioctl(device, PAGES_MAP, &map))
			err(1, "%s can't map %u pages", names[method], map.nr);
		if (method == PAGES_FAULT) {
			begin = now();
			(void)*view;
			map.ns = now() - begin;
		}
		if (method != PAGES_CLOCK && method != PAGES_MEMCPY)
			for (page = 0; page < map.nr; page++)
				if (*(volatile uint32_t *)(view + page * PAGE) != page)
					errx(1, "%s: page %u is another one", names[method], page);
		if (ioctl(device, PAGES_UNMAP, &unmap))
			err(1, "%s can't unmap", names[method]);
		map_ns += map.ns;
		unmap_ns += unmap.ns;
	}
	if (write(pipe_end, (char *)view, 1) != -1 || errno != EFAULT)
		errx(1, "%s: a page is still there after unmapping", names[method]);
	figure->map[round] = (double)map_ns / PAGES_MAX;
	figure->unmap[round] = (double)unmap_ns / PAGES_MAX;
	figure->both[round] = (double)(map_ns + unmap_ns) / PAGES_MAX;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void print(const char *what, double *values, int rounds)
{
	qsort(values, rounds, sizeof(*values), compare);
	printf(",\"%s\":[%.1f,%.1f,%.1f]", what, values[rounds / 2], values[0], values[rounds - 1]);
}

int main(int argc, char **argv)
{
	int rounds = argc == 2 ? atoi(argv[1]) : 0, ends[2], round, size;
	char *view[PAGES_METHODS];
	uint32_t method;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		errx(2, "say how many rounds: 1 to %d", MAX_ROUNDS);
	device = open("/dev/zcmu-pages", O_RDWR | O_CLOEXEC);
	if (device < 0 || pipe(ends))
		err(1, "/dev/zcmu-pages");
	pipe_end = ends[1];
	for (method = 0; method < PAGES_METHODS; method++) {
		view[method] = mmap(NULL, PAGES_MAX * PAGE, PROT_READ, MAP_SHARED, device,
				    (off_t)method * PAGES_MAX * PAGE);
		if (view[method] == MAP_FAILED)
			err(1, "mmap for %s", names[method]);
	}
	/* The first isn't counted: page tables come into being. The next one has its place. */
	for (round = -1; round < rounds; round++)
		for (size = 0; size < SIZES; size++)
			for (method = 0; method < PAGES_METHODS; method++)
				measure(view[method], method, size, round < 0 ? 0 : round);
	for (method = 0; method < PAGES_METHODS; method++)
		for (size = 0; size < SIZES; size++) {
			printf("{\"method\":\"%s\",\"pages\":%d,\"rounds\":%d", names[method],
			       1 << size, rounds);
			print("map", figures[method][size].map, rounds);
			print("unmap", figures[method][size].unmap, rounds);
			print("both", figures[method][size].both, rounds);
			printf("}\n");
		}
	return 0;
}
