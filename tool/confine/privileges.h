/* SPDX-License-Identifier: MIT */
/*
 * zcmu serve --user: the store in a process of its own, without privileges, and locked
 * in. Who is who stands in confined.c. As in tool.h, functions that return int have told
 * what went wrong.
 */
#ifndef ZCMU_PRIVILEGES_H
#define ZCMU_PRIVILEGES_H

#include <sys/types.h>

#include "tool.h"

/* privileges.c: becoming somebody who may do nothing */
struct user {
	char name[64];
	uid_t uid;
	gid_t gid;
};

int user_find(const char *name, struct user *ret);
int privileges_drop(const struct user *user);

/* sandbox.c: what a process can reach, layer by layer */
int sandbox_unshare(bool needs_network);	/* as root, in the process itself */
int sandbox_take_pid_namespace(int *old);	/* the next fork() begins a new one */
void sandbox_leave_pid_namespace(int old);
int sandbox_empty_root(pid_t pid);		/* as root, from outside */
int sandbox_is_empty(void);			/* in the process, as are the next */
int sandbox_forbid_files(void);			/* before it has threads */
int sandbox_forbid_calls(bool needs_network, bool all_threads);

/* trial.c: does the store work where only that is left? */
int trial_read(const char *name, struct zcmu_store *store, bool needs_network, bool is_locked_in);

/* confined.c: the process that has the store; message.c: what it and its keeper say */
enum message_type {
	/* to the keeper */
	MESSAGE_LOG,		/* level, text */
	MESSAGE_DONE,		/* error; the answer to everything below, and to being born */
				/* (text is the store's identity then, if it has one) */
	MESSAGE_ENDED,		/* error: serving has ended by itself */
	/* from the keeper */
	MESSAGE_SERVE,		/* text: serial; size: the disk's; with it comes the UIO device */
	MESSAGE_LOCK_IN,
	MESSAGE_RESIZE,		/* size */
	MESSAGE_DRAIN,		/* no more is taken from the ring, unless the store's flush fails */
	MESSAGE_STOP,
};

struct message {
	uint32_t type;
	int32_t error;
	int32_t level;
	uint32_t block_size;
	uint64_t size;
	struct zcmu_statistics statistics;	/* of MESSAGE_STOP's answer */
	char text[1024];
};

int message_send(int fd, const struct message *message, int passed_fd);	/* quiet */
int message_receive(int fd, struct message *message, int *passed_fd);	/* quiet; -EPIPE */

/* What the store is asked for */
struct confined_wish {
	const char *name;
	const char *spec;
	uint32_t store_flags;		/* keeper_ask_flags() */
	const struct zcmu_store_options *store_options;
	unsigned int threads;
	const struct user *user;
	bool takes_over;		/* a disk that is there */
	int signal_fd;			/* what is waited for ends with a signal from it; or -1 */
	bool hang_up_ends;		/* with SIGHUP as well */
};

_Noreturn void confined_main(int fd, const struct confined_wish *wish);
_Noreturn void confined_describe(int fd, const struct confined_wish *wish);
_Noreturn void confined_identify(int fd, const struct confined_wish *wish);

/* keeper.c: who has started it, and does what takes root */
struct keeper {
	struct confined_wish wish;
	pid_t pid;			/* 0: there is none */
	int fd;
	bool is_dead;			/* there was one */
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* of its store; or empty */
};

int keeper_ask_flags(const struct confined_wish *wish, uint32_t *ret);	/* ZCMU_STORE_... */
int keeper_identify(const struct confined_wish *wish, char *text, size_t size);
bool keeper_has_child(const struct keeper *keeper);
int keeper_open(struct keeper *keeper, const struct confined_wish *wish, struct zcmu_store *shape);
int keeper_serve(struct keeper *keeper, const struct backstore *backstore, uint64_t size,
		 const char *serial);
int keeper_resize(struct keeper *keeper, uint64_t size);
bool keeper_listen(struct keeper *keeper);
int keeper_drain(struct keeper *keeper);
int keeper_stop(struct keeper *keeper, struct zcmu_statistics *statistics);

#endif /* ZCMU_PRIVILEGES_H */
