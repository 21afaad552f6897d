/* SPDX-License-Identifier: MIT */
/* ^C and similar signals end the measurement, not the process at once */
#ifndef ZCMU_TOOL_MEASURE_INTERRUPT_H
#define ZCMU_TOOL_MEASURE_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);
bool interrupt_came(void);

#endif /* ZCMU_TOOL_MEASURE_INTERRUPT_H */
