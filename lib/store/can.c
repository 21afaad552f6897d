// SPDX-License-Identifier: MIT
/*
 * What a store can do, and how requests are carried out. Both follow from its callbacks and what it
 * has set when it was opened (can_fua and the like). Whether that is consistent is checked in
 * store.c.
 */
#include "serve/disk.h"

/* How writes with FUA are made stable. */
enum zcmu_can zcmu_store_fua(const struct zcmu_store *store)
{
	if (store->can_fua != ZCMU_CAN_DEFAULT)
		return store->can_fua;
	if (store->ops->flags & ZCMU_STORE_FUA)
		return ZCMU_CAN_NATIVE;
	/* Without a cache there is nothing to do, and FUA is supported natively. */
	return zcmu_store_flush(store) == ZCMU_CAN_NONE ? ZCMU_CAN_NATIVE : ZCMU_CAN_EMULATED;
}

/* Native: there is a write cache, and it can be flushed. Emulated: each write has FUA. */
enum zcmu_can zcmu_store_flush(const struct zcmu_store *store)
{
	if (store->can_flush != ZCMU_CAN_DEFAULT)
		return store->can_flush;
	return store->ops->flush ? ZCMU_CAN_NATIVE : ZCMU_CAN_NONE;
}

/* Emulated by a zero that may trim. */
enum zcmu_can zcmu_store_trim(const struct zcmu_store *store)
{
	if (store->read_only)
		return ZCMU_CAN_NONE;
	if (store->can_trim != ZCMU_CAN_DEFAULT)
		return store->can_trim;
	return store->ops->trim ? ZCMU_CAN_NATIVE : ZCMU_CAN_NONE;
}

/* Emulated by writes. */
enum zcmu_can zcmu_store_zero(const struct zcmu_store *store)
{
	if (store->read_only || !store->ops->write)
		return ZCMU_CAN_NONE;
	if (store->can_zero != ZCMU_CAN_DEFAULT)
		return store->can_zero;
	return store->ops->zero ? ZCMU_CAN_NATIVE : ZCMU_CAN_EMULATED;
}

/* May the store be asked for this operation? */
bool zcmu_store_can(const struct zcmu_store *store, enum zcmu_io_op op)
{
	switch (op) {
	case ZCMU_IO_READ:
		return true;
	case ZCMU_IO_WRITE:
		return store->ops->write && !store->read_only;
	case ZCMU_IO_FLUSH:
		return zcmu_store_flush(store) == ZCMU_CAN_NATIVE;
	case ZCMU_IO_TRIM:
		return zcmu_store_trim(store) == ZCMU_CAN_NATIVE;
	case ZCMU_IO_ZERO:
		return zcmu_store_zero(store) == ZCMU_CAN_NATIVE;
	case ZCMU_IO_MAP:
		return store->ops->map;
	}
	return false;
}

/*
 * Can the initiator give blocks back, so that the disk is thin? A store that can only zero might
 * write the blocks that an initiator means to give back.
 */
bool zcmu_store_unmaps(const struct zcmu_store *store)
{
	return zcmu_store_trim(store) != ZCMU_CAN_NONE;
}

/* Can the store trim, and do trimmed blocks read as zeroes? */
bool zcmu_store_trims_to_zeroes(const struct zcmu_store *store)
{
	enum zcmu_can trim = zcmu_store_trim(store);

	return (trim == ZCMU_CAN_NATIVE && store->ops->flags & ZCMU_STORE_TRIM_ZEROES) ||
	       trim == ZCMU_CAN_EMULATED;
}

/* Does the request make changes that a flush would make stable? */
static bool leaves_something_to_flush(enum zcmu_io_op op)
{
	return op == ZCMU_IO_WRITE || op == ZCMU_IO_TRIM || op == ZCMU_IO_ZERO;
}

/* Does the store honour io->fua of a WRITE? Its flag says so, unless open() has set otherwise. */
static bool knows_fua(const struct zcmu_store *store)
{
	if (store->can_fua != ZCMU_CAN_DEFAULT)
		return store->can_fua == ZCMU_CAN_NATIVE;
	return store->ops->flags & ZCMU_STORE_FUA;
}

/*
 * How does a request become stable before it is answered? @fua: the caller wants that. A store that
 * has FUA and no flush gets FUA with every write, wanted or not. Only this function decides that,
 * for every caller: zcmu_store_ask() heeds it, for a layer, a copy, or a disk.
 */
enum zcmu_stable_by zcmu_store_stable_by(const struct zcmu_store *store, enum zcmu_io_op op,
					 bool fua)
{
	if (!leaves_something_to_flush(op))
		return ZCMU_STABLE_BY_ITSELF;
	if (zcmu_store_flush(store) == ZCMU_CAN_EMULATED)
		return ZCMU_STABLE_BY_FUA;
	if (!fua)
		return ZCMU_STABLE_BY_ITSELF;
	if (op == ZCMU_IO_WRITE && knows_fua(store))
		return ZCMU_STABLE_BY_FUA;
	/* Without a cache there is nothing to do. */
	return zcmu_store_can(store, ZCMU_IO_FLUSH) ? ZCMU_STABLE_BY_FLUSH : ZCMU_STABLE_BY_ITSELF;
}
