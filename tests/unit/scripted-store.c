// SPDX-License-Identifier: MIT
/*
 * A store that does what a test says. See scripted-store.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake-kernel.h"
#include "scripted-store.h"

static struct scripted_store *scripted(const struct zcmu_store *store)
{
	return store->data;
}

uint8_t scripted_pattern(uint64_t at)
{
	return (uint8_t)(1 + (at + at / 512 * 31 + at / (1 << 20) * 7) % 255);
}

/*
 * What the library must see to
 */

static uint64_t iov_bytes(const struct zcmu_io *io)
{
	uint64_t bytes = 0;
	int i;

	for (i = 0; i < io->iovcnt; i++)
		bytes += io->iov[i].iov_len;
	return bytes;
}

static const char *breach(const struct scripted_store *s, const struct zcmu_io *io)
{
	bool is_write = io->op == ZCMU_IO_WRITE, has_payload = is_write || io->op == ZCMU_IO_READ;

	if (io->op == ZCMU_IO_FLUSH)
		return io->offset || io->length ? "a flush has a range" : NULL;
	if (!io->length)
		return "a request for nothing";
	if (io->offset % s->store.block_size || io->length % s->store.block_size)
		return "a range that is no multiple of the block size";
	if (io->offset > s->store.size || io->length > s->store.size - io->offset)
		return "a range that is not on the disk";
	if (has_payload && iov_bytes(io) != io->length)
		return "a payload of another length than the request";
	if (!has_payload && io->iovcnt)
		return "a payload that has no use";
	if (io->op != ZCMU_IO_READ && io->op != ZCMU_IO_MAP && s->store.read_only)
		return "a read-only disk was to be changed";
	if (io->fua && s->store.can_fua != ZCMU_CAN_NATIVE && !(s->ops.flags & ZCMU_STORE_FUA))
		return "FUA for a store that doesn't know it";
	return NULL;
}

/*
 * Requests
 */

static void read_contents(struct scripted_store *s, struct zcmu_io *io)
{
	uint64_t inside = io->offset < SCRIPTED_BYTES ? SCRIPTED_BYTES - io->offset : 0;

	if (inside > io->length)
		inside = io->length;
	zcmu_iov_put(io->iov, io->iovcnt, 0, s->contents + io->offset * !!inside, inside);
	zcmu_iov_zero(io->iov, io->iovcnt, inside, io->length - inside);
}

static void change_contents(struct scripted_store *s, struct zcmu_io *io)
{
	uint64_t inside = io->offset < SCRIPTED_BYTES ? SCRIPTED_BYTES - io->offset : 0;

	if (!inside || io->op == ZCMU_IO_FLUSH || io->op == ZCMU_IO_MAP)
		return;
	if (inside > io->length)
		inside = io->length;
	if (io->op == ZCMU_IO_WRITE)
		zcmu_iov_get(io->iov, io->iovcnt, 0, s->contents + io->offset, inside);
	else
		memset(s->contents + io->offset, 0, inside);
}

static bool is_hole(const struct scripted_store *s, uint64_t at)
{
	static const uint8_t zeroes[SCRIPTED_PAGE];

	return at >= SCRIPTED_BYTES || !memcmp(s->contents + at, zeroes, SCRIPTED_PAGE);
}

static void map_contents(struct scripted_store *s, struct zcmu_io *io)
{
	uint64_t end = io->offset + io->length, at = io->offset / SCRIPTED_PAGE * SCRIPTED_PAGE;
	bool hole = is_hole(s, at);

	while (at < end && is_hole(s, at) == hole)
		at += SCRIPTED_PAGE;
	io->mapped = !hole;
	io->length = (at < end ? at : end) - io->offset;
}

/* Do what is in front of the place of the failure, and tell that. */
static void fail_at(struct scripted_store *s, struct zcmu_io *io)
{
	uint64_t length = io->length;

	io->failed_at = s->fails_at;
	if (s->fails_at < io->offset || s->fails_at - io->offset >= length)
		return;
	io->length = s->fails_at - io->offset;
	pthread_mutex_lock(&s->lock);
	if (io->op == ZCMU_IO_READ)
		zcmu_iov_put(io->iov, io->iovcnt, 0, s->contents + io->offset, io->length);
	else if (io->op == ZCMU_IO_WRITE)
		zcmu_iov_get(io->iov, io->iovcnt, 0, s->contents + io->offset, io->length);
	pthread_mutex_unlock(&s->lock);
	io->length = length;
}

static void answer(struct scripted_store *s, struct zcmu_io *io, int error)
{
	int i;

	if (error && s->fails_at)
		fail_at(s, io);
	if (!error) {
		pthread_mutex_lock(&s->lock);
		if (io->op == ZCMU_IO_READ)
			read_contents(s, io);
		else if (io->op == ZCMU_IO_MAP)
			map_contents(s, io);
		else
			change_contents(s, io);
		pthread_mutex_unlock(&s->lock);
	}
	/* The array is the store's, to change it: what was there must not matter now. */
	for (i = 0; i < io->iovcnt; i++)
		io->iov[i] = (struct iovec){ .iov_base = (void *)1, .iov_len = SIZE_MAX / 2 };
	zcmu_io_done(io, error);
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct scripted_store *s = scripted(store);
	const char *complaint = breach(s, io);
	struct scripted_request *r;
	int error = 0;
	bool hold;

	pthread_mutex_lock(&s->lock);
	if (complaint)
		s->complaint = complaint;
	if (s->fail_at == (int)s->nr)
		error = s->error;
	hold = s->hold && !(s->ends && io->op == ZCMU_IO_FLUSH);
	s->requests = reallocarray(s->requests, s->nr + 1, sizeof(*r));
	r = &s->requests[s->nr++];
	*r = (struct scripted_request){
		.op = io->op, .offset = io->offset, .length = io->length, .fua = io->fua,
		.may_trim = io->may_trim, .iovcnt = io->iovcnt, .io = io,
		.answered = !hold, .thread = pthread_self(),
	};
	pthread_cond_broadcast(&s->changed);
	if (s->sticks && io->offset == s->stuck_at) {
		s->stuck++;
		while (s->sticks)
			pthread_cond_wait(&s->changed, &s->lock);
		s->stuck--;
	}
	pthread_mutex_unlock(&s->lock);
	if (!hold)
		answer(s, io, error);
}

static struct zcmu_io *take_held(struct scripted_store *s, unsigned int index)
{
	struct zcmu_io *io;

	pthread_mutex_lock(&s->lock);
	io = s->requests[index].io;
	if (s->requests[index].answered)
		abort();
	s->requests[index].answered = true;
	pthread_mutex_unlock(&s->lock);
	return io;
}

void scripted_answer(struct scripted_store *s, unsigned int index, int error)
{
	answer(s, take_held(s, index), error);
}

void scripted_answer_as_it_is(struct scripted_store *s, unsigned int index)
{
	zcmu_io_done(take_held(s, index), 0);
}

/* A flush that is held, or comes yet, is answered: the disk waits for its own when it ends. */
void scripted_end(struct scripted_store *s)
{
	struct zcmu_io *io;
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	s->ends = true;
	for (i = 0; i < s->nr; i++) {
		if (s->requests[i].answered || s->requests[i].op != ZCMU_IO_FLUSH)
			continue;
		s->requests[i].answered = true;
		io = s->requests[i].io;
		pthread_mutex_unlock(&s->lock);
		answer(s, io, 0);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

bool scripted_answer_any(struct scripted_store *s, uint32_t random)
{
	struct zcmu_io *io = NULL;
	unsigned int i, held = 0;

	pthread_mutex_lock(&s->lock);
	while (s->oldest < s->nr && s->requests[s->oldest].answered)
		s->oldest++;
	for (i = s->oldest; i < s->nr; i++)
		held += !s->requests[i].answered;
	if (held)
		random %= held;
	for (i = s->oldest; held && !io; i++) {
		if (!s->requests[i].answered && !random--) {
			s->requests[i].answered = true;
			io = s->requests[i].io;
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (io)
		answer(s, io, 0);
	return io;
}

/*
 * For the test
 */

/* Wait until *value is at least @least. */
static bool wait_until(struct scripted_store *s, const unsigned int *value, unsigned int least)
{
	struct timespec deadline;
	int err = 0;
	bool came;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += FAKE_PATIENCE_SECONDS;
	pthread_mutex_lock(&s->lock);
	while (*value < least && !err)
		err = pthread_cond_timedwait(&s->changed, &s->lock, &deadline);
	came = *value >= least;
	pthread_mutex_unlock(&s->lock);
	return came;
}

bool scripted_wait(struct scripted_store *s, unsigned int requests)
{
	return wait_until(s, &s->nr, requests);
}

bool scripted_wait_stuck(struct scripted_store *s, unsigned int callbacks)
{
	return wait_until(s, &s->stuck, callbacks);
}

void scripted_let_go(struct scripted_store *s)
{
	pthread_mutex_lock(&s->lock);
	s->sticks = false;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

unsigned int scripted_count(struct scripted_store *s, enum zcmu_io_op op)
{
	unsigned int i, n = 0;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->nr; i++)
		n += s->requests[i].op == op;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void scripted_init(struct scripted_store *s)
{
	uint64_t i;

	memset(s, 0, sizeof(*s));
	s->fail_at = -1;
	s->ops = (struct zcmu_store_ops){
		.abi = ZCMU_STORE_ABI, .size = sizeof(s->ops), .name = "scripted",
		.read = request, .write = request, .flush = request,
		.trim = request, .zero = request, .map = request,
	};
	s->store = (struct zcmu_store){
		.ops = &s->ops, .data = s, .size = SCRIPTED_BYTES,
		.block_size = 512, .physical_block_size = 4096,
	};
	s->contents = malloc(SCRIPTED_BYTES);
	for (i = 0; i < SCRIPTED_BYTES; i++)
		s->contents[i] = scripted_pattern(i);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
}

void scripted_deinit(struct scripted_store *s)
{
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->contents);
	free(s->requests);
}
