/* SPDX-License-Identifier: MIT */
/* The process that has the store: without privileges, and locked in */
#ifndef ZCMU_TOOL_CONFINE_CONFINED_H
#define ZCMU_TOOL_CONFINE_CONFINED_H

#include <stdbool.h>
#include <stdint.h>

#include "confine/privileges.h"
#include "zcmu.h"

/* What the process must do with the store */
struct confined_wish {
	const char *name;
	const char *spec;
	uint32_t store_flags;		/* keeper_ask_flags() */
	const struct zcmu_store_options *store_options;
	unsigned int threads;
	const struct user *user;
	int program_lock;		/* for the program that the store starts; or -1 */
	bool takes_over;		/* an existing disk */
	int signal_fd;			/* a signal from it ends waiting; or -1 */
	bool hang_up_ends;		/* SIGHUP ends it, too */
};

_Noreturn void confined_main(int fd, const struct confined_wish *wish);
_Noreturn void confined_describe(int fd, const struct confined_wish *wish);
_Noreturn void confined_identify(int fd, const struct confined_wish *wish);

#endif /* ZCMU_TOOL_CONFINE_CONFINED_H */
