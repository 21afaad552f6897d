// SPDX-License-Identifier: MIT
/*
 * Any CDB with a payload of any size, to a disk over a scripted store: it is answered, once,
 * with a status and, if that is an error, with sense data; nothing is touched beside the
 * payload, and the store is asked for nothing that isn't on the disk.
 */
#include "initiator.h"

#include "input.h"
#include "scsi/sense.h"

#define MAX_PAYLOAD	(128u << 10)

static void check_sense(const uint8_t *sense)
{
	/* Fixed format, and a sense key that says that something is wrong. */
	must(sense[0] == 0x70 || sense[0] == 0xf0);
	must((sense[2] & 0x0f) != 0);
	must(sense[7] == ZCMU_SENSE_LEN - 8);
}

/* Is it the initiator's memory that the command fills? */
static bool has_data_in(const uint8_t *cdb)
{
	static const uint8_t opcodes[] = { 0x03, 0x08, 0x12, 0x1a, 0x25, 0x28, 0x37, 0x4d, 0x5a,
					   0x84, 0x88, 0x9e, 0xa0, 0xa3, 0xa8, 0xb7 };

	return memchr(opcodes, cdb[0], sizeof(opcodes));
}

static void send(struct initiator *t, struct input *in)
{
	static uint8_t data[MAX_PAYLOAD];
	static const size_t sizes[] = { 0, 1, 8, 36, 255, 512, 4096, 65536 };
	struct fake_request request = { .cdb = NULL };
	uint8_t cdb[ZCMU_CDB_MAX] = { 0 }, how = (uint8_t)input_number(in, 1);
	const struct fake_answer *answer;
	size_t pieces[3];

	input_bytes(in, cdb, 32);
	/* Its additional length may not be what there is. */
	if (cdb[0] == 0x7f)
		cdb[7] = cdb[7] & 4 ? 0x18 : cdb[7] & 0xf8;
	if (cdb[7] > ZCMU_CDB_MAX - 8 && cdb[0] == 0x7f)
		cdb[7] = 0;
	request.cdb = cdb;
	request.size = how & 0x40 ? input_number(in, 2) : sizes[how & 7];
	request.lent = how & 0x20;
	if (how & 8) {
		memset(data, 0, sizeof(data));
		input_bytes(in, data, in->size < 64 ? in->size : 64);
		request.data = data;
	}
	/* The module copies such a payload, and lends it to nobody (kernel/decide.c). */
	request.contradicts_cdb = request.data && has_data_in(cdb);
	request.lent &= !request.contradicts_cdb;
	if (how & 0x10 && request.size >= 3) {
		pieces[0] = 1;
		pieces[1] = request.size / 2;
		pieces[2] = request.size - 1 - request.size / 2;
		request.pieces = pieces;
		request.nr_pieces = 3;
	}
	/* Requests that fail. */
	t->script.fail_at = how & 0x80 ? (int)t->script.nr : -1;
	t->script.error = -EIO;
	answer = send_request(t, &request);
	must(answer->arrived);
	/* It has the CDB's own length else, and that may be anything. */
	must(answer->uflags & ZCMU_UFLAG_CDB_LEN || answer->read_len <= request.size);
	if (answer->status)
		check_sense(answer->sense);
}

/* Made once, because that takes longer than all commands of an input. */
static struct initiator *initiator(void)
{
	static unsigned int times;
	static void *state;
	struct initiator *t;

	if (state && times++ % 1000 == 999) {
		must(!initiator_teardown(&state));
		state = NULL;
	}
	if (!state)
		initiator_setup(&state);
	t = state;
	/* What an earlier input has left */
	memset(t->script.contents, 0x5a, SCRIPTED_BYTES);
	memset(t->script.contents + SCRIPTED_BYTES / 2, 0, SCRIPTED_BYTES / 4);
	t->script.store.read_only = false;
	t->script.store.block_size = 512;
	t->script.ops.flags &= ~(unsigned int)ZCMU_STORE_FUA;
	return t;
}

static void must_not_complain(const char *who, const char *complaint)
{
	if (complaint)
		fprintf(stderr, "expected no complaint of %s, got \"%s\"\n", who, complaint);
	must(!complaint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct initiator *t = initiator();
	uint8_t flags = (uint8_t)input_number(&in, 1);
	unsigned int left = 8;

	t->script.store.read_only = flags & 1;
	if (flags & 2)
		t->script.ops.flags |= ZCMU_STORE_FUA;
	if (flags & 4)
		t->script.store.block_size = 4096;
	while (in.size && left--)
		send(t, &in);
	must(zcmu_disk_is_idle(t->disk));
	must_not_complain("the store", t->script.complaint);
	must_not_complain("the kernel", fake_kernel_complaint(t->kernel));
	return 0;
}
