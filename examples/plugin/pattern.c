// SPDX-License-Identifier: MIT
/*
 * pattern: a template for a store of your own, as a project of its own. A disk that can't be
 * written to, in which each 8 bytes are their own offset, so that a program that reads it sees
 * what it has got. "pattern[,step=N]:SIZE". zcmu-store(3) is the manual.
 *
 * To begin with: replace "pattern" in the names of this project by yours, and these functions by
 * what your storage does.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <zcmu.h>

struct pattern_options {
	uint64_t step;
};

static const struct zcmu_option pattern_options[] = {
	{ .name = "step", .value = "N", .summary = "every offset is multiplied by N, 1 to 255",
	  .min = 1, .max = 255, .type = ZCMU_OPTION_NUMBER,
	  .offset = offsetof(struct pattern_options, step) },
	{ 0 }
};

/* Return: 0, or a negative errno after a message that says what to do. */
static int pattern_open(struct zcmu_store *store, const char *argument)
{
	if (!zcmu_parse_size(argument, &store->size))
		return 0;
	zcmu_error("pattern:%s: that is no size; say pattern:64M, for example", argument);
	return -EINVAL;
}

static unsigned char byte_at(uint64_t offset, uint64_t step)
{
	uint64_t word = htobe64((offset & ~(uint64_t)7) * step);

	return ((const unsigned char *)&word)[offset & 7];
}

/*
 * Several threads call this at once, each with another request. The payload is the initiator's
 * memory, in pieces: what is read goes there. A request that ends later, when your storage has
 * answered, is ended by zcmu_io_done() then, by any thread.
 */
static void pattern_read(struct zcmu_store *store, struct zcmu_io *io)
{
	const struct pattern_options *options = store->options;
	uint64_t offset = io->offset, step = options->step ? options->step : 1;

	for (int i = 0; i < io->iovcnt; i++) {
		unsigned char *to = io->iov[i].iov_base;

		for (size_t n = io->iov[i].iov_len; n; n--)
			*to++ = byte_at(offset++, step);
	}
	zcmu_io_done(io, 0);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "pattern",
	.usage = "pattern[,step=N]:SIZE",
	.summary = "each 8 bytes are their offset; a template",
	.open = pattern_open,
	.read = pattern_read,
	.options = pattern_options,
	.options_size = sizeof(struct pattern_options),
};
