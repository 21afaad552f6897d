// SPDX-License-Identifier: MIT
/*
 * The fabrics that zcmu attach knows, and their targets in configfs: their names, who has made
 * them, who uses them. All fabrics are of one form there: FABRIC/TARGET/tpgt_1/lun/lun_N.
 *
 * Targets that zcmu attach has made are marked: those of iSCSI by their TargetAlias, the others,
 * which have none, by the name of the link in the LUN. Nothing else is stored. So they are found
 * again after a crash, and a user who wants to keep a target changes the mark.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "attach/iscsi.h"
#include "exports.h"
#include "runfile.h"
#include "zcmu.h"

#define LOCK		RUN_DIR "/.iscsi"	/* as it was called when there was nothing else */
#define WWN_DIGITS	16

static const struct fabric fabrics[] = {
	{ .prefix = "iscsi", .folder = "iscsi", .module = "iscsi_target_mod",
	  .has_initiators = true, .has_portals = true, .has_alias = true },
	{ .prefix = "fc", .folder = "qla2xxx", .module = "tcm_qla2xxx", .has_initiators = true },
	{ .prefix = "vhost", .folder = "vhost", .module = "vhost_scsi" },
};

/*
 * Names
 */

/*
 * The world wide name of an FC port, as it is written anywhere (21:00:..., 0x2100..., naa.2100...),
 * to the form of the fabric's folder. Return: false if it is none.
 */
static bool parse_wwn(const char *text, char *ret, size_t size)
{
	char digits[WWN_DIGITS + 1];
	size_t n = 0, len = 0;

	if (!strncmp(text, "0x", 2))
		text += 2;
	else if (!strncmp(text, "naa.", 4))
		text += 4;
	for (; *text; text++) {
		if (*text == ':' && n && !(n % 2) && text[1])
			continue;
		if (!isxdigit((unsigned char)*text) || n == WWN_DIGITS)
			return false;
		digits[n++] = (char)tolower((unsigned char)*text);
	}
	if (n != WWN_DIGITS || size < WWN_DIGITS / 2 * 3)
		return false;
	for (n = 0; n < WWN_DIGITS; n += 2)
		len += (size_t)snprintf(ret + len, size - len, "%s%.2s", n ? ":" : "", digits + n);
	return true;
}

/* What a machine's configuration has, byte by byte: wwpn=naa.... */
static bool is_naa(const char *name)
{
	return !strncmp(name, "naa.", 4) && strlen(name) == 4 + WWN_DIGITS &&
	       strspn(name + 4, "0123456789abcdef") == WWN_DIGITS;
}

static bool take_name(const struct fabric *fabric, const char *text, char *ret, size_t size)
{
	if (!strcmp(fabric->prefix, "fc"))
		return parse_wwn(text, ret, size);
	snprintf(ret, size, "%s", text);
	return fabric->has_portals ? iscsi_name_is_valid(text, false) : is_naa(text);
}

bool target_parse(const char *text, struct target *ret)
{
	size_t i, len, end = strcspn(text, " \t");
	char name[TARGET_NAME_MAX + 1];

	for (i = 0; i < sizeof(fabrics) / sizeof(fabrics[0]); i++) {
		len = strlen(fabrics[i].prefix);
		if (strncmp(text, fabrics[i].prefix, len) || text[len] != ':')
			continue;
		ret->fabric = &fabrics[i];
		len++;
		if (end - len > TARGET_NAME_MAX)
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)(end - len), text + len);
		return take_name(ret->fabric, name, ret->name, sizeof(ret->name));
	}
	ret->fabric = NULL;
	return false;
}

bool target_of_export(const struct export *export, struct target *ret)
{
	size_t i;

	for (i = 0; i < sizeof(fabrics) / sizeof(fabrics[0]); i++) {
		if (strcmp(export->fabric, fabrics[i].folder))
			continue;
		ret->fabric = &fabrics[i];
		snprintf(ret->name, sizeof(ret->name), "%.223s", export->target);
		return true;
	}
	return false;
}

/* @ret: the name that its ACL has */
bool target_takes_initiator(const struct target *target, const char *name, char *ret, size_t size)
{
	if (!target->fabric->has_portals)
		return parse_wwn(name, ret, size);
	snprintf(ret, size, "%s", name);
	return iscsi_name_is_valid(name, true);
}

/*
 * Who made a target
 */

int target_mark(const struct target *target)
{
	return target->fabric->has_alias ?
	       attribute_write(TARGET_MARK, TARGET_TPG "/param/TargetAlias", target->fabric->folder,
			       target->name) : 0;
}

const char *target_link_name(const struct target *target, const char *backstore)
{
	return target->fabric->has_alias ? backstore : TARGET_MARK;
}

/* Call @visit for each folder in that part of the target, until it returns true. */
static bool any_folder(const struct target *target, const char *part,
		       bool (*visit)(const char *path, const void *argument), const void *argument)
{
	char path[PATH_MAX], inner[PATH_MAX + 280];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), TARGET_TPG "/%s", target->fabric->folder, target->name, part);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		found = visit(inner, argument);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_there(const char *path, const void *argument)
{
	(void)path;
	(void)argument;
	return true;
}

static bool has_mark(const char *lun, const void *argument)
{
	(void)argument;
	return attribute_exists("%s/" TARGET_MARK, lun);
}

bool target_is_ours(const struct target *target)
{
	char alias[256];

	if (!target->fabric->has_alias)
		return any_folder(target, "lun", has_mark, NULL);
	return !attribute_read(alias, sizeof(alias), TARGET_TPG "/param/TargetAlias",
			       target->fabric->folder, target->name) && !strcmp(alias, TARGET_MARK);
}

bool export_is_attached(const struct export *export)
{
	struct target target;

	if (export->tpg != 1 || !target_of_export(export, &target))
		return false;
	return target.fabric->has_alias ? target_is_ours(&target) :
	       attribute_exists(TARGET_TPG "/lun/lun_%u/" TARGET_MARK, target.fabric->folder, target.name,
				export->lun);
}

/* An empty target belongs to nobody: an attach that crashed early has left it. */
bool target_is_blank(const struct target *target)
{
	const char *folder = target->fabric->folder;
	char enabled[16];

	if (!attribute_exists(TARGET "/%s/%s", folder, target->name))
		return false;
	if (!attribute_exists(TARGET_TPG, folder, target->name))
		return true;
	/* Virtual machines have no switch. */
	if (!attribute_read(enabled, sizeof(enabled), TARGET_TPG "/enable", folder, target->name) &&
	    strcmp(enabled, "0"))
		return false;
	return !any_folder(target, "lun", is_there, NULL) &&
	       !any_folder(target, "acls", is_there, NULL) &&
	       !any_folder(target, "np", is_there, NULL);
}

/* One attach or detach at a time. Return: a descriptor to close, or a negative errno. */
int attach_lock(void)
{
	int fd, err;

	if (mkdir(RUN_DIR, 0755) && errno != EEXIST) {
		err = -errno;
		zcmu_error("can't make " RUN_DIR ": %s", strerror(-err));
		return err;
	}
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = -errno;
		zcmu_error("can't open " LOCK ": %s", strerror(-err));
		return err;
	}
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		err = -errno;
		zcmu_error("can't lock " LOCK ": %s", strerror(-err));
		close(fd);
		return err;
	}
	return fd;
}

/*
 * Who uses it
 */

bool acl_has_lun(const char *acl, const struct export *export)
{
	char path[PATH_MAX], wanted[TARGET_NAME_MAX + 64];
	struct dirent *mapped;
	bool found = false;
	DIR *acl_dir;

	snprintf(wanted, sizeof(wanted), "/%.223s/tpgt_1/lun/lun_%u", export->target, export->lun);
	acl_dir = opendir(acl);
	while (acl_dir && !found && (mapped = readdir(acl_dir))) {
		if (strncmp(mapped->d_name, "lun_", 4))
			continue;
		snprintf(path, sizeof(path), "%.3800s/%.255s", acl, mapped->d_name);
		found = attribute_has_link(path, wanted);
	}
	if (acl_dir)
		closedir(acl_dir);
	return found;
}

static bool has_session(const char *acl, const void *export)
{
	char info[128];

	return !attribute_read(info, sizeof(info), "%s/info", acl) && strncmp(info, "No active", 9) &&
	       acl_has_lun(acl, export);
}

struct finding {
	const struct export *export;
	char *initiator;
	size_t size;
};

static bool find_session(const char *acl, const void *argument)
{
	const struct finding *finding = argument;

	if (!has_session(acl, finding->export))
		return false;
	snprintf(finding->initiator, finding->size, "%s", strrchr(acl, '/') + 1);
	return true;
}

/* An iSCSI initiator that is logged in and has this LUN */
static bool has_initiator(const struct target *target, const struct export *export, char *who,
			  size_t size)
{
	char initiator[NAME_MAX + 1];
	const struct finding finding = { export, initiator, sizeof(initiator) };
	int err;

	/* Initiators without an ACL: a line each. */
	err = attribute_read(initiator, sizeof(initiator), TARGET_TPG "/dynamic_sessions",
			     target->fabric->folder, target->name);
	if ((err || !initiator[0]) && !any_folder(target, "acls", find_session, &finding))
		return false;
	snprintf(who, size, "%s is logged in to %s; log it out there", initiator, target->name);
	return true;
}

/*
 * Has a virtual machine opened it? Then its folder is held, which is found out by removing that:
 * with a LUN in it, it can't be removed at all, and the kernel looks first whether it is held.
 */
static bool has_machine(const struct target *target, const struct export *export, char *who,
			size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), TARGET_TPG, target->fabric->folder, target->name);
	if (!attribute_exists("%s/lun/lun_%u", path, export->lun) || !rmdir(path) || errno != EBUSY)
		return false;
	snprintf(who, size, "a virtual machine uses %s; take the disk out of it", target->name);
	return true;
}

bool export_is_used(const struct export *export, char *who, size_t size)
{
	struct target target;

	if (!target_of_export(export, &target))
		return false;
	if (target.fabric->has_portals)
		return has_initiator(&target, export, who, size);
	if (!target.fabric->has_initiators)
		return has_machine(&target, export, who, size);
	/* The FC fabric has no word on its sessions. */
	snprintf(who, size, "Linux doesn't tell whether somebody uses %s; see to it that nobody does",
		 target.name);
	return true;
}
