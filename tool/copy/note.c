// SPDX-License-Identifier: MIT
/*
 * zcmu copy: the note from which an interrupted copy continues. It names the copied bytes and both
 * stores, so that another copy doesn't use it. work.c makes these bytes stable first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy/copy.h"
#include "zcmu.h"
#include "../../lib/lasting_name.h"

#define KIND	"zcmu-copy-note "
#define VERSION	KIND "2"
#define NEW	".new"		/* appended to the note's name until it is complete */

/* One end of a copy. If a store can't tell its identity, the spec is used. */
struct end {
	char spec[PATH_MAX];
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* "": none */
	uint64_t size;
};

struct note {
	struct end from, to;
	uint64_t stable;
};

static void describe(struct end *end, const char *spec, const struct zcmu_store *store)
{
	snprintf(end->spec, sizeof(end->spec), "%s", spec);
	if (zcmu_store_identity(store, end->identity, sizeof(end->identity)))
		end->identity[0] = '\0';
	end->size = store->size;
}

/* Writing: the file is the complete new note, or the old one. */

static int put_end(FILE *file, const char *name, const struct end *end)
{
	return fprintf(file, "%s %s\n%s-identity %s\n%s-size %" PRIu64 "\n", name, end->spec, name,
		       end->identity, name, end->size) < 0;
}

static int put(FILE *file, const struct note *note)
{
	return fprintf(file, VERSION "\n") < 0 || put_end(file, "from", &note->from) ||
	       put_end(file, "to", &note->to) ||
	       fprintf(file, "stable %" PRIu64 "\nend\n", note->stable) < 0 ||
	       fflush(file) || fsync(fileno(file));
}

/*
 * Nobody has named the file at the new note's place. It is removed if it is the rest of a note,
 * which may be empty. Any other file belongs to somebody: it may be the source.
 */
static int check_new(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[sizeof(KIND) - 1];
	struct stat st;
	bool is_ours;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno == ELOOP ? -EEXIST : -errno;
	n = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : read(fd, text, sizeof(text));
	is_ours = n >= 0 && !memcmp(text, KIND, (size_t)n);
	close(fd);
	return is_ours ? 0 : -EEXIST;
}

/* Open a file that didn't exist before. Return: NULL, with errno. */
static FILE *open_new(const char *path)
{
	int err = check_new(path), fd;
	FILE *file;

	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	if (err) {
		errno = -err;
		return NULL;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

/* Before anything is copied: can the new note be created? */
static int check_room(const struct copy *copy)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s" NEW, copy->resume);
	err = check_new(path);
	if (err == -EEXIST)
		zcmu_error("%s: notes are written there first, and this is no note; name another note, or move it away",
			   path);
	else if (err)
		zcmu_error("%s: the note is written there first, and what is there can't be read: %s",
			   path, strerror(-err));
	return err;
}

/* The note counts only whole chunks, or everything. */
void copy_write_note(const struct copy *copy, uint64_t bytes)
{
	struct note note = { .stable = bytes };
	char path[PATH_MAX];
	int err = 0;
	FILE *file;

	describe(&note.from, copy->from, copy->source);
	describe(&note.to, copy->to, copy->target);
	if (note.stable < note.from.size)
		note.stable -= note.stable % COPY_CHUNK;
	snprintf(path, sizeof(path), "%s" NEW, copy->resume);
	file = open_new(path);
	if (!file || put(file, &note) || rename(path, copy->resume))
		err = -errno;
	if (!err)
		err = zcmu_flush_folder_of(copy->resume);
	if (err)
		zcmu_warning("%s: can't be written: %s; a copy that is broken off begins where the last note was written",
			     copy->resume, strerror(-err));
	if (file)
		fclose(file);
}

/*
 * Reading
 */

/* The rest of a line that begins with @name and a blank; false: it is another line. */
static bool take_line(FILE *file, const char *name, char *text, size_t size)
{
	char line[PATH_MAX + 64];
	size_t len = strlen(name);

	if (!fgets(line, sizeof(line), file) || !strchr(line, '\n') || strncmp(line, name, len) ||
	    line[len] != ' ')
		return false;
	line[strcspn(line, "\n")] = '\0';
	return (size_t)snprintf(text, size, "%s", line + len + 1) < size;
}

static bool take_number(FILE *file, const char *name, uint64_t *number)
{
	char text[32], *end;

	if (!take_line(file, name, text, sizeof(text)) || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !*end && !errno;
}

static bool take_end(FILE *file, const char *name, struct end *end)
{
	char key[32];

	if (!take_line(file, name, end->spec, sizeof(end->spec)))
		return false;
	snprintf(key, sizeof(key), "%s-identity", name);
	if (!take_line(file, key, end->identity, sizeof(end->identity)))
		return false;
	snprintf(key, sizeof(key), "%s-size", name);
	return take_number(file, key, &end->size);
}

/* Return: is the note complete? */
static bool take(FILE *file, struct note *note)
{
	char line[64];

	return fgets(line, sizeof(line), file) && !strcmp(line, VERSION "\n") &&
	       take_end(file, "from", &note->from) && take_end(file, "to", &note->to) &&
	       take_number(file, "stable", &note->stable) && fgets(line, sizeof(line), file) &&
	       !strcmp(line, "end\n");
}

/* Is the note about this store? The name may differ, if its identity is known. */
static int compare(const struct copy *copy, const char *what, const struct end *noted,
		   const struct end *is)
{
	bool by_name = !noted->identity[0] && !is->identity[0];

	if (by_name ? strcmp(noted->spec, is->spec) : strcmp(noted->identity, is->identity))
		zcmu_error("%s: it is the note of a copy %s %s%s%s, and %s is not that one%s%s; remove the note to begin at the start, or name another",
			   copy->resume, what, noted->spec, by_name ? "" : ", which is ",
			   by_name ? "" : noted->identity, is->spec, by_name ? "" : " but ",
			   by_name ? "" : is->identity);
	else if (noted->size != is->size)
		zcmu_error("%s: it is the note of a copy %s %s when that had %" PRIu64
			   " bytes, and now it has %" PRIu64 "; remove the note to begin at the start",
			   copy->resume, what, is->spec, noted->size, is->size);
	else
		return 0;
	return -ESTALE;
}

/* Does the store keep its data until the next copy? */
static int check_lasts(const char *spec, const struct zcmu_store *store)
{
	if (strchr(spec, '\n')) {
		zcmu_error("%s: a name with a new line in it can't be noted; leave --resume out", spec);
		return -EINVAL;
	}
	if (strlen(spec) >= PATH_MAX) {
		zcmu_error("%.60s...: a name of more than %d bytes can't be noted; leave --resume out", spec,
			   PATH_MAX - 1);
		return -ENAMETOOLONG;
	}
	if (!(store->ops->flags & ZCMU_STORE_VOLATILE))
		return 0;
	zcmu_error("%s: its bytes are gone with this process, so there is nothing to go on with; leave --resume out",
		   spec);
	return -EINVAL;
}

/* Where to begin. An existing note that isn't about this copy is an error, and is not removed. */
int copy_read_note(struct copy *copy)
{
	struct end from = { 0 }, to = { 0 };
	struct note note = { 0 };
	FILE *file;
	bool whole;
	int err;

	/* If it were cut off, it would be another file's name. */
	if (strlen(copy->resume) + sizeof(NEW) > PATH_MAX) {
		zcmu_error("%.60s...: the note's name is too long", copy->resume);
		return -ENAMETOOLONG;
	}
	err = check_lasts(copy->from, copy->source);
	if (!err)
		err = check_lasts(copy->to, copy->target);
	if (!err)
		err = check_room(copy);
	if (err)
		return err;
	file = fopen(copy->resume, "re");
	if (!file && errno == ENOENT)
		return 0;
	if (!file) {
		err = -errno;
		zcmu_error("%s: can't be read: %s", copy->resume, strerror(-err));
		return err;
	}
	whole = take(file, &note);
	fclose(file);
	if (!whole || note.stable > note.from.size ||
	    (note.stable % COPY_CHUNK && note.stable != note.from.size)) {
		zcmu_error("%s: it is no note of zcmu copy, or of another version; remove it to begin at the start",
			   copy->resume);
		return -EINVAL;
	}
	describe(&from, copy->from, copy->source);
	describe(&to, copy->to, copy->target);
	err = compare(copy, "from", &note.from, &from);
	if (!err)
		err = compare(copy, "to", &note.to, &to);
	if (!err)
		copy->first = note.stable;
	return err;
}

/*
 * Is there a note of a copy to a target that doesn't exist any more? Once created, the target would
 * be a different one, and a file created now would be in the way.
 */
int copy_check_note_before_creating(const struct copy *copy)
{
	char identity[ZCMU_STORE_IDENTITY_MAX];

	if (access(copy->resume, F_OK) ||
	    zcmu_store_identify(copy->to, identity, sizeof(identity)) != -ENOENT)
		return 0;
	zcmu_error("%s: there is nothing at %s that this could be the note of; remove it to begin at the start",
		   copy->resume, copy->to);
	return -ESTALE;
}

/*
 * The note says that all is copied: if it came back or was wrong, the next copy would do nothing.
 */
int copy_remove_note(const struct copy *copy)
{
	int err = unlink(copy->resume) && errno != ENOENT ? -errno :
							    zcmu_flush_folder_of(copy->resume);

	if (!err)
		return 0;
	zcmu_error("the note %s, which says that all is copied, can't be removed: %s; remove it, or the next copy goes on from it and does nothing",
		   copy->resume, strerror(-err));
	return err;
}
