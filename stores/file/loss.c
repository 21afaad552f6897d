// SPDX-License-Identifier: MIT
/*
 * Files that have lost data: see loss.h.
 */
#include "loss.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zcmu-store.h"

int loss_of_flush(struct loss *loss, const char *name, int error)
{
	/* It was interrupted before it has asked for errors: there may be one still. */
	if (error == -EINTR)
		return error;
	if (error && !atomic_exchange(&loss->is_known, true))
		zcmu_error("%s: what was written to it could not be made stable (%s), and a part may be gone: every flush fails from now on; mend what is below, check what is in it, and serve it anew",
			   name, strerror(-error));
	return !error && loss_is_known(loss) ? -EIO : error;
}

/* A file system whose folders can't be flushed says EINVAL. */
static int flush_folder(const char *path)
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
	/* One that may be written to, but not read, is no reason to refuse a file in it. */
	return err == -EACCES ? 0 : err;
}

int loss_make_lasting(int fd, const char *path)
{
	return fsync(fd) ? -errno : flush_folder(path);
}
