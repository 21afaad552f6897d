/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A loan: a command's pages at addresses of the window, for the handler to touch.
 *
 * Whoever changes a loan's state holds device->lock. SWAPPING, and faults_inside, keep
 * everybody else away from it while the lock is dropped.
 */
#ifndef ZCMU_LOAN_H
#define ZCMU_LOAN_H

#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "plan.h"

struct list_head;
struct vm_fault;
struct zcmu_cmd;
struct zcmu_device;

/* Edge pages of one payload */
#define ZCMU_MAX_EDGES		(2 * ZCMU_MAX_RUNS)

/*
 * What the addresses of a lent payload lead to. device->lock.
 *
 *	CLOSED -> LENT		loan.c: at publication
 *	LENT -> SWAPPING	loan.c: a pin or a revoke; faults wait
 *	SWAPPING -> PRIVATE	loan.c: private pages stand in for the lent ones
 *	SWAPPING -> LENT	loan.c: no memory for them
 *	any -> CLOSED		loan.c: taken back; a touch is SIGBUS
 */
enum zcmu_loan_state {
	ZCMU_LOAN_CLOSED,
	ZCMU_LOAN_LENT,
	ZCMU_LOAN_SWAPPING,
	ZCMU_LOAN_PRIVATE,
};

struct zcmu_loan {
	u8 state;
	bool mapped;		/* a page table may hold some of its pages */
	bool refused;		/* a pin was refused: there was no memory for the exchange */
	u32 faults_inside;	/* fault handlers that are mapping its pages */
	u32 slot;		/* first slot of the window */
	u32 nr_slots;
	u32 nr_pages;
	u32 nr_edges;
	struct page *edges[ZCMU_MAX_EDGES];	/* private ones for the partial ones, in order */
	struct page **private;	/* PRIVATE: all pages; edges are among them */
};

/* A device's lending */
struct zcmu_lending {
	struct zcmu_lend_policy policy;
	bool scrub_reads;		/* attrib/scrub_reads */
	atomic_t copies_due;		/* payloads to copy before lending is tried again */
	u32 copies_step;		/* how many after the last pin; doubles. device->lock */
	wait_queue_head_t wait;		/* a loan is out of SWAPPING, or a fault out of a loan */
};

/* loan_fill.c */
bool zcmu_is_to_be_scrubbed(const struct zcmu_cmd *cmd);
void zcmu_lend_fill(struct zcmu_cmd *cmd);
void zcmu_lend_finish_read(struct zcmu_cmd *cmd, u32 bytes);
void zcmu_lend_show(struct zcmu_cmd *cmd, u32 bytes);

/* loan.c */
int zcmu_lend_prepare(struct zcmu_cmd *cmd, const struct zcmu_plan *plan, gfp_t gfp);
bool zcmu_lend_begin(struct zcmu_cmd *cmd);
void zcmu_lend_take_back(struct zcmu_device *device, struct list_head *batch);
int zcmu_lend_revoke(struct zcmu_cmd *cmd);
int zcmu_lend_part(struct zcmu_cmd *cmd);
void zcmu_lend_restore(struct zcmu_cmd *cmd);
void zcmu_lend_free(struct zcmu_cmd *cmd);
int zcmu_lend_exchange(struct zcmu_cmd *cmd, struct page *scratch);
void zcmu_lend_unmap(struct zcmu_device *device, u32 first, u32 nr, u32 commands);

/* fault.c */
bool zcmu_fault_can_lend(void);
void zcmu_lend_pause(struct zcmu_device *device);
vm_fault_t zcmu_window_fault(struct zcmu_device *device, struct vm_fault *vmf);
vm_fault_t zcmu_window_mkwrite(struct zcmu_device *device, struct vm_fault *vmf);

#endif /* ZCMU_LOAN_H */
