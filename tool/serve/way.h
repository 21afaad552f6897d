/* SPDX-License-Identifier: MIT */
/*
 * The two ways to serve a disk: in this process (here.c), or in one of a user's own that is locked
 * in (apart.c, --user). Everything else of zcmu serve is the same for both, and asks this table.
 * Functions return 0 or -errno, and have said why, unless said otherwise.
 */
#ifndef ZCMU_TOOL_SERVE_WAY_H
#define ZCMU_TOOL_SERVE_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcmu.h"

struct serve;

struct serve_way {
	/* What the store says of itself before it is opened: serve->flags. */
	int (*ask_flags)(struct serve *serve);

	/*
	 * Which store does its name lead to by now? It isn't opened for that. Says nothing.
	 * -EOPNOTSUPP: nobody can tell; -EINTR: a signal has ended the question
	 */
	int (*identify)(struct serve *serve, char *text, size_t size);

	/* Open the store. Sets serve->shape and serve->identity. */
	int (*open)(struct serve *serve, const struct zcmu_store_options *options);

	/* The backstore is enabled: serve its ring. Commands are taken when this returns. */
	int (*start)(struct serve *serve);

	int (*resize)(struct serve *serve, uint64_t size);

	/* Readable when something is to be heard; -1 if nothing is served. It may change. */
	int (*fd)(const struct serve *serve);

	/* @is_readable: is fd()? -EIO if serving is over. */
	int (*hear)(struct serve *serve, bool is_readable);

	/* Has the process that served it died? Nobody answers its commands then. */
	bool (*is_dead)(const struct serve *serve);

	/* Answer what has begun, flush, take no more. If that fails, it serves on. Says nothing. */
	int (*hand_over)(struct serve *serve);

	/* The same, and it is over in any case. It may not have begun. @statistics: since it has */
	int (*stop)(struct serve *serve, struct zcmu_statistics *statistics);

	/* The store is let go of, after stop() or hand_over(); it may be opened again. */
	void (*close)(struct serve *serve);
};

extern const struct serve_way serve_here;
extern const struct serve_way serve_apart;

#endif /* ZCMU_TOOL_SERVE_WAY_H */
