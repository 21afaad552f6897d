// SPDX-License-Identifier: MIT
/*
 * fault: what may go wrong with a store, on demand: errors, delays, requests that are
 * never answered, the death of the process; always, or while a file exists.
 */
#include "layer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_AGAIN	50000	/* microseconds: is the file still there? */

struct fault {
	struct layer layer;
	char trigger[512];	/* "": always */
	int error;		/* negative, or 0 */
	int64_t delay;		/* microseconds */
	bool hangs, dies;
	int op;			/* one alone, or -1 */
	uint64_t at;		/* the byte that READs and WRITEs fail at */
	bool has_at;
};

static const struct {
	const char *name;
	int error;
} errors[] = {
	{ "EIO", -EIO }, { "ENOSPC", -ENOSPC }, { "EROFS", -EROFS }, { "EAGAIN", -EAGAIN },
	{ "ENOMEM", -ENOMEM }, { "ENODEV", -ENODEV }, { "ECANCELED", -ECANCELED },
	{ "EINVAL", -EINVAL },
};

static int take_error(struct fault *fault, const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (!strcmp(errors[i].name, value)) {
			fault->error = errors[i].error;
			return 0;
		}
	}
	return -EINVAL;
}

/* A delay is in milliseconds. */
static int take_delay(struct fault *fault, const char *value)
{
	char *end;
	unsigned long ms = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || ms > 3600 * 1000)
		return -EINVAL;
	fault->delay = (int64_t)ms * 1000;
	return 0;
}

static int take_op(struct fault *fault, const char *value)
{
	int op;

	for (op = ZCMU_IO_READ; op <= ZCMU_IO_MAP; op++) {
		if (!strcmp(layer_op_name((enum zcmu_io_op)op), value)) {
			fault->op = op + 1;
			return 0;
		}
	}
	return -EINVAL;
}

static int fault_option(struct layer *layer, const char *name, const char *value)
{
	struct fault *fault = (struct fault *)layer;

	if (!strcmp(name, "error"))
		return take_error(fault, value);
	if (!strcmp(name, "delay"))
		return take_delay(fault, value);
	if (!strcmp(name, "on"))
		return take_op(fault, value);
	if (!strcmp(name, "at")) {
		fault->has_at = true;
		return zcmu_parse_size(value, &fault->at);
	}
	if (!strcmp(name, "while") && *value) {
		snprintf(fault->trigger, sizeof(fault->trigger), "%s", value);
		return 0;
	}
	if (*value)
		return -EINVAL;
	fault->hangs |= !strcmp(name, "hang");
	fault->dies |= !strcmp(name, "die");
	return !strcmp(name, "hang") || !strcmp(name, "die") ? 0 : -EINVAL;
}

static int fault_start(struct layer *layer)
{
	struct fault *fault = (struct fault *)layer;

	if (!fault->error && !fault->delay && !fault->hangs && !fault->dies) {
		zcmu_error("fault: which? Say fault,error=EIO,while=FILE:STORE; or delay=MS, hang, die");
		return -EINVAL;
	}
	fault->op--;		/* -1: any */
	return 0;
}

static bool reaches(const struct zcmu_io *io, uint64_t at)
{
	return (io->op == ZCMU_IO_READ || io->op == ZCMU_IO_WRITE) && io->offset <= at &&
	       at - io->offset < io->length;
}

/* Is it about this request, now? */
static bool is_due(const struct fault *fault, const struct zcmu_io *io)
{
	return (!fault->has_at || reaches(io, fault->at)) && (fault->op < 0 || fault->op == (int)io->op) &&
	       (!fault->trigger[0] || !access(fault->trigger, F_OK));
}

static int64_t fault_decide(struct layer *layer, const struct zcmu_io *io, bool again)
{
	const struct fault *fault = (struct fault *)layer;

	if (!is_due(fault, io))
		return 0;
	if (fault->dies)
		raise(SIGKILL);
	if (fault->hangs)
		return LOOK_AGAIN;
	if (fault->delay && !again)
		return fault->delay;
	/* What is in front of the place is done before it fails. */
	return fault->has_at ? 0 : fault->error;
}

static void front_done(struct zcmu_io *io, int error)
{
	struct fault *fault = (struct fault *)((struct layer_io *)io)->layer;

	if (!error) {
		error = fault->error;
		io->failed_at = fault->at;
	}
	layer_done(io, error);
}

static void fault_request(struct layer *layer, struct layer_io *lio)
{
	struct fault *fault = (struct fault *)layer;
	struct zcmu_io *io = &lio->io;
	uint64_t block = layer->below->block_size, front = fault->at / block * block;

	if (!fault->has_at || !fault->error || !is_due(fault, io)) {
		zcmu_store_ask(layer->below, io);
	} else if (front <= io->offset) {
		io->failed_at = fault->at;
		layer_done(io, fault->error);
	} else {
		io->length = front - io->offset;
		io->iovcnt = zcmu_iov_cut(io->iov, io->iovcnt, 0, io->length, io->iov);
		io->done = front_done;
		zcmu_store_ask(layer->below, io);
	}
}

static const struct layer_kind kind = {
	.name = "fault",
	.size = sizeof(struct fault),
	.option = fault_option,
	.start = fault_start,
	.decide = fault_decide,
	.request = fault_request,
};

static int fault_open(struct zcmu_store *store, const char *argument)
{
	return layer_open(store, argument, &kind);
}

const struct zcmu_store_ops zcmu_fault_layer = {
	LAYER_OPS,
	.identity = layer_identity,
	.name = "fault",
	.usage = "fault,OPTION...:STORE",
	.summary = "errors, delays, hangs and death, for tests",
	.open = fault_open,
};
