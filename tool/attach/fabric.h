/* SPDX-License-Identifier: MIT */
/*
 * zcmu attach and detach: fabric.c has the fabrics and their targets, iscsi.c what only iSCSI has;
 * make.c makes targets, remove.c removes and tell.c describes them; group.c has the states of
 * their ports (ALUA). attach.c, detach.c and alua.c have the commands.
 */
#ifndef ZCMU_TOOL_ATTACH_FABRIC_H
#define ZCMU_TOOL_ATTACH_FABRIC_H

#include <stdbool.h>
#include <stddef.h>

#include "attach/credentials.h"
#include "attribute.h"

#define TARGET_NAME_MAX	223
#define TARGET_TPG	TARGET "/%s/%s/tpgt_1"	/* of fabric->folder, and the target's name */
#define TARGET_MARK	"zcmu"

struct backstore;
struct export;
struct iscsi_portal;

struct fabric {
	const char *prefix;		/* for people: "iscsi" */
	const char *folder;		/* in configfs */
	const char *module;
	bool has_initiators;		/* with a name and an ACL each */
	bool has_portals;		/* and CHAP: it is a network */
	bool has_alias;			/* which says that zcmu attach has made a target */
};

struct target {
	const struct fabric *fabric;
	char name[TARGET_NAME_MAX + 1];	/* in configfs */
};

struct attach_wish {
	struct target target;
	const struct iscsi_portal *portals;
	size_t portal_count;
	const char *const *initiators;
	size_t initiator_count;
	const struct iscsi_credentials *chap;	/* NULL: none */
	bool open_to_all;
	unsigned int group;			/* 0: the one that each port is in */
	const char *state;			/* of that group; NULL: as it is */
};

/* "iscsi:IQN", and so on, up to a blank. Return: false if it is none. Quiet. */
bool target_parse(const char *text, struct target *ret);
bool target_of_export(const struct export *export, struct target *ret);
bool target_takes_initiator(const struct target *target, const char *name, char *ret, size_t size);
int target_mark(const struct target *target);
const char *target_link_name(const struct target *target, const char *backstore);
bool target_is_ours(const struct target *target);
bool target_is_blank(const struct target *target);
/* Was it exported by zcmu attach? */
bool export_is_attached(const struct export *export);
/* Does anybody use it? @who: the reason, for "NAME: ..., or" */
bool export_is_used(const struct export *export, char *who, size_t size);
/* Does an ACL give its initiator this LUN of the target? */
bool acl_has_lun(const char *acl, const struct export *export);
int attach_lock(void);

/* attach.c */
bool attach_target(const char *subcommand, const char *text, struct target *ret);

/* make.c */
int attach_make(const struct backstore *backstore, const struct attach_wish *wish,
		unsigned int *lun);

/* tell.c */
struct attach_told {
	char words[8192];		/* of zcmu attach, behind the disk's name, but for CHAP */
	struct iscsi_credentials chap;
};

int attach_tell(const struct export *export, struct attach_told *ret);

/* remove.c; @target NULL: of every target that zcmu attach has made */
bool attach_is_leftover(const struct target *target);
int attach_remove(const struct backstore *backstore, const struct target *target);

#endif /* ZCMU_TOOL_ATTACH_FABRIC_H */
