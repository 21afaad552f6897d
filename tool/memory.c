// SPDX-License-Identifier: MIT
/*
 * Memory of a process that serves a disk. The disk may be where the kernel wants to write
 * what it needs memory for: then the process must not wait for memory itself, neither for
 * its own code (this file) nor for what the kernel allocates on its behalf (lib/serve/serve.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "memory.h"
#include "zcmu.h"

/*
 * What the process has touched stays in memory, code included: no page of it can be
 * dropped, and then be wanted back from a disk at the wrong time. What it hasn't touched
 * costs nothing. Children don't inherit it.
 */
void memory_lock(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* For what is mapped later, when this is nobody important any more. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		zcmu_warning("can't lock the process into memory: %s; if memory runs out, its disk may hang",
			     strerror(errno));
}
