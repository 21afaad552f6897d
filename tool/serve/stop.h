/* SPDX-License-Identifier: MIT */
/* A disk that nobody serves any more */
#ifndef ZCMU_TOOL_SERVE_STOP_H
#define ZCMU_TOOL_SERVE_STOP_H

struct backstore;

int stop_detach(const struct backstore *backstore);	/* take it out of everything */

#endif /* ZCMU_TOOL_SERVE_STOP_H */
