/* SPDX-License-Identifier: MIT */
/*
 * Stores whose NBD server is started for them: "exec", any command; "qcow2" and "nbdkit", which
 * know the command. From there on they are the store nbd (stores/nbd).
 *
 * 	words.c		a list of words, and a command's line taken apart into one
 * 	start.c		starting it, and connecting
 * 	image.c		which image it is
 * 	exec.c, qcow2.c, nbdkit.c	the three stores
 */
#ifndef STORE_EXEC_H
#define STORE_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcmu.h"

/* A list of words that grows. Zeroes: an empty one. A failed addition is kept in @error. */
struct words {
	char **list;		/* NULL ends it, if there is any */
	size_t count;
	int error;
};

/* @format gives one word. */
void words_add(struct words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Add the words of a line. Errors are reported, with @name. */
void words_split(struct words *words, const char *name, const char *text);
void words_free(struct words *words);

/* What the three stores have in common */
struct exec_start {
	uint64_t give_up;
	const char *export;	/* or NULL */
	bool is_once;		/* what the program has is gone with it: it is started once */
};

/* @argument: the store's, for messages. Frees the words. Errors are reported. */
int exec_start(struct zcmu_store *store, const char *argument, struct words *words,
	       const struct exec_start *how);

/*
 * Of exec and nbdkit: the command, and the folder that its paths begin in. Nobody but the program
 * knows what it leads to.
 */
int exec_identity(struct zcmu_store *store, const char *argument, char *text, size_t size);

/* image.c; of qcow2: the image */
int exec_image_identity(struct zcmu_store *store, const char *file, char *text, size_t size);

/* ZCMU_STORE_... of all three */
#define EXEC_FLAGS	(ZCMU_STORE_FUA | ZCMU_STORE_STARTS_PROGRAM)

#endif /* STORE_EXEC_H */
