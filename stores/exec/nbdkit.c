// SPDX-License-Identifier: MIT
/*
 * nbdkit: one of its plug-ins, with or without filters. nbdkit is started as by the store exec.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
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

/* Options of nbdkit(1) that have an argument; others have none, or it is after "=". */
static const char *const with_argument[] = {
	"-D", "--debug", "-e", "--export", "--export-name", "--exportname", "-g", "--group", "-i",
	"--ip-addr", "--ipaddr", "--log", "--mask-handshake", "-P", "--pid-file", "--pidfile",
	"-p", "--port", "--run", "--selinux-label", "--swap", "-t", "--threads", "--tls",
	"--tls-certificates", "--tls-psk", "-u", "--user", "-U", "--unix", "--filter", NULL
};

/*
 * What they keep is in their process alone, or they make it anew from other files each time they
 * are started: another process's disk would be another one.
 */
static const char *const forgetful[] = {
	"data", "floppy", "iso", "linuxdisk", "memory", "random", "sparse-random", NULL
};

static bool is_among(const char *word, const char *const *list)
{
	while (*list && strcmp(word, *list))
		list++;
	return *list;
}

/* A plug-in's name, which may be given as a path: /usr/lib/nbdkit/plugins/nbdkit-NAME-plugin.so */
static void name_of(const char *word, char *name, size_t size)
{
	static const char before[] = "nbdkit-", behind[] = "-plugin.so";
	const char *last = strrchr(word, '/');
	size_t len;

	last = last ? last + 1 : word;
	if (!strncmp(last, before, sizeof(before) - 1))
		last += sizeof(before) - 1;
	snprintf(name, size, "%s", last);
	len = strlen(name);
	if (len >= sizeof(behind) && !strcmp(name + len - (sizeof(behind) - 1), behind))
		name[len - (sizeof(behind) - 1)] = '\0';
}

/* --filter=NAME or --filter NAME, and long options may be abbreviated. NULL: it is another one */
static const char *filter_of(const char *word, const char *next)
{
	size_t len = strcspn(word, "=");

	if (len < 4 || strncmp(word, "--filter", len))
		return NULL;
	return word[len] ? word + len + 1 : next;
}

struct looked_at {
	bool forgets;		/* it is started once */
	bool is_many;		/* each connection has a disk of its own */
};

/* Words behind "nbdkit" */
static struct looked_at look_at(const struct words *words)
{
	struct looked_at found = { 0 };
	bool has_plugin = false;
	size_t i;

	for (i = 1; i < words->count; i++) {
		const char *word = words->list[i];
		const char *filter = filter_of(word, i + 1 < words->count ? words->list[i + 1] : "");
		char name[64];

		if (!strcmp(word, "cache=unsafe") || (filter && !strcmp(filter, "cow")))
			found.forgets = true;
		if (*word == '-' && word[1]) {
			i += is_among(word, with_argument) ||
			     (filter && !strchr(word, '='));
			continue;
		}
		if (has_plugin)
			continue;
		has_plugin = true;
		name_of(word, name, sizeof(name));
		found.forgets |= is_among(name, forgetful);
		found.is_many = !strcmp(name, "tmpdisk");
	}
	return found;
}

static int nbdkit_open(struct zcmu_store *store, const char *argument)
{
	const struct nbdkit_options *options = store->options;
	struct exec_start how = { .give_up = options->give_up, .export = options->export };
	struct looked_at found;
	struct words words = { 0 };

	words_add(&words, "nbdkit");
	if (store->read_only)
		words_add(&words, "--readonly");
	words_split(&words, "nbdkit", argument);
	found = look_at(&words);
	if (found.is_many) {
		zcmu_error("nbdkit:%s: each connection to tmpdisk has a disk of its own, which can't be one disk; nbdkit:memory has no file system, but is one",
			   argument);
		words_free(&words);
		return -EINVAL;
	}
	how.is_once = found.forgets;
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
	.identity = exec_identity,
	NBD_STORE_CALLBACKS,
	.options = nbdkit_options,
	.options_size = sizeof(struct nbdkit_options),
};
