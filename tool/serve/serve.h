/* SPDX-License-Identifier: MIT */
/* A process of zcmu serve: the data that serve.c and upgrade.c share. */
#ifndef ZCMU_TOOL_SERVE_SERVE_H
#define ZCMU_TOOL_SERVE_SERVE_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backstore.h"
#include "confine/keeper.h"
#include "confine/privileges.h"
#include "control.h"
#include "created.h"
#include "loopback.h"
#include "runfile.h"
#include "serve/handover.h"
#include "serve/serial.h"
#include "serve/way.h"
#include "zcmu.h"

struct serve {
	/* options */
	char name[NAME_MAX_LEN + 1];
	const char *spec;
	struct zcmu_store_options store_options;
	struct zcmu_serve_options options;
	unsigned int time_out;		/* seconds */
	const char *recover;		/* attrib/recover */
	const char *asked_serial;	/* --serial, or empty */
	struct user user;		/* --user: has a name if given */
	bool daemon;
	bool save;
	bool no_local;			/* no disk of this machine: see loopback */
	int ready_fd;
	int argc;			/* for the successor */
	char **argv;
	struct handover handover;	/* from the old process; socket -1: none, or done */
	bool stands_in;			/* for a process in the foreground: see heir_wait() */
	bool takes_over;		/* the backstore exists already */
	bool is_stopped;		/* by "zcmu stop", which waits */
	bool is_over;			/* the disk doesn't belong to this process any more, */
	pid_t heir;			/* but to this one */

	/* results of the steps, in this order */
	const struct serve_way *way;
	uint32_t flags;			/* ZCMU_STORE_... of the store */
	struct runfile runfile;
	struct control control;
	int program_lock;		/* for the store's program; while the store is opened */
	struct created created;		/* the store's file, if we created it */
	struct zcmu_store *shape;	/* the open store's sizes, in whatever process */
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* of the open store; or empty */
	char serial[SERIAL_SIZE];
	struct backstore backstore;
	int signal_fd;			/* signals that end the disk */
	bool hang_up_ends;		/* SIGHUP ends it, too; else it is for logs */
	pthread_t opening;		/* see opening.c */
	bool is_reopening;		/* the disk exists: signals wait */
	int opened_fd;			/* eventfd: not needed any more */
	struct loopback loopback;	/* the local disk; wwn empty: none, or not ours */
	bool is_there;			/* all steps are done */

	/* here.c's */
	struct zcmu_store *store;
	struct zcmu_disk *disk;
	pthread_t thread;
	int served_fd;			/* eventfd: the ring is read, or serving has ended */
	int serve_error;

	/* apart.c's */
	struct keeper keeper;
	struct zcmu_store apart_shape;	/* only the sizes of its process's store */
};

/* Is there a living process that has served the disk until now? */
static inline bool serve_is_successor(const struct serve *serve)
{
	return serve->handover.socket >= 0;
}

#define SERVE_DEFAULT_TIME_OUT	30		/* seconds, same as the kernel's */
#define SERVE_DEFAULT_RECOVER	"reissue"

/* options.c */
int serve_parse(struct serve *serve, int argc, char **argv);

/* store.c */
int serve_check_named_store(struct serve *serve, const struct backstore *backstore);
void serve_absolute_spec(const char *spec, char *absolute, size_t size);
int serve_get_serial(struct serve *serve, const char *spec);
int serve_find_serial(struct serve *serve, const char *spec, bool *is_kept);
void serve_keep_serial(const struct serve *serve, const char *spec);
int serve_open_store(struct serve *serve);

/* opening.c */
int serve_opening_begin(struct serve *serve);
int serve_opening_end(struct serve *serve, int err);

/* running.c */
int serve_announce(struct serve *serve, int report_fd);
int serve_wait_for_end(struct serve *serve);
int serve_leave(struct serve *serve);

/* serve.c */
void serve_leave_disk(struct serve *serve);
int serve_take_disk(struct serve *serve);
int serve_own_name(struct serve *serve);

/* told.c */
int serve_tell_options(const struct serve *serve, char *ret, size_t size);

/* upgrade.c */
int upgrade_serve(struct serve *serve, const char *program);

#endif /* ZCMU_TOOL_SERVE_SERVE_H */
