// SPDX-License-Identifier: MIT
/*
 * nbd: changes that the server has answered and that were not flushed. A flush covers one server,
 * the one of the connection that it is sent on. A server that comes back may have lost changes that
 * it had answered, and still answers the next flush with success. This file decides which changes a
 * flush has made stable, and makes the flush fail if there are others. queue.c decides what is sent
 * again, and when.
 *
 * With several connections, a flush on one covers changes on another if both lead to the same
 * server. That is known if the server has answered something on the other connection that was sent
 * after this one was made, and has answered the flush on this one. If it has answered nothing since
 * then, it is asked: the other connection's thread flushes it, and the flush waits for that.
 */
#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>

#include "nbd.h"

static bool is_any(const struct unstable *unstable)
{
	return unstable->first <= unstable->last;
}

/* All changes up to this one are stable. */
static void leave_out(struct unstable *unstable, uint64_t change)
{
	if (unstable->first <= change)
		unstable->first = change + 1;
}

static bool is_change(const struct part *part)
{
	switch (part->request->io->op) {
	case ZCMU_IO_WRITE:
	case ZCMU_IO_TRIM:
	case ZCMU_IO_ZERO:
		return true;
	case ZCMU_IO_READ:
	case ZCMU_IO_FLUSH:
	case ZCMU_IO_MAP:
		return false;
	}
	return true;
}

/* Is the part stable when it is answered? */
static bool is_stable(const struct nbd *nbd, const struct part *part)
{
	return part->request->io->fua && nbd->server.fua;
}

static bool is_own(const struct part *part)
{
	return part->request->io == &part->request->queue->own;
}

/* Reported once; every flush fails from then on. nbd->lock is held, or nobody else has it yet. */
void nbd_stable_note_loss(struct nbd *nbd, const char *what)
{
	if (nbd->is_lost)
		return;
	nbd->is_lost = true;
	zcmu_error("%s: %s: what was written before may be lost, so every flush fails from now on; check what is on the disk, then stop and serve it again",
		   nbd->uri, what);
}

static void wake(struct queue *queue)
{
	eventfd_write(queue->wake_fd, 1);
}

/* nbd->lock is held. */
static void wake_those_in_doubt(struct nbd *nbd)
{
	struct queue *queue;

	for (queue = nbd->queues; queue; queue = queue->next) {
		if (queue->is_in_doubt)
			wake(queue);
		queue->is_in_doubt = false;
	}
}

/*
 * The server has answered a flush. Has it made all changes stable that were answered before it was
 * sent? Return: false if that is not known yet. nbd->lock is held.
 */
static bool judge_flush(struct queue *queue, struct part *part)
{
	struct nbd *nbd = queue->nbd;
	struct queue *other;
	bool in_doubt = false;

	for (other = nbd->queues; other; other = other->next) {
		struct unstable *unstable = &other->unstable;

		if (!is_any(unstable) || unstable->first > part->changes)
			continue;
		if (other == queue || unstable->alive >= part->made) {
			leave_out(unstable, part->changes);
		} else if (!is_own(part)) {
			in_doubt = true;
			other->is_asked = true;
			wake(other);
		}
	}
	if (is_any(&nbd->gone) && nbd->gone.first <= part->changes) {
		if (nbd->gone.alive >= part->made)
			leave_out(&nbd->gone, part->changes);
		else if (!is_own(part))
			nbd_stable_note_loss(nbd, "the connection was lost before what the server had answered was flushed");
	}
	if (is_own(part))
		return true;
	if (nbd->is_lost)
		part->error = EIO;
	else if (in_doubt)
		queue->is_in_doubt = true;
	return nbd->is_lost || !in_doubt;
}

/*
 * A server reports a failed writeback once, and the report may go to any client. A flush that
 * succeeds afterwards says nothing about it.
 */
static bool tells_of_a_loss(const struct nbd *nbd, const struct part *part)
{
	if (part->request->io->op == ZCMU_IO_FLUSH)
		return part->error != ENOMEM;
	return is_change(part) && is_stable(nbd, part) && part->error == EIO;
}

/* A part is sent. */
void nbd_stable_sent(struct queue *queue, struct part *part)
{
	struct nbd *nbd = queue->nbd;

	pthread_mutex_lock(&nbd->lock);
	part->connections = nbd->connections;
	part->changes = nbd->changes;
	part->made = queue->made;
	pthread_mutex_unlock(&nbd->lock);
}

/*
 * The server has answered a part, which the initiator doesn't know yet. The result is in
 * part->error. Return: false if it can't be decided yet: ask nbd_stable_is_decided().
 */
bool nbd_stable_answered(struct queue *queue, struct part *part)
{
	struct nbd *nbd = queue->nbd;
	struct unstable *unstable = &queue->unstable;
	bool decided = true;

	pthread_mutex_lock(&nbd->lock);
	if (part->error) {
		if (tells_of_a_loss(nbd, part))
			nbd_stable_note_loss(nbd, "the server could not flush what it had answered");
		if (part->request->io->op == ZCMU_IO_FLUSH)
			wake_those_in_doubt(nbd);
	} else {
		if (unstable->alive < part->connections)
			unstable->alive = part->connections;
		if (part->request->io->op == ZCMU_IO_FLUSH) {
			wake_those_in_doubt(nbd);
			decided = judge_flush(queue, part);
		} else if (is_change(part) && nbd->server.flush && !is_stable(nbd, part)) {
			nbd->changes++;
			if (!is_any(unstable))
				unstable->first = nbd->changes;
			unstable->last = nbd->changes;
		}
	}
	pthread_mutex_unlock(&nbd->lock);
	return decided;
}

bool nbd_stable_is_decided(struct queue *queue, struct part *part)
{
	bool decided;

	pthread_mutex_lock(&queue->nbd->lock);
	decided = judge_flush(queue, part);
	pthread_mutex_unlock(&queue->nbd->lock);
	return decided;
}

/* Was a change answered on this connection that was not flushed? */
bool nbd_stable_is_unstable(struct queue *queue)
{
	bool any;

	pthread_mutex_lock(&queue->nbd->lock);
	any = is_any(&queue->unstable);
	pthread_mutex_unlock(&queue->nbd->lock);
	return any;
}

/* Does another thread's flush wait for a flush of this connection? It is requested once. */
bool nbd_stable_is_asked(struct queue *queue)
{
	bool asked;

	pthread_mutex_lock(&queue->nbd->lock);
	asked = queue->is_asked;
	queue->is_asked = false;
	pthread_mutex_unlock(&queue->nbd->lock);
	return asked;
}

/* A connection is made. */
void nbd_stable_connected(struct queue *queue)
{
	struct nbd *nbd = queue->nbd;

	pthread_mutex_lock(&nbd->lock);
	assert(!is_any(&queue->unstable));
	queue->made = ++nbd->connections;
	pthread_mutex_unlock(&nbd->lock);
}

/* All sent parts were taken back or answered, and there is no connection any more. */
void nbd_stable_disconnected(struct queue *queue)
{
	struct nbd *nbd = queue->nbd;
	struct unstable *gone = &nbd->gone, *unstable = &queue->unstable;

	pthread_mutex_lock(&nbd->lock);
	if (is_any(unstable)) {
		if (!is_any(gone)) {
			*gone = *unstable;
		} else {
			if (unstable->first < gone->first)
				gone->first = unstable->first;
			if (unstable->last > gone->last)
				gone->last = unstable->last;
			if (unstable->alive < gone->alive)
				gone->alive = unstable->alive;
		}
		*unstable = (struct unstable){ .first = 1 };
	}
	queue->is_asked = false;
	wake_those_in_doubt(nbd);
	pthread_mutex_unlock(&nbd->lock);
}

void nbd_stable_add(struct queue *queue)
{
	struct nbd *nbd = queue->nbd;

	pthread_mutex_lock(&nbd->lock);
	queue->unstable = (struct unstable){ .first = 1 };
	queue->next = nbd->queues;
	nbd->queues = queue;
	pthread_mutex_unlock(&nbd->lock);
}

void nbd_stable_remove(struct queue *queue)
{
	struct nbd *nbd = queue->nbd;
	struct queue **link = &nbd->queues;

	pthread_mutex_lock(&nbd->lock);
	while (*link && *link != queue)
		link = &(*link)->next;
	if (*link)
		*link = queue->next;
	pthread_mutex_unlock(&nbd->lock);
}

/* The end: nobody can ask for a flush any more. */
void nbd_stable_close(struct nbd *nbd)
{
	pthread_mutex_lock(&nbd->lock);
	if (is_any(&nbd->gone))
		nbd_stable_note_loss(nbd, "the connection was lost before what the server had answered was flushed");
	pthread_mutex_unlock(&nbd->lock);
}
