/* SPDX-License-Identifier: MIT */
/*
 * A program that a store starts, and talks to by sockets: an NBD server that takes its listening
 * socket as from systemd (LISTEN_FDS). Linked into whoever needs it, not exported.
 *
 * 	the store (program.c)			the starter (starter.c), a process of its own
 *
 * 	program_open() ------------------------> gets the command and a pipe for its stderr
 * 	program_connect() ---------------------> starts the program, if it doesn't run
 * 	<-------------------------- a connection to it
 * 	program_close(), or the store's process
 * 	has died ------------------------------> SIGTERM, later SIGKILL; then it ends itself
 *
 * The store may be locked in (zcmu serve --user), where nothing can be started. So the starter is
 * made before that, and is not locked in: it has the user's rights, and no more. It is one thread,
 * and the program gets SIGKILL if the starter dies. So no program outlives its disk.
 */
#ifndef ZCMU_PROGRAM_H
#define ZCMU_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a program_open() finds what its process was prepared with: numbers of descriptors.
 * PROGRAM_STARTER: the socket of a starter that runs already. PROGRAM_LOCK: a locked file that the
 * starter and the program keep open, so that it is locked until both have ended.
 * PROGRAM_WAS_KILLED: is there if the program of the disk's last process ended with that.
 */
#define PROGRAM_STARTER	"ZCMU_PROGRAM_STARTER"
#define PROGRAM_LOCK	"ZCMU_PROGRAM_LOCK"
#define PROGRAM_WAS_KILLED	"ZCMU_PROGRAM_WAS_KILLED"

/* What the starter does with the program at the end: SIGTERM, and SIGKILL this much later */
#define PROGRAM_END_SECONDS	10

/* So long a process that comes after a killed one waits: until SIGKILL has worked */
#define PROGRAM_WAIT_MS		((PROGRAM_END_SECONDS + 2) * 1000)

struct program;

/*
 * @name: for messages. @words: the command, found in PATH; NULL ends them. @is_once: it is not
 * started again after it has ended. Errors are reported.
 */
int program_open(const char *name, char *const *words, bool is_once, struct program **ret);

/* A new connection; the program is started if it doesn't run. Quiet. -ESHUTDOWN: is_once */
int program_connect(struct program *program, int *fd);

/*
 * Why doesn't it answer? If it ends within @ms, the text says how. Else it runs, or never has. In
 * both cases its last line follows, if there is one.
 */
bool program_has_ended(struct program *program, int ms, char *text, size_t size);

/* The program has ended when this returns. */
void program_close(struct program *program);

/*
 * The starter, in a process made for it, by fork(). @fd: its socket; the other end is the store's.
 * @lock: a file to be kept open, or -1. All other descriptors are closed. @has_namespace: nobody is
 * in its PID namespace but the store's process, as the first, and what the starter starts.
 */
_Noreturn void program_starter(int fd, int lock, bool has_namespace);

/*
 * Between the two: packets. A hello is followed by the words, each with its 0. Other questions have
 * a number, which the answer has, too: an answer may come when nobody waits for it any more.
 */
enum program_question {
	PROGRAM_HELLO,		/* with the pipe; no answer */
	PROGRAM_CONNECT,	/* the answer has a connection, if there is no error */
	PROGRAM_STATE,
	PROGRAM_END,		/* the answer is the end of the socket */
};

#define PROGRAM_MAX_WORDS	65536	/* bytes */

struct program_ask {
	uint32_t question;
	uint32_t number;
};

struct program_hello {
	uint32_t question;
	uint32_t is_once;
	char words[PROGRAM_MAX_WORDS];
};

struct program_answer {
	uint32_t number;
	int32_t error;		/* 0 or a negative errno */
	int32_t status;		/* of waitpid(), if it has ended */
	uint32_t starts;	/* so far */
	uint32_t is_running;
};

#endif /* ZCMU_PROGRAM_H */
