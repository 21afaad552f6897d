/* SPDX-License-Identifier: MIT */
/*
 * An open file that has lost data. Linux reports to an open file once that something could not be
 * written back, and drops that data. The next fdatasync() succeeds, but says nothing about earlier
 * writes. So a store that flushes a file remembers the first failure, and every flush after it
 * fails, until the file is opened anew. The stores file and cow do that here.
 */
#ifndef STORE_LOSS_H
#define STORE_LOSS_H

#include <stdatomic.h>
#include <stdbool.h>

struct loss {
	atomic_bool is_known;
};

/* Must every flush fail? */
static inline bool loss_is_known(struct loss *loss)
{
	return atomic_load(&loss->is_known);
}

/*
 * A call that makes the file's data stable (fdatasync(), fsync(), a write with DSYNC) has ended
 * with @error, 0 or a negative errno. The error is remembered, and reported the first time; @name
 * is the beginning of the message. Return: the result of the flush that made the call.
 */
int loss_of_flush(struct loss *loss, const char *name, int error);

/*
 * Make a file that was created lasting, with its name; later calls are fdatasync() alone. Return: 0
 * or a negative errno; the file can't be used then.
 */
int loss_make_lasting(int fd, const char *path);

#endif /* STORE_LOSS_H */
