/* SPDX-License-Identifier: MIT */
/* Whether what a store holds outlives the process that has it open */
#ifndef ZCMU_TOOL_CONTENTS_H
#define ZCMU_TOOL_CONTENTS_H

#include <stdint.h>

int contents_check_outlive(const char *name, uint32_t flags);	/* ZCMU_STORE_..., the store's */

#endif /* ZCMU_TOOL_CONTENTS_H */
