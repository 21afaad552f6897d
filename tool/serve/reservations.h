/* SPDX-License-Identifier: MIT */
/* Persistent reservations that outlive the target */
#ifndef ZCMU_TOOL_SERVE_RESERVATIONS_H
#define ZCMU_TOOL_SERVE_RESERVATIONS_H

struct backstore;

int reservations_restore(const struct backstore *backstore);

#endif /* ZCMU_TOOL_SERVE_RESERVATIONS_H */
