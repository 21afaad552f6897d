/* SPDX-License-Identifier: MIT */
/* The kernel's modules */
#ifndef ZCMU_TOOL_MODULE_H
#define ZCMU_TOOL_MODULE_H

#include <stdbool.h>

enum module_kind {
	MODULE_NONE,
	MODULE_STOCK,
	MODULE_OURS,
};

enum module_kind module_loaded(void);
int module_prepare(bool local);
int module_load(const char *name);	/* quiet */
int run_program(const char *const argv[]);	/* quiet; its exit status */

#endif /* ZCMU_TOOL_MODULE_H */
