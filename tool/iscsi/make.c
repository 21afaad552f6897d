// SPDX-License-Identifier: MIT
/*
 * Makes an iSCSI target, or adds a LUN to one that zcmu attach has made. Everything is checked
 * before anything is changed; if a later step fails, the earlier ones are undone, in reverse.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "exports.h"
#include "iscsi/iscsi.h"
#include "module.h"
#include "zcmu.h"

#define MAX_LUNS	256

struct made {
	struct made *older;
	bool is_link;
	char path[];
};

struct making {
	const struct backstore *backstore;
	const struct iscsi_wish *wish;
	bool is_new;			/* the target */
	unsigned int lun;
	struct made *newest;		/* undo() removes these */
};

/*
 * Steps that can be undone
 */

static int note(struct making *making, const char *path, bool is_link)
{
	struct made *made = malloc(sizeof(*made) + strlen(path) + 1);

	if (!made) {
		if (is_link)
			unlink(path);
		else
			rmdir(path);
		zcmu_error("%s: there is not enough memory to make it", path);
		return -ENOMEM;
	}
	strcpy(made->path, path);
	made->is_link = is_link;
	made->older = making->newest;
	making->newest = made;
	return 0;
}

static void undo(struct making *making)
{
	struct made *made;

	while ((made = making->newest)) {
		if (made->is_link ? unlink(made->path) : rmdir(made->path))
			zcmu_warning("%s stays behind: %s", made->path, strerror(errno));
		making->newest = made->older;
		free(made);
	}
}

static void forget(struct making *making)
{
	struct made *made;

	while ((made = making->newest)) {
		making->newest = made->older;
		free(made);
	}
}

/* Quiet. -EEXIST: it exists already, and must not be undone. */
static int make_folder(struct making *making, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int make_folder(struct making *making, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	return mkdir(path, 0755) ? -errno : note(making, path, false);
}

static int make_link(struct making *making, const char *to, const char *path)
{
	int err;

	if (!symlink(to, path))
		return note(making, path, true);
	err = -errno;
	zcmu_error("%s: can't link %s to %s: %s", making->backstore->name, path, to, strerror(-err));
	return err;
}

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
	int err;

	module_load("iscsi_target_mod");
	if (!mkdir(ISCSI, 0755) || errno == EEXIST)
		return 0;
	err = -errno;
	zcmu_error("%s: no iSCSI fabric: %s; does \"modprobe iscsi_target_mod\" work?",
		   making->backstore->name, strerror(-err));
	return err;
}

static int check_not_attached(const struct making *making)
{
	struct exports exports;
	int err = exports_find(making->backstore, &exports);
	size_t i;

	if (err)
		return err;
	for (i = 0; i < exports.count && !err; i++) {
		if (strcmp(exports.entries[i].fabric, "iscsi") ||
		    strcmp(exports.entries[i].target, making->wish->target))
			continue;
		zcmu_error("%s: it is attached to %s already, as LUN %u", making->backstore->name,
			   making->wish->target, exports.entries[i].lun);
		err = -EEXIST;
	}
	exports_free(&exports);
	return err;
}

static bool is_on(const char *target, const char *attribute)
{
	char value[16];

	return !attribute_read(value, sizeof(value), ISCSI "/%s/tpgt_1/attrib/%s", target,
			       attribute) && !strcmp(value, "1");
}

/* Would the requested CHAP change the settings of an earlier attach? */
static bool credentials_differ(const struct iscsi_wish *wish, const char *initiator)
{
	struct iscsi_credentials there;
	bool differ;

	if (credentials_read(wish->target, initiator, &there))
		return false;
	differ = !credentials_are_same(&there, wish->chap);
	credentials_forget(&there);
	return differ;
}

static bool has_acl(const char *target, const char *initiator)
{
	return attribute_exists(ISCSI "/%s/tpgt_1/acls/%s", target, initiator);
}

static int refuse(const struct making *making, const char *reason)
{
	zcmu_error("%s: %s %s", making->backstore->name, making->wish->target, reason);
	return -EEXIST;
}

/* An existing target must be ours, and have the same authentication as requested. */
static int check_target(const struct making *making)
{
	const struct iscsi_wish *wish = making->wish;
	const char *who = NULL;
	bool has_chap;
	size_t i;

	if (!iscsi_is_ours(wish->target))
		return refuse(making, "was made by somebody else, targetcli perhaps: choose another name, or add the disk there");
	if (is_on(wish->target, "generate_node_acls") != wish->open_to_all)
		return refuse(making, wish->open_to_all ?
			      "lets in certain initiators only: choose another name for one that is --open-to-all" :
			      "is open to all: choose another name for one with --initiator");
	has_chap = is_on(wish->target, "authentication");
	if (wish->chap && !has_chap)
		return refuse(making, "asks nobody for a password: choose another name for one with --chap-user");
	for (i = 0; i < wish->initiator_count; i++) {
		bool is_known = has_acl(wish->target, wish->initiators[i]);

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
		   making->backstore->name, wish->target, who);
	return -EEXIST;
}

/*
 * Changes
 */

static int write_attribute(const struct making *making, const char *name, bool on)
{
	return attribute_write(on ? "1" : "0", ISCSI "/%s/tpgt_1/attrib/%s",
			       making->wish->target, name);
}

static int make_target(struct making *making)
{
	const struct iscsi_wish *wish = making->wish;
	int err;

	/* An unset value is blank. */
	err = make_folder(making, ISCSI "/%s", wish->target);
	if (!err || err == -EEXIST)
		err = make_folder(making, ISCSI "/%s/tpgt_1", wish->target);
	if (err && err != -EEXIST)
		return complain(making, "target", wish->target, err);
	err = iscsi_mark(wish->target);
	if (!err)
		err = write_attribute(making, "authentication", wish->chap);
	if (!err)
		err = write_attribute(making, "generate_node_acls", wish->open_to_all);
	if (!err)
		err = write_attribute(making, "cache_dynamic_acls", wish->open_to_all);
	if (!err)
		err = write_attribute(making, "demo_mode_write_protect", false);
	/* Initiators without access aren't told that the target exists, either. */
	if (!err)
		err = write_attribute(making, "demo_mode_discovery", wish->open_to_all);
	return err;
}

static int make_portals(struct making *making)
{
	static const struct iscsi_portal everywhere = {
		.name = "0.0.0.0:3260", .family = AF_INET, .port = 3260,
	};
	const struct iscsi_wish *wish = making->wish;
	bool use_default = making->is_new && !wish->portal_count;
	const struct iscsi_portal *portals = use_default ? &everywhere : wish->portals;
	size_t i, count = use_default ? 1 : wish->portal_count;
	int err;

	for (i = 0; i < count; i++) {
		const char *name = portals[i].name;

		err = make_folder(making, ISCSI "/%s/tpgt_1/np/%s", wish->target, name);
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
	char target[PATH_MAX], path[PATH_MAX], name[16];
	int err = -EEXIST;

	for (making->lun = 0; err == -EEXIST && making->lun < MAX_LUNS; making->lun++)
		err = make_folder(making, ISCSI "/%s/tpgt_1/lun/lun_%u", making->wish->target,
				  making->lun);
	making->lun--;
	if (err) {
		snprintf(name, sizeof(name), "lun_%u", making->lun);
		return complain(making, "LUN", name, err);
	}
	backstore_path(making->backstore, target, sizeof(target));
	snprintf(path, sizeof(path), ISCSI "/%s/tpgt_1/lun/lun_%u/%s", making->wish->target,
		 making->lun, making->backstore->name);
	return make_link(making, target, path);
}

static int write_credentials(const struct iscsi_wish *wish, const char *initiator)
{
	return wish->chap ? credentials_write(wish->chap, wish->target, initiator) : 0;
}

static int make_acl(struct making *making, const char *initiator)
{
	const char *target = making->wish->target;
	char to[PATH_MAX], path[PATH_MAX];
	int err;

	err = make_folder(making, ISCSI "/%s/tpgt_1/acls/%s", target, initiator);
	if (err && err != -EEXIST)
		return complain(making, "ACL of", initiator, err);
	if (!err)
		err = write_credentials(making->wish, initiator);
	else
		err = 0;
	if (err)
		return err;
	/* The initiator sees the LUN under its number in the target. */
	snprintf(path, sizeof(path), ISCSI "/%s/tpgt_1/acls/%s/lun_%u", target, initiator,
		 making->lun);
	err = make_folder(making, "%s", path);
	if (err)
		return complain(making, "LUN of an ACL", path, err);
	snprintf(to, sizeof(to), ISCSI "/%s/tpgt_1/lun/lun_%u", target, making->lun);
	snprintf(path, sizeof(path), ISCSI "/%s/tpgt_1/acls/%s/lun_%u/%s", target, initiator,
		 making->lun, making->backstore->name);
	return make_link(making, to, path);
}

static int make(struct making *making)
{
	const struct iscsi_wish *wish = making->wish;
	size_t i;
	int err;

	err = making->is_new ? make_target(making) : 0;
	if (!err)
		err = make_portals(making);
	if (!err)
		err = make_lun(making);
	for (i = 0; !err && i < wish->initiator_count; i++)
		err = make_acl(making, wish->initiators[i]);
	if (!err && making->is_new && wish->open_to_all)
		err = write_credentials(wish, NULL);
	/* This comes last: from here on initiators may log in. */
	if (!err && making->is_new)
		err = attribute_write("1", ISCSI "/%s/tpgt_1/enable", wish->target);
	return err;
}

int iscsi_attach(const struct backstore *backstore, const struct iscsi_wish *wish,
		 unsigned int *lun)
{
	struct making making = { .backstore = backstore, .wish = wish };
	int lock, err;

	err = prepare_fabric(&making);
	if (err)
		return err;
	lock = iscsi_lock();
	if (lock < 0)
		return lock;
	making.is_new = !attribute_exists(ISCSI "/%s", wish->target) ||
			iscsi_is_blank(wish->target);
	err = check_not_attached(&making);
	if (!err && !making.is_new)
		err = check_target(&making);
	if (!err)
		err = make(&making);
	if (err)
		undo(&making);
	else
		forget(&making);
	close(lock);
	*lun = making.lun;
	return err;
}
