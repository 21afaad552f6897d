// SPDX-License-Identifier: MIT
/*
 * Opens stores by their spec ("file:disk.img"), and tells what they can do. plugin.c finds those
 * that are not built in.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/disk.h"
#include "store/stores.h"

static const struct zcmu_store_ops *const built_in[] = {
	&zcmu_file_store,
	&zcmu_ram_store,
	&zcmu_null_store,
	NULL
};

static const struct zcmu_store_ops *const layers[] = {
	&zcmu_cow_layer,
	&zcmu_fault_layer,
	&zcmu_limit_layer,
	&zcmu_log_layer,
	&zcmu_readonly_layer,
	NULL
};

const struct zcmu_store_ops *const *zcmu_layer_list(void)
{
	return layers;
}

#define NR_BUILT_IN	(sizeof(built_in) / sizeof(built_in[0]) - 1)

/* An open store, and the library's own copy of its callbacks. */
struct opened {
	struct zcmu_store_ops ops;
	char identity[ZCMU_STORE_IDENTITY_MAX];
	int identity_error;
	/* A newer store's structure may have more members than ours, behind it. */
	struct zcmu_store store;
};

/*
 * The list
 */

static const struct zcmu_store_ops *const *list = built_in;

/* The built-in stores, and the plug-ins that can be loaded. */
static void make_list(void)
{
	char **names = zcmu_plugin_names(), **name;
	const struct zcmu_store_ops **all;
	size_t n = 0;

	for (name = names; name && *name; name++)
		n++;
	all = calloc(NR_BUILT_IN + n + 1, sizeof(*all));
	if (all) {
		memcpy(all, built_in, NR_BUILT_IN * sizeof(*all));
		n = NR_BUILT_IN;
		for (name = names; name && *name; name++) {
			if (!zcmu_plugin_find(*name, strlen(*name), &all[n]))
				n++;
		}
		all[n] = NULL;
		list = all;
	}
	zcmu_plugin_free_names(names);
}

const struct zcmu_store_ops *const *zcmu_store_list(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_list);
	return list;
}

/*
 * Opening
 */

int zcmu_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	unsigned int shift = 0;
	const char *unit;
	char *end;
	uint64_t number;
	int err, saved_errno = errno;

	/* strtoull() would accept signs and blanks. */
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

/* Does the store claim a native feature without its callback, or an emulation without its base? */
static const char *contradiction(const struct zcmu_store *store)
{
	const struct zcmu_store_ops *ops = store->ops;

	if (store->can_flush == ZCMU_CAN_NATIVE && !ops->flush)
		return "flush is native, and there is no flush";
	if (store->can_flush == ZCMU_CAN_EMULATED && zcmu_store_fua(store) != ZCMU_CAN_NATIVE)
		return "flush is emulated by FUA, and FUA is not native";
	if (store->can_fua == ZCMU_CAN_EMULATED && zcmu_store_flush(store) != ZCMU_CAN_NATIVE)
		return "FUA is emulated by flush, and flush is not native";
	if (store->can_trim == ZCMU_CAN_NATIVE && !ops->trim)
		return "trim is native, and there is no trim";
	if (store->can_zero == ZCMU_CAN_NATIVE && !ops->zero)
		return "zero is native, and there is no zero";
	if (zcmu_store_trim(store) == ZCMU_CAN_EMULATED &&
	    zcmu_store_zero(store) != ZCMU_CAN_NATIVE)
		return "trim is emulated by zero, and zero is not native";
	if (store->max_io % store->block_size)
		return "max_io is not a number of blocks";
	if (store->max_trim % store->block_size)
		return "max_trim is not a number of blocks";
	if (store->max_zero % store->block_size)
		return "max_zero is not a number of blocks";
	if (store->max_compare % store->block_size)
		return "max_compare is not a number of blocks";
	if (store->min_io_size % store->block_size)
		return "min_io_size is not a number of blocks";
	if (store->reserved_zoned[0] || store->reserved_zoned[1] || store->reserved_zoned[2] ||
	    store->reserved_zoned[3])
		return "it is a zoned device, which this zcmu can't serve";
	return NULL;
}

/*
 * Can a disk have this many bytes? Offsets in files are signed, and so are many other types.
 * @argument: of the store @name; NULL: @name is a disk's name.
 */
int zcmu_check_size(uint64_t size, const char *name, const char *argument)
{
	if (size <= INT64_MAX)
		return 0;
	zcmu_error("%s%s%s: %" PRIu64 " bytes are too large for a disk; it can have %" PRId64, name,
		   argument ? ":" : "", argument ? argument : "", size, INT64_MAX / 4096 * 4096);
	return -EFBIG;
}

/* Are the values that open() has set valid for a disk? All stores are checked here, once. */
static int check(const struct zcmu_store *store, const char *argument)
{
	const char *name = store->ops->name, *wrong;
	int err;

	if (!is_power_of_two(store->block_size) || store->block_size < 512 ||
	    store->block_size > 4096) {
		zcmu_error("%s:%s: a block size of %" PRIu32 " bytes can't be served; it must be 512, 1024, 2048 or 4096",
			   name, argument, store->block_size);
		return -EINVAL;
	}
	err = zcmu_check_size(store->size, name, argument);
	if (err)
		return err;
	if (!store->size || store->size % store->block_size) {
		zcmu_error("%s:%s: the size, %" PRIu64 " bytes, is not a multiple of the block size, %" PRIu32
			   "; change that",
			   name, argument, store->size, store->block_size);
		return -EINVAL;
	}
	if (zcmu_store_asks_too_much(store)) {
		zcmu_error("%s:%s: the store was built for a newer zcmu than this one, which is %s, and asks for what only that has",
			   name, argument, zcmu_version());
		return -ENOEXEC;
	}
	wrong = contradiction(store);
	if (wrong) {
		zcmu_error("%s:%s: the store contradicts itself: %s", name, argument, wrong);
		return -EINVAL;
	}
	return 0;
}

/* @store NULL: identify what @argument names. A blank would end the identity where it is kept. */
static int identify(const struct zcmu_store_ops *ops, struct zcmu_store *store,
		    const char *argument, char *text, size_t size)
{
	const char *c;
	int err;

	if (!ops->identity)
		return -EOPNOTSUPP;
	text[0] = '\0';
	err = ops->identity(store, argument, text, size);
	for (c = text; !err && *c; c++) {
		if (*c <= ' ' || *c > '~')
			err = -EPROTO;
	}
	return err || text[0] ? err : -EOPNOTSUPP;
}

static void free_opened(struct opened *opened)
{
	zcmu_options_end(&opened->ops, opened->store.options);
	free(opened);
}

/* Set the options to their defaults, and then to those of the spec, @len bytes. */
static int take_options(struct opened *opened, const char *text, size_t len)
{
	const struct zcmu_store_ops *ops = &opened->ops;
	int err;

	if (ops->options_size) {
		opened->store.options = calloc(1, ops->options_size);
		if (!opened->store.options)
			return -ENOMEM;
	}
	err = zcmu_options_begin(ops, opened->store.options);
	return err ? err : zcmu_options_take(ops, opened->store.options, ops->name, text, len);
}

/* @text: @len bytes of options, "a=b,c=d", or NULL */
static int open_ops(const struct zcmu_store_ops *ops, const char *text, size_t len,
		    const char *argument, const struct zcmu_store_options *options,
		    struct zcmu_store **ret)
{
	struct zcmu_store_options taken;
	struct zcmu_store_ops copy;
	struct zcmu_store *store;
	struct opened *opened;
	int err;

	err = zcmu_take_store_options(&taken, options);
	if (!err)
		err = zcmu_ops_copy(&copy, ops, NULL);
	if (err)
		return err;
	opened = calloc(1, offsetof(struct opened, store) + zcmu_store_room(&copy));
	if (!opened)
		return -ENOMEM;
	opened->ops = copy;
	store = &opened->store;
	store->struct_size = zcmu_store_room(&copy);
	store->ops = &opened->ops;
	store->block_size = 512;
	store->read_only = taken.read_only;
	store->create_size = taken.size;
	/* Check this before anything is created. */
	err = zcmu_check_size(store->create_size, opened->ops.name, argument);
	if (err) {
		free(opened);
		return err;
	}
	err = take_options(opened, text, len);
	if (!err)
		err = opened->ops.open(store, argument);
	if (err) {
		free_opened(opened);
		return err;
	}
	if (!opened->ops.write)
		store->read_only = true;
	if (!store->physical_block_size)
		store->physical_block_size = store->block_size;
	err = check(store, argument);
	if (err) {
		zcmu_store_close(store);
		return err;
	}
	opened->identity_error = identify(&opened->ops, store, argument, opened->identity,
					  sizeof(opened->identity));
	*ret = store;
	return 0;
}

/* Every failure has a message: most are reported where they happen, and the others here. */
static int open_store(const struct zcmu_store_ops *ops, const char *text, size_t len,
		      const char *argument, const struct zcmu_store_options *options,
		      struct zcmu_store **ret)
{
	unsigned int told = zcmu_log_told();
	int err = open_ops(ops, text, len, argument, options, ret);

	if (err && zcmu_log_told() == told)
		zcmu_error("%s: \"%s\" can't be opened: %s", ops->name ? ops->name : "a store",
			   argument, strerror(-err));
	return err;
}

int zcmu_store_open_ops(const struct zcmu_store_ops *ops, const char *argument,
			const struct zcmu_store_options *options, struct zcmu_store **ret)
{
	return open_store(ops, NULL, 0, argument, options, ret);
}

int zcmu_store_identity(const struct zcmu_store *store, char *text, size_t size)
{
	const struct opened *opened =
		(const void *)((const char *)store - offsetof(struct opened, store));

	if (opened->identity_error)
		return opened->identity_error;
	return (size_t)snprintf(text, size, "%s", opened->identity) < size ? 0 : -ERANGE;
}

/* Names of all stores, for a user who has given an unknown one. */
static void list_names(char *text, size_t size)
{
	char **names = zcmu_plugin_names(), **name;
	size_t i, len = 0;

	for (i = 0; built_in[i] && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
					built_in[i]->name);
	for (name = names; name && *name && len < size; name++)
		len += (size_t)snprintf(text + len, size - len, ", %s", *name);
	zcmu_plugin_free_names(names);
}

/* "nbd+unix:///?socket=a" is for the store "nbd", as a whole. Return: the name's length, or 0 */
static size_t scheme_len(const char *spec)
{
	const char *end = strstr(spec, "://");
	size_t len = strcspn(spec, ":,");

	/* With TLS a scheme has an additional s: nbds. */
	if (!end || spec + len != end)
		return 0;
	if (!strncmp(spec, "nbds:", 5) || !strncmp(spec, "nbds+", 5))
		return 3;
	return strcspn(spec, "+:");
}

static const struct zcmu_store_ops *find_in(const struct zcmu_store_ops *const *ops,
					    const char *name, size_t len)
{
	for (; *ops; ops++) {
		if (strlen((*ops)->name) == len && !strncmp((*ops)->name, name, len))
			return *ops;
	}
	return NULL;
}

static int find_store(const char *name, size_t len, const struct zcmu_store_ops **ret)
{
	*ret = find_in(built_in, name, len);
	return *ret ? 0 : zcmu_plugin_find(name, len, ret);
}

/* The layer that the spec begins with, or NULL: "NAME,OPTION=VALUE:STORE" */
static const struct zcmu_store_ops *find_layer(const char *spec)
{
	return find_in(layers, spec, strcspn(spec, ":,"));
}

/* The store of a spec without layers, and the argument for its open(). Errors were reported. */
static int find_by_spec(const char *spec, const struct zcmu_store_ops **ops, const char **argument)
{
	size_t len = strcspn(spec, ":,"), scheme = scheme_len(spec), end;
	char names[512];
	int err;

	*argument = spec;
	if (scheme) {
		len = scheme;
	} else {
		end = len + zcmu_options_length(spec + len);
		*argument = spec[end] ? spec + end + 1 : "";
	}
	err = find_store(spec, len, ops);
	if (err == -ENOENT && !access(spec, F_OK)) {
		zcmu_error("%s: which store? It is a file or device: say file:%s", spec, spec);
	} else if (err == -ENOENT) {
		list_names(names, sizeof(names));
		zcmu_error("%s: there is no store \"%.*s\"; there are %s, and the layers cow, fault, limit, log and readonly in front of one. Plug-ins are looked for in %s",
			   spec, (int)len, spec, names, ZCMU_STORE_DIR);
	}
	return err;
}

/* Does the store take options here? A URI has none, and layers parse their own. */
static bool has_options(const char *spec, const struct zcmu_store_ops *ops, const char *argument)
{
	return argument != spec && spec[strlen(ops->name)] == ',';
}

int zcmu_store_open(const char *spec, const struct zcmu_store_options *options,
		    struct zcmu_store **ret)
{
	const struct zcmu_store_ops *ops = find_layer(spec);
	const char *argument, *text;
	int err;

	/* What follows a layer's name is parsed by the layer. */
	if (ops)
		return zcmu_store_open_ops(ops, spec + strlen(ops->name), options, ret);
	err = find_by_spec(spec, &ops, &argument);
	if (err)
		return err;
	/* There may be options between the name and the colon, but not in a URI. */
	text = spec + strlen(ops->name);
	if (!has_options(spec, ops, argument))
		return open_store(ops, NULL, 0, argument, options, ret);
	text++;
	return open_store(ops, text, zcmu_options_length(text), argument, options, ret);
}

int zcmu_store_identify(const char *spec, char *text, size_t size)
{
	const struct zcmu_store_ops *ops = find_layer(spec);
	bool is_layer = ops;
	struct zcmu_store_ops copy;
	const char *argument;
	int err = 0;

	if (is_layer)
		argument = spec + strlen(ops->name);
	else
		err = find_by_spec(spec, &ops, &argument);
	/* The options may be part of the identity (conf=, id=), and identity() doesn't get them. */
	if (!err && !is_layer && has_options(spec, ops, argument))
		return -EOPNOTSUPP;
	/* A plug-in's options may be shorter than ours. */
	if (!err)
		err = zcmu_ops_copy(&copy, ops, spec);
	return err ? err : identify(&copy, NULL, argument, text, size);
}

/* Can the store tell its identity only when it is open, because its options count? */
bool zcmu_store_tells_identity_late(const char *spec)
{
	const struct zcmu_store_ops *ops;
	struct zcmu_store_ops copy;
	const char *argument;

	while (find_layer(spec)) {
		spec += zcmu_options_length(spec);
		spec += *spec == ':';
	}
	return !find_by_spec(spec, &ops, &argument) && has_options(spec, ops, argument) &&
	       !zcmu_ops_copy(&copy, ops, NULL) && copy.identity;
}

/* Layers keep nothing from the store, and have no flags of their own. */
int zcmu_store_flags(const char *spec, uint32_t *ret)
{
	const struct zcmu_store_ops *ops;
	const char *store = spec, *argument;
	int err;

	while (find_layer(store)) {
		store += zcmu_options_length(store);
		if (!*store) {
			zcmu_error("%s: which store? Behind a layer there is \":STORE\"", spec);
			return -EINVAL;
		}
		store++;
	}
	err = find_by_spec(store, &ops, &argument);
	if (!err)
		*ret = ops->flags;
	return err;
}

void zcmu_store_close(struct zcmu_store *store)
{
	if (!store)
		return;
	if (store->ops->close)
		store->ops->close(store);
	free_opened((struct opened *)((char *)store - offsetof(struct opened, store)));
}
