// SPDX-License-Identifier: MIT
/*
 * Removes targets of make.c, including half-made ones after a crash. Parts of the target that
 * others have added stay, and the target with them.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "attach/group.h"
#include "attribute.h"
#include "backstore.h"
#include "exports.h"
#include "zcmu.h"

static int remove_folder(const char *path)
{
	int err;

	if (!rmdir(path) || errno == ENOENT)
		return 0;
	err = -errno;
	if (err != -EBUSY)
		zcmu_error("can't remove %s: %s", path, strerror(-err));
	return err;
}

/* The number of folders and links of that name below @folder */
static size_t count(const char *folder, const char *prefix, unsigned char type)
{
	struct dirent *entry;
	DIR *dir = opendir(folder);
	size_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_type == type && entry->d_name[0] != '.' &&
		     !strncmp(entry->d_name, prefix, strlen(prefix));
	if (dir)
		closedir(dir);
	return n;
}

static void remove_links(const char *folder)
{
	struct dirent *entry;
	DIR *dir = opendir(folder);

	/* This waits for the LUN's commands. */
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_LNK)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* Call @visit for each folder below @folder, until it returns non-zero. */
static int for_each(const char *folder, int (*visit)(const char *path, void *argument),
		    void *argument)
{
	char path[PATH_MAX + 280];
	struct dirent **entries;
	int i, err = 0, n;

	/* Read all names at once, because the visits remove folders. */
	n = scandir(folder, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (!err && entries[i]->d_type == DT_DIR && entries[i]->d_name[0] != '.')
			err = visit(path, argument);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return err;
}

/*
 * An initiator's LUN, and its ACL if it was the last one there. An ACL that had none from the start
 * belongs to somebody else.
 */
static bool leads_to(const char *mapped, const char *lun)
{
	if (attribute_has_link(mapped, lun + strlen(TARGET)))
		return true;
	/* Without a link it is left from a crash, if the number is right. */
	return !count(mapped, "", DT_LNK) && !strcmp(strrchr(mapped, '/'), strrchr(lun, '/'));
}

static int visit_mapped(const char *mapped, void *lun)
{
	if (strncmp(strrchr(mapped, '/'), "/lun_", 5) || !leads_to(mapped, lun))
		return 0;
	remove_links(mapped);
	return remove_folder(mapped);
}

static int visit_acl(const char *acl, void *lun)
{
	size_t before = count(acl, "lun_", DT_DIR);
	int err = for_each(acl, visit_mapped, lun);

	/* This ends the initiator's session. */
	if (!err && before && !count(acl, "lun_", DT_DIR))
		err = remove_folder(acl);
	return err;
}

static int remove_lun(const char *tpg, const char *lun)
{
	char acls[PATH_MAX], argument[PATH_MAX];
	int err;

	snprintf(acls, sizeof(acls), "%.3800s/acls", tpg);
	snprintf(argument, sizeof(argument), "%s", lun);
	err = for_each(acls, visit_acl, argument);
	if (!err) {
		remove_links(lun);
		err = remove_folder(lun);
	}
	return err;
}

/* A LUN without a link is left from a crash. */
static int visit_lun(const char *lun, void *tpg)
{
	return count(lun, "", DT_LNK) ? 0 : remove_lun(tpg, lun);
}

static int visit_portal(const char *portal, void *argument)
{
	(void)argument;
	return remove_folder(portal);
}

static bool is_empty(const char *tpg, const char *rest)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3800s/%s", tpg, rest);
	return !count(path, "", DT_DIR);
}

/* Remove the target if no LUN and no ACL is left in it. */
static int remove_target(const struct target *target)
{
	const struct fabric *fabric = target->fabric;
	char path[PATH_MAX], tpg[PATH_MAX];
	int err;

	snprintf(tpg, sizeof(tpg), TARGET_TPG, fabric->folder, target->name);
	snprintf(path, sizeof(path), "%.3800s/lun", tpg);
	err = for_each(path, visit_lun, tpg);
	if (err || !is_empty(tpg, "lun"))
		return err;
	if (!is_empty(tpg, "acls")) {
		zcmu_warning("%s stays: somebody has added ACLs to it", target->name);
		return 0;
	}
	/* This ends sessions that have no ACL. */
	if (fabric->has_initiators)
		err = attribute_write("0", "%s/enable", tpg);
	snprintf(path, sizeof(path), "%.3800s/np", tpg);
	if (!err)
		err = for_each(path, visit_portal, NULL);
	if (!err)
		err = remove_folder(tpg);
	/* Its disk is gone, which is what it was asked for; the machine has the empty target. */
	if (err == -EBUSY && !fabric->has_initiators) {
		zcmu_warning("%s stays, empty, while a virtual machine uses it: detach it again, or give it another disk",
			     target->name);
		return 0;
	}
	snprintf(path, sizeof(path), TARGET "/%s/%s", fabric->folder, target->name);
	/* It may have another TPG, of somebody else. */
	if (!err && !count(path, "tpgt_", DT_DIR))
		err = remove_folder(path);
	return err;
}

static int detach(const struct export *export)
{
	char tpg[PATH_MAX], lun[PATH_MAX];
	struct target target;
	int err;

	if (!target_of_export(export, &target))
		return -EINVAL;
	snprintf(tpg, sizeof(tpg), TARGET_TPG, target.fabric->folder, target.name);
	snprintf(lun, sizeof(lun), "%.3800s/lun/lun_%u", tpg, export->lun);
	err = remove_lun(tpg, lun);
	return err ? err : remove_target(&target);
}

static int has_link(const char *lun, void *argument)
{
	(void)argument;
	return count(lun, "", DT_LNK) > 0;
}

/* Is it left from an attach that crashed, with no disk in it? */
bool attach_is_leftover(const struct target *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), TARGET_TPG "/lun", target->fabric->folder, target->name);
	return target_is_blank(target) ||
	       (target_is_ours(target) && !for_each(path, has_link, NULL));
}

/* Is the export one of those to remove? */
static bool is_meant(const struct export *export, const struct target *target)
{
	return (!target || (!strcmp(export->fabric, target->fabric->folder) &&
			    !strcmp(export->target, target->name))) &&
	       export_is_attached(export);
}

int attach_remove(const struct backstore *backstore, const struct target *target)
{
	struct exports exports;
	int lock, err;
	size_t i;

	lock = attach_lock();
	if (lock < 0)
		return lock;
	err = exports_find(backstore, &exports);
	for (i = 0; !err && i < exports.count; i++) {
		if (is_meant(&exports.entries[i], target))
			err = detach(&exports.entries[i]);
	}
	/* An attach that crashed may have made only the target. */
	if (!err && target && attach_is_leftover(target))
		err = remove_target(target);
	groups_clean(backstore);
	exports_free(&exports);
	close(lock);
	return err;
}
