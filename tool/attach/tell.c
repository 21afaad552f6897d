// SPDX-License-Identifier: MIT
/*
 * An export that zcmu attach has made, as what would make it again: its words, and the passwords.
 * It is read from configfs, where all of it is.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach/fabric.h"
#include "attribute.h"
#include "exports.h"
#include "zcmu.h"

struct telling {
	const struct export *export;
	struct target target;
	struct attach_told *told;
	int err;
};

static void append(struct telling *telling, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct telling *telling, const char *format, ...)
{
	struct attach_told *told = telling->told;
	size_t len = strlen(told->words);
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(told->words + len, sizeof(told->words) - len, format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= sizeof(told->words) - len)
		telling->err = -E2BIG;
}

/* Call @visit for each folder in that part of the target. */
static void each(struct telling *telling, const char *part,
		 void (*visit)(struct telling *telling, const char *name))
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), TARGET_TPG "/%s", telling->target.fabric->folder,
		 telling->target.name, part);
	dir = opendir(path);
	if (!dir) {
		telling->err = -errno;
		return;
	}
	while (!telling->err && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			visit(telling, entry->d_name);
	}
	closedir(dir);
}

static void tell_portal(struct telling *telling, const char *name)
{
	append(telling, " --portal %s", name);
}

/* All initiators of a disk have been given the same. */
static void take_credentials(struct telling *telling, const char *initiator)
{
	struct iscsi_credentials *known = &telling->told->chap, found;

	if (credentials_read(telling->export->target, initiator, &found))
		telling->err = -EIO;
	else if (known->user[0] && !credentials_are_same(known, &found))
		telling->err = -ENOTUNIQ;
	*known = found;
	credentials_forget(&found);
}

static bool is_on(const struct telling *telling, const char *attribute)
{
	const struct target *target = &telling->target;
	char value[16];

	return !attribute_read(value, sizeof(value), TARGET_TPG "/attrib/%s",
			       target->fabric->folder, target->name, attribute) &&
	       !strcmp(value, "1");
}

static bool has_chap(const struct telling *telling)
{
	return telling->target.fabric->has_portals && is_on(telling, "authentication");
}

static void tell_initiator(struct telling *telling, const char *name)
{
	const struct target *target = &telling->target;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), TARGET_TPG "/acls/%s", target->fabric->folder, target->name,
		 name);
	if (!acl_has_lun(path, telling->export))
		return;
	append(telling, " --initiator %s", name);
	if (has_chap(telling))
		take_credentials(telling, name);
}

static void tell_access(struct telling *telling)
{
	if (is_on(telling, "generate_node_acls")) {
		append(telling, " --open-to-all");
		if (!telling->err && has_chap(telling))
			take_credentials(telling, NULL);
	} else if (!telling->err) {
		each(telling, "acls", tell_initiator);
	}
}

int attach_tell(const struct export *export, struct attach_told *ret)
{
	struct telling telling = { .export = export, .told = ret };

	*ret = (struct attach_told){ .words = "" };
	if (!target_of_export(export, &telling.target))
		return -EINVAL;
	append(&telling, "%s:%s", telling.target.fabric->prefix, telling.target.name);
	if (telling.target.fabric->has_portals)
		each(&telling, "np", tell_portal);
	if (!telling.err && telling.target.fabric->has_initiators)
		tell_access(&telling);
	if (export->group)
		append(&telling, " --port-group %d --state %s", export->group, export->state);
	if (telling.err)
		zcmu_error("%s: can't tell how it was exported: %s", export->target,
			   telling.err == -ENOTUNIQ ? "its initiators have several users or passwords" :
			   strerror(-telling.err));
	return telling.err;
}
