/* SPDX-License-Identifier: MIT */
/* How numbers look, and for what width */
#ifndef ZCMU_TOOL_FORMAT_H
#define ZCMU_TOOL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

const char *format_size(uint64_t bytes, char *text, size_t size);
unsigned int format_columns(int fd);	/* of a terminal; 0: it is a file, of any width */

#endif /* ZCMU_TOOL_FORMAT_H */
