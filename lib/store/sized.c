// SPDX-License-Identifier: MIT
/*
 * Structures that are allocated by code that was built with an older or a newer header. Each has a
 * member with its size. Members that a shorter structure lacks are zero. Bytes behind the end that
 * is known here must be zero. So no request for an unknown feature is ignored.
 *
 * This file doesn't know what the members mean.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "serve/disk.h"
#include "store/stores.h"

/* No structure of ours will ever be as large: a caller with such a size has forgotten to set it. */
#define MAX_SIZE	4096u

/*
 * Copy @from, which has @from_size bytes, to @to, which has @size. @least: bytes that must be
 * there. Return: -EINVAL if the size makes no sense; -E2BIG if unknown members are used.
 */
static int copy(void *to, size_t size, const void *from, size_t from_size, size_t least)
{
	if (from_size < least || from_size > MAX_SIZE)
		return -EINVAL;
	if (from_size > size && !zcmu_is_zero((const unsigned char *)from + size, from_size - size))
		return -E2BIG;
	memset(to, 0, size);
	memcpy(to, from, from_size < size ? from_size : size);
	return 0;
}

/*
 * Structures that begin with struct_size. What is wrong is reported; @name: the structure's name.
 */
static int take(void *to, size_t size, const void *from, const char *name)
{
	size_t from_size = *(const size_t *)from;
	int err = copy(to, size, from, from_size, sizeof(from_size));

	if (err == -EINVAL)
		zcmu_error("struct %s: its struct_size is %zu; the program must set it to sizeof(struct %s)",
			   name, from_size, name);
	else if (err)
		zcmu_error("struct %s: the program was built for a newer zcmu than this one, which is %s, and asks for what only that has",
			   name, zcmu_version());
	if (!err)
		*(size_t *)to = size;
	return err;
}

/* Options; @from NULL: the defaults. @reserved: the part of @to that must be 0 */
static int take_options(void *to, size_t size, const void *from, const char *name,
			const void *reserved, size_t reserved_size)
{
	int err;

	memset(to, 0, size);
	*(size_t *)to = size;
	if (!from)
		return 0;
	err = take(to, size, from, name);
	if (err || zcmu_is_zero(reserved, reserved_size))
		return err;
	zcmu_error("struct %s: what is reserved in it must be 0", name);
	return -EINVAL;
}

int zcmu_take_store_options(struct zcmu_store_options *to, const struct zcmu_store_options *from)
{
	return take_options(to, sizeof(*to), from, "zcmu_store_options", to->reserved,
			    sizeof(to->reserved));
}

int zcmu_take_serve_options(struct zcmu_serve_options *to, const struct zcmu_serve_options *from)
{
	return take_options(to, sizeof(*to), from, "zcmu_serve_options", &to->reserved,
			    sizeof(to->reserved));
}

/* The opposite direction: members that the caller knows and this library doesn't are 0. */
int zcmu_give_statistics(struct zcmu_statistics *to, const struct zcmu_statistics *from)
{
	size_t size = to->struct_size;

	if (size < sizeof(size) || size > MAX_SIZE)
		return -EINVAL;
	memset(to, 0, size);
	memcpy(to, from, size < sizeof(*from) ? size : sizeof(*from));
	to->struct_size = size;
	return 0;
}

/*
 * Take a store's callbacks. Those of a store that was built with an older library are shorter.
 * @where: the beginning of messages; NULL: the store's name.
 */
int zcmu_ops_copy(struct zcmu_store_ops *to, const struct zcmu_store_ops *from, const char *where)
{
	bool has_name = from->size >= ZCMU_END_OF(struct zcmu_store_ops, name) && from->name;
	int err = -ENOEXEC;

	if (!where)
		where = has_name ? from->name : "a store";

	if (from->abi == ZCMU_STORE_ABI)
		err = copy(to, sizeof(*to), from, from->size, 2 * sizeof(uint32_t));
	if (err == -E2BIG) {
		zcmu_error("%s: this store was built for a newer zcmu than this one, which is %s, and has what only that knows of",
			   where, zcmu_version());
		return -ENOEXEC;
	}
	if (err) {
		zcmu_error("%s: this store was built for another zcmu (ABI %" PRIu32 ", here %d): build it again",
			   where, from->abi, ZCMU_STORE_ABI);
		return -ENOEXEC;
	}
	to->size = sizeof(*to);
	if (!to->name || !to->open || !to->read) {
		zcmu_error("%s: a store needs at least a name, open and read", where);
		return -EINVAL;
	}
	if (to->cancel && !to->queue_open) {
		zcmu_error("%s: a store that has cancel needs queues, in whose threads it is called",
			   where);
		return -EINVAL;
	}
	if (to->store_size > MAX_SIZE) {
		zcmu_error("%s: its store_size is %" PRIu32 "; it must be sizeof(struct zcmu_store)",
			   where, to->store_size);
		return -EINVAL;
	}
	return 0;
}

/* No messages here: there may be many requests. */
int zcmu_take_io(struct zcmu_io *to, const struct zcmu_io *from)
{
	int err = copy(to, sizeof(*to), from, from->struct_size,
		       ZCMU_END_OF(struct zcmu_io, done));

	to->struct_size = sizeof(*to);
	return err;
}

/* Bytes for the struct zcmu_store of a store: enough for the library's and the store's members. */
size_t zcmu_store_room(const struct zcmu_store_ops *ops)
{
	return ops->store_size > sizeof(struct zcmu_store) ? ops->store_size :
							     sizeof(struct zcmu_store);
}

/* Has open() requested a feature that this library doesn't know? */
bool zcmu_store_asks_too_much(const struct zcmu_store *store)
{
	return store->struct_size > sizeof(*store) &&
	       !zcmu_is_zero(store + 1, store->struct_size - sizeof(*store));
}
