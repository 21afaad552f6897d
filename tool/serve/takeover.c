// SPDX-License-Identifier: MIT
/*
 * A disk that another process goes on with, after its process has died or hands it over. This file
 * checks what must be the same, and decides what happens to the commands that are under way. It
 * changes nothing of the disk but attrib/recover.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "backstore.h"
#include "contents.h"
#include "new_backstore.h"
#include "serve/takeover.h"
#include "served.h"
#include "zcmu.h"

static const char *access_of(bool read_only)
{
	return read_only ? "read-only" : "read-write";
}

/*
 * The identity of its store: "" if the store can't tell. It is kept with the disk itself, so it
 * exists exactly as long as the disk does, even when processes die.
 */
int takeover_note_identity(const struct backstore *backstore, const char *identity)
{
	char path[PATH_MAX];

	if (!identity[0])
		return 0;
	backstore_path(backstore, path, sizeof(path));
	return attribute_write(identity, "%s/alias", path);
}

/* Notes for the process that takes the disk over, for which configfs has no attribute. */
int takeover_note(const struct backstore *backstore, const struct zcmu_store *store,
		  const char *identity)
{
	char path[PATH_MAX];
	int err;

	backstore_path(backstore, path, sizeof(path));
	err = attribute_write(access_of(store->read_only), "%s/udev_path", path);
	return err ? err : takeover_note_identity(backstore, identity);
}

/*
 * Is it the store that the disk had, and not another one that has its name by now? An older zcmu
 * has noted nothing to compare with.
 */
int takeover_check_identity(const struct backstore *backstore, const char *identity)
{
	char path[PATH_MAX], noted[ZCMU_STORE_IDENTITY_MAX] = "";

	backstore_path(backstore, path, sizeof(path));
	if (attribute_exists("%s/alias", path) &&
	    attribute_read(noted, sizeof(noted), "%s/alias", path)) {
		zcmu_error("%s: can't read which store it has, from %s/alias", backstore->name, path);
		return -EIO;
	}
	if (!noted[0] || !strcmp(noted, identity))
		return 0;
	zcmu_error("%s: what its store's name leads to is not what it was (%s, it was %s): put that back, or end the disk with \"zcmu stop %s\"",
		   backstore->name, identity[0] ? identity : "nobody can tell what", noted,
		   backstore->name);
	return -ESTALE;
}

bool takeover_is_mode(const char *text)
{
	return !strcmp(text, "off") || !strcmp(text, "fail") || !strcmp(text, "retry") ||
	       !strcmp(text, "reissue");
}

/* "off": as with stock. The stock module has no such attribute, and no other mode. */
int takeover_set_recover(const struct backstore *backstore, const char *mode)
{
	char path[PATH_MAX];

	backstore_path(backstore, path, sizeof(path));
	if (!attribute_exists("%s/attrib/recover", path))
		return 0;
	return attribute_write(mode, "%s/attrib/recover", path);
}

/* Is it a disk of zcmu serve whose process has died? */
bool takeover_is_orphan(const struct backstore *backstore)
{
	return backstore_is_ours(backstore) && !backstore_is_served(backstore);
}

static bool has_serial(const char *path, const char *serial)
{
	static const char serial_is[] = "T10 VPD Unit Serial Number: ";
	char line[256];

	return !attribute_read(line, sizeof(line), "%s/wwn/vpd_unit_serial", path) &&
	       !strncmp(line, serial_is, sizeof(serial_is) - 1) &&
	       !strcmp(line + sizeof(serial_is) - 1, serial);
}

/*
 * Was it made of the store of that whole name? A kept serial belongs to one store; a given serial
 * proves nothing.
 */
static bool has_store(const struct backstore *backstore, const char *spec)
{
	char config[sizeof(backstore->config)];

	backstore_make_config(spec, config, sizeof(config));
	return !strcmp(backstore->config, config);
}

/* Is it a disk of that store and serial whose process has died? */
bool takeover_is_left_of(const struct backstore *backstore, const char *spec, const char *serial)
{
	char path[PATH_MAX];

	backstore_path(backstore, path, sizeof(path));
	return takeover_is_orphan(backstore) && has_store(backstore, spec) &&
	       has_serial(path, serial);
}

static int check_size(const struct backstore *backstore, const struct zcmu_store *store,
		      const char *path)
{
	char value[32] = "";

	/* If the store is larger, the disk keeps its size. */
	if (store->size < backstore->size) {
		zcmu_error("%s: the disk has %" PRIu64 " bytes, its store but %" PRIu64
			   ": make the store as large as the disk, or end the disk with \"zcmu stop %s\"",
			   backstore->name, backstore->size, store->size, backstore->name);
		return -EINVAL;
	}
	attribute_read(value, sizeof(value), "%s/attrib/hw_block_size", path);
	if (strtoul(value, NULL, 10) != store->block_size) {
		zcmu_error("%s: the disk has blocks of %s bytes, its store of %" PRIu32
			   ": end the disk with \"zcmu stop %s\"",
			   backstore->name, value, store->block_size, backstore->name);
		return -EINVAL;
	}
	return 0;
}

static int check_access(const struct backstore *backstore, const struct zcmu_store *store,
			const char *path)
{
	char value[512];

	/* Empty: an older zcmu has made the disk, and noted nothing. */
	if (attribute_read(value, sizeof(value), "%s/udev_path", path) || !value[0] ||
	    !strcmp(value, access_of(store->read_only)))
		return 0;
	zcmu_error("%s: the disk is %s, its store would be %s: serve it as it was, or end the disk with \"zcmu stop %s\"",
		   backstore->name, value, access_of(store->read_only), backstore->name);
	return -EINVAL;
}

/* Called before the store, which has these flags, is opened: is it the disk's? */
int takeover_check_store(const struct backstore *backstore, uint32_t flags, const char *spec,
			 const char *serial)
{
	char path[PATH_MAX];
	int err;

	backstore_path(backstore, path, sizeof(path));
	if (!has_store(backstore, spec)) {
		zcmu_error("%s: a disk of that name was left behind by a process that died, and has another store (%s): serve that one, choose another --name, or end the disk with \"zcmu stop %s\"",
			   backstore->name, backstore->config, backstore->name);
		return -EEXIST;
	}
	err = contents_check_outlive(backstore->name, flags);
	if (err)
		return err;
	if (!has_serial(path, serial)) {
		zcmu_error("%s: a disk of that name was left behind by a process that died, and has another serial number than %s: give its own, which is in %s/wwn/vpd_unit_serial, with --serial, or end the disk with \"zcmu stop %s\"",
			   backstore->name, serial, path, backstore->name);
		return -EEXIST;
	}
	if (backstore->uio < 0) {
		zcmu_error("%s: a disk of that name was left behind half-made; \"zcmu stop %s\" cleans it up",
			   backstore->name, backstore->name);
		return -ENODEV;
	}
	return 0;
}

/* May a process with this store go on with the disk, so that its initiators see no change? */
int takeover_check(const struct backstore *backstore, const struct zcmu_store *store)
{
	char path[PATH_MAX];
	int err;

	backstore_path(backstore, path, sizeof(path));
	err = check_size(backstore, store, path);
	return err ? err : check_access(backstore, store, path);
}
