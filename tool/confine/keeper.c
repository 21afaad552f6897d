// SPDX-License-Identifier: MIT
/*
 * The keeper of a store's process (zcmu serve --user): root's half. It starts the process, gives it
 * the ring, locks it in, sends it requests, and cleans up when it dies. It never has the ring
 * mapped. The protocol is in confined.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "confine/confined.h"
#include "confine/keeper.h"
#include "confine/message.h"
#include "confine/sandbox.h"
#include "signals.h"
#include "zcmu.h"

/* Seconds: resizing drains for 60 at most; stopping takes as long as a flush. */
#define ANSWER_SECONDS	130

bool keeper_has_child(const struct keeper *keeper)
{
	return keeper->pid > 0;
}

/* The text may be anything: make it one line, of characters that are harmless on a terminal. */
static void pass_on(struct message *message)
{
	char *c;

	for (c = message->text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	if (message->level <= LOG_ERR)
		zcmu_error("%s", message->text);
	else
		zcmu_warning("%s", message->text);
}

/* The process is dead, or dies now. */
static void bury(struct keeper *keeper)
{
	int status;

	if (keeper->pid <= 0)
		return;
	kill(keeper->pid, SIGKILL);
	while (waitpid(keeper->pid, &status, 0) < 0 && errno == EINTR)
		;
	keeper->pid = 0;
	keeper->is_dead = true;
	close(keeper->fd);
	keeper->fd = -1;
}

/* @err: the error of message_receive(), or -EPROTO */
static void say_lost(const struct keeper *keeper, int err)
{
	if (err == -EPIPE)
		zcmu_error("%s: its store's process has died; the disk is removed",
			   keeper->wish.name);
	else if (err == -EAGAIN)
		zcmu_error("%s: its store's process does not answer: it is killed, and the disk removed",
			   keeper->wish.name);
	else
		zcmu_error("%s: its store's process sends invalid messages: it is killed, and the disk removed",
			   keeper->wish.name);
}

/* A store may hang while it is opened or identified. Return: -EINTR if a signal ends the wait */
static int wait_for_word(const struct keeper *keeper)
{
	struct pollfd fds[2] = {
		{ .fd = keeper->fd, .events = POLLIN },
		{ .fd = keeper->wish.signal_fd, .events = POLLIN },
	};

	if (fds[1].fd < 0)
		return 0;
	do {
		while (poll(fds, 2, -1) < 0 && errno == EINTR)
			;
		if (fds[0].revents)
			return 0;
	} while (!signals_end(keeper->wish.signal_fd, keeper->wish.hang_up_ends));
	zcmu_error("%s: it was ended by a signal while its store, %s, was being opened",
		   keeper->wish.name, keeper->wish.spec);
	return -EINTR;
}

/*
 * Wait for the answer, and pass on the process's messages meanwhile. A process that doesn't answer
 * in time, or sends something else, must not be trusted with a disk.
 */
static int await(struct keeper *keeper, struct message *answer)
{
	int err;

	for (;;) {
		err = wait_for_word(keeper);
		if (err) {
			bury(keeper);
			return err;
		}
		err = message_receive(keeper->fd, answer, NULL);
		if (err)
			break;
		if (answer->type == MESSAGE_DONE)
			return answer->error < 0 ? answer->error : answer->error ? -EPROTO : 0;
		if (answer->type != MESSAGE_LOG) {
			err = -EPROTO;
			break;
		}
		pass_on(answer);
	}
	say_lost(keeper, err);
	bury(keeper);
	return err;
}

static int ask(struct keeper *keeper, struct message *message, int passed_fd)
{
	int err;

	if (!keeper_has_child(keeper))
		return -ESRCH;
	err = message_send(keeper->fd, message, passed_fd);
	/* If the message couldn't be sent, the process has died, which the wait notices. */
	(void)err;
	return await(keeper, message);
}

static int start(struct keeper *keeper,
		 void (*entry)(int fd, const struct confined_wish *wish))
{
	int fds[2], old_namespace, err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		err = -errno;
		zcmu_error("can't make a socket: %s", strerror(-err));
		return err;
	}
	err = sandbox_take_pid_namespace(&old_namespace);
	if (err) {
		close(fds[0]);
		close(fds[1]);
		return err;
	}
	pid = fork();
	if (!pid)
		entry(fds[1], &keeper->wish);
	err = pid < 0 ? -errno : 0;
	sandbox_leave_pid_namespace(old_namespace);
	close(fds[1]);
	if (err) {
		zcmu_error("can't make a process for the store: %s", strerror(-err));
		close(fds[0]);
		return err;
	}
	keeper->pid = pid;
	keeper->fd = fds[0];
	return 0;
}

static void limit_answers(const struct keeper *keeper)
{
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };

	setsockopt(keeper->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/*
 * Which flags does the store have? A separate process finds out, and ends then: a plug-in has to be
 * loaded for that, and must not run as root. @wish: without its flags
 */
int keeper_ask_flags(const struct confined_wish *wish, uint32_t *ret)
{
	struct keeper keeper = { .wish = *wish, .fd = -1 };
	struct message answer;
	int err = start(&keeper, confined_describe);

	if (err)
		return err;
	limit_answers(&keeper);
	err = await(&keeper, &answer);
	if (!err)
		*ret = (uint32_t)answer.size;
	bury(&keeper);
	return err;
}

/* A word, for configfs and messages. */
static int take_identity(const struct keeper *keeper, const char *said, char *text, size_t size)
{
	const char *c;

	for (c = said; *c; c++) {
		if (*c <= ' ' || *c > '~')
			break;
	}
	if (!*c && (size_t)snprintf(text, size, "%s", said) < size)
		return 0;
	zcmu_error("%s: its store's process sends invalid messages", keeper->wish.name);
	return -EPROTO;
}

/*
 * Which store does the spec name by now? A separate process finds out, with the user's rights.
 * @wish: with the store's flags, because asking another machine needs a network.
 */
int keeper_identify(const struct confined_wish *wish, char *text, size_t size)
{
	struct keeper keeper = { .wish = *wish, .fd = -1 };
	struct message answer;
	int err = start(&keeper, confined_identify);

	if (err)
		return err;
	limit_answers(&keeper);
	err = await(&keeper, &answer);
	if (!err)
		err = take_identity(&keeper, answer.text, text, size);
	bury(&keeper);
	return err;
}

/* Start the process and have it open its store. Sets the size and block size of @shape. */
int keeper_open(struct keeper *keeper, const struct confined_wish *wish, struct zcmu_store *shape)
{
	struct message answer;
	int err;

	keeper->wish = *wish;
	err = start(keeper, confined_main);
	if (!err)
		err = await(keeper, &answer);
	/* From here on a signal is handled later. */
	keeper->wish.signal_fd = -1;
	/* The process has sent the reason, and ends by itself. */
	if (err) {
		bury(keeper);
		return err;
	}
	limit_answers(keeper);
	if (!answer.size || answer.block_size < 512 || answer.block_size > 4096 ||
	    answer.size % answer.block_size) {
		zcmu_error("%s: its store's process sends invalid messages", wish->name);
		return -EPROTO;
	}
	shape->size = answer.size;
	shape->block_size = answer.block_size;
	keeper->is_volatile = answer.flags & ZCMU_STORE_VOLATILE;
	return take_identity(keeper, answer.text, keeper->identity, sizeof(keeper->identity));
}

/* The process must not see old content of a READ's memory. The stock module copies everything. */
static int scrub_reads(const struct backstore *backstore)
{
	char path[PATH_MAX];

	backstore_path(backstore, path, sizeof(path));
	if (!attribute_exists("%s/attrib/scrub_reads", path))
		return 0;
	return attribute_write("1", "%s/attrib/scrub_reads", path);
}

/*
 * The backstore is enabled: give the process its ring, and lock it in. @size: the disk's, which may
 * be less than the store's.
 */
int keeper_serve(struct keeper *keeper, const struct backstore *backstore, uint64_t size,
		 const char *serial)
{
	struct message message = { .type = MESSAGE_SERVE, .size = size };
	int fd, err;

	err = scrub_reads(backstore);
	if (err)
		return err;
	snprintf(message.text, sizeof(message.text), "%s", serial);
	fd = backstore_open_uio(backstore);
	if (fd < 0)
		return fd;
	err = ask(keeper, &message, fd);
	/* The ring belongs to that process alone: when it dies, nobody has the device open. */
	close(fd);
	if (!err)
		err = sandbox_empty_root(keeper->pid);
	if (!err) {
		message = (struct message){ .type = MESSAGE_LOCK_IN };
		err = ask(keeper, &message, -1);
	}
	return err;
}

int keeper_resize(struct keeper *keeper, uint64_t size)
{
	struct message message = { .type = MESSAGE_RESIZE, .size = size };

	return ask(keeper, &message, -1);
}

/* Read a message from keeper->fd. Return: has the process ended serving? */
bool keeper_listen(struct keeper *keeper)
{
	struct message message;
	int err = message_receive(keeper->fd, &message, NULL);

	if (!err && message.type == MESSAGE_LOG) {
		pass_on(&message);
		return false;
	}
	if (!err && message.type == MESSAGE_ENDED)
		zcmu_error("%s: serving has ended: %s", keeper->wish.name,
			   strerror(message.error < 0 ? -message.error : EIO));
	else
		say_lost(keeper, err ? err : -EPROTO);
	bury(keeper);
	return true;
}

/* Let it answer what it has begun, and take no more. If its flush fails, it goes on serving. */
int keeper_drain(struct keeper *keeper)
{
	struct message message = { .type = MESSAGE_DRAIN };

	return ask(keeper, &message, -1);
}

/*
 * Let it answer what it has begun, flush and close the store and end. @statistics: as the process
 * reports them. Return: was everything flushed?
 */
int keeper_stop(struct keeper *keeper, struct zcmu_statistics *statistics)
{
	struct message message = { .type = MESSAGE_STOP };
	int err;

	if (!keeper_has_child(keeper))
		return 0;
	err = ask(keeper, &message, -1);
	/* If it lives, it has answered. */
	if (keeper_has_child(keeper))
		*statistics = message.statistics;
	bury(keeper);
	return err;
}
