// SPDX-License-Identifier: MIT
/*
 * log: a line for each request, when it is answered: when it began, what it was, how it ended, and
 * how long that took. The file can be replaced by a new one of its name.
 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "zcmu.h"

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
	struct log *next;	/* of the open logs */
};

static struct log *open_logs;
static pthread_mutex_t open_logs_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *path_of(const struct log *log)
{
	return ((const struct log_options *)log->layer.store->options)->path;
}

static int log_start(struct layer *layer)
{
	struct log *log = (struct log *)layer;
	int err;

	if (!path_of(log)) {
		zcmu_error("log: to which file? Say log,file=PATH:STORE");
		return -EINVAL;
	}
	log->file = fopen(path_of(log), "ae");
	if (!log->file) {
		err = -errno;
		zcmu_error("log: can't write to %s: %s", path_of(log), strerror(-err));
		return err;
	}
	setvbuf(log->file, NULL, _IOLBF, 0);
	log->begun = layer_now();
	pthread_mutex_lock(&open_logs_lock);
	log->next = open_logs;
	open_logs = log;
	pthread_mutex_unlock(&open_logs_lock);
	return 0;
}

static void log_stop(struct layer *layer)
{
	struct log *log = (struct log *)layer, **link;

	if (!log->file)
		return;
	pthread_mutex_lock(&open_logs_lock);
	for (link = &open_logs; *link != log; link = &(*link)->next)
		;
	*link = log->next;
	pthread_mutex_unlock(&open_logs_lock);
	fclose(log->file);
}

/* Each line is one write, to the old file or to the new one, so no thread has to wait. */
static void reopen(struct log *log)
{
	int fd = open(path_of(log), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0 || dup3(fd, fileno(log->file), O_CLOEXEC) < 0)
		zcmu_warning("log: can't open %s anew: %s; what is logged goes to the old file",
			     path_of(log), strerror(errno));
	if (fd >= 0)
		close(fd);
}

void zcmu_reopen_logs(void)
{
	struct log *log;

	pthread_mutex_lock(&open_logs_lock);
	for (log = open_logs; log; log = log->next)
		reopen(log);
	pthread_mutex_unlock(&open_logs_lock);
}

/* The request as it arrived: the store below may have changed its copy. */
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
