/* SPDX-License-Identifier: MIT */
/*
 * What doctor knows of a kernel by its name alone. Asks the machine nothing.
 */
#ifndef ZCMU_TOOL_LOOK_KERNEL_H
#define ZCMU_TOOL_LOOK_KERNEL_H

#include <stdbool.h>

/* The first and the last that zcmu's module was tried with: vm/kernels (tests/docs compares) */
#define ZCMU_OLDEST_KERNEL	"6.1"
#define ZCMU_NEWEST_KERNEL	"7.3"

/* major.minor.patch; the patch is -1 where the name doesn't tell which of upstream's it has */
struct kernel_version {
	int major, minor, patch;
};

enum kernel_hole { HOLE_MENDED, HOLE_OPEN, HOLE_UNKNOWN };

bool kernel_version_read(struct kernel_version *version, const char *release, const char *build);
int kernel_version_compare(const struct kernel_version *version, const char *release);
enum kernel_hole kernel_hole_use_after_free(const struct kernel_version *version);
enum kernel_hole kernel_hole_recursive_lock(const struct kernel_version *version);

#endif /* ZCMU_TOOL_LOOK_KERNEL_H */
