/* SPDX-License-Identifier: MIT */
/*
 * The handler's end of the ring: takes requests, puts answers. It works on plain memory, so that
 * tests can play the kernel. Waiting and kicking are in disk.c.
 */
#ifndef ZCMU_HRING_H
#define ZCMU_HRING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "zcmu-abi.h"

#define ZCMU_CDB_MAX	260	/* SPC-4 4.3.3: a variable length CDB */

/* A transfer is over. */
struct zcmu_hmoved {
	uint16_t id;
	bool is_back;		/* it is to be answered; else the transfer was the answer */
	int error;		/* 0 or -errno, of one that is back */
	uint64_t bytes;		/* of its payload that were moved */
};

struct zcmu_hring;

struct zcmu_hring {
	uint8_t *map;		/* map 0 */
	size_t map_size;
	struct zcmu_mailbox *mailbox;
	uint8_t *entries;
	uint32_t size;
	bool gives_part;	/* the kernel heeds ZCMU_UFLAG_READ_LEN, also with sense */
	bool tries_copied;	/* the kernel heeds ZCMU_UFLAG_TRY_COPIED */
	bool transfers;		/* the kernel moves payloads: ZCMU_UFLAG_TRANSFER */
	_Atomic uint32_t taken;	/* entries before it were taken; one thread at a time */
	bool is_broken;		/* nothing more is taken; used by the zcmu_hring_next() thread */
	_Atomic bool room_made;	/* without an answer: the kernel should look */
	pthread_mutex_t lock;	/* cmd_tail, and the entry there */
	/*
	 * Called in zcmu_hring_next() if an entry says that a command was aborted. NULL: nobody
	 * cares.
	 */
	void (*aborted)(struct zcmu_hring *ring, uint16_t id);
	/*
	 * Called there, too, for a transfer that is over. Return: whether it is known. One that
	 * comes back and isn't, is a request that can't be understood. NULL: nothing is moved.
	 */
	bool (*moved)(struct zcmu_hring *ring, const struct zcmu_hmoved *moved);
};

/* A request, copied out of its entry, because any answer may overwrite the entry. */
struct zcmu_hreq {
	uint16_t id;
	bool lent;
	int iovcnt;
	struct iovec *iov;	/* at most iov_max of them; NULL: they are not wanted */
	int iov_max;
	uint64_t bytes;		/* of all iovecs */
	uint8_t cdb[ZCMU_CDB_MAX];
	uint16_t cdb_len;
	bool has_port;
	struct zcmu_port port;	/* of an INQUIRY, if it has one */
};

struct zcmu_hanswer {
	uint16_t id;
	uint8_t scsi_status;
	uint8_t uflags;
	uint32_t read_len;	/* bytes; 0: all of the payload. With UFLAG_CDB_LEN: the CDB's */
	const uint8_t *sense;	/* 8 bytes, and as many more as its byte 7 says; or NULL */
	const struct zcmu_transfer *transfer;	/* instead of all the others; or NULL */
};

int zcmu_hring_init(struct zcmu_hring *ring, void *map, size_t map_size);
void zcmu_hring_deinit(struct zcmu_hring *ring);
int zcmu_hring_next(struct zcmu_hring *ring, struct zcmu_hreq *req);
unsigned int zcmu_hring_backlog(const struct zcmu_hring *ring);
bool zcmu_hring_room_made(struct zcmu_hring *ring);
bool zcmu_hring_answer(struct zcmu_hring *ring, const struct zcmu_hanswer *answer);
void zcmu_hring_await_notes(struct zcmu_hring *ring, bool on);

#endif /* ZCMU_HRING_H */
