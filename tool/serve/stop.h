/* SPDX-License-Identifier: MIT */
/* A disk that no process serves any more */
#ifndef ZCMU_TOOL_SERVE_STOP_H
#define ZCMU_TOOL_SERVE_STOP_H

struct backstore;

int stop_detach(const struct backstore *backstore);	/* from all targets */

#endif /* ZCMU_TOOL_SERVE_STOP_H */
