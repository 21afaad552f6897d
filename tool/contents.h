/* SPDX-License-Identifier: MIT */
/* Does the store's data outlive the process that has it open? */
#ifndef ZCMU_TOOL_CONTENTS_H
#define ZCMU_TOOL_CONTENTS_H

#include <stdint.h>

int contents_check_outlive(const char *name, uint32_t flags);	/* ZCMU_STORE_..., the store's */

#endif /* ZCMU_TOOL_CONTENTS_H */
