/* SPDX-License-Identifier: MIT */
/*
 * Threads that a disk's writes wait for. This isn't part of the library's interface: the tool and
 * the stores that are built with it use this as well.
 */
#ifndef ZCMU_IO_FLUSHER_H
#define ZCMU_IO_FLUSHER_H

#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Memory that this thread needs must not wait for writes to the disk that it serves. */
static inline void zcmu_become_io_flusher(void)
{
	/* This needs a privilege, and a kernel that knows it. Without them nothing changes. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

#endif /* ZCMU_IO_FLUSHER_H */
