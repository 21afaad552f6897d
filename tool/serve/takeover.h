/* SPDX-License-Identifier: MIT */
/* A disk that another process goes on with */
#ifndef ZCMU_TOOL_SERVE_TAKEOVER_H
#define ZCMU_TOOL_SERVE_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

struct backstore;
struct zcmu_store;

bool takeover_is_mode(const char *text);	/* a value of attrib/recover */
bool takeover_is_orphan(const struct backstore *backstore);
bool takeover_is_left_of(const struct backstore *backstore, const char *spec, const char *serial);
int takeover_check_store(const struct backstore *backstore, uint32_t flags, const char *spec,
			 const char *serial);
int takeover_check(const struct backstore *backstore, const struct zcmu_store *store);
int takeover_note(const struct backstore *backstore, const struct zcmu_store *store,
		  const char *identity);
int takeover_note_identity(const struct backstore *backstore, const char *identity);
int takeover_check_identity(const struct backstore *backstore, const char *identity);
int takeover_set_recover(const struct backstore *backstore, const char *mode);

#endif /* ZCMU_TOOL_SERVE_TAKEOVER_H */
