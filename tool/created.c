// SPDX-License-Identifier: MIT
/*
 * A file that a command has created, as a store, and that is of no use when the command fails: it
 * is removed, if its name still leads to it. One that was there is never touched, nor one that
 * somebody else has created meanwhile: who has opened it says whether it was made for that. A store
 * of another kind is not the command's to remove. Whoever lacks what creates a file is told that.
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
 * What it would be in, if that is a file: maybe behind layers. It is a guess, which goes for
 * nothing unless the store, once open, says that it is that very file.
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

/* It is open: the file is asked who it is, and not its name, which may be another's by now. */
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

	/* A link to it is somebody else's: none is followed when a file is created. */
	if (!path || !created->identity[0] || lstat(path, &st) || S_ISLNK(st.st_mode) ||
	    zcmu_store_identify(created->spec, identity, sizeof(identity)) ||
	    strcmp(identity, created->identity))
		return;
	if (unlink(path))
		zcmu_warning("%s: it was created, is of no use, and can't be removed: %s",
			     created->spec, strerror(errno));
}

/* The store doesn't know how it is called for. */
void created_hint_at_size(const char *spec, const struct zcmu_store_options *options, int err)
{
	if (err == -ENOENT && !options->size && !options->read_only && !strncmp(spec, "file:", 5))
		zcmu_error("%s: give --size to create it", spec);
}
