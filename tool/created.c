// SPDX-License-Identifier: MIT
/*
 * A file that a command has created, as a store, is useless when the command fails. It is removed,
 * if its name still leads to it. A file that existed before is never touched, nor one that somebody
 * else has created meanwhile: the store that opened the file says whether it created it. Stores of
 * other kinds are not removed. If the option that creates a file is missing, a hint is printed.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "created.h"
#include "zcmu.h"

/*
 * The file that the store would be in, perhaps behind layers. This is a guess. It counts only if
 * the store, once open, says that it is that very file.
 */
static const char *file_of(const char *spec)
{
	const char *behind = strstr(spec, ":file:");

	if (!strncmp(spec, "file:", 5))
		return spec;
	return behind ? behind + 1 : NULL;
}

/* Before it is opened. */
void created_begin(struct created *created, const char *spec, bool may_create)
{
	memset(created, 0, sizeof(*created));
	if (may_create)
		created->spec = file_of(spec);
}

/*
 * The store is open: ask the file for its identity, not its name, which may lead elsewhere by now.
 */
void created_opened(struct created *created, const struct zcmu_store *store)
{
	if (created->spec && (!store->created || zcmu_store_identity(store, created->identity,
								      sizeof(created->identity))))
		created->spec = NULL;
}

void created_undo(const struct created *created)
{
	const char *path = created->spec ? created->spec + strlen("file:") : NULL;
	char identity[ZCMU_STORE_IDENTITY_MAX];
	struct stat st;

	/* A link to it belongs to somebody else: none is followed when a file is created. */
	if (!path || !created->identity[0] || lstat(path, &st) || S_ISLNK(st.st_mode) ||
	    zcmu_store_identify(created->spec, identity, sizeof(identity)) ||
	    strcmp(identity, created->identity))
		return;
	if (unlink(path))
		zcmu_warning("%s: it was created, is of no use, and can't be removed: %s",
			     created->spec, strerror(errno));
}

/* The store doesn't know the command's options. */
void created_hint_at_size(const char *spec, const struct zcmu_store_options *options, int err)
{
	if (err == -ENOENT && !options->size && !options->read_only && !strncmp(spec, "file:", 5))
		zcmu_error("%s: give --size to create it", spec);
}
