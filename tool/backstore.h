/* SPDX-License-Identifier: MIT */
/* The disk in the target core, as it is found there */
#ifndef ZCMU_TOOL_BACKSTORE_H
#define ZCMU_TOOL_BACKSTORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcmu.h"

#define BACKSTORE_CONFIG_PREFIX "zcmu/"	/* how dev_config begins if it is ours */
#define NAME_MAX_LEN	64		/* of a disk; other people's backstores may be longer */

struct backstore {
	unsigned int hba;
	char name[NAME_MAX + 1];
	char config[256];		/* dev_config: "zcmu/..." if it is ours */
	uint64_t size;			/* bytes */
	int uio;			/* N of /dev/uioN, or -1 */
};

bool backstore_name_is_valid(const char *name);
int backstore_find(const char *name, struct backstore *ret);	/* -ENOENT: quiet, there is none */
int backstore_find_wanted(const char *name, struct backstore *ret);
int backstore_list(struct backstore **ret, size_t *count);
bool backstore_is_ours(const struct backstore *backstore);
int backstore_open_uio(const struct backstore *backstore);	/* a descriptor */
int backstore_open_disk(const struct backstore *backstore, struct zcmu_disk **ret);
int backstore_find_uio(const struct backstore *backstore, int *uio);
void backstore_path(const struct backstore *backstore, char *path, size_t size);

#endif /* ZCMU_TOOL_BACKSTORE_H */
