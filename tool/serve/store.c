// SPDX-License-Identifier: MIT
/*
 * zcmu serve: the store of a disk, in this process or in one that is locked in: what it says of
 * itself, its serial number, and its opening. What becomes a disk of it is serve.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstore.h"
#include "confine/confined.h"
#include "confine/keeper.h"
#include "contents.h"
#include "created.h"
#include "serve/serial.h"
#include "serve/serve.h"
#include "serve/takeover.h"
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
		.takes_over = serve->takes_over,
		.signal_fd = serve->is_reopening ? -1 : serve->signal_fd,
		.hang_up_ends = serve->hang_up_ends,
	};
}

/* What does the store say of itself? To be known before it is opened. */
int serve_ask_flags(struct serve *serve)
{
	const struct confined_wish wish = make_wish(serve, &serve->store_options);

	if (serve->user.name[0])
		return keeper_ask_flags(&wish, &serve->flags);
	return zcmu_store_flags(serve->spec, &serve->flags);
}

/* Which store does its name lead to by now? It isn't opened for that. "": nobody can tell */
static int look_up_identity(struct serve *serve, char *text, size_t size)
{
	const struct confined_wish wish = make_wish(serve, &serve->store_options);
	int err;

	if (serve->user.name[0]) {
		err = keeper_identify(&wish, text, size);
	} else {
		err = serve_opening_begin(serve);
		if (!err)
			err = serve_opening_end(serve,
						zcmu_store_identify(serve->spec, text, size));
	}
	if (!err || err == -EOPNOTSUPP || err == -EINTR)
		return err;
	zcmu_error("%s: can't find its store, %s: %s", serve->name, serve->spec, strerror(-err));
	return err;
}

/*
 * To be known before it is opened, which may change something; and whoever has it open need
 * not close it for nothing.
 */
int serve_check_named_store(struct serve *serve, const struct backstore *backstore)
{
	char identity[ZCMU_STORE_IDENTITY_MAX] = "";
	int err = look_up_identity(serve, identity, sizeof(identity));

	/* When it is open, it can tell. */
	if (err == -EOPNOTSUPP)
		return 0;
	return err ? err : takeover_check_identity(backstore, identity);
}

/* A spec that means the same from every folder, to be shown. */
void serve_absolute_spec(const char *spec, char *absolute, size_t size)
{
	char path[PATH_MAX];

	if (!strncmp(spec, "file:", 5) && realpath(spec + 5, path))
		snprintf(absolute, size, "file:%s", path);
	else
		snprintf(absolute, size, "%s", spec);
}

/* Of a new disk. @spec: absolute */
int serve_get_serial(struct serve *serve, const char *spec)
{
	serve->options.serial = serve->serial;
	if (!serve->asked_serial[0])
		return serial_get(serve->name, spec, !(serve->flags & ZCMU_STORE_VOLATILE),
				  serve->serial);
	snprintf(serve->serial, sizeof(serve->serial), "%s", serve->asked_serial);
	return 0;
}

/*
 * Of a disk that is there: what it has to have. One whose serial isn't kept was made by an older
 * zcmu.
 */
int serve_find_serial(struct serve *serve, const char *spec, bool *is_kept)
{
	int err;

	*is_kept = true;
	serve->options.serial = serve->serial;
	if (serve->asked_serial[0]) {
		snprintf(serve->serial, sizeof(serve->serial), "%s", serve->asked_serial);
		return 0;
	}
	err = serial_find(serve->name, spec, serve->serial);
	if (err == -ENOENT) {
		*is_kept = false;
		serial_of_machine(serve->name, spec, serve->serial);
		return 0;
	}
	if (err)
		zcmu_error("%s: can't find out its serial number: %s", serve->name, strerror(-err));
	return err;
}

/* The older one's is the disk's from now on, on whichever machine it is made again. */
void serve_keep_serial(const struct serve *serve, const char *spec)
{
	int err = serial_keep(serve->name, spec, serve->serial);

	if (err)
		zcmu_warning("%s: can't keep its serial number, %s: %s; give it with --serial when the disk is made anew",
			     serve->name, serve->serial, strerror(-err));
}

/* The store's sizes, wherever it is */
const struct zcmu_store *serve_shape(const struct serve *serve)
{
	return serve->store ? serve->store : &serve->shape;
}

/* Open it in a process of its own. */
static int open_confined(struct serve *serve, const struct zcmu_store_options *options)
{
	const struct confined_wish wish = make_wish(serve, options);

	int err;

	serve->shape.read_only = options->read_only;
	err = keeper_open(&serve->keeper, &wish, &serve->shape);
	if (!err)
		snprintf(serve->identity, sizeof(serve->identity), "%s", serve->keeper.identity);
	return err;
}

static int open_here(struct serve *serve, const struct zcmu_store_options *options)
{
	int err = serve_opening_begin(serve);

	serve->identity[0] = '\0';
	if (err)
		return err;
	created_begin(&serve->created, serve->spec, options->size);
	err = zcmu_store_open(serve->spec, options, &serve->store);
	if (!err)
		created_opened(&serve->created, serve->store);
	created_hint_at_size(serve->spec, options, err);
	if (serve_opening_end(serve, err))
		return err;
	err = zcmu_store_identity(serve->store, serve->identity, sizeof(serve->identity));
	if (!err || err == -EOPNOTSUPP)
		return 0;
	zcmu_error("%s: can't tell which store it is: %s", serve->spec, strerror(-err));
	return err;
}

/* What was opened counts: its name may have led elsewhere when it was looked up. */
static int check_opened_store(struct serve *serve)
{
	int err = takeover_check_identity(&serve->backstore, serve->identity);

	/* Some stores know only when they are open whether their bytes outlive them. */
	if (!err && serve->store)
		err = contents_check_outlive(serve->name, serve->store->ops->flags);
	return err;
}

/*
 * A store whose disk is there is there, too: it must not be made anew. It may have more than
 * its disk shows: the disk was made smaller, the store has grown, or a resize was cut short.
 */
int serve_open_store(struct serve *serve)
{
	struct zcmu_store_options options = serve->store_options;
	struct zcmu_store *store;
	int err = 0;

	if (serve->takes_over) {
		options.size = 0;
		err = serve_check_named_store(serve, &serve->backstore);
	}
	if (!err && serve->user.name[0])
		err = open_confined(serve, &options);
	else if (!err)
		err = open_here(serve, &options);
	if (!err && serve->takes_over)
		err = check_opened_store(serve);
	store = serve->store ? serve->store : &serve->shape;
	if (!err && serve->takes_over && store->size > serve->backstore.size)
		store->size = serve->backstore.size;
	return err;
}
