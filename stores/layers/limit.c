// SPDX-License-Identifier: MIT
/*
 * limit: a maximum of bytes, or requests, in a second. Each request has its turn on one timeline
 * that all threads share; a request whose turn is later is held back.
 */
#include "layer.h"

#include <errno.h>
#include <string.h>

#define BURST	100000u		/* microseconds of the rate that may be saved up */

struct limit_options {
	uint64_t bytes, requests;	/* in a second; 0: any number */
};

static const struct zcmu_option options[] = {
	{ .name = "rate", .value = "BYTES", .summary = "in a second", .min = 1,
	  .type = ZCMU_OPTION_SIZE, .offset = offsetof(struct limit_options, bytes) },
	{ .name = "iops", .value = "N", .summary = "requests in a second", .min = 1,
	  .type = ZCMU_OPTION_SIZE, .offset = offsetof(struct limit_options, requests) },
	{ 0 }
};

struct limit {
	struct layer layer;
	pthread_mutex_t lock;
	uint64_t next;			/* microseconds: the next turn */
};

static int limit_start(struct layer *layer)
{
	const struct limit_options *is = layer->store->options;
	struct limit *limit = (struct limit *)layer;

	pthread_mutex_init(&limit->lock, NULL);
	if (!is->bytes && !is->requests) {
		zcmu_error("limit: to what? Say limit,rate=10M:STORE or limit,iops=100:STORE");
		return -EINVAL;
	}
	limit->next = layer_now();
	return 0;
}

/* Microseconds that a request takes at the rate */
static uint64_t cost(const struct limit *limit, const struct zcmu_io *io)
{
	const struct limit_options *is = limit->layer.store->options;
	bool moves = io->op == ZCMU_IO_READ || io->op == ZCMU_IO_WRITE;
	uint64_t by_bytes = is->bytes && moves ? io->length * 1000000 / is->bytes : 0;
	uint64_t by_requests = is->requests ? 1000000 / is->requests : 0;

	return by_bytes > by_requests ? by_bytes : by_requests;
}

static int64_t limit_decide(struct layer *layer, const struct zcmu_io *io, bool again)
{
	struct limit *limit = (struct limit *)layer;
	uint64_t now = layer_now(), turn;

	if (again)
		return 0;
	pthread_mutex_lock(&limit->lock);
	if (limit->next + BURST < now)
		limit->next = now - BURST;
	turn = limit->next;
	limit->next += cost(limit, io);
	pthread_mutex_unlock(&limit->lock);
	return turn > now ? (int64_t)(turn - now) : 0;
}

static const struct layer_kind kind = {
	.name = "limit",
	.size = sizeof(struct limit),
	.start = limit_start,
	.decide = limit_decide,
};

static int limit_open(struct zcmu_store *store, const char *argument)
{
	return layer_open(store, argument, &kind);
}

const struct zcmu_store_ops zcmu_limit_layer = {
	LAYER_OPS,
	.identity = layer_identity,
	.name = "limit",
	.usage = "limit[,rate=BYTES][,iops=N]:STORE",
	.summary = "at most so many bytes or requests per second",
	.open = limit_open,
	.options = options,
	.options_size = sizeof(struct limit_options),
};
