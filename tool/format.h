/* SPDX-License-Identifier: MIT */
/* Formats numbers, and the width of the output */
#ifndef ZCMU_TOOL_FORMAT_H
#define ZCMU_TOOL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

const char *format_size(uint64_t bytes, char *text, size_t size);
const char *format_duration(uint64_t ns, char *text, size_t size);
unsigned int format_columns(int fd);	/* of a terminal; 0: a file, with no limit */

#endif /* ZCMU_TOOL_FORMAT_H */
