// SPDX-License-Identifier: MIT
/*
 * Attacks on the device as a whole: closed and opened in the middle of things, by two at
 * once; its ring reset, its attributes changed, its kept payloads freed, while all else
 * goes on. And what is no attack: time for commands to run out of theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"

/* Below the backstore's folder in configfs */
static bool set(const char *what, const char *value)
{
	char path[192];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", hostile.store_dir, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

void hostile_reset_ring(void)
{
	set("action/reset_ring", one_in(4) ? "1" : "2");
	hostile_forget(0);
}

static void block(void)
{
	set("action/block_dev", "1");
	usleep(below(2000));
	set("action/block_dev", "0");
}

static void free_kept(void)
{
	char id[16];
	unsigned int i;

	/* Ids are handed out from 1 on. */
	for (i = 0; i < 16; i++) {
		snprintf(id, sizeof(id), "%u", 1 + below(128));
		set("action/free_kept_buf", id);
	}
}

static void attribute(void)
{
	static const char *const choices[][2] = {
		{ "attrib/zero_copy", "0" }, { "attrib/zero_copy", "1" },
		{ "attrib/zero_copy", "1" }, { "attrib/zero_copy_min", "0" },
		{ "attrib/zero_copy_min", "4096" }, { "attrib/zero_copy_min", "65536" },
		{ "attrib/tmr_notification", "1" }, { "attrib/tmr_notification", "0" },
		{ "attrib/qfull_time_out", "0" }, { "attrib/qfull_time_out", "1" },
		{ "attrib/qfull_time_out", "-1" }, { "attrib/recover", "off" },
		{ "attrib/recover", "fail" }, { "attrib/recover", "retry" },
		{ "attrib/recover", "reissue" }, { "attrib/recover", "reissue" },
		{ "attrib/dev_config", "other" }, { "attrib/emulate_write_cache", "1" },
	};
	unsigned int i = below(sizeof(choices) / sizeof(choices[0]));

	set(choices[i][0], choices[i][1]);
}

/* With threads in faults and kicks, and children that still have it mapped. */
static void reopen(void)
{
	hostile_close();
	if (one_in(2))
		usleep(below(3000));
	hostile_open();
	/* Made anew or left as it was: that is for the attribute to say, and for us to find out. */
	hostile_forget(hostile_mailbox()->cmd_tail);
	if (hostile.tail >= hostile.ring_size)
		hostile_forget(0);
}

static void second_opener(void)
{
	int fd = open(hostile.uio_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return;
	printf("HARM: the device was opened twice\n");
	fflush(stdout);
	_exit(3);
}

/* Commands time out: their payloads are exchanged under our feet. */
static void idle(void)
{
	const struct hostile_cmd *cmd = hostile_any_cmd();
	unsigned int i;

	for (i = 0; cmd && i < cmd->nr; i++)
		touch_all(hostile.maps[0] + cmd->iov[i].base, cmd->iov[i].len);
	usleep(200000 + below(1200) * 1000);
	for (i = 0; cmd && i < cmd->nr; i++)
		look_for_secrets(hostile.maps[0] + cmd->iov[i].base, cmd->iov[i].len,
				 "a payload that timed out");
}

static void pressure(void)
{
	static int drop = -1;
	size_t bytes = (16 + below(48)) << 20;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return;
	if (drop < 0)
		drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (write(drop, "3", 1) < 0)
		usleep(1000);
	munmap(p, bytes);
}

const struct hostile_attack device_attacks[] = {
	{ "reset_ring", 2, hostile_reset_ring },
	{ "block_dev", 2, block },
	{ "free_kept_buf", 5, free_kept },
	{ "attributes", 5, attribute },
	{ "close and open", 3, reopen },
	{ "a second opener", 2, second_opener },
	{ "time-outs", 1, idle },
	{ "memory pressure", 1, pressure },
	{ NULL, 0, NULL },
};
