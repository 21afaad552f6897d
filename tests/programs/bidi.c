// SPDX-License-Identifier: MIT
/*
 * A handler that knows XDWRITEREAD (10), a bidirectional command, which libzcmu doesn't.
 * It says how many iovecs and bytes each direction has: "out N BYTES in N BYTES". Data-In is
 * Data-Out, every bit inverted, over and over; but if the group number (byte 6 of the CDB)
 * isn't 0, it fills nothing, and answers GOOD all the same.
 *
 *	bidi NAME
 *
 * All other commands are libzcmu's, of a disk of 64 MiB that forgets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scsi/scsi.h"
#include "probe.h"
#include "stub_store.h"

#define XDWRITEREAD_10	0x53
#define MAX_IOVECS	128

static struct zcmu_disk *disk;

static const struct zcmu_store_ops ops = STUB_STORE("bidi", stub_done);

/* The library drops the second list of iovecs: look at the entry itself. */
static const struct zcmu_cmd_entry *entry_of(const struct zcmu_cmd *cmd, uint32_t from)
{
	const struct zcmu_cmd_entry *entry;

	for (;;) {
		entry = (const void *)(disk->ring.entries + from);
		if ((entry->hdr.len_op & ZCMU_OP_MASK) == ZCMU_OP_CMD &&
		    entry->hdr.cmd_id == cmd->req.id)
			return entry;
		from = (from + (entry->hdr.len_op & ~ZCMU_OP_MASK)) % disk->ring.size;
	}
}

/* Return: its bytes */
static size_t get_list(struct iovec *iov, const struct zcmu_iovec *from, uint32_t nr)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		iov[i].iov_base = disk->ring.map + from[i].base;
		iov[i].iov_len = from[i].len;
		bytes += from[i].len;
	}
	return bytes;
}

static void xdwriteread(struct zcmu_cmd *cmd, const struct zcmu_cmd_entry *entry)
{
	uint32_t nr_out = entry->req.iov_cnt, nr_in = entry->req.iov_bidi_cnt;
	const struct zcmu_iovec *list = (const void *)((const uint8_t *)entry +
						       offsetof(struct zcmu_cmd_entry, req.iov));
	struct zcmu_hanswer answer = { .id = cmd->req.id };
	struct iovec out[MAX_IOVECS], in[MAX_IOVECS];
	size_t out_bytes, in_bytes, i;
	uint8_t *data;

	if (nr_out > MAX_IOVECS || nr_in > MAX_IOVECS)
		abort();
	out_bytes = get_list(out, list, nr_out);
	in_bytes = get_list(in, list + nr_out, nr_in);
	say("out %u %zu in %u %zu", nr_out, out_bytes, nr_in, in_bytes);
	data = calloc(1, out_bytes + in_bytes + 1);
	if (!data)
		abort();
	zcmu_iov_get(out, (int)nr_out, 0, data, out_bytes);
	for (i = 0; i < in_bytes; i++)
		data[out_bytes + i] = out_bytes ? (uint8_t)~data[i % out_bytes] : 0x11;
	if (!cmd->req.cdb[6])
		zcmu_iov_put(in, (int)nr_in, 0, data + out_bytes, in_bytes);
	free(data);
	zcmu_hring_answer(&disk->ring, &answer);
	disk->kick(disk);
	zcmu_cmd_free(cmd);
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	struct zcmu_cmd *cmd;
	uint32_t before;
	int32_t count;

	if (argc != 2) {
		fprintf(stderr, "bidi: wrong arguments; the source's head has them\n");
		return 2;
	}
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	thread.disk = disk;
	disk->threads = &thread;
	zcmu_disk_identify(disk, &options);
	say("ready");
	for (;;) {
		while (before = disk->ring.taken, (cmd = zcmu_cmd_take(disk, &thread))) {
			if (cmd->req.cdb[0] == XDWRITEREAD_10)
				xdwriteread(cmd, entry_of(cmd, before));
			else
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(&thread);
		if (read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return 0;
	}
}
