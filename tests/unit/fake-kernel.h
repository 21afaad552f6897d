/* SPDX-License-Identifier: MIT */
/*
 * Plays the kernel for the library, in plain memory: puts commands on a ring, takes
 * the answers. The ring's and the window's code are the module's own (kernel/). It
 * neither lends pages nor interprets CDBs.
 *
 * All functions may be called from every thread. What goes wrong in a thread that
 * can't fail a test is kept as a complaint; the test's teardown asks for it.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include "serve/disk.h"

/* What Data-In looks like before anybody fills it in. */
#define FAKE_STALE	0xdb

struct fake_request {
	const uint8_t *cdb;		/* its first byte tells its length */
	const void *data;		/* Data-Out; NULL: the payload is Data-In */
	size_t size;			/* bytes of payload */
	const size_t *pieces;		/* bytes of each iovec; NULL: there is one */
	unsigned int nr_pieces;
	bool lent;
	bool contradicts_cdb;		/* @data to a CDB that has Data-In: thrown away */
	const struct zcmu_port *port;	/* where it came in; NULL: not told */
	void (*spoil)(struct zcmu_cmd_entry *entry);	/* before it is published */
};

struct fake_answer {
	bool arrived;
	unsigned int order;		/* the how-manieth answer it was, from 0 */
	uint8_t status;
	uint8_t uflags;
	uint32_t read_len;
	uint8_t sense[ZCMU_SENSE_SIZE];
	uint8_t *payload;		/* as it was when the answer was taken */
	size_t size;
};

struct fake_kernel;

struct fake_kernel *fake_kernel_create(uint32_t ring_size, unsigned int data_slots);
void fake_kernel_destroy(struct fake_kernel *kernel);

/* Map 0, and the library's disk over it; its kick takes the answers at once. */
void *fake_kernel_map(struct fake_kernel *kernel, size_t *size);
struct zcmu_disk *fake_kernel_disk(struct fake_kernel *kernel);

/* Return: the command's id; -ENOSPC if ring or data area are full. */
int fake_kernel_put(struct fake_kernel *kernel, const struct fake_request *request);
int fake_kernel_notify(struct fake_kernel *kernel);	/* of a reset that ends nothing */
int fake_kernel_abort(struct fake_kernel *kernel, const int *ids, unsigned int nr);

/*
 * Have it move payloads (zcmu-abi.h), as soon as it is kicked; before the disk is served. Then:
 * hold all that is asked for from now on, until it is let go, and have it fail, without a byte
 * moved; 0: it succeeds.
 */
void fake_kernel_move(struct fake_kernel *kernel);
void fake_kernel_hold_moves(struct fake_kernel *kernel);
void fake_kernel_let_moves_go(struct fake_kernel *kernel, int error);
/* How many it was asked to move; wait for so many. */
unsigned int fake_kernel_moves(struct fake_kernel *kernel);
bool fake_kernel_wait_for_moves(struct fake_kernel *kernel, unsigned int moves);

/* Take what was answered. Return: how many commands. */
unsigned int fake_kernel_collect(struct fake_kernel *kernel);

/* The answer to a command; stays where it is, and is arrived once it came. */
const struct fake_answer *fake_kernel_answer(struct fake_kernel *kernel, int id);

/* Has it come? For tests whose disk has threads. */
bool fake_kernel_has_answered(struct fake_kernel *kernel, int id);

/* Wait for a command's answer, or for so many in all. Return: false if none comes. */
bool fake_kernel_wait(struct fake_kernel *kernel, int id);
bool fake_kernel_wait_for_answers(struct fake_kernel *kernel, unsigned int answers);

unsigned int fake_kernel_answers(struct fake_kernel *kernel);
unsigned int fake_kernel_kicks(struct fake_kernel *kernel);

/* What the handler did that it may not do; NULL: nothing. */
const char *fake_kernel_complaint(struct fake_kernel *kernel);

/* How long a test waits for something that never comes if the code is wrong. */
#define FAKE_PATIENCE_SECONDS	10
/* For answers; a test of something slower than that sets it. */
extern unsigned int fake_patience;

#endif /* FAKE_KERNEL_H */
