/* SPDX-License-Identifier: MIT */
/* Descriptors 0, 1 and 2 */
#ifndef ZCMU_TOOL_STANDARD_H
#define ZCMU_TOOL_STANDARD_H

#include <stdbool.h>
#include <stdio.h>

int standard_open(void);
bool standard_was_closed(int fd);	/* when the program was started */
void standard_give_up(int fd);
int standard_end(int status);		/* an exit status, for one */
void standard_lack(int err);		/* something could not be printed */
void standard_divert(void);		/* from here on descriptor 1 is not for results */
FILE *standard_output(void);		/* for our results */
void standard_close_output(void);

#endif /* ZCMU_TOOL_STANDARD_H */
