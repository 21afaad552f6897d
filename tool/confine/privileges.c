// SPDX-License-Identifier: MIT
/*
 * Becoming another user for good: ids, groups, capabilities. What that user's process can reach is
 * in sandbox.c.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "confine/privileges.h"
#include "option.h"
#include "zcmu.h"

/* By name, or by number if there is no such name. */
int user_find(const char *name, struct user *ret)
{
	const struct passwd *entry = getpwnam(name);
	char *end;
	unsigned long uid;

	if (!entry && *name >= '0' && *name <= '9') {
		uid = strtoul(name, &end, 10);
		if (!*end && uid <= UINT32_MAX - 1)
			entry = getpwuid((uid_t)uid);
	}
	if (!entry) {
		usage_error("serve", "there is no user \"%s\"; \"adduser --system %s\" makes one", name, name);
		return -ENOENT;
	}
	if (!entry->pw_uid) {
		usage_error("serve", "--user %s is root, who keeps all privileges; name another user, or leave it out",
			    name);
		return -EINVAL;
	}
	snprintf(ret->name, sizeof(ret->name), "%s", entry->pw_name);
	ret->uid = entry->pw_uid;
	ret->gid = entry->pw_gid;
	return 0;
}

/* No program that is started later, set-user-ID or not, gets any of them back. */
static int drop_bounding_set(void)
{
	int cap;

	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return -errno;
	}
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    syscall(SYS_capset, &header, none))
		return -errno;
	return 0;
}

/* Did all of it happen? This is checked, not assumed. */
static int check_dropped(const struct user *user)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	uid_t r, e, s;
	gid_t rg, eg, sg;
	unsigned int i;

	if (getresuid(&r, &e, &s) || getresgid(&rg, &eg, &sg) || syscall(SYS_capget, &header, caps))
		return -errno;
	if (r != user->uid || e != r || s != r || rg != user->gid || eg != rg || sg != rg)
		return -EPERM;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		if (caps[i].effective | caps[i].permitted | caps[i].inheritable)
			return -EPERM;
	}
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

int privileges_drop(const struct user *user)
{
	int err = drop_bounding_set();

	if (!err && (initgroups(user->name, user->gid) ||
		     setresgid(user->gid, user->gid, user->gid) ||
		     setresuid(user->uid, user->uid, user->uid)))
		err = -errno;
	if (!err)
		err = drop_capabilities();
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	if (!err)
		err = check_dropped(user);
	if (err)
		zcmu_error("can't become the user %s without privileges: %s", user->name,
			   strerror(-err));
	return err;
}
