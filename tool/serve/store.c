// SPDX-License-Identifier: MIT
/*
 * zcmu serve: the store of a disk: whether it is the right one, its serial number, and its opening.
 * Where it is opened is here.c's and apart.c's; how it becomes a disk is serve.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstore.h"
#include "contents.h"
#include "serve/serial.h"
#include "serve/serve.h"
#include "serve/takeover.h"
#include "zcmu.h"

/* Which store does its name lead to by now? It isn't opened for that. "": nobody can tell */
static int look_up_identity(struct serve *serve, char *text, size_t size)
{
	int err = serve->way->identify(serve, text, size);

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

/* What was opened counts: its name may have led elsewhere when it was looked up. */
static int check_opened_store(struct serve *serve)
{
	int err = takeover_check_identity(&serve->backstore, serve->identity);

	return err ? err : contents_check_outlive(serve->name, serve->flags);
}

/*
 * A store whose disk is there is there, too: it must not be made anew. It may have more than
 * its disk shows: the disk was made smaller, the store has grown, or a resize was cut short.
 */
int serve_open_store(struct serve *serve)
{
	struct zcmu_store_options options = serve->store_options;
	int err = 0;

	if (serve->takes_over) {
		options.size = 0;
		err = serve_check_named_store(serve, &serve->backstore);
	}
	if (!err)
		err = serve->way->open(serve, &options);
	if (!err && serve->takes_over)
		err = check_opened_store(serve);
	if (!err && serve->takes_over && serve->shape->size > serve->backstore.size)
		serve->shape->size = serve->backstore.size;
	return err;
}
