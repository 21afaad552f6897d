/* SPDX-License-Identifier: MIT */
/* Asking the process that serves a disk */
#ifndef ZCMU_TOOL_CONTROL_H
#define ZCMU_TOOL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_MAX	4096		/* bytes of a request, and of an answer */
#define CONTROL_WORDS	8

struct control {
	int fd;				/* poll()ed for reading */
	int asker;			/* the client that gets the result of the end; or -1 */
	char path[128];
};

/* A request that control_conclude() answers */
#define CONTROL_LATER	1

/* Carries out a request; its messages go back to the client. Return: 0 if it is done. */
typedef int (*control_function)(char **words, size_t count, void *argument);

int control_open(const char *name, struct control *ret);
void control_inherit(const char *name, int fd, struct control *ret);
int control_own(const struct control *control);
void control_close(struct control *control, bool is_ours);
void control_handle(struct control *control, control_function function, void *argument);
bool control_takes(const char *message);	/* is the message for the client? */
void control_gather(void);	/* from here on messages are kept for control_conclude(), too */
void control_conclude(struct control *control, bool is_ours, int err);
int control_ask(const char *name, const char *request);
int control_stop(const char *name, int seconds);
int control_ask_for(const char *name, const char *request, char *said, size_t size);
bool control_is_served(const char *name);
int control_find_server(const char *name, pid_t *pid);	/* quiet; -ESRCH, -EACCES */
int control_server_pidfd(const char *name, pid_t *pid);	/* quiet; -ESRCH; -EXDEV: no pid here */

#endif /* ZCMU_TOOL_CONTROL_H */
