// SPDX-License-Identifier: MIT
/*
 * Target port groups in configfs: alua/NAME of a backstore. The target core has their states, holds
 * commands to them, and tells initiators of changes; the module has it answer REPORT TARGET PORT
 * GROUPS as well (emulate_rtpg), and the library says in INQUIRY that there is somebody to ask.
 *
 * Each port is in group 0 until it is put elsewhere, this machine's own disk, too: so that one is
 * left as it is. Groups that zcmu has made have names of their own, and go with their last port.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/group.h"
#include "attribute.h"
#include "backstore.h"
#include "exports.h"
#include "zcmu.h"

#define OUR_GROUP	"zcmu-"		/* and its number */

static void groups_path(const struct backstore *backstore, char *path, size_t size)
{
	char device[PATH_MAX];

	backstore_path(backstore, device, sizeof(device));
	snprintf(path, size, "%.4000s/alua", device);
}

bool group_state_is_valid(const char *state)
{
	return export_state_number(state) >= 0;
}

/* The folder of the group with that number, whoever has made it. Return: false if there is none. */
static bool find(const struct backstore *backstore, unsigned int id, char *path, size_t size)
{
	char groups[PATH_MAX], number[16];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	groups_path(backstore, groups, sizeof(groups));
	dir = opendir(groups);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, size, "%.3800s/%.255s", groups, entry->d_name);
		found = !attribute_read(number, sizeof(number), "%s/tg_pt_gp_id", path) &&
			strtoul(number, NULL, 10) == id;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* One that can be told by us alone: initiators can't set a state (implicit ALUA). */
static int make(const struct backstore *backstore, unsigned int id, char *path, size_t size)
{
	char groups[PATH_MAX], number[16];
	int err;

	groups_path(backstore, groups, sizeof(groups));
	snprintf(path, size, "%.3800s/" OUR_GROUP "%u", groups, id);
	if (mkdir(path, 0755) && errno != EEXIST) {
		err = -errno;
		zcmu_error("%s: can't make the port group %u: %s", backstore->name, id, strerror(-err));
		return err;
	}
	snprintf(number, sizeof(number), "%u", id);
	err = attribute_write(number, "%s/tg_pt_gp_id", path);
	if (!err)
		err = attribute_write("1", "%s/alua_access_type", path);
	return err;
}

static int write_state(const char *path, const char *state)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", export_state_number(state));
	return attribute_write(number, "%s/alua_access_state", path);
}

/* Without our module nobody could be told of a group. */
static int have_it_reported(const struct backstore *backstore)
{
	char device[PATH_MAX];

	backstore_path(backstore, device, sizeof(device));
	if (!attribute_exists("%s/attrib/emulate_rtpg", device)) {
		zcmu_error("%s: port groups take zcmu's module, of a version that has emulate_rtpg; zcmu doctor tells which one is loaded",
			   backstore->name);
		return -EOPNOTSUPP;
	}
	return attribute_write("1", "%s/attrib/emulate_rtpg", device);
}

int group_join(const struct backstore *backstore, const char *lun, unsigned int id,
	       const char *state)
{
	char path[PATH_MAX];
	int err = have_it_reported(backstore);

	if (err)
		return err;
	if (!find(backstore, id, path, sizeof(path)))
		err = make(backstore, id, path, sizeof(path));
	if (!err && state)
		err = write_state(path, state);
	return err ? err : attribute_write(strrchr(path, '/') + 1, "%s/alua_tg_pt_gp", lun);
}

int group_set_state(const struct backstore *backstore, unsigned int id, const char *state)
{
	char path[PATH_MAX];

	if (find(backstore, id, path, sizeof(path)))
		return write_state(path, state);
	zcmu_error("%s: it has no port group %u; zcmu alua %s shows which it has", backstore->name, id,
		   backstore->name);
	return -ENOENT;
}

void groups_clean(const struct backstore *backstore)
{
	char groups[PATH_MAX], path[PATH_MAX], members[16];
	struct dirent **entries;
	int i, n;

	groups_path(backstore, groups, sizeof(groups));
	n = scandir(groups, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%.3800s/%.255s", groups, entries[i]->d_name);
		if (!strncmp(entries[i]->d_name, OUR_GROUP, strlen(OUR_GROUP)) &&
		    !attribute_read(members, sizeof(members), "%s/members", path) && !members[0] &&
		    rmdir(path))
			zcmu_warning("%s: can't remove %s: %s", backstore->name, path,
				     strerror(errno));
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}
