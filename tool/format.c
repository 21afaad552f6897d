// SPDX-License-Identifier: MIT
/* How numbers and JSON look. */
#include <inttypes.h>
#include <stdio.h>

#include "tool.h"

/* "1 GiB", "1.5 MiB", "512 B" */
const char *format_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i < 6) {
		value /= 1024;
		i++;
	}
	if (value == (double)(uint64_t)value)
		snprintf(text, size, "%" PRIu64 " %s", (uint64_t)value, units[i]);
	else
		snprintf(text, size, "%.1f %s", value, units[i]);
	return text;
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void print_json_line(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}
