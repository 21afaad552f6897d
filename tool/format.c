// SPDX-License-Identifier: MIT
/* Formats numbers, and the width of the output. JSON is in json.c. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "format.h"

unsigned int format_columns(int fd)
{
	struct winsize size;

	if (!isatty(fd))
		return 0;
	return ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

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

/* "850 ns", "12.5 us", "3.1 ms", "42 s": two or three digits that count */
const char *format_duration(uint64_t ns, char *text, size_t size)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t i = 0;

	while (value >= 1000 && i < 3) {
		value /= 1000;
		i++;
	}
	snprintf(text, size, value < 10 && i ? "%.1f %s" : "%.0f %s", value, units[i]);
	return text;
}
