// SPDX-License-Identifier: MIT
/*
 * xor: a store of your own, as a plug-in, in one screen: a disk in memory, whose bytes
 * are all XORed with a key. "xor:SIZE,key=N". zcmu-store(3) walks through it.
 *
 *	cc -shared -fPIC -o xor.so xor.c $(pkg-config --cflags --libs libzcmu)
 *	ZCMU_STORE_PATH=. zcmu serve xor:64M,key=42
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <zcmu.h>

struct xor {
	unsigned char key;
	unsigned char memory[];
};

static int xor_open(struct zcmu_store *store, const char *argument)
{
	char size[32];
	unsigned char key;
	struct xor *xor;

	if (sscanf(argument, "%31[^,],key=%hhu", size, &key) != 2 ||
	    zcmu_parse_size(size, &store->size)) {
		zcmu_error("xor:%s: say xor:64M,key=42, for example", argument);
		return -EINVAL;
	}
	xor = calloc(1, sizeof(*xor) + store->size);
	if (!xor)
		return -ENOMEM;
	xor->key = key;
	store->data = xor;
	return 0;
}

static void xor_close(struct zcmu_store *store)
{
	free(store->data);
}

/* The payload is the initiator's memory: what is read goes there, and nowhere before. */
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

/* It can't be changed in place: a store into what is written is SIGBUS. */
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
	.usage = "xor:SIZE,key=N",
	.summary = "an example: memory, XORed with a key",
	.open = xor_open,
	.close = xor_close,
	.read = xor_read,
	.write = xor_write,
};
