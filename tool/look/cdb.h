/* SPDX-License-Identifier: MIT */
/* A CDB, for people */
#ifndef ZCMU_TOOL_LOOK_CDB_H
#define ZCMU_TOOL_LOOK_CDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t cdb_parse(const char *hex, uint8_t *cdb, size_t size);	/* bytes; 0: it is none */
const char *cdb_name(const uint8_t *cdb, size_t len, char *text, size_t size);
bool cdb_lba(const uint8_t *cdb, size_t len, uint64_t *lba);

#endif /* ZCMU_TOOL_LOOK_CDB_H */
