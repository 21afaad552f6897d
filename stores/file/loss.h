/* SPDX-License-Identifier: MIT */
/*
 * An open file that has lost data. Linux tells an open file once that something could not be
 * written back, and drops it: the next fdatasync() succeeds, and vouches for nothing that was
 * written before. So whoever flushes a file remembers the first failure, and every flush after
 * it fails, until the file is opened anew. The stores file and cow do that here.
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
 * Something that makes the file's data stable (fdatasync(), fsync(), a write with DSYNC) has
 * ended with @error, 0 or a negative errno. It is remembered, and told the first time; @name
 * stands in front of the message. Return: how a flush that this was done for has ended.
 */
int loss_of_flush(struct loss *loss, const char *name, int error);

/*
 * Make a file that was created lasting, with its name: what comes later is fdatasync() alone.
 * Return: 0 or a negative errno; the file can't be used then.
 */
int loss_make_lasting(int fd, const char *path);

#endif /* STORE_LOSS_H */
