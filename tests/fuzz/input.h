/* SPDX-License-Identifier: MIT */
/*
 * What the targets here share: the input as a row of numbers, and a check that ends the
 * program, as a sanitizer would. An input that is used up goes on as zeroes.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t size;
};

/* What libFuzzer, or replay.c, calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void input_bytes(struct input *in, void *to, size_t n)
{
	size_t have = n < in->size ? n : in->size;

	memset(to, 0, n);
	if (have)
		memcpy(to, in->data, have);
	in->data += have;
	in->size -= have;
}

static inline uint32_t input_number(struct input *in, size_t bytes)
{
	uint32_t n = 0;

	input_bytes(in, &n, bytes);
	return n;
}

#define must(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#endif /* INPUT_H */
