// SPDX-License-Identifier: MIT
/*
 * fault: failures of a store, on demand: errors, delays, requests that are never answered, the
 * death of the process; always, or while a file exists.
 */
#include "layer.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define LOOK_AGAIN	50000	/* microseconds: is the file still there? */

#define ERRORS	"EIO|ENOSPC|EROFS|EAGAIN|ENOMEM|ENODEV|ECANCELED|EINVAL"

/* In the order of their names, after "none" */
static const int errors[] = {
	0, -EIO, -ENOSPC, -EROFS, -EAGAIN, -ENOMEM, -ENODEV, -ECANCELED, -EINVAL,
};

struct fault_options {
	char *trigger;		/* NULL: always */
	uint64_t delay;		/* milliseconds */
	uint64_t at;		/* the byte where READs and WRITEs fail; UINT64_MAX: any */
	uint32_t error, op;	/* which of the words */
	bool hangs, dies;
};

static const struct zcmu_option options[] = {
	{ .name = "error", .value = "none|" ERRORS, .summary = "requests fail", .standard = "none",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct fault_options, error) },
	{ .name = "delay", .value = "MS", .summary = "they are late", .max = 3600 * 1000,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct fault_options, delay) },
	{ .name = "hang", .summary = "they are not answered",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct fault_options, hangs) },
	{ .name = "die", .summary = "the process is killed",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct fault_options, dies) },
	{ .name = "on", .value = "read|write|flush|trim|zero|map|any", .summary = "of one kind",
	  .standard = "any",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct fault_options, op) },
	{ .name = "at", .value = "BYTE", .summary = "of the disk",
	  .standard = "18446744073709551615",
	  .type = ZCMU_OPTION_SIZE, .offset = offsetof(struct fault_options, at) },
	{ .name = "while", .value = "FILE", .summary = "while it exists",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct fault_options, trigger) },
	{ 0 }
};

struct fault {
	struct layer layer;
	int error;		/* negative, or 0 */
	bool has_at;
};

static const struct fault_options *options_of(const struct fault *fault)
{
	return fault->layer.store->options;
}

static int fault_start(struct layer *layer)
{
	struct fault *fault = (struct fault *)layer;
	const struct fault_options *is = options_of(fault);

	fault->error = errors[is->error];
	fault->has_at = is->at != UINT64_MAX;
	if (!fault->error && !is->delay && !is->hangs && !is->dies) {
		zcmu_error("fault: which? Say fault,error=EIO,while=FILE:STORE; or delay=MS, hang, die");
		return -EINVAL;
	}
	/* Does the file exist? It is looked up by its name, for each request. */
	if (is->trigger)
		layer_add_flags(layer, ZCMU_STORE_OPENS_FILES);
	return 0;
}

static bool reaches(const struct zcmu_io *io, uint64_t at)
{
	return (io->op == ZCMU_IO_READ || io->op == ZCMU_IO_WRITE) && io->offset <= at &&
	       at - io->offset < io->length;
}

/* Does the fault apply to this request, now? */
static bool is_due(const struct fault *fault, const struct zcmu_io *io)
{
	const struct fault_options *is = options_of(fault);

	return (!fault->has_at || reaches(io, is->at)) &&
	       (is->op > ZCMU_IO_MAP || is->op == io->op) &&
	       (!is->trigger || !access(is->trigger, F_OK));
}

static int64_t fault_decide(struct layer *layer, const struct zcmu_io *io, bool again)
{
	const struct fault *fault = (struct fault *)layer;
	const struct fault_options *is = options_of(fault);

	if (!is_due(fault, io))
		return 0;
	if (is->dies)
		raise(SIGKILL);
	if (is->hangs)
		return LOOK_AGAIN;
	if (is->delay && !again)
		return (int64_t)is->delay * 1000;
	/* Blocks in front of the place are done before the request fails. */
	return fault->has_at ? 0 : fault->error;
}

/* A request that hangs is never answered. */
static bool fault_stays(struct layer *layer, const struct zcmu_io *io)
{
	(void)io;
	return options_of((struct fault *)layer)->hangs;
}

static void front_done(struct zcmu_io *io, int error)
{
	struct fault *fault = (struct fault *)((struct layer_io *)io)->layer;

	if (!error) {
		error = fault->error;
		io->failed_at = options_of(fault)->at;
	}
	layer_done(io, error);
}

static void fault_request(struct layer *layer, struct layer_io *lio)
{
	struct fault *fault = (struct fault *)layer;
	struct zcmu_io *io = &lio->io;
	uint64_t block = layer->below->block_size, front = options_of(fault)->at / block * block;

	if (!fault->has_at || !fault->error || !is_due(fault, io)) {
		zcmu_store_ask(layer->below, io);
	} else if (front <= io->offset) {
		io->failed_at = options_of(fault)->at;
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
	.start = fault_start,
	.decide = fault_decide,
	.stays = fault_stays,
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
	.options = options,
	.options_size = sizeof(struct fault_options),
};
