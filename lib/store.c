// SPDX-License-Identifier: MIT
/*
 * Opens stores by their spec ("file:disk.img"), and says what they can do.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "stores.h"

static const struct zcmu_store_ops *const built_in[] = {
	&zcmu_file_store,
	&zcmu_ram_store,
	&zcmu_null_store,
	NULL
};

const struct zcmu_store_ops *const *zcmu_store_list(void)
{
	return built_in;
}

/* Can the store do it? Capabilities follow from presence. */
bool zcmu_store_can(const struct zcmu_store *store, enum zcmu_io_op op)
{
	const struct zcmu_store_ops *ops = store->ops;

	switch (op) {
	case ZCMU_IO_READ:
		return true;
	case ZCMU_IO_WRITE:
		return ops->write && !store->read_only;
	case ZCMU_IO_FLUSH:
		return ops->flush;
	case ZCMU_IO_TRIM:
		return ops->trim && !store->cannot_trim && !store->read_only;
	case ZCMU_IO_ZERO:
		return ops->zero && !store->cannot_zero && !store->read_only;
	case ZCMU_IO_MAP:
		return ops->map;
	}
	return false;
}

int zcmu_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	unsigned int shift = 0;
	const char *unit;
	char *end;
	uint64_t number;
	int err, saved_errno = errno;

	/* strtoull() would take signs and blanks. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	err = -errno;
	errno = saved_errno;
	if (err)
		return err;
	if (*end) {
		unit = strchr(units, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = number << shift;
	return 0;
}

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* Is what open() has filled in a disk? It is checked here, once for all stores. */
static int check(const struct zcmu_store *store, const char *argument)
{
	const char *name = store->ops->name;

	if (!is_power_of_two(store->block_size) || store->block_size < 512 ||
	    store->block_size > 4096) {
		zcmu_error("%s:%s: a block size of %" PRIu32 " bytes can't be served; it must be 512, 1024, 2048 or 4096",
			   name, argument, store->block_size);
		return -EINVAL;
	}
	if (!store->size || store->size % store->block_size) {
		zcmu_error("%s:%s: the size, %" PRIu64 " bytes, is not a multiple of the block size, %" PRIu32
			   "; change it, or give another with --size",
			   name, argument, store->size, store->block_size);
		return -EINVAL;
	}
	return 0;
}

int zcmu_store_open_ops(const struct zcmu_store_ops *ops, const char *argument,
			const struct zcmu_store_options *options, struct zcmu_store **ret)
{
	struct zcmu_store *store;
	int err;

	if (ops->abi != ZCMU_STORE_ABI || ops->size != sizeof(*ops)) {
		zcmu_error("%s: this store was built for another zcmu (ABI %" PRIu32 ", here %d): build it again",
			   ops->name, ops->abi, ZCMU_STORE_ABI);
		return -ENOEXEC;
	}
	if (!ops->open || !ops->read) {
		zcmu_error("%s: a store needs at least open and read", ops->name);
		return -EINVAL;
	}
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->ops = ops;
	store->block_size = 512;
	if (options) {
		store->read_only = options->read_only;
		store->create_size = options->size;
	}
	err = ops->open(store, argument);
	if (err) {
		free(store);
		return err;
	}
	if (!ops->write)
		store->read_only = true;
	if (!store->physical_block_size)
		store->physical_block_size = store->block_size;
	err = check(store, argument);
	if (err) {
		zcmu_store_close(store);
		return err;
	}
	*ret = store;
	return 0;
}

int zcmu_store_open(const char *spec, const struct zcmu_store_options *options,
		    struct zcmu_store **ret)
{
	size_t len = strcspn(spec, ":");
	size_t i;

	for (i = 0; built_in[i]; i++) {
		if (strlen(built_in[i]->name) == len && !strncmp(built_in[i]->name, spec, len))
			return zcmu_store_open_ops(built_in[i], spec[len] ? spec + len + 1 : "",
						   options, ret);
	}
	zcmu_error("%s: there is no store \"%.*s\"; zcmu serve --help lists them", spec, (int)len, spec);
	return -ENOENT;
}

void zcmu_store_close(struct zcmu_store *store)
{
	if (!store)
		return;
	if (store->ops->close)
		store->ops->close(store);
	free(store);
}
