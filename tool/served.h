/* SPDX-License-Identifier: MIT */
/* Does a process serve the disk? */
#ifndef ZCMU_TOOL_SERVED_H
#define ZCMU_TOOL_SERVED_H

#include <stdbool.h>

struct backstore;

bool backstore_is_served(const struct backstore *backstore);	/* only root can be sure */
const char *backstore_state(const struct backstore *backstore);

#endif /* ZCMU_TOOL_SERVED_H */
