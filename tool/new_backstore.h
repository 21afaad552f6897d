/* SPDX-License-Identifier: MIT */
/* A disk comes to the target core, and leaves it */
#ifndef ZCMU_TOOL_NEW_BACKSTORE_H
#define ZCMU_TOOL_NEW_BACKSTORE_H

#include <stddef.h>

struct backstore;
struct zcmu_store;

int backstore_create(const char *name, const struct zcmu_store *store, const char *spec,
		     const char *serial, unsigned int time_out, struct backstore *ret);
int backstore_enable(struct backstore *backstore);
int backstore_remove(const struct backstore *backstore);
void backstore_make_config(const char *spec, char *config, size_t size);

#endif /* ZCMU_TOOL_NEW_BACKSTORE_H */
