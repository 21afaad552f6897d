/* SPDX-License-Identifier: MIT */
/* What a service manager is told of a process of zcmu serve: sd_notify(3), without its library */
#ifndef ZCMU_TOOL_SERVE_NOTIFY_H
#define ZCMU_TOOL_SERVE_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

bool notify_is_wanted(void);	/* does somebody listen? */
int notify_ready(const char *name, const char *device);	/* quiet */
int notify_stopping(void);	/* quiet */
int notify_main(pid_t pid);	/* quiet; this process serves from now on */

#endif /* ZCMU_TOOL_SERVE_NOTIFY_H */
