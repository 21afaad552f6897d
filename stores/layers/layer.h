/* SPDX-License-Identifier: MIT */
/*
 * Layers: stores that stand in front of another one, and change what it does. A layer's argument
 * begins right behind its name: "[,OPTION=VALUE]...:STORE".
 *
 * layer.c has the shared parts: opening the store below, passing requests on, at once or later, and
 * passing answers back. A layer decides; cow has its own way.
 */
#ifndef ZCMU_LAYER_H
#define ZCMU_LAYER_H

#include "serve/disk.h"

struct layer;

/* A request on its way down. It is a copy, because the store below may change its own. */
struct layer_io {
	struct zcmu_io io;
	struct zcmu_io *upper;
	struct layer *layer;
	struct layer_queue *queue;	/* NULL: it came without one */
	struct layer_io *next;		/* the next that is held back */
	bool is_held;
	uint64_t begun, at;		/* microseconds */
	struct zcmu_call call;		/* carries its answer to the queue's thread */
	int error;
};

struct layer_kind {
	const char *name;
	size_t size;		/* of the structure that begins with struct layer */
	bool read_only;		/* the store below is not written to */
	/* The store below is open. The layer prints messages. */
	int (*start)(struct layer *layer);
	void (*stop)(struct layer *layer);
	/*
	 * Decide what happens to a request. 0: it goes on. A number of microseconds: it is held
	 * back so long, and decided @again then. A negative errno: it is answered with that.
	 */
	int64_t (*decide)(struct layer *layer, const struct zcmu_io *io, bool again);
	/* Nobody waits for a request that is held back: shall it stay so? NULL: never */
	bool (*stays)(struct layer *layer, const struct zcmu_io *io);
	/* Called instead of passing a request on. The layer calls layer_done(). */
	void (*request)(struct layer *layer, struct layer_io *io);
	void (*answered)(struct layer *layer, const struct layer_io *io, int error);
};

struct layer {
	const struct layer_kind *kind;
	struct zcmu_store *store;	/* this one */
	struct zcmu_store *below;
	bool read_only;			/* requested; the store below may be so anyway */
};

const char *layer_parse(const struct zcmu_store_ops *ops, void *options, const char *argument);
int layer_open(struct zcmu_store *store, const char *argument, const struct layer_kind *kind);
void layer_close(struct zcmu_store *store);
int layer_queue_open(struct zcmu_store *store, void **queue);
void layer_queue_close(struct zcmu_store *store, void *queue);
int layer_queue_fd(struct zcmu_store *store, void *queue);
void layer_queue_reap(struct zcmu_store *store, void *queue);
void layer_queue_submit(struct zcmu_store *store, void *queue);
void layer_request(struct zcmu_store *store, struct zcmu_io *io);
void layer_cancel(struct zcmu_store *store, struct zcmu_io *io);
int layer_resize(struct zcmu_store *store, uint64_t size);
int layer_identity(struct zcmu_store *store, const char *argument, char *text, size_t size);
bool layer_tells_identity_late(const char *argument);

void layer_add_flags(struct layer *layer, uint32_t flags);	/* for start() */
void layer_done(struct zcmu_io *io, int error);
uint64_t layer_now(void);		/* microseconds */
const char *layer_op_name(enum zcmu_io_op op);

/* Callbacks that the store below lacks are removed when it is open. */
#define LAYER_OPS							\
	.abi = ZCMU_STORE_ABI,						\
	.size = sizeof(struct zcmu_store_ops),				\
	.store_size = sizeof(struct zcmu_store),				\
	.close = layer_close,						\
	.queue_open = layer_queue_open,					\
	.queue_close = layer_queue_close,				\
	.queue_fd = layer_queue_fd,					\
	.queue_reap = layer_queue_reap,					\
	.queue_submit = layer_queue_submit,				\
	.read = layer_request,						\
	.write = layer_request,						\
	.flush = layer_request,						\
	.trim = layer_request,						\
	.zero = layer_request,						\
	.map = layer_request,						\
	.cancel = layer_cancel,						\
	.resize = layer_resize

#endif /* ZCMU_LAYER_H */
