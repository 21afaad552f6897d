/* SPDX-License-Identifier: MIT */
/*
 * The rbd store's internals. All of the disk's threads share one open image, which librbd allows;
 * each has a queue of its own for answers.
 *
 * 	rbd.c		the store: opening, what it can do, its size
 * 	spec.c		POOL/IMAGE and Ceph's settings
 * 	cluster.c	connecting, opening or creating the image, and errors there
 * 	lock.c		one writer at a time: who has the lock, and taking it from a holder
 * 	request.c	queues and requests; their answers, given the image's state
 *
 * Our functions are called image_...: rbd_... are librbd's.
 */
#ifndef STORE_RBD_H
#define STORE_RBD_H

#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "zcmu.h"

/* An option for Ceph: "keyring", "mon_host" and any other. */
struct setting {
	struct setting *next;
	char *name, *value;
};

struct image {
	struct zcmu_store *store;
	/* The spec */
	char *spec;			/* as the user gave it */
	char *title;			/* "rbd:POOL/IMAGE", the beginning of messages */
	char *pool, *name_space, *name;
	char *snapshot;			/* or NULL */
	char *conf, *id;		/* or NULL */
	struct setting *settings;
	unsigned int give_up;		/* seconds; 0: never */
	bool steals;

	/* Objects of librbd; each is NULL until it is there */
	rados_t cluster;
	rados_ioctx_t ioctx;
	rbd_image_t handle;
	uint64_t watch;			/* on the image's header */
	bool watches;
	bool is_locked;
	int sign_of_life;		/* a socket, or -1; see lock.c */

	/* Results of requests */
	atomic_bool is_fenced;		/* another client has the image: final */
	atomic_bool is_silent;		/* the last request got no answer; reported once */
	_Atomic uint64_t told_size;	/* the image's size in the last message */
};

/* spec.c */
int image_spec_parse(struct image *image, const char *argument);
void image_spec_free(struct image *image);

/* cluster.c */
int image_connect(struct image *image);
int image_open(struct image *image);
void image_disconnect(struct image *image);
unsigned int image_patience(const struct image *image);

/* lock.c */
int image_lock(struct image *image);
void image_unlock(struct image *image);

/* request.c */
int image_queue_open(struct zcmu_store *store, void **queue);
void image_queue_close(struct zcmu_store *store, void *queue);
int image_queue_fd(struct zcmu_store *store, void *queue);
void image_queue_reap(struct zcmu_store *store, void *queue);
void image_request(struct zcmu_store *store, struct zcmu_io *io);

#endif /* STORE_RBD_H */
