// SPDX-License-Identifier: MIT
/*
 * Files that have lost data: see loss.h.
 */
#include "loss.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lasting_name.h"
#include "zcmu-store.h"

int loss_of_flush(struct loss *loss, const char *name, int error)
{
	/* The call was interrupted before it asked for errors: there may still be one. */
	if (error == -EINTR)
		return error;
	if (error && !atomic_exchange(&loss->is_known, true))
		zcmu_error("%s: what was written to it could not be made stable (%s), and a part may be gone: every flush fails from now on; repair what is below, check what is in it, and serve it again",
			   name, strerror(-error));
	return !error && loss_is_known(loss) ? -EIO : error;
}

int loss_make_lasting(int fd, const char *path)
{
	return fsync(fd) ? -errno : zcmu_flush_folder_of(path);
}
