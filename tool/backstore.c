// SPDX-License-Identifier: MIT
/*
 * Backstores of type "user" in the target core's configfs: ours, and others' (targetcli). Only
 * looks at them: new_backstore.c makes and removes them, served.c tells whether one is served.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "zcmu.h"

#define CORE		TARGET "/core"

void backstore_path(const struct backstore *backstore, char *path, size_t size)
{
	snprintf(path, size, CORE "/user_%u/%s", backstore->hba, backstore->name);
}

/*
 * A name becomes a folder's name, and part of a UIO device's: so no slash, and no odd characters.
 */
bool backstore_name_is_valid(const char *name)
{
	size_t i;

	if (!isalnum((unsigned char)name[0]))
		return false;
	for (i = 0; name[i]; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	}
	return i <= NAME_MAX_LEN;
}

/* NULL: *err is 0 if there is no such folder, which counts as empty; else it could not be read. */
static DIR *open_folder(const char *path, int *err)
{
	DIR *dir = opendir(path);

	*err = dir || errno == ENOENT ? 0 : -errno;
	return dir;
}

/* *uio is -1 if the backstore has none. */
int backstore_find_uio(const struct backstore *backstore, int *uio)
{
	char prefix[NAME_MAX + 32];
	struct dirent *entry;
	size_t len;
	DIR *dir;
	int err;

	*uio = -1;
	snprintf(prefix, sizeof(prefix), "tcm-user/%u/%s", backstore->hba, backstore->name);
	len = strlen(prefix);
	dir = open_folder("/sys/class/uio", &err);
	while (dir && *uio < 0 && (entry = readdir(dir))) {
		char name[512];

		if (!strncmp(entry->d_name, "uio", 3) &&
		    !attribute_read(name, sizeof(name), "/sys/class/uio/%s/name", entry->d_name) &&
		    !strncmp(name, prefix, len) && (!name[len] || name[len] == '/'))
			*uio = atoi(entry->d_name + 3);
	}
	if (dir)
		closedir(dir);
	return err;
}

/* Read a backstore's data from configfs. */
static int inspect(struct backstore *backstore, unsigned int hba, const char *name)
{
	char value[32];

	*backstore = (struct backstore){ .hba = hba };
	snprintf(backstore->name, sizeof(backstore->name), "%s", name);
	attribute_read(backstore->config, sizeof(backstore->config),
		       CORE "/user_%u/%s/attrib/dev_config", hba, name);
	if (!attribute_read(value, sizeof(value), CORE "/user_%u/%s/attrib/dev_size", hba, name))
		backstore->size = strtoull(value, NULL, 10);
	return backstore_find_uio(backstore, &backstore->uio);
}

typedef int (*visit_function)(unsigned int hba, const char *name, void *argument);

static int visit_hba(unsigned int hba, visit_function visit, void *argument)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int ret;

	snprintf(path, sizeof(path), CORE "/user_%u", hba);
	dir = open_folder(path, &ret);
	while (dir && !ret && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			ret = visit(hba, entry->d_name, argument);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/*
 * Visit every backstore of type "user" until a visit returns non-zero. Return that, or an error if
 * not all could be read.
 */
static int visit_all(visit_function visit, void *argument)
{
	struct dirent *entry;
	unsigned int hba;
	DIR *dir;
	char rest;
	int ret;

	dir = open_folder(CORE, &ret);
	while (dir && !ret && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "user_%u%c", &hba, &rest) == 1)
			ret = visit_hba(hba, visit, argument);
	}
	if (dir)
		closedir(dir);
	return ret;
}

struct search {
	const char *name;
	struct backstore *found;
	bool is_found;
};

/* Other HBAs may have a backstore of that name as well. Ours is preferred. */
static int visit_find(unsigned int hba, const char *name, void *argument)
{
	struct search *search = argument;
	struct backstore backstore;
	int err;

	if (strcmp(name, search->name))
		return 0;
	err = inspect(&backstore, hba, name);
	if (err)
		return err;
	if (!search->is_found || backstore_is_ours(&backstore))
		*search->found = backstore;
	search->is_found = true;
	return backstore_is_ours(&backstore);
}

int backstore_find(const char *name, struct backstore *ret)
{
	struct search search = { .name = name, .found = ret };

	int err = visit_all(visit_find, &search);

	if (err < 0) {
		zcmu_error("%s: can't find out whether there is such a disk: %s", name, strerror(-err));
		return err;
	}
	return search.is_found ? 0 : -ENOENT;
}

int backstore_find_wanted(const char *name, struct backstore *ret)
{
	int err = backstore_find(name, ret);

	if (err == -ENOENT)
		zcmu_error("%s: there is no such disk; zcmu list shows which there are", name);
	return err;
}

struct listing {
	struct backstore *entries;
	size_t count;
};

static int visit_list(unsigned int hba, const char *name, void *argument)
{
	struct listing *listing = argument;
	struct backstore *grown;

	grown = realloc(listing->entries, (listing->count + 1) * sizeof(*grown));
	if (!grown) {
		zcmu_error("%s: there is not enough memory to list it", name);
		return -ENOMEM;
	}
	listing->entries = grown;
	return inspect(&grown[listing->count++], hba, name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct backstore *)a)->name, ((const struct backstore *)b)->name);
}

int backstore_list(struct backstore **ret, size_t *count)
{
	struct listing listing = { NULL, 0 };
	int err = visit_all(visit_list, &listing);

	if (err) {
		free(listing.entries);
		zcmu_error("can't list the backstores: %s", strerror(-err));
		return err;
	}
	if (listing.count)
		qsort(listing.entries, listing.count, sizeof(*listing.entries), by_name);
	*ret = listing.entries;
	*count = listing.count;
	return 0;
}

/* Open its own UIO device: the number may belong to another disk since it was looked up. */
int backstore_open_uio(const struct backstore *backstore)
{
	char path[32], name[512], wanted[NAME_MAX + 32];
	struct stat st;
	size_t len;
	int fd, err;

	snprintf(path, sizeof(path), "/dev/uio%d", backstore->uio);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		zcmu_error("%s: can't open %s: %s", backstore->name, path,
			   err == -EBUSY ? "another process serves this disk" : strerror(-err));
		return err;
	}
	len = (size_t)snprintf(wanted, sizeof(wanted), "tcm-user/%u/%s", backstore->hba,
			       backstore->name);
	if (!fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	    !attribute_read(name, sizeof(name), "/sys/dev/char/%u:%u/name", major(st.st_rdev),
			    minor(st.st_rdev)) &&
	    !strncmp(name, wanted, len) && (!name[len] || name[len] == '/'))
		return fd;
	zcmu_error("%s: %s is another disk's now", backstore->name, path);
	close(fd);
	return -ENODEV;
}

/* Of all backstores with the name, open the ring of this one. */
int backstore_open_disk(const struct backstore *backstore, struct zcmu_disk **ret)
{
	char name[NAME_MAX + 32];

	snprintf(name, sizeof(name), "user_%u/%s", backstore->hba, backstore->name);
	return zcmu_disk_open(name, ret);
}

/* Did zcmu serve make it? */
bool backstore_is_ours(const struct backstore *backstore)
{
	return !strncmp(backstore->config, BACKSTORE_CONFIG_PREFIX,
			strlen(BACKSTORE_CONFIG_PREFIX));
}
