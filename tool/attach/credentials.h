/* SPDX-License-Identifier: MIT */
/* Users and passwords of CHAP */
#ifndef ZCMU_TOOL_ATTACH_CREDENTIALS_H
#define ZCMU_TOOL_ATTACH_CREDENTIALS_H

#include <stdbool.h>

#define CREDENTIALS_MAX	255	/* characters, the kernel's limit */

struct iscsi_credentials {
	char user[CREDENTIALS_MAX + 1];		/* the initiator's; empty: nobody is asked */
	char password[CREDENTIALS_MAX + 1];
	char mutual_user[CREDENTIALS_MAX + 1];	/* the target's; empty: it isn't asked */
	char mutual_password[CREDENTIALS_MAX + 1];
};

/* Does the kernel accept the value unchanged? It takes "NULL..." for none. */
bool credentials_are_plain(const char *text);
/* @from: a file, "-", or "credential:NAME"; @ret has room for CREDENTIALS_MAX characters */
int credentials_read_password(const char *from, char *ret);
void credentials_forget(struct iscsi_credentials *credentials);

/* @initiator NULL: of a target that is open to all */
int credentials_write(const struct iscsi_credentials *credentials, const char *target,
		      const char *initiator);
int credentials_read(const char *target, const char *initiator,
		     struct iscsi_credentials *ret);	/* quiet */
bool credentials_are_same(const struct iscsi_credentials *a, const struct iscsi_credentials *b);

#endif /* ZCMU_TOOL_ATTACH_CREDENTIALS_H */
