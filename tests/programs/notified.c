// SPDX-License-Identifier: MIT
/*
 * A handler that keeps the first WRITE of 3 blocks until a notification says that it
 * was aborted, and prints all notifications: "tmr TYPE ID...". Everything else is
 * answered by libzcmu's SCSI layer, of a disk of 64 MiB.
 *
 *	notified NAME
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scsi/scsi.h"
#include "stub_store.h"

static struct zcmu_disk *disk;
static struct zcmu_cmd *held;
static bool has_held;
static uint32_t looked_at;	/* entries before it were looked at */

static const struct zcmu_store_ops ops = STUB_STORE("notified", stub_done);

static void notified(const struct zcmu_tmr_entry *tmr)
{
	struct zcmu_hanswer answer = { .id = held ? held->req.id : 0 };
	bool is_held = false;
	uint32_t i;

	printf("tmr %u", tmr->tmr_type);
	for (i = 0; i < tmr->cmd_cnt; i++) {
		printf(" %u", tmr->cmd_ids[i]);
		is_held |= held && tmr->cmd_ids[i] == answer.id;
	}
	putchar('\n');
	fflush(stdout);
	if (!is_held)
		return;
	zcmu_hring_answer(&disk->ring, &answer);
	disk->kick(disk);
	zcmu_cmd_free(held);
	held = NULL;
}

/* Find notifications, which the library passes over. They lie there until the ring wraps. */
static void look_for_notifications(void)
{
	uint32_t head = __atomic_load_n(&disk->ring.mailbox->cmd_head, __ATOMIC_ACQUIRE);

	while (looked_at != head) {
		const struct zcmu_entry_hdr *hdr = (const void *)(disk->ring.entries + looked_at);
		uint32_t len = hdr->len_op & ~ZCMU_OP_MASK;

		if ((hdr->len_op & ZCMU_OP_MASK) == ZCMU_OP_TMR)
			notified((const void *)hdr);
		looked_at = (looked_at + len) % disk->ring.size;
	}
}

static bool is_to_be_held(const struct zcmu_cmd *cmd)
{
	return !has_held && cmd->req.cdb[0] == 0x2a && cmd->req.cdb[8] == 3;
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	struct zcmu_cmd *cmd;
	int32_t count;

	if (argc != 2)
		return 2;
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	thread.disk = disk;
	disk->threads = &thread;
	looked_at = disk->ring.taken;
	zcmu_disk_identify(disk, &options);
	puts("ready");
	fflush(stdout);
	for (;;) {
		while ((cmd = zcmu_cmd_take(disk, &thread))) {
			if (is_to_be_held(cmd)) {
				held = cmd;
				has_held = true;
				printf("holding %u\n", cmd->req.id);
				fflush(stdout);
			} else {
				zcmu_scsi_execute(cmd);
			}
		}
		zcmu_backlog_run(&thread);
		look_for_notifications();
		if (read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return 0;
	}
}
