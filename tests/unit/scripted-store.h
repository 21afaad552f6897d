/* SPDX-License-Identifier: MIT */
/*
 * A store that does what a test says: it notes each request, answers at once or
 * later, with success or with an error. It has contents, in memory. It also checks
 * the library's side of the contract (zcmu-store.h) in each request.
 */
#ifndef SCRIPTED_STORE_H
#define SCRIPTED_STORE_H

#include <pthread.h>

#include "zcmu-store.h"

struct scripted_request {
	enum zcmu_io_op op;
	uint64_t offset, length;
	bool fua, may_trim;
	int iovcnt;
	struct zcmu_io *io;
	bool answered;
	pthread_t thread;	/* in which it was asked */
};

struct scripted_store {
	/* A test may change both before the first command; all callbacks are there. */
	struct zcmu_store store;
	struct zcmu_store_ops ops;

	bool hold;		/* answer when the test says so: scripted_answer() */
	bool ends;		/* hold no flush: the disk's own at the end comes; scripted_end() */
	int fail_at;		/* which request fails (0: the first); -1: none does */
	int error;		/* with what */
	uint64_t fails_at;	/* and at which byte; 0: it isn't told. What is in front is done. */
	bool sticks;		/* callbacks for stuck_at don't return before scripted_let_go() */
	uint64_t stuck_at;	/* bytes */

	uint8_t *contents;	/* of the first SCRIPTED_BYTES; the rest is zeroes */
	struct scripted_request *requests;
	unsigned int nr;
	unsigned int oldest;	/* all before it were answered */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int stuck;	/* callbacks that are */
	const char *complaint;	/* what the library did that it may not; NULL: nothing */
};

/* The disk's size, unless the test changes it. */
#define SCRIPTED_BYTES	(4u << 20)
#define SCRIPTED_BLOCKS	(SCRIPTED_BYTES / 512)
/* Bytes, aligned: if all of them are zero they are a hole. */
#define SCRIPTED_PAGE	4096u

void scripted_init(struct scripted_store *store);
void scripted_deinit(struct scripted_store *store);

/* What the contents are at first: different for each byte of a block, and never 0. */
uint8_t scripted_pattern(uint64_t at);

/* Do, and answer, a request that was held; with @error, don't do it. */
void scripted_answer(struct scripted_store *store, unsigned int index, int error);
/* The same for any that is held. Return: false if there is none. */
bool scripted_answer_any(struct scripted_store *store, uint32_t random);
/* Answer one that was held, and don't do it: a MAP's answer is what the test has put there. */
void scripted_answer_as_it_is(struct scripted_store *store, unsigned int index);

/* Wait until so many requests came, or callbacks are stuck. Return: false if they don't. */
bool scripted_wait(struct scripted_store *store, unsigned int requests);
bool scripted_wait_stuck(struct scripted_store *store, unsigned int callbacks);
void scripted_end(struct scripted_store *s);
void scripted_let_go(struct scripted_store *store);

/* How many requests were of that kind. */
unsigned int scripted_count(struct scripted_store *store, enum zcmu_io_op op);

#endif /* SCRIPTED_STORE_H */
