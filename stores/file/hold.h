/* SPDX-License-Identifier: MIT */
/* A file or device for this process alone; see hold.c. For stores and layers that have one. */
#ifndef ZCMU_FILE_HOLD_H
#define ZCMU_FILE_HOLD_H

#include <stdbool.h>

/*
 * Open a file, or a block device exclusively: then it isn't mounted, nor part of anything. Waits a
 * little for who has the device. Return: a descriptor, -EBUSY if it is in use still, or -errno.
 */
int zcmu_hold_open(const char *path, int flags);

/* Lock it, against others of ours. Waits a little. Return: 0, -EBUSY: another has it, or -errno. */
int zcmu_hold_lock(int fd, bool shared);

#endif /* ZCMU_FILE_HOLD_H */
