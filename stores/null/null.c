// SPDX-License-Identifier: MIT
/*
 * null: a disk of any size that forgets what is written and reads as zeroes. This is the contract
 * of zcmu-store.h in one screen: begin with it to write a store.
 *
 * With null,touch=0:SIZE a READ's payload isn't even cleared. That is for measuring the path to the
 * store and back, not for data that anybody looks at.
 */
#include <errno.h>
#include <string.h>

#include "zcmu.h"

struct null_options {
	uint32_t touch;
};

static const struct zcmu_option null_options[] = {
	{ .name = "touch", .value = "0|1", .summary = "clear what is read", .standard = "1",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct null_options, touch) },
	{ 0 }
};

static int null_open(struct zcmu_store *store, const char *argument)
{
	char size[32] = "";
	size_t len = strcspn(argument, ",");

	if (len < sizeof(size))
		memcpy(size, argument, len);
	if (zcmu_parse_size(size, &store->size) || store->create_size) {
		zcmu_error("null:%s: the size is missing, wrong, or given twice; say null:1T, for example",
			   argument);
		return -EINVAL;
	}
	return argument[len] ? zcmu_parse_options(store, argument + len + 1) : 0;
}

/* The payload is the initiator's own memory: fill all of it, in place. */
static void null_read(struct zcmu_store *store, struct zcmu_io *io)
{
	const struct null_options *options = store->options;

	if (options->touch)
		zcmu_iov_zero(io->iov, io->iovcnt, 0, io->length);
	zcmu_io_done(io, 0);
}

static void null_write(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

/* No size takes any room. */
static int null_resize(struct zcmu_store *store, uint64_t size)
{
	(void)store;
	(void)size;
	return 0;
}

const struct zcmu_store_ops zcmu_null_store = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_null_store),
	.store_size = sizeof(struct zcmu_store),
	.name = "null",
	.usage = "null:SIZE",
	.summary = "forgets what is written, reads as zeroes",
	.open = null_open,
	.read = null_read,
	.write = null_write,
	.resize = null_resize,
	.options = null_options,
	.options_size = sizeof(struct null_options),
};
