/* SPDX-License-Identifier: MIT */
/*
 * What the library asks a store to do, and how it interprets what the store reports about itself.
 * Finding and opening stores is in stores.h.
 */
#ifndef ZCMU_STORE_INSIDE_H
#define ZCMU_STORE_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "zcmu.h"

/* store.c */
int zcmu_check_size(uint64_t size, const char *name, const char *argument);

/* can.c */
enum zcmu_stable_by {
	ZCMU_STABLE_BY_ITSELF,		/* or it needn't be stable, or can't be made so */
	ZCMU_STABLE_BY_FUA,		/* FUA goes with the request */
	ZCMU_STABLE_BY_FLUSH,		/* a flush follows the request */
};

enum zcmu_stable_by zcmu_store_stable_by(const struct zcmu_store *store, enum zcmu_io_op op,
					 bool fua);
enum zcmu_can zcmu_store_fua(const struct zcmu_store *store);
enum zcmu_can zcmu_store_flush(const struct zcmu_store *store);
enum zcmu_can zcmu_store_trim(const struct zcmu_store *store);
enum zcmu_can zcmu_store_zero(const struct zcmu_store *store);
bool zcmu_store_unmaps(const struct zcmu_store *store);
bool zcmu_store_trims_to_zeroes(const struct zcmu_store *store);

/* sized.c */
/* Are all of the bytes 0? */
static inline bool zcmu_is_zero(const void *bytes, size_t len)
{
	const uint8_t *first = bytes;

	return !len || (!first[0] && !memcmp(first, first + 1, len - 1));
}

#define ZCMU_END_OF(type, member)	(offsetof(type, member) + sizeof(((type *)0)->member))

int zcmu_take_store_options(struct zcmu_store_options *to, const struct zcmu_store_options *from);
int zcmu_take_serve_options(struct zcmu_serve_options *to, const struct zcmu_serve_options *from);
int zcmu_give_statistics(struct zcmu_statistics *to, const struct zcmu_statistics *from);
int zcmu_take_io(struct zcmu_io *to, const struct zcmu_io *from);
size_t zcmu_store_room(const struct zcmu_store_ops *ops);
bool zcmu_store_asks_too_much(const struct zcmu_store *store);

/* ask.c */
uint64_t zcmu_store_max(const struct zcmu_store *store, enum zcmu_io_op op);
void zcmu_store_cancel(struct zcmu_store *store, struct zcmu_io *io);

#endif /* ZCMU_STORE_INSIDE_H */
