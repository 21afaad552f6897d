/* SPDX-License-Identifier: MIT */
/* The serial number of a disk; those that are returned have SERIAL_SIZE bytes */
#ifndef ZCMU_TOOL_SERVE_SERIAL_H
#define ZCMU_TOOL_SERVE_SERIAL_H

#include <stdbool.h>

#define SERIAL_SIZE	64

bool serial_is_valid(const char *serial);
int serial_find(const char *name, const char *spec, char *serial);	/* quiet; -ENOENT: none */
int serial_keep(const char *name, const char *spec, const char *serial);	/* quiet */
int serial_get(const char *name, const char *spec, bool is_lasting, char *serial);
void serial_of_machine(const char *name, const char *spec, char *serial);

#endif /* ZCMU_TOOL_SERVE_SERIAL_H */
