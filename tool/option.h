/* SPDX-License-Identifier: MIT */
/* The command line: numbers, and errors in arguments */
#ifndef ZCMU_TOOL_OPTION_H
#define ZCMU_TOOL_OPTION_H

#include <stdbool.h>

void usage_error(const char *subcommand, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool option_parse(const char *text, unsigned int min, unsigned int max,
		  unsigned int *ret);	/* quiet */
void option_begin(char **argv);
void option_wrong(const char *subcommand, int said);
int option_number(const char *subcommand, const char *option, const char *text, unsigned int min,
		  unsigned int max, unsigned int *ret);

#endif /* ZCMU_TOOL_OPTION_H */
