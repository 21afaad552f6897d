/* SPDX-License-Identifier: MIT */
/* Messages between the process that has the store (confined.c) and its keeper (keeper.c) */
#ifndef ZCMU_TOOL_CONFINE_MESSAGE_H
#define ZCMU_TOOL_CONFINE_MESSAGE_H

#include <stdint.h>

#include "zcmu.h"

enum message_type {
	/* to the keeper */
	MESSAGE_LOG,		/* level, text */
	MESSAGE_DONE,		/* error; the answer to all below, and to the start */
				/* (then text is the store's identity, if it has one, and */
				/* flags are the opened store's) */
	MESSAGE_ENDED,		/* error: serving has ended by itself */
	/* from the keeper */
	MESSAGE_SERVE,		/* text: serial; size: the disk's; passes the UIO device */
	MESSAGE_LOCK_IN,
	MESSAGE_RESIZE,		/* size */
	MESSAGE_DRAIN,		/* take no more from the ring, unless the flush fails */
	MESSAGE_STOP,
};

struct message {
	uint32_t type;
	int32_t error;
	int32_t level;
	uint32_t block_size;
	uint32_t flags;
	uint64_t size;
	struct zcmu_statistics statistics;	/* for the answer to MESSAGE_STOP */
	char text[1024];
};

int message_send(int fd, const struct message *message, int passed_fd);	/* quiet */
int message_receive(int fd, struct message *message, int *passed_fd);	/* quiet; -EPIPE */

#endif /* ZCMU_TOOL_CONFINE_MESSAGE_H */
