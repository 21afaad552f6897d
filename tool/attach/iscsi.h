/* SPDX-License-Identifier: MIT */
/* What only the iSCSI fabric has: names by RFC 7143, and portals */
#ifndef ZCMU_TOOL_ATTACH_ISCSI_H
#define ZCMU_TOOL_ATTACH_ISCSI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "attribute.h"

#define ISCSI		TARGET "/iscsi"

struct iscsi_portal {
	char name[64];			/* "1.2.3.4:3260", "[::1]:3260" */
	sa_family_t family;
	unsigned char address[16];
	uint16_t port;
};

bool iscsi_name_is_valid(const char *name, bool is_initiator);
int iscsi_portal_parse(const char *text, struct iscsi_portal *ret);	/* quiet */
bool iscsi_portal_is_local(const struct iscsi_portal *portal);
bool iscsi_portal_is_taken(const struct iscsi_portal *portal);

#endif /* ZCMU_TOOL_ATTACH_ISCSI_H */
