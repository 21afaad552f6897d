// SPDX-License-Identifier: MIT
/*
 * exec: an NBD server that is started for the disk, and ends with it.
 */
#include <stddef.h>

#include "exec.h"
#include "../nbd/nbd.h"

struct exec_options {
	uint64_t give_up;
	char *export;
	bool once;
};

static const struct zcmu_option exec_options[] = {
	{ .name = "export", .value = "NAME", .summary = "of the server's exports",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct exec_options, export) },
	{ .name = "give-up", .value = "SECONDS", .summary = "without the server; 0: never",
	  .standard = NBD_DEFAULT_GIVE_UP, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct exec_options, give_up) },
	{ .name = "once", .summary = "its data is gone with it: never started again",
	  .type = ZCMU_OPTION_FLAG, .offset = offsetof(struct exec_options, once) },
	{ 0 }
};

static int exec_open(struct zcmu_store *store, const char *argument)
{
	const struct exec_options *options = store->options;
	const struct exec_start how = {
		.give_up = options->give_up, .export = options->export, .is_once = options->once,
	};
	struct words words = { 0 };

	words_split(&words, "exec", argument);
	return exec_start(store, argument, &words, &how);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "exec",
	.usage = "exec:COMMAND",
	.summary = "an NBD server, which is started and ended: exec:qemu-nbd -t disk.img",
	.flags = EXEC_FLAGS,
	.open = exec_open,
	.identity = exec_identity,
	NBD_STORE_CALLBACKS,
	.options = exec_options,
	.options_size = sizeof(struct exec_options),
};
