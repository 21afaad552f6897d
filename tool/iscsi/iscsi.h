/* SPDX-License-Identifier: MIT */
/*
 * zcmu attach and detach: iscsi.c has the targets of the iSCSI fabric, make.c makes and remove.c
 * removes them; attach.c and detach.c have the commands.
 */
#ifndef ZCMU_TOOL_ISCSI_ISCSI_H
#define ZCMU_TOOL_ISCSI_ISCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "attribute.h"
#include "iscsi/credentials.h"

#define ISCSI		TARGET "/iscsi"
#define ISCSI_NAME_MAX	223

struct backstore;
struct export;

struct iscsi_portal {
	char name[64];			/* "1.2.3.4:3260", "[::1]:3260" */
	sa_family_t family;
	unsigned char address[16];
	uint16_t port;
};

struct iscsi_wish {
	const char *target;
	const struct iscsi_portal *portals;
	size_t portal_count;
	const char *const *initiators;
	size_t initiator_count;
	const struct iscsi_credentials *chap;	/* NULL: none */
	bool open_to_all;
};

bool iscsi_name_is_valid(const char *name, bool is_initiator);
int iscsi_portal_parse(const char *text, struct iscsi_portal *ret);	/* quiet */
bool iscsi_portal_is_local(const struct iscsi_portal *portal);
bool iscsi_portal_is_taken(const struct iscsi_portal *portal);
int iscsi_mark(const char *target);
bool iscsi_is_ours(const char *target);
bool iscsi_is_blank(const char *target);
bool iscsi_export_is_ours(const struct export *export);
int iscsi_lock(void);
bool iscsi_acl_has_lun(const char *acl, const struct export *export);
bool iscsi_find_session(const struct export *export, char *initiator, size_t size);

/* attach.c */
const char *attach_target(const char *subcommand, const char *text);

/* make.c */
int iscsi_attach(const struct backstore *backstore, const struct iscsi_wish *wish,
		 unsigned int *lun);

/* tell.c */
struct iscsi_told {
	char words[8192];		/* of zcmu attach, behind the disk's name, but for CHAP */
	struct iscsi_credentials chap;
};

int iscsi_tell(const struct export *export, struct iscsi_told *ret);

/* remove.c; @target NULL: of every target that zcmu attach has made */
bool iscsi_is_leftover(const char *target);
int iscsi_detach(const struct backstore *backstore, const char *target);

#endif /* ZCMU_TOOL_ISCSI_ISCSI_H */
