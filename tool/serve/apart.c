// SPDX-License-Identifier: MIT
/*
 * zcmu serve --user: a process that is locked in opens the store and serves the ring. This process
 * never has the ring mapped. The protocol of the two is in confine/.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "confine/confined.h"
#include "confine/keeper.h"
#include "serve/serve.h"
#include "zcmu.h"

static struct confined_wish make_wish(const struct serve *serve,
				      const struct zcmu_store_options *options)
{
	return (struct confined_wish){
		.name = serve->name,
		.spec = serve->spec,
		.store_flags = serve->flags,
		.store_options = options,
		.threads = serve->options.threads,
		.user = &serve->user,
		.program_lock = serve->flags & ZCMU_STORE_STARTS_PROGRAM ? serve->program_lock : -1,
		.takes_over = serve->takes_over,
		.signal_fd = serve->is_reopening ? -1 : serve->signal_fd,
		.hang_up_ends = serve->hang_up_ends,
	};
}

static int apart_ask_flags(struct serve *serve)
{
	const struct confined_wish wish = make_wish(serve, &serve->store_options);

	return keeper_ask_flags(&wish, &serve->flags);
}

static int apart_identify(struct serve *serve, char *text, size_t size)
{
	const struct confined_wish wish = make_wish(serve, &serve->store_options);

	return keeper_identify(&wish, text, size);
}

static int apart_open(struct serve *serve, const struct zcmu_store_options *options)
{
	const struct confined_wish wish = make_wish(serve, options);
	int err;

	serve->apart_shape.read_only = options->read_only;
	err = keeper_open(&serve->keeper, &wish, &serve->apart_shape);
	if (err)
		return err;
	serve->shape = &serve->apart_shape;
	/* Some stores know only when they are open whether their data outlives them. */
	if (serve->keeper.is_volatile)
		serve->flags |= ZCMU_STORE_VOLATILE;
	snprintf(serve->identity, sizeof(serve->identity), "%s", serve->keeper.identity);
	return 0;
}

static int apart_start(struct serve *serve)
{
	return keeper_serve(&serve->keeper, &serve->backstore, serve->shape->size, serve->serial);
}

static int apart_resize(struct serve *serve, uint64_t size)
{
	int err = keeper_resize(&serve->keeper, size);

	if (!err)
		serve->shape->size = size;
	return err;
}

static int apart_fd(const struct serve *serve)
{
	return serve->keeper.fd;
}

static bool apart_is_dead(const struct serve *serve)
{
	return serve->keeper.is_dead;
}

/* The process may have died while it carried out another request. */
static int apart_hear(struct serve *serve, bool is_readable)
{
	if (apart_is_dead(serve) || (is_readable && keeper_listen(&serve->keeper)))
		return -EIO;
	return 0;
}

static int apart_hand_over(struct serve *serve)
{
	return keeper_drain(&serve->keeper);
}

static int apart_stop(struct serve *serve, struct zcmu_statistics *statistics)
{
	return keeper_stop(&serve->keeper, statistics);
}

/* The process has done what it was asked to do, even if it has died after that. */
static void apart_close(struct serve *serve)
{
	struct zcmu_statistics ignored;

	keeper_stop(&serve->keeper, &ignored);
	serve->keeper = (struct keeper){ .fd = -1 };
	serve->shape = NULL;
}

const struct serve_way serve_apart = {
	.ask_flags = apart_ask_flags,
	.identify = apart_identify,
	.open = apart_open,
	.start = apart_start,
	.resize = apart_resize,
	.fd = apart_fd,
	.hear = apart_hear,
	.is_dead = apart_is_dead,
	.hand_over = apart_hand_over,
	.stop = apart_stop,
	.close = apart_close,
};
