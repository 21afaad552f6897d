// SPDX-License-Identifier: MIT
/*
 * Handlers that speak to the ring directly, to answer as libzcmu never would. Serves
 * enough SCSI for Linux to attach the disk (64 MiB that read as what is left in the
 * payload), and does this to some commands:
 *
 *	raw NAME short N	a READ is answered with READ_LEN N, of which it fills none
 *	raw NAME inquiry N	INQUIRY fills N bytes, and doesn't say so
 *	raw NAME status HEX	a WRITE is answered with that SCSI status
 *	raw NAME unknown	a WRITE is answered with UNKNOWN_OP
 *	raw NAME tail HEX	a WRITE of 3 blocks leads to that value in cmd_tail
 *	raw NAME id N		a WRITE of 3 blocks is answered under the id N
 *	raw NAME hold HEX	WRITEs are not answered; SIGUSR1 leads to that value in cmd_tail
 *
 * Commands that are not meant are answered by libzcmu's SCSI layer.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scsi/scsi.h"
#include "stub_store.h"

static const char *mode;
static unsigned long argument;
static struct zcmu_disk *disk;

static const struct zcmu_store_ops ops = STUB_STORE("raw", stub_done);

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void answer(const struct zcmu_hanswer *a)
{
	zcmu_hring_answer(&disk->ring, a);
	disk->kick(disk);
}

static void break_ring(void)
{
	__atomic_store_n(&disk->ring.mailbox->cmd_tail, (uint32_t)argument, __ATOMIC_RELEASE);
	disk->kick(disk);
}

/* May be called at any time: a store, and write(). The kernel knows when "broken" is told. */
static void break_ring_on_signal(int signal)
{
	(void)signal;
	break_ring();
	if (write(STDOUT_FILENO, "broken\n", 7) != 7)
		abort();
}

/* Return: whether the command was answered here, in the mode's way. */
static bool twist(const struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	struct zcmu_hanswer a = { .id = cmd->req.id };
	bool is_read = cdb[0] == 0x28 || cdb[0] == 0x88;
	bool is_write = cdb[0] == 0x2a || cdb[0] == 0x8a;
	bool three_blocks = cdb[0] == 0x2a && cdb[8] == 3;

	if (is("short") && is_read) {
		a.read_len = (uint32_t)argument;
	} else if (is("inquiry") && cdb[0] == 0x12 && !(cdb[1] & 1)) {
		uint8_t data[36] = { 0, 0, 6, 2, 31, 0, 0, 2 };

		memset(data + 8, 'I', 28);
		zcmu_iov_put(cmd->payload, cmd->req.iovcnt, 0, data,
			     argument < 36 ? argument : 36);
	} else if (is("status") && is_write && three_blocks) {
		a.scsi_status = (uint8_t)argument;
	} else if (is("unknown") && is_write && three_blocks) {
		a.uflags = ZCMU_UFLAG_UNKNOWN_OP;
	} else if (is("tail") && three_blocks) {
		break_ring();
		return true;
	} else if (is("hold") && is_write) {
		return true;
	} else if (is("id") && three_blocks) {
		a.id = (uint16_t)argument;
	} else {
		return false;
	}
	answer(&a);
	return true;
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct sigaction on_signal = {
		.sa_handler = break_ring_on_signal,
		.sa_flags = SA_RESTART,
	};
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	struct zcmu_cmd *cmd;
	int32_t count;

	if (argc < 3) {
		fprintf(stderr, "raw: wrong arguments; the source's head has them\n");
		return 2;
	}
	mode = argv[2];
	argument = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	thread.disk = disk;
	disk->threads = &thread;
	sigaction(SIGUSR1, &on_signal, NULL);
	zcmu_disk_identify(disk, &options);
	puts("ready");
	fflush(stdout);
	for (;;) {
		while ((cmd = zcmu_cmd_take(disk, &thread))) {
			if (twist(cmd))
				zcmu_cmd_free(cmd);
			else
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(&thread);
		if (read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return 0;
	}
}
