/* SPDX-License-Identifier: MIT */
/* Memory of a process that serves a disk */
#ifndef ZCMU_TOOL_MEMORY_H
#define ZCMU_TOOL_MEMORY_H

void memory_lock(void);

#endif /* ZCMU_TOOL_MEMORY_H */
