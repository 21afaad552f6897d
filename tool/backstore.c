// SPDX-License-Identifier: MIT
/*
 * Backstores of type "user" in the target core's configfs: ours, and those of others (targetcli).
 * Each of ours has an HBA of its own, so that disks come and go without a lock between their
 * processes.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "exports.h"
#include "runfile.h"
#include "zcmu.h"

#define CORE		TARGET "/core"
#define CONFIG_PREFIX	"zcmu/"
#define MAX_IO_BYTES	(8u << 20)

/*
 * MiB of the ring. The kernel's default, 8, is memory that every disk has, used or not. The largest
 * entries are those of copied payloads, 16 bytes for each 4 KiB of the copy area at worst: 1 MiB
 * for all of its 256. The rest is for their headers.
 */
#define RING_MB		2

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
static int find_uio(const struct backstore *backstore, int *uio)
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
	return find_uio(backstore, &backstore->uio);
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

/*
 * Does this process have the device open? This is checked from outside, so that nobody is
 * disturbed.
 */
static bool process_has_open(const char *pid, dev_t device)
{
	struct dirent *entry;
	char path[300];
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && !fstatat(dirfd(dir), entry->d_name, &st, 0) &&
			S_ISCHR(st.st_mode) && st.st_rdev == device;
	if (dir)
		closedir(dir);
	return found;
}

/* Does any process have its UIO device open? Only root can look at all of them. */
bool backstore_is_served(const struct backstore *backstore)
{
	char path[32];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/dev/uio%d", backstore->uio);
	if (backstore->uio < 0 || stat(path, &st))
		return false;
	dir = opendir("/proc");
	while (dir && !found && (entry = readdir(dir)))
		found = isdigit((unsigned char)entry->d_name[0]) &&
			process_has_open(entry->d_name, st.st_rdev);
	if (dir)
		closedir(dir);
	return found;
}

/* For people: "served", "not served", "disabled", or "unknown" if only root could tell. */
const char *backstore_state(const struct backstore *backstore)
{
	bool is_ours = backstore_is_ours(backstore);

	if (backstore->uio < 0)
		return "disabled";
	if ((is_ours && runfile_is_held(backstore->name)) || backstore_is_served(backstore))
		return "served";
	return is_ours || !geteuid() ? "not served" : "unknown";
}

/* Did zcmu serve make it? */
bool backstore_is_ours(const struct backstore *backstore)
{
	return !strncmp(backstore->config, CONFIG_PREFIX, strlen(CONFIG_PREFIX));
}

/* An HBA that nobody has: if mkdir() succeeds, the folder is new, and ours. */
static int create_hba(unsigned int *hba)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), CORE "/user_%u", i);
		if (!mkdir(path, 0755)) {
			*hba = i;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	zcmu_error("can't make %s: %s; zcmu doctor may know why", path, strerror(errno));
	return -errno;
}

/* The disk's config, for people who look into configfs: "zcmu/file/path/of/disk.img". */
void backstore_make_config(const char *spec, char *config, size_t size)
{
	const char *colon = strchr(spec, ':');
	const char *argument = colon ? colon + 1 : "";
	size_t i;

	/* rtslib dislikes colons, and for the kernel a comma ends the value. */
	snprintf(config, size, CONFIG_PREFIX "%.*s%s%s", colon ? (int)(colon - spec) : 32, spec,
		 *argument == '/' ? "" : "/", argument);
	for (i = 0; config[i]; i++) {
		if (config[i] == ',' || config[i] == ':' || config[i] == '\n')
			config[i] = '_';
	}
}

static int configure(const struct backstore *backstore, const struct zcmu_store *store,
		     const char *serial, unsigned int time_out)
{
	char path[PATH_MAX], control[512], seconds[16];
	int err;

	backstore_path(backstore, path, sizeof(path));
	snprintf(control, sizeof(control),
		 "nl_reply_supported=-1,dev_config=%s,dev_size=%" PRIu64
		 ",hw_block_size=%" PRIu32 ",hw_max_sectors=%" PRIu32 ",cmd_ring_size_mb=%d",
		 backstore->config, store->size, store->block_size,
		 MAX_IO_BYTES / store->block_size, RING_MB);
	err = attribute_write(control, "%s/control", path);
	if (!err)
		err = attribute_write(serial, "%s/wwn/vpd_unit_serial", path);
	snprintf(seconds, sizeof(seconds), "%u", time_out);
	if (!err)
		err = attribute_write(seconds, "%s/attrib/cmd_time_out", path);
	return err;
}

/*
 * The target core keeps persistent reservations in files. It accepts none if their folder is
 * missing. Without it the disk works in all other ways.
 */
static void make_folder_for_reservations(void)
{
	char root[PATH_MAX / 2], path[PATH_MAX];

	if (attribute_read(root, sizeof(root), TARGET "/dbroot"))
		return;
	snprintf(path, sizeof(path), "%s/pr", root);
	if (!mkdir(root, 0755) || errno == EEXIST)
		(void)!mkdir(path, 0755);
}

/*
 * Make a backstore; nothing is left if that fails. It can't be used until it is enabled. If it
 * never is, others can see that it is half made.
 */
int backstore_create(const char *name, const struct zcmu_store *store, const char *spec,
		     const char *serial, unsigned int time_out, struct backstore *ret)
{
	char path[PATH_MAX];
	int err;

	*ret = (struct backstore){ .size = store->size, .uio = -1 };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	backstore_make_config(spec, ret->config, sizeof(ret->config));
	err = create_hba(&ret->hba);
	if (err)
		return err;
	backstore_path(ret, path, sizeof(path));
	if (mkdir(path, 0755)) {
		err = -errno;
		zcmu_error("%s: can't make %s: %s", name, path, strerror(-err));
	} else {
		err = configure(ret, store, serial, time_out);
	}
	if (err) {
		backstore_remove(ret);
		return err;
	}
	make_folder_for_reservations();
	return 0;
}

/* The last step: everything that the next process must know about it is there. */
int backstore_enable(struct backstore *backstore)
{
	char path[PATH_MAX];
	int err;

	backstore_path(backstore, path, sizeof(path));
	err = attribute_write("1", "%s/enable", path);
	if (!err)
		return find_uio(backstore, &backstore->uio);
	return err;
}

/* Remove it and its HBA. The HBA may be shared if somebody else made it. */
int backstore_remove(const struct backstore *backstore)
{
	char path[PATH_MAX], text[512];
	struct exports exports;
	int err = 0;

	backstore_path(backstore, path, sizeof(path));
	if (rmdir(path) && errno != ENOENT) {
		err = -errno;
		if (!exports_find(backstore, &exports) && exports.count)
			zcmu_error("%s: %s exports it still, so the backstore stays, served by nobody: take it out there, then \"zcmu stop %s\"",
				   backstore->name,
				   export_text(&exports.entries[0], text, sizeof(text)),
				   backstore->name);
		else
			zcmu_error("%s: can't remove %s: %s", backstore->name, path, strerror(-err));
		exports_free(&exports);
		return err;
	}
	snprintf(path, sizeof(path), CORE "/user_%u", backstore->hba);
	if (rmdir(path) && errno != ENOTEMPTY && errno != ENOENT) {
		err = -errno;
		zcmu_error("%s: can't remove %s: %s", backstore->name, path, strerror(-err));
	}
	return err;
}
