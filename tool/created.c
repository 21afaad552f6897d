// SPDX-License-Identifier: MIT
/*
 * A file that a command has created, as a store, and that is of no use when the command fails: it
 * is removed, if its name still leads to it. One that was there is never touched, nor one that
 * somebody else has created meanwhile: who has opened it says whether it was made for that. A store
 * of another kind is not the command's to remove.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

/* Before it is opened. */
void created_begin(struct created *created, const char *spec, bool may_create)
{
	memset(created, 0, sizeof(*created));
	if (may_create && !strncmp(spec, "file:", 5))
		created->path = spec + 5;
}

/* It is open: this is the file. */
void created_opened(struct created *created, const struct zcmu_store *store)
{
	if (created->path && (!store->created || lstat(created->path, &created->file)))
		created->path = NULL;
}

void created_undo(const struct created *created)
{
	struct stat st;

	if (!created->path || !created->file.st_ino || lstat(created->path, &st) ||
	    st.st_dev != created->file.st_dev || st.st_ino != created->file.st_ino)
		return;
	if (unlink(created->path))
		zcmu_warning("file:%s: it was created, is of no use, and can't be removed: %s",
			     created->path, strerror(errno));
}
