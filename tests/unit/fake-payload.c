// SPDX-License-Identifier: MIT
/*
 * Payloads in the data area of the fake kernel. See fake-payload.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-kernel.h"
#include "fake-payload.h"

#define GUARD		64u
#define GUARD_BYTE	0xa7

void fake_area_init(struct fake_area *area, uint8_t *map, size_t begin, unsigned int slots)
{
	area->map = map;
	area->begin = begin;
	memset(map + begin, GUARD_BYTE, (size_t)slots * ZCMU_SLOT_PAGES * FAKE_PAGE);
	zcmu_window_init(&area->window, calloc(slots + 1, sizeof(void *)), slots);
}

void fake_area_deinit(struct fake_area *area)
{
	free(area->window.owner);
}

bool fake_payload_place(struct fake_payload *payload, struct fake_area *area,
			const size_t *lengths, unsigned int nr)
{
	size_t at, needed = GUARD;
	unsigned int i;

	for (i = 0; i < nr; i++)
		needed += lengths[i] + GUARD;
	payload->slots = zcmu_window_slots((u32)((needed + FAKE_PAGE - 1) / FAKE_PAGE));
	payload->slot = zcmu_window_take(&area->window, payload->slots, payload);
	if (payload->slot == ZCMU_NO_SLOT) {
		payload->slots = 0;
		return false;
	}
	payload->pieces = calloc(nr, sizeof(*payload->pieces));
	payload->nr_pieces = nr;
	at = area->begin + (size_t)payload->slot * ZCMU_SLOT_PAGES * FAKE_PAGE + GUARD;
	for (i = 0; i < nr; i++) {
		payload->pieces[i] = (struct fake_piece){ at, lengths[i] };
		payload->size += lengths[i];
		at += lengths[i] + GUARD;
	}
	return true;
}

void fake_payload_fill(struct fake_payload *payload, struct fake_area *area, const uint8_t *data)
{
	unsigned int i;

	if (data && payload->size) {
		payload->sent = malloc(payload->size);
		memcpy(payload->sent, data, payload->size);
	}
	for (i = 0; i < payload->nr_pieces; i++) {
		const struct fake_piece *piece = &payload->pieces[i];

		if (data) {
			memcpy(area->map + piece->at, data, piece->len);
			data += piece->len;
		} else {
			memset(area->map + piece->at, FAKE_STALE, piece->len);
		}
	}
}

void fake_payload_give_up(struct fake_payload *payload)
{
	free(payload->sent);
	payload->sent = NULL;
}

static bool guards_are_whole(const struct fake_area *area, const struct fake_piece *piece)
{
	const uint8_t *p = area->map + piece->at;
	unsigned int i;

	for (i = 1; i <= GUARD; i++) {
		if (*(p - i) != GUARD_BYTE || p[piece->len + i - 1] != GUARD_BYTE)
			return false;
	}
	return true;
}

static bool is_socket(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

static ssize_t move_piece(const struct zcmu_transfer *transfer, bool sends, void *bytes, size_t len,
			  off_t at)
{
	const int fd = transfer->pieces[0].fd;

	if (is_socket(fd))
		return sends ? send(fd, bytes, len, MSG_NOSIGNAL) :
			       recv(fd, bytes, len, MSG_WAITALL);
	return sends ? pwrite(fd, bytes, len, at) : pread(fd, bytes, len, at);
}

/* In one piece, as the library has it. */
int fake_payload_move(struct fake_payload *payload, struct fake_area *area,
		      const struct zcmu_transfer *transfer)
{
	off_t at = (off_t)transfer->pieces[0].offset;
	unsigned int i;
	ssize_t n;

	if (transfer->nr_pieces != 1 || transfer->pieces[0].len != payload->size ||
	    !(transfer->flags & ZCMU_TRANSFER_WRITE) != !payload->sent)
		return -EINVAL;
	if (transfer->header_bytes &&
	    send(transfer->stream.fd, transfer->header, transfer->header_bytes, MSG_NOSIGNAL) < 0)
		return -errno;
	for (i = 0; i < payload->nr_pieces; i++) {
		const struct fake_piece *piece = &payload->pieces[i];

		n = move_piece(transfer, payload->sent, area->map + piece->at, piece->len, at);
		if (n != (ssize_t)piece->len)
			return n < 0 ? -errno : -ENODATA;
		at += n;
	}
	return 0;
}

const char *fake_payload_take(struct fake_payload *payload, struct fake_area *area, uint8_t *to)
{
	const char *complaint = NULL;
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < payload->nr_pieces; i++) {
		const struct fake_piece *piece = &payload->pieces[i];

		if (!guards_are_whole(area, piece))
			complaint = "written beside the payload of";
		memcpy(to + done, area->map + piece->at, piece->len);
		done += piece->len;
	}
	if (payload->sent && memcmp(payload->sent, to, done))
		complaint = "written into the Data-Out of";
	fake_payload_release(payload, area);
	return complaint;
}

void fake_payload_release(struct fake_payload *payload, struct fake_area *area)
{
	if (!payload->slots)
		return;
	memset(area->map + area->begin + (size_t)payload->slot * ZCMU_SLOT_PAGES * FAKE_PAGE,
	       GUARD_BYTE, (size_t)payload->slots * ZCMU_SLOT_PAGES * FAKE_PAGE);
	zcmu_window_give_back(&area->window, payload->slot, payload->slots);
	payload->slots = 0;
}

void fake_payload_deinit(struct fake_payload *payload)
{
	free(payload->pieces);
	free(payload->sent);
}
