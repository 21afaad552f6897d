// SPDX-License-Identifier: MIT
/*
 * A handler that is late with every READ and WRITE from block 1000 on: it has them until
 * SIGUSR1, then touches them (once more), says what was in them, and answers. Others are
 * served at once. A disk of 64 MiB that forgets.
 *
 *	late NAME untouched	doesn't touch the payload before
 *	late NAME touched	has it mapped meanwhile
 *	late NAME unkicked	answers at once, but tells the kernel at SIGUSR1 alone
 *
 * Lines: "has ID" for each; "late WRITE 0xHH|mixed|SIGBUS" and "late READ filled|SIGBUS".
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "scsi/scsi.h"
#include "probe.h"
#include "stub_store.h"

#define MAX_HELD	64
#define FIRST_BLOCK	1000u
#define LATE_BYTE	0x99

static struct zcmu_disk *disk;
static const char *mode;
static struct zcmu_cmd *held[MAX_HELD];
static int nr_held;

static void read_zeroes(struct zcmu_store *store, struct zcmu_io *io)
{
	zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	stub_done(store, io);
}

static const struct zcmu_store_ops ops = STUB_STORE("late", read_zeroes);

static bool is_write(const struct zcmu_cmd *cmd)
{
	return cmd->req.cdb[0] == 0x2a;
}

static bool is_to_be_held(const struct zcmu_cmd *cmd)
{
	return (cmd->req.cdb[0] == 0x28 || is_write(cmd)) && nr_held < MAX_HELD &&
	       zcmu_get32(cmd->req.cdb + 2) >= FIRST_BLOCK;
}

static void answer(const struct zcmu_cmd *cmd)
{
	struct zcmu_hanswer a = { .id = cmd->req.id };

	zcmu_hring_answer(&disk->ring, &a);
}

/* All of its bytes, if they are the same; -1: SIGBUS; -2: they are not */
static int look(const struct zcmu_cmd *cmd)
{
	int first = -2, value;
	size_t j;
	int i;

	for (i = 0; i < cmd->req.iovcnt; i++) {
		const uint8_t *p = cmd->payload[i].iov_base;

		for (j = 0; j < cmd->payload[i].iov_len; j++) {
			value = j % PROBE_PAGE ? p[j] : try_load(p + j);
			if (value < 0)
				return -1;
			if (first == -2)
				first = value;
			if (value != first)
				return -2;
		}
	}
	return first;
}

static bool fill(const struct zcmu_cmd *cmd)
{
	size_t j;
	int i;

	for (i = 0; i < cmd->req.iovcnt; i++) {
		uint8_t *p = cmd->payload[i].iov_base;

		for (j = 0; j < cmd->payload[i].iov_len; j++) {
			if (j % PROBE_PAGE)
				p[j] = LATE_BYTE;
			else if (!try_store(p + j, LATE_BYTE))
				return false;
		}
	}
	return true;
}

static void hold(struct zcmu_cmd *cmd)
{
	if (!strcmp(mode, "touched"))
		look(cmd);
	held[nr_held++] = cmd;
	/* The answer changes the entry, not the payload. */
	if (!strcmp(mode, "unkicked"))
		answer(cmd);
	say("has %u", cmd->req.id);
}

static void touch_late(const struct zcmu_cmd *cmd)
{
	int value;

	if (!is_write(cmd)) {
		say("late READ %s", fill(cmd) ? "filled" : "SIGBUS");
		return;
	}
	value = look(cmd);
	if (value >= 0)
		say("late WRITE 0x%02x", value);
	else
		say("late WRITE %s", value == -1 ? "SIGBUS" : "mixed");
}

static void let_go(void)
{
	int i;

	for (i = 0; i < nr_held; i++) {
		/* What was answered may belong to another command by now. */
		if (strcmp(mode, "unkicked")) {
			touch_late(held[i]);
			answer(held[i]);
		}
		zcmu_cmd_free(held[i]);
	}
	disk->kick(disk);
	say("let go %d", nr_held);
	nr_held = 0;
}

static void serve(struct zcmu_thread *thread, int signals)
{
	struct pollfd fds[2] = {
		{ .fd = disk->uio_fd, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	struct zcmu_cmd *cmd;
	int32_t count;

	for (;;) {
		while ((cmd = zcmu_cmd_take(disk, thread))) {
			if (is_to_be_held(cmd))
				hold(cmd);
			else
				zcmu_scsi_execute(cmd);
		}
		zcmu_backlog_run(thread);
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info))
			let_go();
		if (fds[0].revents && read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return;
	}
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct zcmu_store *store;
	sigset_t usr1;

	if (argc != 3) {
		fprintf(stderr, "late: wrong arguments; the source's head has them\n");
		return 2;
	}
	mode = argv[2];
	probe_catch_bus();
	probe_block_usr1();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	disk->store = store;
	thread.disk = disk;
	disk->threads = &thread;
	zcmu_disk_identify(disk, &options);
	say("ready");
	serve(&thread, signalfd(-1, &usr1, SFD_CLOEXEC));
	return 0;
}
