// SPDX-License-Identifier: MIT
/*
 * A plug-in without queues that answers each request in a thread of its own. Its disk is zeroes.
 */
#include <errno.h>
#include <pthread.h>

#include "zcmu.h"

static void *answer(void *argument)
{
	struct zcmu_io *io = argument;

	if (io->op == ZCMU_IO_READ)
		zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	zcmu_io_done(io, 0);
	return NULL;
}

static void request(struct zcmu_store *store, struct zcmu_io *io)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, answer, io);

	(void)store;
	if (err)
		zcmu_io_done(io, -err);
	else
		pthread_detach(thread);
}

static int open_sized(struct zcmu_store *store, const char *argument)
{
	return zcmu_parse_size(argument, &store->size);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "elsewhere",
	.usage = "elsewhere:SIZE",
	.summary = "for tests: answers in threads of its own",
	.open = open_sized,
	.read = request,
	.write = request,
};
