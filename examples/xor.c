// SPDX-License-Identifier: MIT
/*
 * xor: a store of your own, as a plug-in, in one screen: a disk in memory, whose bytes
 * are all XORed with a key. "xor,key=N:SIZE". zcmu-store(3) walks through it.
 *
 *	cc -shared -fPIC -o xor.so xor.c $(pkg-config --cflags --libs libzcmu)
 *	ZCMU_STORE_PATH=. zcmu serve xor,key=42:64M
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <zcmu.h>

struct xor {
	unsigned char key;
	unsigned char memory[];
};

struct xor_options {
	uint64_t key;
};

static const struct zcmu_option xor_options[] = {
	{ .name = "key", .value = "N", .summary = "1 to 255", .min = 1, .max = 255,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct xor_options, key) },
	{ 0 }
};

static int xor_open(struct zcmu_store *store, const char *argument)
{
	const struct xor_options *options = store->options;
	struct xor *xor;

	if (!options->key || zcmu_parse_size(argument, &store->size)) {
		zcmu_error("xor:%s: say xor,key=42:64M, for example", argument);
		return -EINVAL;
	}
	xor = calloc(1, sizeof(*xor) + store->size);
	if (!xor)
		return -ENOMEM;
	xor->key = (unsigned char)options->key;
	store->data = xor;
	return 0;
}

static void xor_close(struct zcmu_store *store)
{
	free(store->data);
}

/* The payload is the initiator's memory: what is read goes there. */
static void xor_read(struct zcmu_store *store, struct zcmu_io *io)
{
	struct xor *xor = store->data;
	unsigned char *from = xor->memory + io->offset;

	for (int i = 0; i < io->iovcnt; i++) {
		unsigned char *to = io->iov[i].iov_base;

		for (size_t n = io->iov[i].iov_len; n; n--)
			*to++ = *from++ ^ xor->key;
	}
	zcmu_io_done(io, 0);
}

/* It can't be changed in place: a store into it is SIGBUS. */
static void xor_write(struct zcmu_store *store, struct zcmu_io *io)
{
	struct xor *xor = store->data;
	unsigned char *to = xor->memory + io->offset;

	for (int i = 0; i < io->iovcnt; i++) {
		const unsigned char *from = io->iov[i].iov_base;

		for (size_t n = io->iov[i].iov_len; n; n--)
			*to++ = *from++ ^ xor->key;
	}
	zcmu_io_done(io, 0);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "xor",
	.usage = "xor,key=N:SIZE",
	.summary = "an example: memory, XORed with a key",
	.open = xor_open,
	.close = xor_close,
	.read = xor_read,
	.write = xor_write,
	.options = xor_options,
	.options_size = sizeof(struct xor_options),
};
