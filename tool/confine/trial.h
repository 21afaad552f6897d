/* SPDX-License-Identifier: MIT */
/* Does the store work under the restrictions of serving? */
#ifndef ZCMU_TOOL_CONFINE_TRIAL_H
#define ZCMU_TOOL_CONFINE_TRIAL_H

#include <stdbool.h>

struct zcmu_store;

int trial_read(const char *name, struct zcmu_store *store, uint32_t store_flags, bool is_locked_in);

#endif /* ZCMU_TOOL_CONFINE_TRIAL_H */
