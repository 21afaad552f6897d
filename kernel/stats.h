/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long commands take, and how they fail: counted for each CPU, so that no command waits for
 * another one's counting. What is counted under device->lock anyway is struct zcmu_counters'.
 */
#ifndef ZCMU_STATS_H
#define ZCMU_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

#include "latency.h"

struct config_item;
struct zcmu_cmd;
struct zcmu_device;

/* A command's life; the first three are parts of the last, and its sum where it has them all. */
enum zcmu_phase {
	ZCMU_PHASE_ROOM,	/* until it is on the ring, if it has to wait for that; else 0 */
	ZCMU_PHASE_HANDLER,	/* from there until its answer is read */
	ZCMU_PHASE_TAKE_BACK,	/* until it is answered: payload taken back, or copied */
	ZCMU_PHASE_TOTAL,
	ZCMU_NR_PHASES
};

/* Answers that aren't GOOD; attrib/errors shows them by these names. */
#define ZCMU_ERRORS(X)							\
	X(handler_busy)							\
	X(handler_task_set_full)					\
	X(handler_reservation_conflict)					\
	X(handler_other)	/* another status */			\
	X(handler_unknown_opcode)	/* one that it doesn't know */	\
	X(handler_no_status)	/* what it has answered is no SCSI status */ \
	X(module_timed_out)	/* on the ring */			\
	X(module_no_room)	/* waited for room for too long, or wasn't to wait */ \
	X(module_no_memory)						\
	X(module_too_large)	/* for the ring or the copy area */	\
	X(module_blocked)	/* action/block_dev */			\
	X(module_broken)	/* the handler has broken the ring */	\
	X(module_lost)		/* the ring was reset, or its handler has gone */ \
	X(module_aborted)	/* by the initiator */

enum zcmu_error {
	/* The handler's CHECK CONDITION by its sense key, 0..15 */
	ZCMU_ERROR_SENSE,
	ZCMU_ERROR_SENSE_LAST = ZCMU_ERROR_SENSE + 15,
#define ZCMU_ERROR(name) ZCMU_ERROR_##name,
	ZCMU_ERRORS(ZCMU_ERROR)
#undef ZCMU_ERROR
	ZCMU_NR_ERRORS
};

struct zcmu_stats_cpu {
	u64 latency[ZCMU_NR_PHASES][ZCMU_LATENCY_BUCKETS];
	u64 latency_sum[ZCMU_NR_PHASES];	/* ns */
	u64 errors[ZCMU_NR_ERRORS];
};

struct zcmu_stats {
	struct zcmu_stats_cpu __percpu *cpu;
	bool measures;		/* attrib/measure_latency */
	/* jiffies; 0: never */
	u64 last_failure;	/* of the disk; see is_failure() */
	u64 last_answer;	/* device->lock, as the others below */
	u64 opens;		/* handlers that have come */
	u32 late;		/* time-outs since the last answer; their begin and end are told */
};

/* When a command has come how far: ns; 0: it hasn't, or nothing is measured. The owner's. */
struct zcmu_times {
	u64 submitted;
	u64 published;		/* on the ring, for the first time */
	u64 answered;
	u64 ended;		/* as zcmu_stats_ends() has it; else it is looked at in the end */
	bool has_waited;	/* for room or memory */
};

/*
 * A look at the clock that commands share which are answered together. The thread's that answers
 * them.
 */
struct zcmu_moment {
	u64 now;		/* ns; 0: it is to be looked at */
	u32 work;		/* done since, in bytes that could have been copied */
	bool is_delayed;	/* some are lent, or are to be moved, before any is passed on */
};

int zcmu_stats_init(struct zcmu_stats *stats);
void zcmu_stats_free(struct zcmu_stats *stats);
void zcmu_stats_error(struct zcmu_device *device, enum zcmu_error error);
void zcmu_stats_sense(struct zcmu_device *device, const u8 *sense);
void zcmu_stats_submitted(struct zcmu_cmd *cmd);
void zcmu_stats_waits(struct zcmu_cmd *cmd);
void zcmu_stats_published(struct zcmu_cmd *cmd);
void zcmu_stats_ends(struct zcmu_cmd *cmd, struct zcmu_moment *moment, u32 copied);
void zcmu_stats_ended(struct zcmu_cmd *cmd);
u64 zcmu_stats_now(void);
void zcmu_stats_note_late(struct zcmu_device *device, u32 commands);
void zcmu_stats_note_answers(struct zcmu_device *device);

/* attrib_stats.c */
extern struct configfs_attribute *zcmu_stats_attribs[];
struct zcmu_device *zcmu_attrib_device(struct config_item *item);

#endif /* ZCMU_STATS_H */
