/* SPDX-License-Identifier: MIT */
/*
 * cow's internals.
 *
 * 	cow.c		the layer: requests
 * 	cow_move.c	requests whose payloads the kernel moves
 * 	cow_map.c	which blocks are in the overlay, and how that becomes stable
 * 	cow_overlay.c	the file: created, opened, or created anew after an interrupted creation
 */
#ifndef LAYER_COW_H
#define LAYER_COW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "layer.h"
#include "../file/loss.h"

#define COW_PAGE	4096u

struct cow {
	struct layer layer;
	const char *path;		/* the store's option */
	char *name;			/* "cow: PATH", for messages */
	int fd;
	uint64_t map_bytes;		/* whole pages */
	_Atomic unsigned char *map;	/* a bit for each block that is in the overlay */
	atomic_bool *dirty;		/* for each page of the map: the file doesn't have it */
	pthread_mutex_t flush_lock;	/* one flush at a time, so it gets all the errors */
	pthread_mutex_t live_lock;	/* for setting and writing bits, so that none is lost */
	struct loss loss;
	atomic_bool moves;		/* the kernel may move payloads */
};

/* cow.c */
void cow_read(struct cow *cow, struct layer_io *lio);
void cow_write(struct cow *cow, struct layer_io *lio);
void cow_written(struct cow *cow, struct layer_io *lio, uint64_t end, int error);

/* cow_move.c */
bool cow_move_read(struct cow *cow, struct layer_io *lio);
bool cow_move_write(struct cow *cow, struct layer_io *lio);

/* cow_map.c */
bool cow_is_in(const struct cow *cow, uint64_t block);
int cow_put_in(struct cow *cow, uint64_t first, uint64_t end);
int cow_flush(struct cow *cow);
uint64_t cow_live_start(const struct cow *cow);
int cow_write_all(int fd, const void *data, size_t len, uint64_t offset);

/* cow_overlay.c */
int cow_open_overlay(struct cow *cow);

#endif /* LAYER_COW_H */
