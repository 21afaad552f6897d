// SPDX-License-Identifier: MIT
/*
 * nbdkit: one of its plug-ins, with or without filters. nbdkit is started as by the store exec.
 */
#include <stddef.h>
#include <string.h>

#include "exec.h"
#include "../nbd/nbd.h"

struct nbdkit_options {
	uint64_t give_up;
	char *export;
};

static const struct zcmu_option nbdkit_options[] = {
	{ .name = "export", .value = "NAME", .summary = "of the plug-in's exports",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct nbdkit_options, export) },
	{ .name = "give-up", .value = "SECONDS", .summary = "without nbdkit; 0: never",
	  .standard = NBD_DEFAULT_GIVE_UP, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct nbdkit_options, give_up) },
	{ 0 }
};

/* Does the plug-in, or a filter, keep what is written in its process alone? */
static bool does_forget(const struct words *words)
{
	static const char *const forgetful[] = {
		"data", "memory", "tmpdisk", "--filter=cow",
	};
	size_t i, j;

	for (i = 0; i < words->count; i++) {
		for (j = 0; j < sizeof(forgetful) / sizeof(forgetful[0]); j++) {
			if (!strcmp(words->list[i], forgetful[j]))
				return true;
		}
	}
	return false;
}

static int nbdkit_open(struct zcmu_store *store, const char *argument)
{
	const struct nbdkit_options *options = store->options;
	struct exec_start how = { .give_up = options->give_up, .export = options->export };
	struct words words = { 0 };

	words_add(&words, "nbdkit");
	if (store->read_only)
		words_add(&words, "--readonly");
	words_split(&words, "nbdkit", argument);
	how.is_once = does_forget(&words);
	return exec_start(store, argument, &words, &how);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "nbdkit",
	.usage = "nbdkit:PLUGIN",
	.summary = "a plug-in of nbdkit, with its arguments: nbdkit:curl https://HOST/PATH",
	.flags = EXEC_FLAGS,
	.open = nbdkit_open,
	NBD_STORE_CALLBACKS,
	.options = nbdkit_options,
	.options_size = sizeof(struct nbdkit_options),
};
