// SPDX-License-Identifier: MIT
/*
 * The handler's end of the ring (lib/serve/hring.c) over memory that somebody has filled with
 * anything: an earlier handler that ran wild. It must end, stay inside of the map, and hand
 * out payloads that are inside of it.
 */
#include <errno.h>

#include "serve/hring.h"

#include "input.h"

#define MAP	4096u

static void check(const struct zcmu_hring *ring, const struct zcmu_hreq *req)
{
	int i;

	must(req->cdb_len && req->cdb_len <= ZCMU_CDB_MAX);
	for (i = 0; i < req->iovcnt; i++) {
		const uint8_t *base = req->iov[i].iov_base;

		must(base >= ring->map && base <= ring->map + MAP);
		must(req->iov[i].iov_len <= (size_t)(ring->map + MAP - base));
	}
}

static void serve(struct zcmu_hring *ring, struct input *in)
{
	struct iovec iov[8];
	struct zcmu_hreq req = { .iov = iov, .iov_max = 8 };
	/* It may well lead round and round: the head is garbage, too. */
	unsigned int left = 64;
	int ret;

	while (left-- && (ret = zcmu_hring_next(ring, &req))) {
		struct zcmu_hanswer answer = { .id = req.id, .read_len = req.id };

		if (ret == 1)
			check(ring, &req);
		if (ret != 1 && ret != -EPROTO)
			return;
		must(zcmu_hring_backlog(ring) <= 64);
		if (input_number(in, 1) % 2)
			zcmu_hring_answer(ring, &answer);
		/* Nor does it stay as it is. */
		if (in->size)
			ring->map[input_number(in, 2) % MAP] = (uint8_t)input_number(in, 1);
		zcmu_hring_room_made(ring);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t *map = aligned_alloc(64, MAP);
	struct zcmu_mailbox *mailbox = (void *)map;
	struct zcmu_hring ring;

	/* A good mailbox, of which the input changes some; then the ring. */
	memset(map, 0, MAP);
	*mailbox = (struct zcmu_mailbox){
		.version = ZCMU_MAILBOX_VERSION, .flags = ZCMU_CAP_OOOC,
		.cmdr_off = sizeof(*mailbox), .cmdr_size = 1024,
		.cmd_head = input_number(&in, 2) % 1032,
		.cmd_tail = input_number(&in, 2) % 1032,
	};
	if (input_number(&in, 1) % 4 == 0)
		mailbox->cmdr_off = input_number(&in, 2);
	if (input_number(&in, 1) % 4 == 0)
		mailbox->cmdr_size = input_number(&in, 2);
	input_bytes(&in, map + sizeof(*mailbox), in.size < 1024 ? in.size : 1024);
	if (!zcmu_hring_init(&ring, map, MAP)) {
		serve(&ring, &in);
		zcmu_hring_deinit(&ring);
	}
	free(map);
	return 0;
}
