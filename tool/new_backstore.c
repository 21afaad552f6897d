// SPDX-License-Identifier: MIT
/*
 * Make a backstore of ours, enable it, and remove it. Each has an HBA of its own, so that disks
 * come and go without a lock between their processes. backstore.c finds those that are there.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "exports.h"
#include "new_backstore.h"
#include "zcmu.h"

#define CORE		TARGET "/core"
#define MAX_IO_BYTES	(8u << 20)

/*
 * MiB of the ring. The kernel's default, 8, is memory that every disk has, used or not. The largest
 * entries are those of copied payloads, 16 bytes for each 4 KiB of the copy area at worst: 1 MiB
 * for all of its 256. The rest is for their headers.
 */
#define RING_MB		2

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
	snprintf(config, size, BACKSTORE_CONFIG_PREFIX "%.*s%s%s", colon ? (int)(colon - spec) : 32, spec,
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
		return backstore_find_uio(backstore, &backstore->uio);
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
