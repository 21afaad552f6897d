/* SPDX-License-Identifier: MIT */
/* A store's file that is removed if its command fails */
#ifndef ZCMU_TOOL_CREATED_H
#define ZCMU_TOOL_CREATED_H

#include <stdbool.h>

#include "zcmu.h"

struct created {
	const char *spec;		/* NULL: nothing is to be removed */
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* of the file that was opened */
};

void created_begin(struct created *created, const char *spec, bool may_create);
void created_opened(struct created *created, const struct zcmu_store *store);
void created_undo(const struct created *created);
void created_hint_at_size(const char *spec, const struct zcmu_store_options *options, int err);

#endif /* ZCMU_TOOL_CREATED_H */
