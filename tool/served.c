// SPDX-License-Identifier: MIT
/*
 * Whether a process serves a backstore, seen from outside. Nothing is opened or locked, so that
 * nobody is disturbed.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backstore.h"
#include "runfile.h"
#include "served.h"

/* Does this process have the device open? */
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
