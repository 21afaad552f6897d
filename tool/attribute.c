// SPDX-License-Identifier: MIT
/*
 * Reads and writes the one-line files of configfs and sysfs, and looks for links in their folders.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attribute.h"
#include "zcmu.h"

static void make_path(char *path, size_t size, const char *format, va_list arguments)
{
	vsnprintf(path, size, format, arguments);
}

int attribute_read(char *value, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	ssize_t n;
	int fd;

	va_start(arguments, format);
	make_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, value, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int write_value(const char *value, const char *path)
{
	size_t len = strlen(value);
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, len) != (ssize_t)len)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int attribute_write(const char *value, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	int err;

	va_start(arguments, format);
	make_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	err = write_value(value, path);
	if (err)
		zcmu_error("can't write \"%s\" to %s: %s", value, path, strerror(-err));
	return err;
}

/* The same for a value that must not appear in messages */
int attribute_write_secret(const char *value, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	int err;

	va_start(arguments, format);
	make_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	err = write_value(value, path);
	if (err)
		zcmu_error("can't write a secret to %s: %s", path, strerror(-err));
	return err;
}

bool attribute_exists(const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;

	va_start(arguments, format);
	make_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	return !access(path, F_OK);
}

bool attribute_has_link(const char *folder, const char *end)
{
	char link[PATH_MAX + 280], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(folder);
	ssize_t n;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_LNK)
			continue;
		snprintf(link, sizeof(link), "%s/%s", folder, entry->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < (ssize_t)strlen(end))
			continue;
		target[n] = '\0';
		found = !strcmp(target + n - strlen(end), end);
	}
	if (dir)
		closedir(dir);
	return found;
}
