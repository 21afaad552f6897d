/* SPDX-License-Identifier: MIT */
/*
 * A store of 64 MiB that keeps nothing and says "done" to everything, for programs that are
 * about commands, and answer some of them by hand.
 */
#ifndef STUB_STORE_H
#define STUB_STORE_H

#include "zcmu-store.h"

static int stub_open(struct zcmu_store *store, const char *unused)
{
	(void)unused;
	store->size = 64u << 20;
	return 0;
}

static void stub_done(struct zcmu_store *store, struct zcmu_io *io)
{
	(void)store;
	zcmu_io_done(io, 0);
}

/* Its callbacks; READ is stub_done or a function of the program's. */
#define STUB_STORE(NAME, READ) {			\
	.abi = ZCMU_STORE_ABI,				\
	.size = sizeof(struct zcmu_store_ops),		\
	.store_size = sizeof(struct zcmu_store),		\
	.name = (NAME),					\
	.open = stub_open,				\
	.read = (READ),					\
	.write = stub_done,				\
	.flush = stub_done,				\
}

#endif /* STUB_STORE_H */
