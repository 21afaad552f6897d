/* SPDX-License-Identifier: MIT */
/*
 * The two ways to serve a disk: in this process (here.c), or in a locked-in process of a user
 * (apart.c, --user). Everything else of zcmu serve is the same for both, and calls this table.
 * Functions return 0 or -errno, and have reported the reason, unless said otherwise.
 */
#ifndef ZCMU_TOOL_SERVE_WAY_H
#define ZCMU_TOOL_SERVE_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcmu.h"

struct serve;

struct serve_way {
	/* The store's flags, known before it is opened: sets serve->flags. */
	int (*ask_flags)(struct serve *serve);

	/*
	 * Which store does its name lead to by now? It isn't opened for that. Quiet. -EOPNOTSUPP:
	 * unknown; -EINTR: a signal has ended the question
	 */
	int (*identify)(struct serve *serve, char *text, size_t size);

	/* Open the store. Sets serve->shape and serve->identity. */
	int (*open)(struct serve *serve, const struct zcmu_store_options *options);

	/* The backstore is enabled: serve its ring. Commands are taken when this returns. */
	int (*start)(struct serve *serve);

	int (*resize)(struct serve *serve, uint64_t size);

	/* Readable when there is an event for hear(); -1 if nothing is served. It may change. */
	int (*fd)(const struct serve *serve);

	/* @is_readable: is fd()? Return: -EIO if serving is over. */
	int (*hear)(struct serve *serve, bool is_readable);

	/* Has the process that served it died? Then nobody answers its commands. */
	bool (*is_dead)(const struct serve *serve);

	/* Answer what has begun, flush, take no more. If that fails, it serves on. Quiet. */
	int (*hand_over)(struct serve *serve);

	/*
	 * The same, but serving ends in any case. It may not have begun. @statistics: since it
	 * began
	 */
	int (*stop)(struct serve *serve, struct zcmu_statistics *statistics);

	/* Release the store, after stop() or hand_over(); it may be opened again. */
	void (*close)(struct serve *serve);
};

extern const struct serve_way serve_here;
extern const struct serve_way serve_apart;

#endif /* ZCMU_TOOL_SERVE_WAY_H */
