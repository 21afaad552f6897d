/* SPDX-License-Identifier: MIT */
/* Small files of configfs and sysfs */
#ifndef ZCMU_TOOL_ATTRIBUTE_H
#define ZCMU_TOOL_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>

#define TARGET		"/sys/kernel/config/target"

int attribute_read(char *value, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));	/* quiet; the first line without its end */
int attribute_write(const char *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int attribute_write_secret(const char *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));	/* the value must not appear in messages */
/* Has a folder a symbolic link whose target ends with that? */
bool attribute_has_link(const char *folder, const char *end);
bool attribute_exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* ZCMU_TOOL_ATTRIBUTE_H */
