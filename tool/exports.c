// SPDX-License-Identifier: MIT
/*
 * Where a backstore is exported, by any fabric and anybody. Fabrics are folders of configfs, all of
 * the same form: FABRIC/TARGET/tpgt_N/lun/lun_M/LINK, where the link leads to the backstore.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "exports.h"
#include "json.h"
#include "loopback.h"
#include "zcmu.h"

/* Asymmetric access states, SPC-4 6.37. LIO has two more, which are for others than disks. */
static const struct {
	unsigned int number;
	const char *name;
} states[] = {
	{ 0, "optimized" }, { 1, "non-optimized" }, { 2, "standby" }, { 3, "unavailable" },
	{ 15, "transitioning" },
};

struct search {
	const struct backstore *backstore;
	char wanted[NAME_MAX + 32];	/* the end of the link's target */
	struct export *found;
	size_t count;
	int err;
};

typedef void (*visit_function)(struct search *search, const struct export *so_far,
			       const char *folder, const char *name);

/* Call @visit for each entry of a folder that has that type and isn't hidden. */
static void visit_folder(struct search *search, const struct export *so_far, const char *folder,
			 unsigned char type, visit_function visit)
{
	struct dirent *entry;
	DIR *dir = opendir(folder);

	/* A missing folder is empty; a folder that can't be read may not be. */
	if (!dir && errno != ENOENT && errno != ENOTDIR)
		search->err = -errno;
	while (dir && !search->err && (entry = readdir(dir))) {
		if (entry->d_type == type && entry->d_name[0] != '.')
			visit(search, so_far, folder, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void add(struct search *search, const struct export *export)
{
	struct export *grown = realloc(search->found, (search->count + 1) * sizeof(*grown));

	if (!grown) {
		zcmu_error("%s: there is not enough memory to find its exports", search->wanted);
		search->err = -ENOMEM;
		return;
	}
	search->found = grown;
	grown[search->count++] = *export;
}

const char *export_state_name(unsigned int number)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (states[i].number == number)
			return states[i].name;
	}
	return NULL;
}

int export_state_number(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strcmp(states[i].name, name))
			return (int)states[i].number;
	}
	return -1;
}

/* The LUN's group, by its name, has number and state in the backstore's folder. */
static void find_group(const struct search *search, const char *lun, struct export *export)
{
	static const char front[] = "TG Port Alias: ";
	char text[NAME_MAX + sizeof(front)], device[PATH_MAX], number[16];
	const char *name = text + strlen(front);

	export->group = -1;
	if (attribute_read(text, sizeof(text), "%s/alua_tg_pt_gp", lun) ||
	    strncmp(text, front, strlen(front)))
		return;
	backstore_path(search->backstore, device, sizeof(device));
	if (!attribute_read(number, sizeof(number), "%s/alua/%s/tg_pt_gp_id", device, name))
		export->group = atoi(number);
	if (!attribute_read(number, sizeof(number), "%s/alua/%s/alua_access_state", device, name))
		export->state = export_state_name((unsigned int)atoi(number));
}

static void visit_link(struct search *search, const struct export *so_far, const char *folder,
		       const char *name)
{
	size_t len = strlen(search->wanted);
	char path[PATH_MAX], target[PATH_MAX];
	struct export export = *so_far;
	ssize_t n;

	snprintf(path, sizeof(path), "%.3800s/%s", folder, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < (ssize_t)len)
		return;
	target[n] = '\0';
	if (strcmp(target + n - len, search->wanted))
		return;
	if (!strcmp(export.fabric, "loopback"))
		loopback_device(export.target, export.tpg, export.lun, export.device,
				sizeof(export.device));
	find_group(search, folder, &export);
	add(search, &export);
}

static void visit_lun(struct search *search, const struct export *so_far, const char *folder,
		      const char *name)
{
	struct export export = *so_far;
	char path[PATH_MAX], rest;

	if (sscanf(name, "lun_%u%c", &export.lun, &rest) != 1)
		return;
	snprintf(path, sizeof(path), "%.3800s/%s", folder, name);
	visit_folder(search, &export, path, DT_LNK, visit_link);
}

static void visit_tpg(struct search *search, const struct export *so_far, const char *folder,
		      const char *name)
{
	struct export export = *so_far;
	char path[PATH_MAX], rest;

	if (sscanf(name, "tpgt_%u%c", &export.tpg, &rest) != 1)
		return;
	snprintf(path, sizeof(path), "%.3800s/%s/lun", folder, name);
	visit_folder(search, &export, path, DT_DIR, visit_lun);
}

static void visit_target(struct search *search, const struct export *so_far, const char *folder,
			 const char *name)
{
	struct export export = *so_far;
	char path[PATH_MAX];

	snprintf(export.target, sizeof(export.target), "%s", name);
	snprintf(path, sizeof(path), "%.3800s/%s", folder, name);
	visit_folder(search, &export, path, DT_DIR, visit_tpg);
}

static void visit_fabric(struct search *search, const struct export *so_far, const char *folder,
			 const char *name)
{
	struct export export = *so_far;
	char path[PATH_MAX];

	if (!strcmp(name, "core"))
		return;
	snprintf(export.fabric, sizeof(export.fabric), "%.31s", name);
	snprintf(path, sizeof(path), "%.3800s/%s", folder, name);
	visit_folder(search, &export, path, DT_DIR, visit_target);
}

static int by_place(const void *a, const void *b)
{
	const struct export *x = a, *y = b;
	int order = strcmp(x->fabric, y->fabric);

	if (!order)
		order = strcmp(x->target, y->target);
	if (!order)
		order = (x->tpg > y->tpg) - (x->tpg < y->tpg);
	return order ? order : (x->lun > y->lun) - (x->lun < y->lun);
}

int exports_find(const struct backstore *backstore, struct exports *ret)
{
	static const struct export nothing;
	struct search search = { .backstore = backstore };

	snprintf(search.wanted, sizeof(search.wanted), "/core/user_%u/%s", backstore->hba,
		 backstore->name);
	visit_folder(&search, &nothing, TARGET, DT_DIR, visit_fabric);
	*ret = (struct exports){ search.found, search.count };
	if (search.err) {
		zcmu_error("%s: can't find out where it is exported: %s", backstore->name,
			   strerror(-search.err));
		exports_free(ret);
	} else if (search.count) {
		qsort(search.found, search.count, sizeof(*search.found), by_place);
	}
	return search.err;
}

void exports_free(struct exports *exports)
{
	free(exports->entries);
	*exports = (struct exports){ NULL, 0 };
}

/* Its disk on this machine, by the loopback fabric */
const char *exports_device(const struct exports *exports)
{
	size_t i;

	for (i = 0; i < exports->count; i++) {
		if (exports->entries[i].device[0])
			return exports->entries[i].device;
	}
	return NULL;
}

/* As people call its fabric, and zcmu attach does. */
const char *export_prefix(const struct export *export)
{
	return strcmp(export->fabric, "qla2xxx") ? export->fabric : "fc";
}

/*
 * "iscsi:iqn.2026-11.org.example:disk LUN 0"; a second TPG is named, too, and so is a group that
 * somebody has put it in.
 */
const char *export_text(const struct export *export, char *text, size_t size)
{
	char tpg[24] = "", group[64] = "";

	if (export->tpg != 1)
		snprintf(tpg, sizeof(tpg), " TPG %u", export->tpg);
	if (export->group > 0)
		snprintf(group, sizeof(group), " group %d %s", export->group,
			 export->state ? export->state : "in another state");
	snprintf(text, size, "%s:%s%s LUN %u%s", export_prefix(export), export->target, tpg,
		 export->lun, group);
	return text;
}

struct json_object *exports_to_json(const struct exports *exports)
{
	struct json_object *array = json_list();
	size_t i;

	for (i = 0; i < exports->count; i++) {
		const struct export *export = &exports->entries[i];
		struct json_object *object = json_members();

		json_add(object, "fabric", json_text(export->fabric));
		json_add(object, "target", json_text(export->target));
		json_add(object, "tpg", json_int64(export->tpg));
		json_add(object, "lun", json_int64(export->lun));
		json_add(object, "group", export->group < 0 ? NULL : json_int64(export->group));
		json_add(object, "state", export->state ? json_text(export->state) : NULL);
		json_add(object, "device", export->device[0] ? json_text(export->device) : NULL);
		json_append(array, object);
	}
	return array;
}
