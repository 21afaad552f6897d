// SPDX-License-Identifier: MIT
/*
 * nbd: requests. Each becomes one part or several, because a server limits their length or the
 * payload isn't in one piece. A part's bytes go directly between the socket and the payload. A part
 * whose connection is lost waits for the next one, and is sent again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"

/* TRIM and ZERO have 32 bits for their length. */
#define MAX_RANGE	(1u << 30)

/*
 * Lists
 */

static void append(struct parts *parts, struct part *part)
{
	part->next = NULL;
	part->previous = parts->last;
	if (parts->last)
		parts->last->next = part;
	else
		parts->first = part;
	parts->last = part;
}

static void take_out(struct parts *parts, struct part *part)
{
	if (part->previous)
		part->previous->next = part->next;
	else
		parts->first = part->next;
	if (part->next)
		part->next->previous = part->previous;
	else
		parts->last = part->previous;
}

static struct part *take_first(struct parts *parts)
{
	struct part *part = parts->first;

	if (part)
		take_out(parts, part);
	return part;
}

/*
 * Cutting
 */

static bool has_payload(const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_READ || io->op == ZCMU_IO_WRITE;
}

/*
 * Is every piece of the payload a multiple of the block size? With lent pages there is one piece.
 */
static bool pieces_are_blocks(const struct zcmu_io *io, uint32_t block_size)
{
	int i;

	for (i = 0; i < io->iovcnt; i++) {
		if (io->iov[i].iov_len % block_size)
			return false;
	}
	return true;
}

static uint64_t parts_of(uint64_t length, uint32_t max)
{
	return (length + max - 1) / max;
}

static uint64_t count_parts(const struct zcmu_io *io, uint32_t max, bool bounces)
{
	uint64_t n = 0;
	int i;

	if (io->op == ZCMU_IO_TRIM || io->op == ZCMU_IO_ZERO)
		return parts_of(io->length, MAX_RANGE);
	if (!has_payload(io))
		return 1;
	if (bounces)
		return parts_of(io->length, max);
	for (i = 0; i < io->iovcnt; i++)
		n += parts_of(io->iov[i].iov_len, max);
	return n;
}

/* Fill in parts for @length bytes from @offset on. Return: the next part. */
static struct part *cut(struct request *request, struct part *part, char *buffer, uint64_t offset,
			uint64_t length, uint64_t max)
{
	uint64_t n;

	do {
		n = length < max ? length : max;
		*part++ = (struct part){
			.request = request, .buffer = buffer, .offset = offset, .length = n,
		};
		if (buffer)
			buffer += n;
		offset += n;
		length -= n;
	} while (length);
	return part;
}

static void cut_all(struct request *request, uint32_t max)
{
	struct zcmu_io *io = request->io;
	struct part *part = request->parts;
	uint64_t offset = io->offset;
	int i;

	/*
	 * A reply describes one run of blocks of the same kind from the beginning: ask for no more.
	 */
	if (io->op == ZCMU_IO_MAP && io->length > MAX_RANGE)
		io->length = MAX_RANGE;
	if (!has_payload(io)) {
		cut(request, part, NULL, io->offset, io->length, MAX_RANGE);
	} else if (request->bounce) {
		cut(request, part, request->bounce, io->offset, io->length, max);
	} else {
		for (i = 0; i < io->iovcnt; i++) {
			part = cut(request, part, io->iov[i].iov_base, offset, io->iov[i].iov_len,
				   max);
			offset += io->iov[i].iov_len;
		}
	}
}

static struct request *make_request(struct queue *queue, struct zcmu_io *io)
{
	const struct nbd *nbd = queue->nbd;
	bool bounces = has_payload(io) && !pieces_are_blocks(io, nbd->store->block_size);
	uint64_t n = count_parts(io, nbd->max_part, bounces);
	struct request *request = malloc(sizeof(*request) + n * sizeof(request->parts[0]));

	if (!request)
		return NULL;
	*request = (struct request){ .io = io, .queue = queue, .left = (unsigned int)n };
	if (bounces) {
		request->bounce = malloc(io->length);
		if (!request->bounce) {
			free(request);
			return NULL;
		}
		if (io->op == ZCMU_IO_WRITE)
			zcmu_iov_get(io->iov, io->iovcnt, 0, request->bounce, io->length);
	}
	cut_all(request, nbd->max_part);
	return request;
}

/*
 * libnbd's callbacks. They are called from within its functions, which hold the handle's lock, so
 * they only take notes.
 */

static int chunk_came(void *data, const void *chunk, size_t length, uint64_t offset,
		      unsigned int status, int *error)
{
	struct part *part = data;

	(void)chunk;
	(void)offset;
	(void)error;
	if (status != LIBNBD_READ_ERROR)
		part->seen += length;
	return 0;
}

static int extents_came(void *data, const char *context, uint64_t offset, uint32_t *entries,
			size_t n, int *error)
{
	struct part *part = data;
	struct zcmu_io *io = part->request->io;
	uint64_t block = part->request->queue->nbd->store->block_size;
	const uint32_t both = LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO;
	uint64_t length = 0;
	size_t i;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) || n < 2 || offset != part->offset)
		return 0;
	io->mapped = (entries[1] & both) != both;
	for (i = 0; i + 1 < n && ((entries[i + 1] & both) != both) == io->mapped; i += 2)
		length += entries[i];
	/* A block of which half takes space counts as one that takes space. */
	if (io->mapped)
		length = (length + block - 1) / block * block;
	else
		length = length / block * block;
	if (!length) {
		io->mapped = true;
		length = block;
	}
	if (length < io->length)
		io->length = length;
	return 0;
}

static int part_ended(void *data, int *error)
{
	struct part *part = data;
	struct queue *queue = part->request->queue;

	part->error = *error;
	part->answered = true;
	take_out(&queue->sent, part);
	append(&queue->ended, part);
	return 1;	/* libnbd may forget it */
}

/*
 * Sending
 */

/* Return: a cookie of libnbd, or -1. */
static int64_t send_part(struct queue *queue, struct part *part)
{
	struct zcmu_io *io = part->request->io;
	struct nbd_handle *h = queue->handle;
	uint32_t fua = io->fua ? LIBNBD_CMD_FLAG_FUA : 0;
	nbd_completion_callback ended = { .callback = part_ended, .user_data = part };
	nbd_chunk_callback chunk = { .callback = chunk_came, .user_data = part };
	nbd_extent_callback extents = { .callback = extents_came, .user_data = part };

	part->seen = 0;
	part->error = 0;
	part->answered = false;
	switch (io->op) {
	case ZCMU_IO_READ:
		return nbd_aio_pread_structured(h, part->buffer, part->length, part->offset, chunk,
						ended, 0);
	case ZCMU_IO_WRITE:
		return nbd_aio_pwrite(h, part->buffer, part->length, part->offset, ended, fua);
	case ZCMU_IO_FLUSH:
		return nbd_aio_flush(h, ended, 0);
	case ZCMU_IO_TRIM:
		return nbd_aio_trim(h, part->length, part->offset, ended, fua);
	case ZCMU_IO_ZERO:
		return nbd_aio_zero(h, part->length, part->offset, ended,
				    fua | (io->may_trim ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
	case ZCMU_IO_MAP:
		return nbd_aio_block_status(h, part->length, part->offset, extents, ended,
					    LIBNBD_CMD_FLAG_REQ_ONE);
	}
	return -1;
}

static int why_not_sent(const struct queue *queue)
{
	if (nbd_aio_is_dead(queue->handle) || nbd_aio_is_closed(queue->handle))
		return ENOTCONN;
	return nbd_get_errno() ? nbd_get_errno() : EIO;
}

static void send_now(struct queue *queue, struct part *part)
{
	nbd_stable_sent(queue, part);
	append(&queue->sent, part);
	if (send_part(queue, part) >= 0)
		return;
	/* Its callback was not called, and will not be. */
	part->error = why_not_sent(queue);
	take_out(&queue->sent, part);
	append(&queue->ended, part);
}

/*
 * Send the waiting parts. Parts that can't be sent because the connection has just died keep
 * waiting.
 */
void nbd_parts_send(struct queue *queue)
{
	struct part *part;

	while (queue->link == LINK_UP && !queue->renews && (part = queue->waiting.first)) {
		/*
		 * The disk has grown since this connection was made, and the server doesn't know.
		 */
		if (part->offset + part->length > queue->size) {
			queue->renews = true;
			return;
		}
		send_now(queue, take_first(&queue->waiting));
	}
}

static void own_done(struct zcmu_io *io, int error)
{
	struct queue *queue = io->queue;

	queue->own_is_out = false;
	queue->own_failed = error;
}

/* Flush this connection, before the parts that wait for it. */
void nbd_flush_own(struct queue *queue)
{
	struct request *request;

	queue->own = (struct zcmu_io){
		.struct_size = sizeof(queue->own), .op = ZCMU_IO_FLUSH, .queue = queue,
		.done = own_done,
	};
	request = make_request(queue, &queue->own);
	if (!request) {
		queue->own_failed = true;
		return;
	}
	queue->own_is_out = true;
	if (!queue->sent.first && !queue->waiting.first)
		nbd_queue_expect(queue);
	send_now(queue, &request->parts[0]);
}

/*
 * Ending
 */

static void end_part(struct part *part)
{
	struct request *request = part->request;
	struct zcmu_io *io = request->io;
	int error;

	if (part->error && !request->error)
		request->error = -part->error;
	if (--request->left)
		return;
	error = request->error;
	if (request->bounce && io->op == ZCMU_IO_READ && !error)
		zcmu_iov_put(io->iov, io->iovcnt, 0, request->bounce, io->length);
	free(request->bounce);
	free(request);
	zcmu_io_done(io, error);
}

/* Should the part wait for the next connection? A server that goes down says so to each command. */
static bool is_lost(const struct part *part)
{
	return part->error == ENOTCONN || part->error == ESHUTDOWN;
}

/* A READ is not done if its chunks don't cover all of it. */
static void check_read(struct part *part)
{
	if (!part->error && part->request->io->op == ZCMU_IO_READ && part->seen != part->length)
		part->error = EIO;
}

/*
 * Look at parts that have ended: answer them, or let them wait for another connection. Return:
 * false if this connection is not usable any more.
 */
bool nbd_parts_settle(struct queue *queue)
{
	struct parts again = { 0 };
	bool usable = true;
	struct part *part;

	while ((part = take_first(&queue->ended))) {
		if (is_lost(part)) {
			append(&again, part);
			usable = false;
			continue;
		}
		nbd_queue_expect(queue);
		queue->back_off = 0;
		check_read(part);
		if (part->answered && !nbd_stable_answered(queue, part)) {
			append(&queue->doubtful, part);
			continue;
		}
		end_part(part);
	}
	/* Keep the order: parts that were sent first are sent first again. */
	if (again.last) {
		again.last->next = queue->waiting.first;
		if (queue->waiting.first)
			queue->waiting.first->previous = again.last;
		else
			queue->waiting.last = again.last;
		queue->waiting.first = again.first;
	}
	return usable;
}

/* Other connections were flushed, or are closed: can the flushes that wait for that be decided? */
void nbd_parts_look_again(struct queue *queue)
{
	struct parts all = queue->doubtful;
	struct part *part;

	queue->doubtful = (struct parts){ 0 };
	while ((part = take_first(&all))) {
		if (nbd_stable_is_decided(queue, part))
			end_part(part);
		else
			append(&queue->doubtful, part);
	}
}

/* The handle is gone, and with it libnbd's state: everything waits again. */
void nbd_parts_take_back(struct queue *queue)
{
	struct part *part;

	while ((part = take_first(&queue->sent))) {
		part->error = ENOTCONN;
		append(&queue->ended, part);
	}
	nbd_parts_settle(queue);
}

/* There is no connection, and everything that waits for one ends with an error. */
void nbd_parts_fail(struct queue *queue, int error)
{
	struct parts all = queue->waiting;
	struct part *part;

	queue->waiting = (struct parts){ 0 };
	while ((part = take_first(&all))) {
		part->error = error;
		end_part(part);
	}
}

void nbd_request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct queue *queue = io->queue;
	struct request *request;
	unsigned int i, n;

	/* The server doesn't tell: all of the range counts as mapped. */
	if (io->op == ZCMU_IO_MAP && !queue->nbd->server.extents) {
		zcmu_io_done(io, 0);
		return;
	}
	(void)store;
	if (queue->given_up) {
		zcmu_io_done(io, -ENOTCONN);
		return;
	}
	request = make_request(queue, io);
	if (!request) {
		zcmu_io_done(io, -ENOMEM);
		return;
	}
	/* The clock runs from the time when an answer is expected. */
	if (queue->link == LINK_UP && !queue->sent.first && !queue->waiting.first)
		nbd_queue_expect(queue);
	n = request->left;
	for (i = 0; i < n; i++)
		append(&queue->waiting, &request->parts[i]);
}
