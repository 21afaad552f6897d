// SPDX-License-Identifier: MIT
/*
 * zcmu copy: which piece of the store comes next. Pieces are taken in the order of the store, and
 * no worker runs far ahead of the oldest unfinished piece. So the finished beginning (the prefix,
 * which a note records) is not far behind all that is done. A known hole is one large piece. What
 * is done with a piece is in work.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "copy/copy.h"

/* For each slot, the pieces that may be taken while the oldest isn't done */
#define AHEAD	4u

static unsigned int count_slots(const struct copy *copy)
{
	return copy->threads * COPY_DEPTH;
}

int copy_pieces_init(struct copy *copy, uint64_t first)
{
	copy->pieces = calloc(count_slots(copy), sizeof(*copy->pieces));
	if (!copy->pieces)
		return -ENOMEM;
	copy->at = first;
	copy->known_end = 0;
	copy->number = 0;
	copy->somebody_waits = false;
	atomic_store(&copy->done, first);
	return 0;
}

void copy_pieces_deinit(struct copy *copy)
{
	free(copy->pieces);
	copy->pieces = NULL;
}

/* Called under the lock. NULL: nothing is under way. */
static const struct piece *find_oldest(const struct copy *copy)
{
	const struct piece *oldest = NULL;
	unsigned int i;

	for (i = 0; i < count_slots(copy); i++) {
		if (copy->pieces[i].is_taken &&
		    (!oldest || copy->pieces[i].number < oldest->number))
			oldest = &copy->pieces[i];
	}
	return oldest;
}

/* The end of the prefix: everything before it is done. */
uint64_t copy_prefix(struct copy *copy)
{
	const struct piece *oldest;
	uint64_t prefix;

	pthread_mutex_lock(&copy->lock);
	oldest = find_oldest(copy);
	prefix = oldest ? oldest->begin : copy->at;
	pthread_mutex_unlock(&copy->lock);
	return prefix;
}

/* Data ends with a chunk, so that chunks are whole. */
static void cut_next(struct copy *copy, struct piece *piece)
{
	uint64_t chunk_end = copy->at - copy->at % COPY_CHUNK + COPY_CHUNK;

	piece->begin = copy->at;
	piece->number = copy->number++;
	if (copy->at >= copy->known_end) {
		piece->kind = PIECE_UNKNOWN;
		piece->end = at_most(chunk_end, copy->source->size);
	} else if (copy->known_mapped) {
		piece->kind = PIECE_DATA;
		piece->end = at_most(chunk_end, copy->known_end);
	} else {
		piece->kind = PIECE_HOLE;
		piece->end = at_most(copy->at + COPY_HOLE, copy->known_end);
	}
	piece->is_taken = true;
	copy->at = piece->end;
}

/* Return: is there a piece? If not, all were taken, or the oldest has to be done first. */
bool copy_piece_take(struct copy *copy, struct piece *piece)
{
	const struct piece *oldest;
	bool is_far;

	pthread_mutex_lock(&copy->lock);
	assert(!piece->is_taken);
	if (!atomic_load(&copy->error) && copy->at < copy->source->size) {
		oldest = find_oldest(copy);
		is_far = oldest && copy->number - oldest->number >= AHEAD * count_slots(copy);
		if (is_far)
			copy->somebody_waits = true;
		else
			cut_next(copy, piece);
	}
	pthread_mutex_unlock(&copy->lock);
	return piece->is_taken;
}

/* Return: have slots waited for this? */
bool copy_piece_done(struct copy *copy, struct piece *piece)
{
	bool woken;

	pthread_mutex_lock(&copy->lock);
	woken = copy->somebody_waits && find_oldest(copy) == piece;
	if (woken)
		copy->somebody_waits = false;
	piece->is_taken = false;
	pthread_mutex_unlock(&copy->lock);
	atomic_fetch_add(&copy->done, piece->end - piece->begin);
	return woken;
}

/* A slot has learned what is there up to @end, inside of the piece that it has taken. */
void copy_piece_learn(struct copy *copy, uint64_t end, bool mapped)
{
	pthread_mutex_lock(&copy->lock);
	if (end > copy->at && end > copy->known_end) {
		copy->known_end = end;
		copy->known_mapped = mapped;
	}
	pthread_mutex_unlock(&copy->lock);
}
