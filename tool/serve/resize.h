/* SPDX-License-Identifier: MIT */
/* The size of a served disk, in the process that serves it */
#ifndef ZCMU_TOOL_SERVE_RESIZE_H
#define ZCMU_TOOL_SERVE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

struct backstore;

typedef int (*resize_function)(void *argument, uint64_t size);

int resize_serve(resize_function function, void *argument, uint64_t old_size,
		 const struct backstore *backstore, const char *device, char **words, size_t count);

#endif /* ZCMU_TOOL_SERVE_RESIZE_H */
