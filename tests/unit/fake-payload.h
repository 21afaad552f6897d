/* SPDX-License-Identifier: MIT */
/*
 * Payloads in the data area of the fake kernel: their place, their pieces, and
 * guards around each piece, which nobody may write. Part of fake-kernel.c alone.
 */
#ifndef FAKE_PAYLOAD_H
#define FAKE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "window.h"
#include "zcmu-abi.h"

#define FAKE_PAGE	4096u

/* Memory that payloads are in; kernel/window.c says which part is whose. */
struct fake_area {
	uint8_t *map;		/* map 0 */
	size_t begin;		/* where in it the area begins */
	struct zcmu_window window;
};

struct fake_piece {
	size_t at, len;		/* @at: from the start of map 0 */
};

struct fake_payload {
	struct fake_piece *pieces;
	unsigned int nr_pieces;
	size_t size;
	u32 slot, slots;
	uint8_t *sent;		/* Data-Out, which must stay as it is */
};

void fake_area_init(struct fake_area *area, uint8_t *map, size_t begin, unsigned int slots);
void fake_area_deinit(struct fake_area *area);

/* Find a place for pieces of these lengths. Return: false if there is none. */
bool fake_payload_place(struct fake_payload *payload, struct fake_area *area,
			const size_t *lengths, unsigned int nr);
/* @data: Data-Out; NULL: bytes that say that nobody has written here. */
void fake_payload_fill(struct fake_payload *payload, struct fake_area *area, const uint8_t *data);
/* It may be written to though it is Data-Out: the kernel has copied it, and throws it away. */
void fake_payload_give_up(struct fake_payload *payload);
/* Have a file's bytes moved. Return: 0 or -errno. */
int fake_payload_move(struct fake_payload *payload, struct fake_area *area,
		      const struct zcmu_transfer *transfer);
/* Take it out of the area. Return: NULL, or what was done to it that may not be. */
const char *fake_payload_take(struct fake_payload *payload, struct fake_area *area, uint8_t *to);
/* Give its place back, filled or not. */
void fake_payload_release(struct fake_payload *payload, struct fake_area *area);
void fake_payload_deinit(struct fake_payload *payload);

#endif /* FAKE_PAYLOAD_H */
