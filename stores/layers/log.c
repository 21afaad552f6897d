// SPDX-License-Identifier: MIT
/*
 * log: a line for each request, when it is answered: when it began, what it was, how it
 * ended, and how long that took.
 */
#include "layer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct log_options {
	char *path;
};

static const struct zcmu_option options[] = {
	{ .name = "file", .value = "PATH", .summary = "where lines are appended",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct log_options, path) },
	{ 0 }
};

struct log {
	struct layer layer;
	FILE *file;		/* its own lock keeps lines whole */
	uint64_t begun;
};

static int log_start(struct layer *layer)
{
	const struct log_options *is = layer->store->options;
	struct log *log = (struct log *)layer;
	int err;

	if (!is->path) {
		zcmu_error("log: to which file? Say log,file=PATH:STORE");
		return -EINVAL;
	}
	log->file = fopen(is->path, "ae");
	if (!log->file) {
		err = -errno;
		zcmu_error("log: can't write to %s: %s", is->path, strerror(-err));
		return err;
	}
	setvbuf(log->file, NULL, _IOLBF, 0);
	log->begun = layer_now();
	return 0;
}

static void log_stop(struct layer *layer)
{
	struct log *log = (struct log *)layer;

	if (log->file)
		fclose(log->file);
}

/* The request as it came: the store below may have changed its copy. */
static void log_answered(struct layer *layer, const struct layer_io *lio, int error)
{
	const struct zcmu_io *io = lio->upper;
	struct log *log = (struct log *)layer;
	uint64_t at = lio->begun - log->begun;

	fprintf(log->file, "%" PRIu64 ".%06" PRIu64 " %s offset=%" PRIu64 " length=%" PRIu64
		"%s%s error=%d us=%" PRIu64 "\n", at / 1000000, at % 1000000,
		layer_op_name(io->op), io->offset, io->length, io->fua ? " fua" : "",
		io->may_trim ? " may_trim" : "", error, layer_now() - lio->begun);
}

static const struct layer_kind kind = {
	.name = "log",
	.size = sizeof(struct log),
	.start = log_start,
	.stop = log_stop,
	.answered = log_answered,
};

static int log_open(struct zcmu_store *store, const char *argument)
{
	return layer_open(store, argument, &kind);
}

const struct zcmu_store_ops zcmu_log_layer = {
	LAYER_OPS,
	.identity = layer_identity,
	.name = "log",
	.usage = "log,file=PATH:STORE",
	.summary = "a line in a file for each request",
	.open = log_open,
	.options = options,
	.options_size = sizeof(struct log_options),
};
