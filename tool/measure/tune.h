/* SPDX-License-Identifier: MIT */
/*
 * zcmu tune's internals: tune.c finds the size from which on lending pays, tune_file.c that from
 * which on a file store should have payloads moved.
 */
#ifndef ZCMU_TOOL_MEASURE_TUNE_H
#define ZCMU_TOOL_MEASURE_TUNE_H

#include <stdbool.h>
#include <stddef.h>

#include "measure/spread.h"

struct json_object;

struct tune_file_options {
	const char *folder;		/* where the files are measured */
	bool direct;			/* past the page cache */
	unsigned int threads, depth, rounds;
	bool json;
};

/* tune_file.c; return: an exit status */
int tune_file(const struct tune_file_options *options);

/* tune.c */
#define TUNE_COMMANDS_MIN	16u
/* How many commands fill a sample, if one takes so long? */
unsigned int tune_commands(double us);
const char *tune_spread_text(const struct spread *spread, char *text, size_t size);
struct json_object *tune_spread_to_json(const struct spread *spread);

#endif /* ZCMU_TOOL_MEASURE_TUNE_H */
