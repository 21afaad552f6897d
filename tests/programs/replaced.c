// SPDX-License-Identifier: MIT
/*
 * To be preloaded into zcmu serve file:FILE.img: between the look at what is there and the
 * opening somebody moves another file to FILE.img, if there is a FILE.img.next to move.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_opening(const char *path, int flags)
{
	return (flags & O_ACCMODE) == O_RDWR && strstr(path, ".img");
}

/* open() of a program with files of any size */
int open64(const char *path, int flags, ...)
{
	int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	char other[PATH_MAX];
	mode_t mode = 0;
	va_list more;

	if (flags & O_CREAT) {
		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
	}
	if (is_opening(path, flags)) {
		snprintf(other, sizeof(other), "%s.next", path);
		rename(other, path);
	}
	return next(path, flags, mode);
}
