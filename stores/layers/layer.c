// SPDX-License-Identifier: MIT
/* The parts that layers share: see layer.h. */
#include "layer.h"
#include "store/stores.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A thread's own: the queue of the store below, and requests that are held back. */
struct layer_queue {
	struct layer *layer;
	struct zcmu_thread *thread;	/* its thread; NULL: no disk's */
	void *below;
	int epoll_fd;		/* of the store below and the timer; the library polls it */
	int timer_fd;
	/*
	 * If no disk has the queue, the store below may answer in any thread, and so lead to more
	 * requests.
	 */
	pthread_mutex_t lock;	/* held */
	struct layer_io *held;	/* ordered by due time */
};

enum { EVENT_BELOW, EVENT_TIMER };

static struct layer *layer_of(const struct zcmu_store *store)
{
	return store->data;
}

uint64_t layer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

const char *layer_op_name(enum zcmu_io_op op)
{
	static const char *const names[] = { "read", "write", "flush", "trim", "zero", "map" };

	return (size_t)op < sizeof(names) / sizeof(names[0]) ? names[op] : "unknown";
}

/*
 * Requests
 */

static void finish(struct layer_io *lio, int error)
{
	struct zcmu_io *io = &lio->io, *upper = lio->upper;

	if (lio->layer->kind->answered)
		lio->layer->kind->answered(lio->layer, lio, error);
	upper->failed_at = io->failed_at;
	if (io->op == ZCMU_IO_MAP) {
		upper->mapped = io->mapped;
		upper->length = io->length;
	}
	free(lio);
	zcmu_io_done(upper, error);
}

static void finish_there(struct zcmu_store *store, void *queue, struct zcmu_call *call)
{
	struct layer_io *lio = (struct layer_io *)((char *)call - offsetof(struct layer_io, call));

	(void)store;
	(void)queue;
	finish(lio, lio->error);
}

/*
 * A layer has queues, so it answers in the queue's thread, which may cancel the request until then.
 * If the store below has no queues, it answers in any thread.
 */
static bool is_elsewhere(const struct layer_io *lio)
{
	return lio->queue && lio->queue->thread && !zcmu_serve_is_in(lio->queue->thread);
}

void layer_done(struct zcmu_io *io, int error)
{
	struct layer_io *lio = (struct layer_io *)io;	/* its first member */

	if (is_elsewhere(lio)) {
		lio->error = error;
		lio->call.function = finish_there;
		if (!zcmu_queue_call(lio->layer->store, lio->queue, &lio->call))
			return;
	}
	finish(lio, error);
}

/*
 * Requests whose payloads the kernel moves (lib/serve/moving.c)
 */

struct zcmu_io *zcmu_layer_upper(struct zcmu_io *io)
{
	return io->done == layer_done ? ((struct layer_io *)io)->upper : NULL;
}

bool zcmu_layer_watches(const struct zcmu_io *io)
{
	return ((const struct layer_io *)io)->layer->kind->answered;
}

void zcmu_layer_forget(struct zcmu_io *io)
{
	assert(!zcmu_layer_watches(io) && !((struct layer_io *)io)->is_held);
	free(io);
}

static void pass_on(struct layer_io *lio)
{
	struct layer *layer = lio->layer;

	if (layer->kind->request)
		layer->kind->request(layer, lio);
	else
		zcmu_store_ask(layer->below, &lio->io);
}

static void set_timer(struct layer_queue *queue)
{
	struct itimerspec at = { 0 };

	if (queue->held) {
		at.it_value.tv_sec = (time_t)(queue->held->at / 1000000);
		at.it_value.tv_nsec = (long)(queue->held->at % 1000000) * 1000 + 1;
	}
	timerfd_settime(queue->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void hold_back(struct layer_io *lio, int64_t time)
{
	struct layer_queue *queue = lio->queue;
	struct layer_io **place = &queue->held;

	lio->at = layer_now() + (uint64_t)time;
	pthread_mutex_lock(&queue->lock);
	while (*place && (*place)->at <= lio->at)
		place = &(*place)->next;
	lio->next = *place;
	lio->is_held = true;
	*place = lio;
	if (queue->held == lio)
		set_timer(queue);
	pthread_mutex_unlock(&queue->lock);
}

static void decide(struct layer_io *lio, bool again)
{
	const struct layer_kind *kind = lio->layer->kind;
	int64_t time = kind->decide ? kind->decide(lio->layer, &lio->io, again) : 0;

	if (time < 0)
		layer_done(&lio->io, (int)time);
	else if (time && lio->queue)
		hold_back(lio, time);
	else
		pass_on(lio);
}

void layer_request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct layer_io *lio = malloc(sizeof(*lio));
	struct layer_queue *queue = io->queue;

	if (!lio) {
		zcmu_io_done(io, -ENOMEM);
		return;
	}
	*lio = (struct layer_io){
		.io = *io, .upper = io, .layer = layer_of(store), .queue = queue,
		.begun = layer_now(),
	};
	lio->io.queue = queue ? queue->below : NULL;
	lio->io.data = NULL;
	lio->io.next = NULL;
	lio->io.done = layer_done;
	io->data = lio;
	decide(lio, false);
}

/* Return: was the request held back? */
static bool take_back(struct layer_queue *queue, struct layer_io *lio)
{
	struct layer_io **place = &queue->held;
	bool was_held;

	pthread_mutex_lock(&queue->lock);
	was_held = lio->is_held;
	if (was_held) {
		while (*place != lio)
			place = &(*place)->next;
		*place = lio->next;
		lio->is_held = false;
		set_timer(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	return was_held;
}

/* Nobody waits for a request. If it was passed on, the store below may want to know. */
void layer_cancel(struct zcmu_store *store, struct zcmu_io *io)
{
	struct layer *layer = layer_of(store);
	struct layer_io *lio = io->data;

	if (lio->is_held && layer->kind->stays && layer->kind->stays(layer, &lio->io))
		return;
	if (lio->queue && take_back(lio->queue, lio))
		layer_done(&lio->io, -ECANCELED);
	else
		zcmu_store_cancel(layer->below, &lio->io);
}

/* Go on with the requests whose time has come */
static void release(struct layer_queue *queue)
{
	struct layer_io *lio;
	uint64_t now = layer_now();

	for (;;) {
		pthread_mutex_lock(&queue->lock);
		lio = queue->held;
		if (lio && lio->at <= now) {
			queue->held = lio->next;
			lio->is_held = false;
		} else {
			lio = NULL;
		}
		if (!lio)
			set_timer(queue);
		pthread_mutex_unlock(&queue->lock);
		if (!lio)
			return;
		decide(lio, true);
	}
}

/*
 * Queues
 */

void layer_queue_submit(struct zcmu_store *store, void *data)
{
	struct zcmu_store *below = layer_of(store)->below;
	struct layer_queue *queue = data;

	if (below->ops->queue_submit)
		below->ops->queue_submit(below, queue->below);
}

void layer_queue_reap(struct zcmu_store *store, void *data)
{
	struct zcmu_store *below = layer_of(store)->below;
	struct layer_queue *queue = data;
	struct epoll_event events[2];
	uint64_t count;
	int i, n;

	n = epoll_wait(queue->epoll_fd, events, 2, 0);
	for (i = 0; i < n; i++) {
		if (events[i].data.u32 == EVENT_BELOW)
			below->ops->queue_reap(below, queue->below);
		else if (read(queue->timer_fd, &count, sizeof(count)) == sizeof(count))
			release(queue);
	}
	layer_queue_submit(store, data);
}

int layer_queue_fd(struct zcmu_store *store, void *data)
{
	(void)store;
	return ((struct layer_queue *)data)->epoll_fd;
}

void layer_queue_close(struct zcmu_store *store, void *data)
{
	struct zcmu_store *below = layer_of(store)->below;
	struct layer_queue *queue = data;

	if (queue->below)
		zcmu_queue_close(below, queue->below);
	if (queue->timer_fd >= 0)
		close(queue->timer_fd);
	if (queue->epoll_fd >= 0)
		close(queue->epoll_fd);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static int watch(struct layer_queue *queue, int fd, uint32_t event)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = event };

	return epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int layer_queue_open(struct zcmu_store *store, void **ret)
{
	struct zcmu_store *below = layer_of(store)->below;
	struct layer_queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->layer = layer_of(store);
	queue->thread = zcmu_queue_opens_for();
	pthread_mutex_init(&queue->lock, NULL);
	queue->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	queue->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (queue->epoll_fd < 0 || queue->timer_fd < 0)
		err = -errno;
	else
		err = watch(queue, queue->timer_fd, EVENT_TIMER);
	if (!err && below->ops->queue_open) {
		err = zcmu_queue_open(below, &queue->below);
		if (!err)
			err = watch(queue, below->ops->queue_fd(below, queue->below), EVENT_BELOW);
		else
			queue->below = NULL;
	}
	if (err) {
		layer_queue_close(store, queue);
		return err;
	}
	*ret = queue;
	return 0;
}

/*
 * Opening
 */

/* A disk like the one below, and with the same abilities. */
static void resemble(struct zcmu_store *store, const struct zcmu_store *below)
{
	/* This is the library's copy for this store alone. */
	struct zcmu_store_ops *ops = (struct zcmu_store_ops *)store->ops;

	store->size = below->size;
	store->block_size = below->block_size;
	store->physical_block_size = below->physical_block_size;
	store->optimal_io_size = below->optimal_io_size;
	store->trim_granularity = below->trim_granularity;
	store->trim_alignment = below->trim_alignment;
	store->max_io = below->max_io;
	store->max_trim = below->max_trim;
	store->max_zero = below->max_zero;
	store->max_compare = below->max_compare;
	store->max_in_flight = below->max_in_flight;
	store->min_io_size = below->min_io_size;
	store->rotational = below->rotational;
	store->max_threads = below->ops->queue_open ? below->max_threads : 0;
	store->read_only |= below->read_only;
	store->created |= below->created;
	store->can_fua = zcmu_store_fua(below);
	store->can_flush = zcmu_store_flush(below);
	store->can_trim = zcmu_store_trim(below);
	store->can_zero = zcmu_store_zero(below);
	ops->flags = below->ops->flags;
	if (!below->ops->write)
		ops->write = NULL;
	if (!below->ops->map)
		ops->map = NULL;
	if (!below->ops->resize)
		ops->resize = NULL;
	if (!below->ops->cancel && !layer_of(store)->kind->decide)
		ops->cancel = NULL;
}

/* This is the library's copy of the callbacks for this store alone. */
void layer_add_flags(struct layer *layer, uint32_t flags)
{
	((struct zcmu_store_ops *)layer->store->ops)->flags |= flags;
}

/* Parse the options of ",a=b,c=d:STORE". Return: where STORE begins, or NULL after a message. */
const char *layer_parse(const struct zcmu_store_ops *ops, void *options, const char *argument)
{
	const char *text = *argument == ',' ? argument + 1 : NULL;
	const char *store = argument + zcmu_options_length(argument);

	if (zcmu_options_take(ops, options, ops->name, text, text ? (size_t)(store - text) : 0))
		return NULL;
	if (*store != ':' || !store[1]) {
		zcmu_error("%s%s: in front of which store? Say %s:ram:1G, for example", ops->name,
			   argument, ops->name);
		return NULL;
	}
	return store + 1;
}

int layer_open(struct zcmu_store *store, const char *argument, const struct layer_kind *kind)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .size = store->create_size,
		.read_only = store->read_only || kind->read_only,
	};
	struct layer *layer = calloc(1, kind->size);
	const char *spec;
	int err;

	if (!layer)
		return -ENOMEM;
	layer->kind = kind;
	layer->store = store;
	layer->read_only = store->read_only;
	store->data = layer;
	spec = layer_parse(store->ops, store->options, argument);
	err = spec ? zcmu_store_open(spec, &options, &layer->below) : -EINVAL;
	if (!err) {
		resemble(store, layer->below);
		err = kind->start ? kind->start(layer) : 0;
	}
	if (err) {
		if (kind->stop)
			kind->stop(layer);
		zcmu_store_close(layer->below);
		free(layer);
	}
	return err;
}

void layer_close(struct zcmu_store *store)
{
	struct layer *layer = layer_of(store);

	if (layer->kind->stop)
		layer->kind->stop(layer);
	zcmu_store_close(layer->below);
	free(layer);
}

/*
 * Show the size to the store below as if there were no layer: before it grows, and after it shrank.
 * It may have more bytes than the disk shows, and must not mistake its growing for a cut.
 */
int layer_resize(struct zcmu_store *store, uint64_t size)
{
	struct zcmu_store *below = layer_of(store)->below;
	uint64_t old = below->size;
	int err;

	__atomic_store_n(&below->size, store->size, __ATOMIC_SEQ_CST);
	err = below->ops->resize(below, size);
	__atomic_store_n(&below->size, err ? old : size, __ATOMIC_SEQ_CST);
	return err;
}

/* The store below has the bytes, and the layer none. */
int layer_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	const char *spec;

	if (store)
		return zcmu_store_identity(layer_of(store)->below, text, size);
	spec = argument + zcmu_options_length(argument);
	return *spec ? zcmu_store_identify(spec + 1, text, size) : -EINVAL;
}

/* Is the identity of the store below unknown until it is open? */
bool layer_tells_identity_late(const char *argument)
{
	const char *spec = argument + zcmu_options_length(argument);

	return *spec && zcmu_store_tells_identity_late(spec + 1);
}
