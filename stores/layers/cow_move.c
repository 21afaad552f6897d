// SPDX-License-Identifier: MIT
/*
 * Payloads of cow that the kernel moves (zcmu_io_transfer()): to the overlay, and from it. What is
 * all in the store below is left to that; what is in both is cow.c's.
 *
 * A block's bit must not be set before the block is written. So a write is told, and its bits are
 * set then, as after a write by cow.c; and a flush, which takes the bits first, makes just those
 * blocks stable that have been written when it begins. A process that dies meanwhile has set no
 * bit: the command is done again, or has failed.
 */
#include <errno.h>
#include <string.h>

#include "cow.h"

/* For less, to hear of the end costs about as much as the copy. */
#define MOVE_MIN	65536u

static struct cow *cow_of(const struct layer_io *lio)
{
	return (struct cow *)lio->layer;
}

static bool may_move(const struct cow *cow, const struct zcmu_io *io)
{
	return io->length >= MOVE_MIN &&
	       atomic_load_explicit(&cow->moves, memory_order_relaxed);
}

/* It has failed. Return: is that the end of the request? Else it is done here, all of it. */
static bool is_final(struct cow *cow, int error)
{
	if (error == -EOPNOTSUPP && atomic_exchange(&cow->moves, false))
		zcmu_warning("%s: the kernel doesn't move its payloads (%s): they go through this process",
			     cow->name, strerror(-error));
	/* It lies on this very disk, and would wait for itself; or the disk has ended. */
	return error == -EDEADLK || error == -ESHUTDOWN;
}

static void write_came_back(struct zcmu_io *io, int error, uint64_t bytes)
{
	struct layer_io *lio = (struct layer_io *)io;
	struct cow *cow = cow_of(lio);

	(void)bytes;
	if (!error)
		cow_written(cow, lio, io->offset + io->length, 0);
	else if (is_final(cow, error))
		layer_done(io, error);
	else
		cow_write(cow, lio);
}

static void read_came_back(struct zcmu_io *io, int error, uint64_t bytes)
{
	struct layer_io *lio = (struct layer_io *)io;
	struct cow *cow = cow_of(lio);

	(void)bytes;
	if (is_final(cow, error))
		layer_done(io, error);
	else
		cow_read(cow, lio);
}

/* Return: false if it must be done here. */
bool cow_move_write(struct cow *cow, struct layer_io *lio)
{
	struct zcmu_io *io = &lio->io;

	return may_move(cow, io) &&
	       !zcmu_io_transfer(io, cow->fd, io->offset, ZCMU_MOVE_TELL, write_came_back);
}

/* The same, and all of it is in the overlay. */
bool cow_move_read(struct cow *cow, struct layer_io *lio)
{
	struct zcmu_io *io = &lio->io;

	return may_move(cow, io) && !zcmu_io_transfer(io, cow->fd, io->offset, 0, read_came_back);
}
