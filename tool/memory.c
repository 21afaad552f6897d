// SPDX-License-Identifier: MIT
/*
 * Memory of a process that serves a disk. The kernel may have to write to this disk to free memory.
 * So the process must not wait for memory itself: neither for its own code (this file) nor for
 * memory that the kernel allocates on its behalf (lib/serve/serve.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "memory.h"
#include "zcmu.h"

/*
 * Memory that the process has touched stays in memory, code included. No page of it can be dropped,
 * and be needed from a disk later at the wrong time. Untouched memory costs nothing. Children don't
 * inherit this.
 */
void memory_lock(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* For later mappings, when this process has no privileges any more. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		zcmu_warning("can't lock the process into memory: %s; if memory runs out, its disk may hang",
			     strerror(errno));
}
