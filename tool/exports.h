/* SPDX-License-Identifier: MIT */
/* Where a disk is exported, by anybody */
#ifndef ZCMU_TOOL_EXPORTS_H
#define ZCMU_TOOL_EXPORTS_H

#include <limits.h>
#include <stddef.h>

struct backstore;
struct json_object;

struct export {
	char fabric[32];		/* its folder: "loopback", "iscsi", "vhost" */
	char target[NAME_MAX + 1];	/* WWN, IQN */
	unsigned int tpg;
	unsigned int lun;
	char device[32];		/* loopback: "/dev/sda"; or empty */
	int group;			/* its target port group, or -1 */
	const char *state;		/* of that group: "optimized"; or NULL */
};

struct exports {
	struct export *entries;
	size_t count;
};

int exports_find(const struct backstore *backstore, struct exports *ret);
const char *exports_device(const struct exports *exports);	/* NULL: no local disk */
void exports_free(struct exports *exports);
const char *export_prefix(const struct export *export);
const char *export_state_name(unsigned int number);	/* NULL: none that we set */
int export_state_number(const char *name);		/* -1: there is no such state */
const char *export_text(const struct export *export, char *text, size_t size);
struct json_object *exports_to_json(const struct exports *exports);

#endif /* ZCMU_TOOL_EXPORTS_H */
