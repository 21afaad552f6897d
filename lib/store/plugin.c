// SPDX-License-Identifier: MIT
/*
 * Plug-ins: stores that are loaded at run time, from FOLDER/NAME.so. This file finds, loads and
 * lists them, and reports what is wrong with one. Whether a plug-in fits this library (ABI, size)
 * is checked by zcmu_ops_copy(), as for every store.
 *
 * A loaded plug-in stays: threads of its libraries may outlive its stores.
 */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/disk.h"
#include "store/stores.h"

#define SYMBOL		"zcmu_store_plugin"
#define MAX_NAME	32

struct plugin {
	struct zcmu_store_ops ops;	/* a copy, of this library's size */
	struct plugin *next;
};

/* Loading, and the list of those that are loaded. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct plugin *loaded;

/* Libraries that our plug-ins need, and the packages that have them. */
static const struct {
	const char *library;		/* the beginning of its name */
	const char *package;
} packages[] = {
	{ "libnbd.so", "libnbd0" },
	{ "librados.so", "librados2" },
	{ "librbd.so", "librbd1" },
	{ "libpython3.11.so", "libpython3.11" },
};

/* Could it be a store's name? Such a name can't lead out of the folder. */
static bool is_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    !(i && name[i] == '-'))
			return false;
	}
	return len && len <= MAX_NAME;
}

/* $ZCMU_STORE_PATH first; but a setuid program must ignore its caller's folders. */
static void search_path(char *path, size_t size)
{
	const char *first = secure_getenv("ZCMU_STORE_PATH");

	snprintf(path, size, "%s%s%s", first ? first : "", first && *first ? ":" : "",
		 ZCMU_STORE_DIR);
}

/* Root, or the user who has become root by sudo, and has brought the path along */
static bool is_owner_trusted(uid_t owner)
{
	const char *user = secure_getenv("SUDO_UID");
	char *end;

	return !owner || (user && *user && strtoul(user, &end, 10) == owner && !*end);
}

/*
 * Can only users with all rights of root change the file, or replace it?
 * @is_parent: the path is a folder that only leads to the file. It may be sticky, so that users can
 * remove only their own entries (/tmp), because the entries are checked as well.
 */
static bool is_safe(const char *path, bool is_parent)
{
	struct stat st;

	return !stat(path, &st) && is_owner_trusted(st.st_uid) &&
	       ((is_parent && st.st_mode & S_ISVTX) || !(st.st_mode & (S_IWGRP | S_IWOTH)));
}

/*
 * The first unsafe one of the file, its folder and all folders above, or NULL. @file has no links.
 */
static const char *find_unsafe(const char *file, char *folder)
{
	char *end;

	if (!is_safe(file, false))
		return file;
	strcpy(folder, file);
	for (end = strrchr(folder, '/'); end; end = strrchr(folder, '/')) {
		/* The last one to check is "/". */
		end[end == folder] = '\0';
		if (!is_safe(folder, strrchr(file, '/') != file + strlen(folder)))
			return folder;
		if (end == folder)
			break;
	}
	return NULL;
}

/*
 * A loaded plug-in runs with our rights. Our own folder is as safe as this library is. The checked
 * file and the loaded file are the same: *file is changed to a path without links, and if it and
 * all folders above are safe, nobody can redirect it.
 */
static int check_safety(const char *folder, char *file)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *unsafe;

	if (geteuid() || !strcmp(folder, ZCMU_STORE_DIR))
		return 0;
	if (!realpath(file, real)) {
		zcmu_error("%s: this store can't be loaded: %s", file, strerror(errno));
		return -errno;
	}
	unsafe = find_unsafe(real, path);
	if (!unsafe) {
		strcpy(file, real);
		return 0;
	}
	zcmu_error("%s: others than root can write to %s, so root loads no store from there; take the permission away (chmod go-w, chown root), or take it out of ZCMU_STORE_PATH",
		   file, unsafe);
	return -EPERM;
}

/* -ENOENT: there is none. Other errors were reported. @file has room for any path. */
static int find_file(const char *name, size_t len, char *file, size_t size)
{
	char path[PATH_MAX], *rest = path, *folder;

	search_path(path, sizeof(path));
	while ((folder = strsep(&rest, ":"))) {
		if (!*folder)
			continue;
		snprintf(file, size, "%s/%.*s.so", folder, (int)len, name);
		if (!access(file, F_OK))
			return check_safety(folder, file);
	}
	return -ENOENT;
}

/* The error of dlopen(), in helpful words. */
static int say_why_not(const char *file)
{
	static const char missing[] = ": cannot open shared object file";
	const char *error = dlerror(), *end;
	size_t i, len;

	end = error ? strstr(error, missing) : NULL;
	len = end ? (size_t)(end - error) : 0;
	if (!len || !strncmp(error, file, len)) {
		zcmu_error("%s: this store can't be loaded: %s", file, error ? error : "no reason");
		return -ENOEXEC;
	}
	for (i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
		if (strncmp(error, packages[i].library, strlen(packages[i].library)))
			continue;
		zcmu_error("%s: this store needs %.*s, which is not installed; Debian has it in the package %s",
			   file, (int)len, error, packages[i].package);
		return -ELIBACC;
	}
	zcmu_error("%s: this store needs %.*s, which is not installed", file, (int)len, error);
	return -ELIBACC;
}

static int load(const char *file, const char *name, size_t len, struct plugin **ret)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct zcmu_store_ops *ops;
	struct plugin *plugin;
	int err = -ENOEXEC;

	if (!handle)
		return say_why_not(file);
	ops = dlsym(handle, SYMBOL);
	if (!ops) {
		zcmu_error("%s: it is no store of zcmu: it has no %s", file, SYMBOL);
		goto out_close;
	}
	plugin = calloc(1, sizeof(*plugin));
	if (!plugin) {
		err = -ENOMEM;
		goto out_close;
	}
	err = zcmu_ops_copy(&plugin->ops, ops, file);
	if (!err && (strlen(plugin->ops.name) != len || strncmp(plugin->ops.name, name, len))) {
		zcmu_error("%s: the store in it is called \"%s\"; its file must be called %s.so", file,
			   plugin->ops.name, plugin->ops.name);
		err = -ENOEXEC;
	}
	if (err) {
		free(plugin);
		goto out_close;
	}
	plugin->next = loaded;
	loaded = plugin;
	*ret = plugin;
	return 0;
out_close:
	dlclose(handle);
	return err;
}

static int find_or_load(const char *name, size_t len, const struct zcmu_store_ops **ret)
{
	char file[PATH_MAX + MAX_NAME + 8];
	struct plugin *plugin;
	int err;

	for (plugin = loaded; plugin; plugin = plugin->next) {
		if (strlen(plugin->ops.name) == len && !strncmp(plugin->ops.name, name, len)) {
			*ret = &plugin->ops;
			return 0;
		}
	}
	err = is_name(name, len) ? find_file(name, len, file, sizeof(file)) : -ENOENT;
	if (!err)
		err = load(file, name, len, &plugin);
	if (!err)
		*ret = &plugin->ops;
	return err;
}

/*
 * The plug-in of that name. -ENOENT, without a message: there is none. Every other error was
 * reported.
 */
int zcmu_plugin_find(const char *name, size_t len, const struct zcmu_store_ops **ret)
{
	int err;

	pthread_mutex_lock(&lock);
	err = find_or_load(name, len, ret);
	pthread_mutex_unlock(&lock);
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Add the plug-ins of a folder to *names, which has *n of them. */
static void list_folder(const char *folder, char ***names, size_t *n)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char **more;
	size_t len;

	while (dir && (entry = readdir(dir))) {
		len = strlen(entry->d_name);
		if (len < 4 || strcmp(entry->d_name + len - 3, ".so") ||
		    !is_name(entry->d_name, len - 3))
			continue;
		more = realloc(*names, (*n + 2) * sizeof(**names));
		if (!more)
			break;
		*names = more;
		more[*n] = strndup(entry->d_name, len - 3);
		if (more[*n])
			++*n;
		more[*n] = NULL;
	}
	if (dir)
		closedir(dir);
}

/*
 * The names of all plug-ins, loadable or not, in alphabetical order; NULL ends them.
 * NULL: there are none. zcmu_plugin_free_names() frees them.
 */
char **zcmu_plugin_names(void)
{
	char path[PATH_MAX], *rest = path, *folder, **names = NULL;
	size_t n = 0, i, kept = 0;

	search_path(path, sizeof(path));
	while ((folder = strsep(&rest, ":"))) {
		if (*folder)
			list_folder(folder, &names, &n);
	}
	if (!names)
		return NULL;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		if (kept && !strcmp(names[kept - 1], names[i]))
			free(names[i]);
		else
			names[kept++] = names[i];
	}
	names[kept] = NULL;
	return names;
}

void zcmu_plugin_free_names(char **names)
{
	char **name;

	for (name = names; name && *name; name++)
		free(*name);
	free(names);
}
