/* SPDX-License-Identifier: MIT */
/* Becoming a user without privileges */
#ifndef ZCMU_TOOL_CONFINE_PRIVILEGES_H
#define ZCMU_TOOL_CONFINE_PRIVILEGES_H

#include <sys/types.h>

struct user {
	char name[64];
	uid_t uid;
	gid_t gid;
};

int user_find(const char *name, struct user *ret);
int privileges_drop(const struct user *user);

#endif /* ZCMU_TOOL_CONFINE_PRIVILEGES_H */
