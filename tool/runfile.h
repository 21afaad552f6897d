/* SPDX-License-Identifier: MIT */
/* Which process has a disk's name */
#ifndef ZCMU_TOOL_RUNFILE_H
#define ZCMU_TOOL_RUNFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "backstore.h"

#define RUN_DIR		"/run/zcmu"

struct runfile {
	int fd;				/* locked */
	char name[NAME_MAX_LEN + 1];
};

void runfile_say_served(const char *name);
int runfile_create(const char *name, struct runfile *ret);
int runfile_write_pid(const struct runfile *runfile);
int runfile_inherit(const char *name, int fd, struct runfile *ret);
bool runfile_is_ours(const struct runfile *runfile);
void runfile_remove(struct runfile *runfile);
int runfile_lock_program(const struct runfile *runfile);
void runfile_await_programs(const struct runfile *runfile, int ms);
bool runfile_is_held(const char *name);	/* by any process */
pid_t runfile_pid(const char *name);	/* for people: see control_server_pidfd(); 0: none */
int runfile_wait_until_gone(const char *name, int seconds);	/* quiet; -ETIMEDOUT */

#endif /* ZCMU_TOOL_RUNFILE_H */
