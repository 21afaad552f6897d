/* SPDX-License-Identifier: MIT */
/* Target port groups (ALUA), SPC-4 5.15: the state of a disk's ports, as initiators are told */
#ifndef ZCMU_TOOL_ATTACH_GROUP_H
#define ZCMU_TOOL_ATTACH_GROUP_H

#include <stdbool.h>

#define GROUP_MAX	65535

struct backstore;

bool group_state_is_valid(const char *state);
/* @lun: its folder in configfs; @state NULL: the group's, or "optimized" if it is new */
int group_join(const struct backstore *backstore, const char *lun, unsigned int id,
	       const char *state);
int group_set_state(const struct backstore *backstore, unsigned int id, const char *state);
/* Groups of ours that have no port any more */
void groups_clean(const struct backstore *backstore);

#endif /* ZCMU_TOOL_ATTACH_GROUP_H */
