/* SPDX-License-Identifier: MIT */
/*
 * A file's name on the disk: it lasts once its folder was flushed. This isn't part of the library's
 * interface: the tool and the stores that are built with it use this as well. fsync() is for the
 * file's content.
 */
#ifndef ZCMU_LASTING_NAME_H
#define ZCMU_LASTING_NAME_H

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A name was made, changed or removed. A file system whose folders can't be flushed returns EINVAL.
 * A folder that may be written to, but not read, is no reason to refuse what is in it.
 * Return: 0 or -errno
 */
static inline int zcmu_flush_folder_of(const char *path)
{
	char *copy = strdup(path);
	int fd, err = 0;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		err = -errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	return err == -EACCES ? 0 : err;
}

#endif /* ZCMU_LASTING_NAME_H */
