/* SPDX-License-Identifier: MIT */
/*
 * The insides of the hostile handler: what it holds, and who attacks what. Every choice is
 * drawn from one generator, in the main thread, so that a seed gives the same attacks in the
 * same order; when the kernel's threads meet them differs from run to run.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "../unit/prng.h"
#include "zcmu-abi.h"

#define HOSTILE_PAGE	((uint32_t)sysconf(_SC_PAGESIZE))
#define HOSTILE_MAPS	4u	/* the first holds the ring that is served */
#define HOSTILE_BEYOND	(1u << 20)	/* behind each map: ours as well, and nothing there */
#define HOSTILE_CMDS	256u
#define HOSTILE_IOVECS	20u

/* A command as it was on the ring; it may have been answered by somebody else since. */
struct hostile_cmd {
	uint16_t id;
	uint8_t opcode;
	bool lent;
	unsigned int nr;
	struct zcmu_iovec iov[HOSTILE_IOVECS];
};

/* An entry that the tail has not passed yet. */
struct hostile_place {
	uint32_t at, len;
	bool is_cmd;
};

struct hostile {
	struct prng prng;
	const char *name;		/* of the backstore */
	const char *disk;		/* /dev/sdX: it is its own initiator, too */
	char uio_path[32];
	char store_dir[128];		/* configfs */
	int fd;
	size_t map_size;
	uint8_t *maps[HOSTILE_MAPS];	/* addresses that stay reserved, mapped or not */
	uint32_t ring_off, ring_size;	/* as they were when it was opened first */
	size_t copy_off, window_off;
	uint32_t taken, tail;
	struct hostile_cmd cmds[HOSTILE_CMDS];
	unsigned int nr_cmds;
	struct hostile_place places[HOSTILE_CMDS];
	unsigned int nr_places;
};

/* hostile.c */
extern struct hostile hostile;
uint32_t below(uint32_t limit);
bool one_in(uint32_t n);
struct zcmu_mailbox *hostile_mailbox(void);
void hostile_open(void);
void hostile_close(void);
bool hostile_map(unsigned int which);
void hostile_unmap(unsigned int which);
void hostile_forget(uint32_t position);
void hostile_kick(void);
const struct hostile_cmd *hostile_any_cmd(void);
uint8_t *hostile_any_address(void);

/* hostile_stream.c */
int hostile_stream(void);

/* hostile_device.c */
void hostile_reset_ring(void);

/* hostile_touch.c: touches that may be SIGBUS or SIGSEGV */
void touch_init(void);
bool touch_load(const volatile void *p);
bool touch_store(volatile void *p, uint64_t value);
bool touch_all(const void *p, size_t length);
void look_for_secrets(const void *p, size_t length, const char *where);
void racers_start(uint64_t seed);
void racers_stop(void);

/* The attacks: one table each, chosen from by weight. */
struct hostile_attack {
	const char *name;
	unsigned int weight;
	void (*run)(void);
};

extern const struct hostile_attack ring_attacks[];	/* hostile_ring.c */
extern const struct hostile_attack map_attacks[];	/* hostile_map.c */
extern const struct hostile_attack page_attacks[];	/* hostile_pages.c */
extern const struct hostile_attack device_attacks[];	/* hostile_device.c */

#endif /* HOSTILE_H */
