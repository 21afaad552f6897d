// SPDX-License-Identifier: MIT
/*
 * Makes a target, or adds a LUN to one that zcmu attach has made. Everything is checked before
 * anything is changed; if a later step fails, the earlier ones are undone, in reverse.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "attach/group.h"
#include "attach/iscsi.h"
#include "attach/steps.h"
#include "backstore.h"
#include "exports.h"
#include "module.h"
#include "zcmu.h"

#define MAX_LUNS	256

struct making {
	const struct backstore *backstore;
	const struct attach_wish *wish;
	char target[PATH_MAX];		/* its folder */
	char tpg[PATH_MAX];
	bool is_new;			/* the target */
	unsigned int lun;
	struct steps steps;
};

static int complain(const struct making *making, const char *what, const char *name, int err)
{
	zcmu_error("%s: can't make the %s %s: %s", making->backstore->name, what, name,
		   strerror(-err));
	return err;
}

/*
 * Checks
 */

/* The fabric's folder comes with its module. */
static int prepare_fabric(const struct making *making)
{
	const struct fabric *fabric = making->wish->target.fabric;
	char path[PATH_MAX];
	int err;

	module_load(fabric->module);
	snprintf(path, sizeof(path), TARGET "/%s", fabric->folder);
	if (!mkdir(path, 0755) || errno == EEXIST)
		return 0;
	err = -errno;
	zcmu_error("%s: no %s fabric: %s; does \"modprobe %s\" work?", making->backstore->name,
		   fabric->has_portals ? "iSCSI" : fabric->prefix, strerror(-err), fabric->module);
	return err;
}

static int check_not_attached(const struct making *making)
{
	const struct target *target = &making->wish->target;
	struct exports exports;
	int err = exports_find(making->backstore, &exports);
	size_t i;

	if (err)
		return err;
	for (i = 0; i < exports.count && !err; i++) {
		if (strcmp(exports.entries[i].fabric, target->fabric->folder) ||
		    strcmp(exports.entries[i].target, target->name))
			continue;
		zcmu_error("%s: it is attached to %s already, as LUN %u", making->backstore->name,
			   target->name, exports.entries[i].lun);
		err = -EEXIST;
	}
	exports_free(&exports);
	return err;
}

static bool is_on(const struct making *making, const char *attribute)
{
	char value[16];

	return !attribute_read(value, sizeof(value), "%s/attrib/%s", making->tpg, attribute) &&
	       !strcmp(value, "1");
}

/* Would the requested CHAP change the settings of an earlier attach? */
static bool credentials_differ(const struct attach_wish *wish, const char *initiator)
{
	struct iscsi_credentials there;
	bool differ;

	if (credentials_read(wish->target.name, initiator, &there))
		return false;
	differ = !credentials_are_same(&there, wish->chap);
	credentials_forget(&there);
	return differ;
}

static int refuse(const struct making *making, const char *reason)
{
	zcmu_error("%s: %s %s", making->backstore->name, making->wish->target.name, reason);
	return -EEXIST;
}

/* An existing target must be ours, and have the same authentication as requested. */
static int check_target(const struct making *making)
{
	const struct attach_wish *wish = making->wish;
	const char *who = NULL;
	bool has_chap;
	size_t i;

	if (!target_is_ours(&wish->target))
		return refuse(making, "was made by somebody else, targetcli perhaps: choose another name, or add the disk there");
	if (!wish->target.fabric->has_initiators)
		return 0;
	if (is_on(making, "generate_node_acls") != wish->open_to_all)
		return refuse(making, wish->open_to_all ?
			      "lets in certain initiators only: choose another name for one that is --open-to-all" :
			      "is open to all: choose another name for one with --initiator");
	has_chap = is_on(making, "authentication");
	if (wish->chap && !has_chap)
		return refuse(making, "asks nobody for a password: choose another name for one with --chap-user");
	for (i = 0; i < wish->initiator_count; i++) {
		bool is_known = attribute_exists("%s/acls/%s", making->tpg, wish->initiators[i]);

		if (has_chap && !wish->chap && !is_known)
			return refuse(making, "asks for passwords: give --chap-user and --chap-password-file for an initiator that is new to it");
		if (wish->chap && is_known && credentials_differ(wish, wish->initiators[i]))
			who = wish->initiators[i];
	}
	if (wish->open_to_all && wish->chap && credentials_differ(wish, NULL))
		who = "everybody";
	if (!who)
		return 0;
	zcmu_error("%s: %s asks %s for another user or password already: give the same, or no --chap-user",
		   making->backstore->name, wish->target.name, who);
	return -EEXIST;
}

/*
 * Changes
 */

static int write_attribute(const struct making *making, const char *name, bool on)
{
	return attribute_write(on ? "1" : "0", "%s/attrib/%s", making->tpg, name);
}

/* Who may log in, and to what */
static int set_access(const struct making *making)
{
	const struct attach_wish *wish = making->wish;
	int err = 0;

	if (wish->target.fabric->has_portals)
		err = write_attribute(making, "authentication", wish->chap);
	if (!err)
		err = write_attribute(making, "generate_node_acls", wish->open_to_all);
	if (!err)
		err = write_attribute(making, "cache_dynamic_acls", wish->open_to_all);
	if (!err)
		err = write_attribute(making, "demo_mode_write_protect", false);
	/* Initiators without access aren't told that the target exists, either. */
	if (!err && wish->target.fabric->has_portals)
		err = write_attribute(making, "demo_mode_discovery", wish->open_to_all);
	return err;
}

static int make_target(struct making *making)
{
	const struct target *target = &making->wish->target;
	char name[TARGET_NAME_MAX + 1];
	int err;

	/* An unset value is blank. */
	err = steps_make_folder(&making->steps, "%s", making->target);
	if (err == -ENODEV && !target->fabric->has_portals && target->fabric->has_initiators) {
		zcmu_error("%s: %s is no FC port of this machine that can be a target: /sys/class/fc_host/host*/port_name has the ports, and qla2xxx has to be loaded with qlini_mode=disabled or dual",
			   making->backstore->name, target->name);
		return err;
	}
	if (!err || err == -EEXIST)
		err = steps_make_folder(&making->steps, "%s", making->tpg);
	if (err && err != -EEXIST)
		return complain(making, "target", target->name, err);
	err = target_mark(target);
	if (err)
		return err;
	if (target->fabric->has_initiators)
		return set_access(making);
	/* The machine is one initiator, there from the start, and has the target's name. */
	return attribute_read(name, sizeof(name), "%s/nexus", making->tpg) ?
	       attribute_write(target->name, "%s/nexus", making->tpg) : 0;
}

static int make_portals(struct making *making)
{
	static const struct iscsi_portal everywhere = {
		.name = "0.0.0.0:3260", .family = AF_INET, .port = 3260,
	};
	const struct attach_wish *wish = making->wish;
	bool use_default = making->is_new && !wish->portal_count;
	const struct iscsi_portal *portals = use_default ? &everywhere : wish->portals;
	size_t i, count = use_default ? 1 : wish->portal_count;
	int err;

	for (i = 0; i < count; i++) {
		const char *name = portals[i].name;

		err = steps_make_folder(&making->steps, "%s/np/%s", making->tpg, name);
		/* The fabric returns EINVAL for every error. */
		if (err && err != -EEXIST && iscsi_portal_is_taken(&portals[i])) {
			zcmu_error("%s: the portal %s is in use by something else; choose another with --portal",
				   making->backstore->name, name);
			return err;
		}
		if (err && err != -EEXIST)
			return complain(making, "portal", name, err);
	}
	return 0;
}

/* The first free LUN; LUN 0 should exist, because some initiators look no further. */
static int make_lun(struct making *making)
{
	char to[PATH_MAX], path[PATH_MAX + 300], name[16];
	int err = -EEXIST;

	for (making->lun = 0; err == -EEXIST && making->lun < MAX_LUNS; making->lun++)
		err = steps_make_folder(&making->steps, "%s/lun/lun_%u", making->tpg, making->lun);
	making->lun--;
	if (err) {
		snprintf(name, sizeof(name), "lun_%u", making->lun);
		return complain(making, "LUN", name, err);
	}
	backstore_path(making->backstore, to, sizeof(to));
	snprintf(path, sizeof(path), "%s/lun/lun_%u/%s", making->tpg, making->lun,
		 target_link_name(&making->wish->target, making->backstore->name));
	err = steps_make_link(&making->steps, to, path);
	if (err || !making->wish->group)
		return err;
	*strrchr(path, '/') = '\0';
	return group_join(making->backstore, path, making->wish->group, making->wish->state);
}

static int write_credentials(const struct attach_wish *wish, const char *initiator)
{
	return wish->chap ? credentials_write(wish->chap, wish->target.name, initiator) : 0;
}

static int make_acl(struct making *making, const char *initiator)
{
	char to[PATH_MAX + 32], path[PATH_MAX + 600];
	int err;

	err = steps_make_folder(&making->steps, "%s/acls/%s", making->tpg, initiator);
	if (err && err != -EEXIST)
		return complain(making, "ACL of", initiator, err);
	if (!err)
		err = write_credentials(making->wish, initiator);
	else
		err = 0;
	if (err)
		return err;
	/* The initiator sees the LUN under its number in the target. */
	snprintf(path, sizeof(path), "%s/acls/%s/lun_%u", making->tpg, initiator, making->lun);
	err = steps_make_folder(&making->steps, "%s", path);
	if (err)
		return complain(making, "LUN of an ACL", path, err);
	snprintf(to, sizeof(to), "%s/lun/lun_%u", making->tpg, making->lun);
	snprintf(path, sizeof(path), "%s/acls/%s/lun_%u/%s", making->tpg, initiator, making->lun,
		 target_link_name(&making->wish->target, making->backstore->name));
	return steps_make_link(&making->steps, to, path);
}

static int make(struct making *making)
{
	const struct attach_wish *wish = making->wish;
	const struct fabric *fabric = wish->target.fabric;
	size_t i;
	int err;

	err = making->is_new ? make_target(making) : 0;
	if (!err && fabric->has_portals)
		err = make_portals(making);
	if (!err)
		err = make_lun(making);
	for (i = 0; !err && i < wish->initiator_count; i++)
		err = make_acl(making, wish->initiators[i]);
	if (!err && making->is_new && wish->open_to_all)
		err = write_credentials(wish, NULL);
	/* This comes last: from here on initiators may log in. */
	if (!err && making->is_new && fabric->has_initiators)
		err = attribute_write("1", "%s/enable", making->tpg);
	return err;
}

int attach_make(const struct backstore *backstore, const struct attach_wish *wish,
		unsigned int *lun)
{
	struct making making = {
		.backstore = backstore, .wish = wish, .steps = { .disk = backstore->name },
	};
	const struct target *target = &wish->target;
	int lock, err;

	snprintf(making.target, sizeof(making.target), TARGET "/%s/%s", target->fabric->folder,
		 target->name);
	snprintf(making.tpg, sizeof(making.tpg), TARGET_TPG, target->fabric->folder, target->name);
	err = prepare_fabric(&making);
	if (err)
		return err;
	lock = attach_lock();
	if (lock < 0)
		return lock;
	making.is_new = !attribute_exists("%s", making.target) || target_is_blank(target);
	err = check_not_attached(&making);
	if (!err && !making.is_new)
		err = check_target(&making);
	if (!err)
		err = make(&making);
	if (err) {
		steps_undo(&making.steps);
		groups_clean(backstore);
	} else {
		steps_forget(&making.steps);
	}
	close(lock);
	*lun = making.lun;
	return err;
}
