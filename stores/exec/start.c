// SPDX-License-Identifier: MIT
/*
 * Starts an NBD server for a store, and makes it the store nbd's. What starts and ends the program
 * is lib/program.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"
#include "../nbd/nbd.h"
#include "../../lib/program/program.h"

static int begin(struct zcmu_store *store, const char *argument, struct words *words,
		 const struct exec_start *how, struct nbd *nbd)
{
	int err = words->error;

	if (asprintf(&nbd->uri, "%s:%s", store->ops->name, argument) < 0) {
		nbd->uri = NULL;
		return -ENOMEM;
	}
	if (!err && !words->count) {
		zcmu_error("%s: which program? Say %s", nbd->uri, store->ops->usage);
		err = -EINVAL;
	}
	if (!err && how->export) {
		nbd->export = strdup(how->export);
		err = nbd->export ? 0 : -ENOMEM;
	}
	if (!err)
		err = program_open(nbd->uri, words->list, how->is_once, &nbd->program);
	if (!err)
		err = nbd_store_begin(nbd);
	/* Nobody knows what it had answered, and whether that was written when it ended. */
	if (!err && getenv(PROGRAM_WAS_KILLED) && !store->read_only)
		nbd_stable_note_loss(nbd, "the last process was killed, and its program with it");
	return err;
}

/* FNV-1a, 64 bits: equal where the texts are, and else hardly ever */
static uint64_t hash(uint64_t value, const char *text)
{
	do {
		value = (value ^ (uint8_t)*text) * 0x100000001b3;
	} while (*text++);
	return value;
}

int exec_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	char folder[PATH_MAX];

	(void)store;
	if (!getcwd(folder, sizeof(folder)))
		return -errno;
	snprintf(text, size, "command:%016llx",
		 (unsigned long long)hash(hash(0xcbf29ce484222325, folder), argument));
	return 0;
}

int exec_start(struct zcmu_store *store, const char *argument, struct words *words,
	       const struct exec_start *how)
{
	struct nbd *nbd = nbd_store_new(store, how->give_up);
	int err = nbd ? begin(store, argument, words, how, nbd) : -ENOMEM;

	words_free(words);
	/* This is the library's copy of the callbacks for this store alone. */
	if (!err && how->is_once)
		((struct zcmu_store_ops *)store->ops)->flags |= ZCMU_STORE_VOLATILE;
	if (err && nbd)
		nbd_store_close(store);
	return err;
}
