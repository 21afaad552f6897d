// SPDX-License-Identifier: MIT
/*
 * A handler that fails READs and WRITEs from block 0x10000 on in the way that their address
 * says. A disk of 64 MiB that forgets.
 *
 *	failing NAME knowing|unaware [hold]
 *
 * unaware: it hasn't told the kernel that it knows lending. The address is 0x10000 and
 *
 *	bits 8..15	the SCSI status
 *	bits 4..7	the sense key, fixed format, ASC 44h; 0xf: there is no sense data
 *	bit 0		with ZCMU_UFLAG_TRY_COPIED
 *	bit 1		with ZCMU_UFLAG_UNKNOWN_OP
 *	bit 2		the payload isn't touched before
 *	bit 3		with ZCMU_UFLAG_KEEP_BUF
 *
 * hold: SIGUSR1 has those answered that are lent, SIGUSR2 all.
 *
 * Lines: "got WRITE|READ lent|copied 0xHH" (the payload's first byte, or --) for each, but for
 * those that are kept untouched: there may be very many.
 */
#include <errno.h>
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

#define FIRST_BLOCK	0x10000u
#define MAX_HELD	16

static struct zcmu_disk *disk;
static struct zcmu_cmd *held[MAX_HELD];
static int nr_held;
static bool has_answered;

static const struct zcmu_store_ops ops = STUB_STORE("failing", stub_done);

static uint32_t address(const struct zcmu_cmd *cmd)
{
	return zcmu_get32(cmd->req.cdb + 2);
}

static bool is_meant(const struct zcmu_cmd *cmd)
{
	return (cmd->req.cdb[0] == 0x28 || cmd->req.cdb[0] == 0x2a) &&
	       address(cmd) >= FIRST_BLOCK && nr_held < MAX_HELD;
}

static void look(const struct zcmu_cmd *cmd)
{
	const char *what = cmd->req.cdb[0] == 0x2a ? "WRITE" : "READ";
	const char *how = cmd->req.lent ? "lent" : "copied";

	if ((address(cmd) & 12) == 12)
		return;
	if (address(cmd) & 4)
		say("got %s %s --", what, how);
	else
		say("got %s %s 0x%02x", what, how,
		    (unsigned int)try_load(cmd->payload[0].iov_base));
}

static void answer(struct zcmu_cmd *cmd)
{
	uint32_t how = address(cmd);
	uint8_t sense[ZCMU_SENSE_LEN] = { 0 };
	struct zcmu_hanswer a = {
		.id = cmd->req.id,
		.scsi_status = (uint8_t)(how >> 8),
		.sense = sense,
	};

	if ((how >> 4 & 0xf) != 0xf) {
		sense[0] = 0x70;
		sense[2] = how >> 4 & 0xf;
		sense[7] = 10;
		sense[12] = 0x44;
	}
	a.uflags = (how & 1 ? ZCMU_UFLAG_TRY_COPIED : 0) | (how & 2 ? ZCMU_UFLAG_UNKNOWN_OP : 0) |
		   (how & 8 ? ZCMU_UFLAG_KEEP_BUF : 0);
	zcmu_hring_answer(&disk->ring, &a);
	zcmu_cmd_free(cmd);
	has_answered = true;
}

/* Many answers take one kick. */
static void kick(void)
{
	if (has_answered)
		disk->kick(disk);
	has_answered = false;
}

static void let_go(bool all)
{
	int i, kept = 0;

	for (i = 0; i < nr_held; i++) {
		if (all || held[i]->req.lent)
			answer(held[i]);
		else
			held[kept++] = held[i];
	}
	nr_held = kept;
}

int main(int argc, char **argv)
{
	static const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
	};
	struct zcmu_thread thread = { .wake_fd = -1 };
	struct signalfd_siginfo info;
	struct zcmu_store *store;
	struct zcmu_cmd *cmd;
	struct pollfd polls[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int32_t count;
	sigset_t set;

	if (argc < 3) {
		fprintf(stderr, "failing: wrong arguments; the source's head has them\n");
		return 2;
	}
	probe_catch_bus();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (zcmu_disk_open(argv[1], &disk) || zcmu_store_open_ops(&ops, "", NULL, &store))
		return 1;
	if (!strcmp(argv[2], "unaware"))
		disk->ring.mailbox->handler_flags = 0;
	disk->store = store;
	thread.disk = disk;
	disk->threads = &thread;
	polls[0].fd = disk->uio_fd;
	polls[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	zcmu_disk_identify(disk, &options);
	say("ready");
	for (;;) {
		while ((cmd = zcmu_cmd_take(disk, &thread))) {
			if (!is_meant(cmd)) {
				zcmu_scsi_execute(cmd);
				continue;
			}
			look(cmd);
			if (argc > 3)
				held[nr_held++] = cmd;
			else
				answer(cmd);
		}
		zcmu_backlog_run(&thread);
		kick();
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (polls[0].revents && read(disk->uio_fd, &count, sizeof(count)) != sizeof(count))
			return 0;
		if (polls[1].revents && read(polls[1].fd, &info, sizeof(info)) == sizeof(info))
			let_go(info.ssi_signo == SIGUSR2);
	}
}
