// SPDX-License-Identifier: MIT
/*
 * A handler that does to its disk what a process can, while somebody uses that disk
 * (victim.c): a fuzzer of the module. This file has the device, the ring's bookkeeping and
 * the choice of attacks; the attacks are in hostile_*.c.
 *
 *	hostile NAME DISK OPERATIONS SEED [FIRST]
 *
 * The backstore NAME is there, as /dev/sdX DISK, and nobody serves it. The seed and the
 * number of operations say which attacks come in which order; with FIRST those before are
 * drawn but not done, to find the one that matters. Ends with "done" and how often each
 * was made, or with HARM: and what it saw that it should not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

struct hostile hostile;

static const struct hostile_attack *const tables[] = {
	ring_attacks, map_attacks, page_attacks, device_attacks,
};

uint32_t below(uint32_t limit)
{
	return prng_below(&hostile.prng, limit);
}

bool one_in(uint32_t n)
{
	return prng_one_in(&hostile.prng, n);
}

static void die(const char *what)
{
	printf("hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

/*
 * The device
 */

static bool read_line(const char *path, char *line, int size)
{
	FILE *from = fopen(path, "r");
	bool ok = from && fgets(line, size, from);

	if (from)
		fclose(from);
	return ok;
}

static void find_uio(void)
{
	char path[64], line[256], found[64];
	unsigned int host, i;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/sys/class/uio/uio%u/name", i);
		if (!read_line(path, line, sizeof(line)) ||
		    sscanf(line, "tcm-user/%u/%63[^/\n]", &host, found) != 2 ||
		    strcmp(found, hostile.name))
			continue;
		snprintf(hostile.uio_path, sizeof(hostile.uio_path), "/dev/uio%u", i);
		snprintf(hostile.store_dir, sizeof(hostile.store_dir),
			 "/sys/kernel/config/target/core/user_%u/%s", host, found);
		snprintf(path, sizeof(path), "/sys/class/uio/uio%u/maps/map0/size", i);
		if (!read_line(path, line, sizeof(line)))
			die(path);
		hostile.map_size = strtoull(line, NULL, 0);
		return;
	}
	errno = ENOENT;
	die(hostile.name);
}

struct zcmu_mailbox *hostile_mailbox(void)
{
	return (struct zcmu_mailbox *)hostile.maps[0];
}

/* Addresses of our own in which nothing else will ever be, for wild stores. */
static void reserve(void)
{
	unsigned int i;

	for (i = 0; i < HOSTILE_MAPS; i++) {
		hostile.maps[i] = mmap(NULL, hostile.map_size + HOSTILE_BEYOND, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (hostile.maps[i] == MAP_FAILED)
			die("mmap");
	}
}

bool hostile_map(unsigned int which)
{
	return mmap(hostile.maps[which], hostile.map_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, hostile.fd, 0) != MAP_FAILED;
}

void hostile_unmap(unsigned int which)
{
	if (mmap(hostile.maps[which], hostile.map_size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("munmap");
}

/* Whoever else has it (a child of ours) will let go. */
void hostile_open(void)
{
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		hostile.fd = open(hostile.uio_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (hostile.fd >= 0 || errno != EBUSY)
			break;
		usleep(1000);
	}
	if (hostile.fd < 0)
		die(hostile.uio_path);
	if (!hostile_map(0))
		die("mmap");
}

void hostile_close(void)
{
	unsigned int i;

	for (i = 0; i < HOSTILE_MAPS; i++)
		hostile_unmap(i);
	close(hostile.fd);
}

void hostile_kick(void)
{
	int32_t value = one_in(8) ? 1 : ZCMU_KICK_TRANSFERS;

	if (write(hostile.fd, &value, sizeof(value)) < 0 && errno != EIO)
		die("kick");
}

/*
 * The ring. What is in it may be our own garbage: nothing of it is believed.
 */

/* The ring was made anew, or we have lost track of it. */
void hostile_forget(uint32_t position)
{
	hostile.taken = hostile.tail = position;
	hostile.nr_places = 0;
}

static void take_cmd(const struct zcmu_cmd_entry *entry, uint32_t len)
{
	const uint8_t *bytes = (const uint8_t *)entry;
	size_t iov_off = offsetof(struct zcmu_cmd_entry, req.iov);
	uint32_t i, nr = entry->req.iov_cnt + entry->req.iov_bidi_cnt;
	uint64_t cdb = entry->req.cdb_off;
	struct hostile_cmd *cmd;

	if (hostile.nr_cmds == HOSTILE_CMDS)
		hostile.nr_cmds = HOSTILE_CMDS / 2;
	cmd = &hostile.cmds[hostile.nr_cmds++];
	*cmd = (struct hostile_cmd){
		.id = entry->hdr.cmd_id,
		.lent = entry->hdr.kflags & ZCMU_KFLAG_LENT,
		.opcode = cdb < hostile.copy_off ? hostile.maps[0][cdb] : 0,
	};
	for (i = 0; i < nr && i < HOSTILE_IOVECS && iov_off + (i + 1) * 16 <= len; i++) {
		struct zcmu_iovec iov;

		memcpy(&iov, bytes + iov_off + i * sizeof(iov), sizeof(iov));
		if (iov.base > hostile.map_size || iov.len > hostile.map_size - iov.base)
			break;
		cmd->iov[cmd->nr++] = iov;
	}
}

/* Take what is new. */
static void look_at_ring(void)
{
	uint32_t head = __atomic_load_n(&hostile_mailbox()->cmd_head, __ATOMIC_ACQUIRE);

	while (hostile.taken != head && hostile.nr_places < HOSTILE_CMDS) {
		const struct zcmu_cmd_entry *entry =
			(void *)(hostile.maps[0] + hostile.ring_off + hostile.taken);
		uint32_t len_op = entry->hdr.len_op, len = len_op & ~ZCMU_OP_MASK;
		bool is_cmd = (len_op & ZCMU_OP_MASK) == ZCMU_OP_CMD;

		if (!len || len > hostile.ring_size - hostile.taken) {
			hostile_forget(head < hostile.ring_size ? head : 0);
			return;
		}
		if (is_cmd)
			take_cmd(entry, len);
		hostile.places[hostile.nr_places++] =
			(struct hostile_place){ hostile.taken, len, is_cmd };
		hostile.taken = (hostile.taken + len) % hostile.ring_size;
	}
}

const struct hostile_cmd *hostile_any_cmd(void)
{
	return hostile.nr_cmds ? &hostile.cmds[below(hostile.nr_cmds)] : NULL;
}

/* Mostly in the payload of a command that we have, or had; in any of the mappings. */
uint8_t *hostile_any_address(void)
{
	const struct hostile_cmd *cmd = hostile_any_cmd();
	uint8_t *map = hostile.maps[below(HOSTILE_MAPS)];
	const struct zcmu_iovec *iov;

	if (!cmd || !cmd->nr || one_in(8))
		return map + prng_next(&hostile.prng) % hostile.map_size / 8 * 8;
	iov = &cmd->iov[below(cmd->nr)];
	return map + (iov->base + prng_next(&hostile.prng) % (iov->len + 1)) / 8 * 8;
}

/*
 * Attacks
 */

struct count {
	const struct hostile_attack *attack;
	unsigned int times;
};

static struct count counts[64];
static unsigned int nr_attacks, total_weight;

static void gather(void)
{
	const struct hostile_attack *attack;
	unsigned int i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (attack = tables[i]; attack->name; attack++) {
			counts[nr_attacks++].attack = attack;
			total_weight += attack->weight;
		}
	}
}

static struct count *choose(void)
{
	uint32_t n = below(total_weight);
	unsigned int i;

	for (i = 0; n >= counts[i].attack->weight; i++)
		n -= counts[i].attack->weight;
	return &counts[i];
}

/* An attack wants something to attack: wait a moment for a command. */
static void wait_for_command(void)
{
	struct pollfd wait = { .fd = hostile.fd, .events = POLLIN };
	int32_t event;

	if (poll(&wait, 1, 20) == 1 && read(hostile.fd, &event, sizeof(event)) < 0)
		usleep(1000);
}

/*
 * One operation. Its attack draws from a generator of its own, so that what it finds on the
 * ring doesn't change what comes after it.
 */
static void operate(uint64_t seed, unsigned int number, bool really)
{
	static unsigned int quiet;
	struct count *count = choose();
	struct prng order = hostile.prng;

	if (!really)
		return;
	if (getenv("HOSTILE_VERBOSE")) {
		printf("%u %s, %u commands, %ld s\n", number, count->attack->name,
		       hostile.nr_cmds, (long)time(NULL));
		fflush(stdout);
	}
	hostile.prng.state = seed * 1000003 + number;
	look_at_ring();
	if (!hostile.nr_places) {
		wait_for_command();
		look_at_ring();
	}
	/* Nothing comes any more? It is we who have broken the ring. */
	if (hostile.nr_places)
		quiet = 0;
	else if (++quiet % 3 == 0)
		hostile_reset_ring();
	count->attack->run();
	count->times++;
	hostile.prng = order;
}

int main(int argc, char **argv)
{
	unsigned int i, n, first = 0;
	uint64_t seed;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "hostile: wrong arguments; the source's head has them\n");
		return 2;
	}
	hostile.name = argv[1];
	hostile.disk = argv[2];
	n = (unsigned int)strtoul(argv[3], NULL, 0);
	seed = strtoull(argv[4], NULL, 0);
	if (argc == 6)
		first = (unsigned int)strtoul(argv[5], NULL, 0);
	printf("seed %llu, %u operations\n", (unsigned long long)seed, n);
	hostile.prng.state = seed;
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	touch_init();
	find_uio();
	reserve();
	hostile_open();
	hostile.ring_off = hostile_mailbox()->cmdr_off;
	hostile.ring_size = hostile_mailbox()->cmdr_size;
	hostile.copy_off = hostile.ring_off + hostile.ring_size;
	hostile_forget(hostile_mailbox()->cmd_tail);
	puts("ready");
	fflush(stdout);
	gather();
	racers_start(seed);
	for (i = 0; i < n; i++)
		operate(seed, i, i >= first);
	racers_stop();
	for (i = 0; i < nr_attacks; i++)
		printf("%6u %s\n", counts[i].times, counts[i].attack->name);
	puts("done");
	return 0;
}
