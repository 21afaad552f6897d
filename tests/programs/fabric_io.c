// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fabric_io.h"

#define DEVICE	"/dev/zcmu_test_fabric"

static void die(const char *what)
{
	fprintf(stderr, "fabric: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *must_allocate(void *p)
{
	if (!p)
		die("memory");
	return p;
}

void fabric_open(struct fabric *fabric, size_t bytes)
{
	memset(fabric, 0, sizeof(*fabric));
	fabric->bytes = (bytes + FABRIC_PAGE - 1) / FABRIC_PAGE * FABRIC_PAGE;
	fabric->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fabric->fd < 0)
		die(DEVICE);
	fabric->memory = mmap(NULL, fabric->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fabric->fd, 0);
	if (fabric->memory == MAP_FAILED)
		die("mmap");
}

void fabric_close(struct fabric *fabric)
{
	munmap(fabric->memory, fabric->bytes);
	close(fabric->fd);
	fabric_list_free(&fabric->out);
	fabric_list_free(&fabric->in);
}

void fabric_list_free(struct fabric_list *list)
{
	free(list->segments);
	memset(list, 0, sizeof(*list));
}

static void add(struct fabric_list *list, uint32_t offset, uint32_t length)
{
	if (!(list->nr & (list->nr + 1)))
		list->segments = must_allocate(realloc(list->segments, (2 * list->nr + 2) *
						       sizeof(*list->segments)));
	list->segments[list->nr].offset = offset;
	list->segments[list->nr].length = length;
	list->nr++;
	list->bytes += length;
	if (offset + length > list->end)
		list->end = offset + length;
}

/* Pieces of @length, @step apart */
static void add_pieces(struct fabric_list *list, uint32_t bytes, uint32_t start, uint32_t length,
		       uint32_t step)
{
	for (; bytes; start += step) {
		uint32_t n = bytes < length ? bytes : length;

		add(list, start, n);
		bytes -= n;
	}
}

static void add_pages_reversed(struct fabric_list *list, uint32_t bytes, uint32_t start)
{
	uint32_t pages = (bytes + FABRIC_PAGE - 1) / FABRIC_PAGE;

	/* All but the last segment are whole pages. */
	for (; bytes; pages--) {
		uint32_t n = bytes < FABRIC_PAGE ? bytes : FABRIC_PAGE;

		add(list, start + (pages - 1) * FABRIC_PAGE, n);
		bytes -= n;
	}
}

static void add_as_said(struct fabric_list *list, const char *shape, uint32_t start)
{
	char *end = (char *)shape;
	unsigned long offset, length;

	do {
		offset = strtoul(end, &end, 0);
		if (*end != '+')
			break;
		length = strtoul(end + 1, &end, 0);
		add(list, start + (uint32_t)offset, (uint32_t)length);
	} while (*end++ == ',');
	if (end[-1]) {
		fprintf(stderr, "fabric: there is no shape \"%s\"\n", shape);
		exit(2);
	}
}

void fabric_shape(struct fabric_list *list, const char *shape, uint32_t bytes, uint32_t start)
{
	fabric_list_free(list);
	if (!strcmp(shape, "one"))
		add_pieces(list, bytes, start, bytes, 0);
	else if (!strcmp(shape, "shifted"))
		add_pieces(list, bytes, start + 777, bytes, 0);
	else if (!strcmp(shape, "pages"))
		add_pages_reversed(list, bytes, start);
	else if (!strcmp(shape, "straddle"))
		add_pieces(list, bytes, start + FABRIC_PAGE - 1096, 5000, 2 * FABRIC_PAGE);
	else if (!strcmp(shape, "sectors"))
		add_pieces(list, bytes, start + 512, 512, 1024);
	else if (!strcmp(shape, "bytes"))
		add_pieces(list, bytes, start + 1, 1, 2);
	else
		add_as_said(list, shape, start);
}

uint32_t fabric_page_behind(uint32_t end)
{
	return (end + 2 * FABRIC_PAGE - 1) / FABRIC_PAGE * FABRIC_PAGE;
}

/* The lists, and a page behind them. */
static size_t bytes_in_use(const struct fabric *fabric)
{
	size_t end = fabric->out.end > fabric->in.end ? fabric->out.end : fabric->in.end;

	return end + FABRIC_PAGE < fabric->bytes ? end + FABRIC_PAGE : fabric->bytes;
}

void fabric_fill(struct fabric *fabric)
{
	memset(fabric->memory, FABRIC_PATTERN, bytes_in_use(fabric));
}

void fabric_put(struct fabric *fabric, const struct fabric_list *list, const uint8_t *data)
{
	uint32_t i;

	for (i = 0; i < list->nr; i++) {
		memcpy(fabric->memory + list->segments[i].offset, data, list->segments[i].length);
		data += list->segments[i].length;
	}
}

void fabric_put_byte(struct fabric *fabric, const struct fabric_list *list, uint8_t byte)
{
	uint32_t i;

	for (i = 0; i < list->nr; i++)
		memset(fabric->memory + list->segments[i].offset, byte, list->segments[i].length);
}

void fabric_get(const struct fabric *fabric, const struct fabric_list *list, uint8_t *data)
{
	uint32_t i;

	for (i = 0; i < list->nr; i++) {
		memcpy(data, fabric->memory + list->segments[i].offset, list->segments[i].length);
		data += list->segments[i].length;
	}
}

void fabric_ask(const struct fabric *fabric, struct zcmu_test_request *request)
{
	const struct fabric_list *out = &fabric->out, *in = &fabric->in;
	bool bidi = out->nr && in->nr;
	const struct fabric_list *first = out->nr ? out : in;

	request->direction = bidi ? ZCMU_TEST_BIDI : out->nr ? ZCMU_TEST_OUT :
			     in->nr ? ZCMU_TEST_IN : ZCMU_TEST_NONE;
	request->segments = (uintptr_t)first->segments;
	request->nr_segments = first->nr;
	request->data_length = first->bytes;
	request->bidi_segments = bidi ? (uintptr_t)in->segments : 0;
	request->nr_bidi_segments = bidi ? in->nr : 0;
}

void fabric_submit(struct fabric *fabric, const struct zcmu_test_request *request)
{
	if (ioctl(fabric->fd, ZCMU_TEST_SUBMIT, request))
		die("SUBMIT");
}

bool fabric_wait(struct fabric *fabric, struct zcmu_test_answer *answer, uint32_t ms)
{
	memset(answer, 0, sizeof(*answer));
	answer->wait_ms = ms;
	if (!ioctl(fabric->fd, ZCMU_TEST_WAIT, answer))
		return true;
	if (errno != ETIMEDOUT)
		die("WAIT");
	return false;
}

static void mark(const struct fabric_list *list, uint8_t *inside)
{
	uint32_t i;

	for (i = 0; i < list->nr; i++)
		memset(inside + list->segments[i].offset, 1, list->segments[i].length);
}

size_t fabric_outside(const struct fabric *fabric)
{
	size_t i, n = 0, bytes = bytes_in_use(fabric);
	uint8_t *inside = must_allocate(calloc(1, bytes));

	mark(&fabric->out, inside);
	mark(&fabric->in, inside);
	for (i = 0; i < bytes; i++)
		n += !inside[i] && fabric->memory[i] != FABRIC_PATTERN;
	free(inside);
	return n;
}
