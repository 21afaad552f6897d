// SPDX-License-Identifier: MIT
/*
 * The store's process under zcmu serve --user. There are two processes:
 *
 * 	keeper (keeper.c, root)			this one (the user)
 *
 * 	fork ---------------------------------->  has a starter, if its store starts a program;
 * 						 leaves the namespaces, becomes the user
 * 	<-------------------------------- DONE  opens the store, with the user's rights, and reads
 * 	makes the backstore, opens its UIO device
 * 	SERVE ---------------------------------> maps the ring
 * 	empties this one's root
 * 	LOCK_IN -------------------------------> no files; tries the store (trial.c); starts its
 * 						 threads; no system calls but those it needs
 * 	attaches the disk
 * 	RESIZE, DRAIN, STOP ------------------->  until the end
 *
 * So no line of a store runs as root. Work that needs root at the end is done by a process that has
 * never touched a payload. This process ends with its keeper. If it ends by itself, the keeper
 * removes the disk. It sends text and numbers, and the keeper trusts neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "confine/confined.h"
#include "confine/message.h"
#include "confine/privileges.h"
#include "confine/sandbox.h"
#include "confine/trial.h"
#include "contents.h"
#include "created.h"
#include "memory.h"
#include "subcommand.h"
#include "zcmu.h"
#include "../../lib/io_flusher.h"
#include "../../lib/program/program.h"

#define KEEPER_FD	3
#define LOCK_FD		4	/* wish->program_lock, until the starter has it */

struct confined {
	const struct confined_wish *wish;
	struct zcmu_store *store;
	struct zcmu_disk *disk;
	char serial[64];
	pthread_t thread;
	int served_fd;		/* eventfd: the ring is read, or serving has ended */
	int serve_error;
	bool is_stopped;
	bool is_readable;	/* before it was locked in */
};

static void log_to_keeper(int level, const char *text, void *argument)
{
	(void)argument;
	struct message message = { .type = MESSAGE_LOG, .level = level };

	snprintf(message.text, sizeof(message.text), "%s", text);
	message_send(KEEPER_FD, &message, -1);
}

static void say_done(int err)
{
	const struct message message = { .type = MESSAGE_DONE, .error = err };

	message_send(KEEPER_FD, &message, -1);
}

static bool needs_network(const struct confined_wish *wish)
{
	return wish->store_flags & ZCMU_STORE_NETWORK;
}

static bool starts_program(const struct confined_wish *wish)
{
	return wish->store_flags & ZCMU_STORE_STARTS_PROGRAM;
}

/* Before any code of the store runs */

/* The keeper's descriptors are only for the keeper: a lock on its runfile, its control socket. */
static int let_go(int fd, int lock)
{
	int null = open("/dev/null", O_RDWR), err = null < 0 ? -errno : 0;
	int high = lock < 0 ? -1 : fcntl(lock, F_DUPFD_CLOEXEC, LOCK_FD + 1);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(fd, KEEPER_FD);
	fcntl(KEEPER_FD, F_SETFD, FD_CLOEXEC);
	if (high >= 0)
		dup2(high, LOCK_FD);
	close_range(high >= 0 ? LOCK_FD + 1 : LOCK_FD, ~0U, 0);
	setsid();
	return err || lock < 0 || high >= 0 ? err : -EMFILE;
}

/*
 * The user's programs find that user's files, and nothing of what root's environment has: folders
 * that are not the user's, keys, sockets of agents.
 */
static void set_environment(const struct user *user)
{
	const struct passwd *entry = getpwuid(user->uid);
	const char *path = getenv("PATH");
	char *kept = path ? strdup(path) : NULL;

	clearenv();
	if (kept)
		setenv("PATH", kept, 1);
	free(kept);
	if (entry)
		setenv("HOME", entry->pw_dir, 1);
	setenv("USER", user->name, 1);
	setenv("LOGNAME", user->name, 1);
}

/*
 * The process that starts programs for the store: as the user, and without privileges, but not
 * locked in, because programs need files, and perhaps the network. It ends with this process, which
 * is the first of their PID namespace, and so does all that it has started.
 */
static int make_starter(const struct confined_wish *wish)
{
	char number[16];
	int fds[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	pid = fork();
	if (!pid) {
		if (privileges_drop(wish->user))
			_exit(EXIT_FAILED);
		set_environment(wish->user);
		program_starter(fds[1], wish->program_lock < 0 ? -1 : LOCK_FD, true);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (wish->program_lock >= 0)
		close(LOCK_FD);
	snprintf(number, sizeof(number), "%d", fds[0]);
	setenv(PROGRAM_STARTER, number, 1);
	unsetenv(PROGRAM_LOCK);
	return err;
}

static int become_user(const struct confined_wish *wish)
{
	const struct rlimit no_cores = { 0, 0 };
	int err;

	/* Threads inherit this, and only root may set it. */
	zcmu_become_io_flusher();
	memory_lock();
	/* A core dump would contain data of initiators. */
	setrlimit(RLIMIT_CORE, &no_cores);
	err = sandbox_unshare(needs_network(wish));
	if (!err)
		err = privileges_drop(wish->user);
	/* If the keeper has gone already, its end of the socket is closed. */
	if (!err && prctl(PR_SET_PDEATHSIG, SIGKILL))
		err = -errno;
	return err;
}

/*
 * @err: the result of asking for the identity. A store that can't tell has none, which is no error.
 */
static int tell_identity(int err, struct message *message)
{
	if (err)
		message->text[0] = '\0';
	return err == -EOPNOTSUPP ? 0 : err;
}

/* The store's report about itself. A trial finds out whether it works. */
static int check_can_be_confined(const struct confined *confined)
{
	if (!(confined->store->ops->flags & ZCMU_STORE_OPENS_FILES))
		return 0;
	zcmu_error("%s: its store, %s, opens files while it serves, which it could not without privileges; serve it without --user",
		   confined->wish->name, confined->wish->spec);
	return -EOPNOTSUPP;
}

static void open_store(struct confined *confined)
{
	const struct confined_wish *wish = confined->wish;
	struct message message = { .type = MESSAGE_DONE };

	message.error = zcmu_store_open(wish->spec, wish->store_options, &confined->store);
	created_hint_at_size(wish->spec, wish->store_options, message.error);
	if (message.error == -EACCES || message.error == -EPERM)
		zcmu_error("the store is opened by the user %s, who must be allowed to", wish->user->name);
	if (!message.error)
		message.error = check_can_be_confined(confined);
	if (!message.error)
		confined->is_readable = !trial_read(wish->name, confined->store, 0, false);
	if (!message.error && wish->takes_over)
		message.error = contents_check_outlive(wish->name, confined->store->ops->flags);
	if (!message.error) {
		message.size = confined->store->size;
		message.block_size = confined->store->block_size;
		message.flags = confined->store->ops->flags;
		message.error = tell_identity(zcmu_store_identity(confined->store, message.text,
								  sizeof(message.text)),
					      &message);
	}
	message_send(KEEPER_FD, &message, -1);
	if (message.error)
		exit(EXIT_FAILED);
}

/*
 * Serving
 */

static void signal_served(struct confined *confined)
{
	uint64_t one = 1;

	if (write(confined->served_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void is_ready(void *argument)
{
	signal_served(argument);
}

static void *serve_thread(void *argument)
{
	struct confined *confined = argument;
	const struct zcmu_serve_options options = {
		.struct_size = sizeof(options),
		.threads = confined->wish->threads,
		.serial = confined->serial,
		.ready = is_ready,
		.argument = confined,
	};

	confined->serve_error = zcmu_disk_serve(confined->disk, confined->store, &options);
	signal_served(confined);
	return NULL;
}

static int start_serving(struct confined *confined)
{
	uint64_t count;
	int err;

	confined->served_fd = eventfd(0, EFD_CLOEXEC);
	if (confined->served_fd < 0)
		return -errno;
	err = -pthread_create(&confined->thread, NULL, serve_thread, confined);
	if (err) {
		close(confined->served_fd);
		confined->served_fd = -1;
		return err;
	}
	while (read(confined->served_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	return confined->serve_error;
}

static int take_ring(struct confined *confined, const struct message *message, int uio_fd)
{
	struct zcmu_store *store = confined->store;

	snprintf(confined->serial, sizeof(confined->serial), "%.63s", message->text);
	if (uio_fd < 0 || confined->disk || !message->size || message->size > store->size)
		return -EPROTO;
	store->size = message->size;
	return zcmu_disk_open_fd(confined->wish->name, uio_fd, &confined->disk);
}

/* When this has succeeded, nothing can be reached, and only then the disk is attached. */
static int lock_in(struct confined *confined)
{
	int err = confined->disk ? sandbox_is_empty() : -EPROTO;

	/* What a program leaves behind becomes a child of ours, and nobody waits for it. */
	signal(SIGCHLD, SIG_IGN);
	if (!err)
		err = sandbox_forbid_files();
	if (!err && confined->is_readable)
		err = trial_read(confined->wish->name, confined->store,
				 confined->wish->store_flags, true);
	/* When only answers are to be made, system calls that set things up are forbidden. */
	if (!err)
		err = start_serving(confined);
	if (!err)
		err = sandbox_forbid_calls(confined->wish->store_flags, true);
	return err;
}

/*
 * Every command that was taken is answered when this returns, and the others are on the ring.
 * @is_forced: end even if the store's flush fails. Otherwise an error means that serving goes on.
 */
static int drain(struct confined *confined, bool is_forced)
{
	int err = 0;

	if (confined->served_fd < 0)
		return 0;
	if (is_forced)
		zcmu_disk_stop(confined->disk);
	else
		err = zcmu_disk_hand_over(confined->disk);
	if (err)
		return err;
	pthread_join(confined->thread, NULL);
	close(confined->served_fd);
	confined->served_fd = -1;
	return confined->serve_error;
}

/* When the keeper gets the answer, the store is closed. */
static void stop(struct confined *confined)
{
	struct message message = { .type = MESSAGE_DONE };

	message.error = drain(confined, true);
	message.statistics.struct_size = sizeof(message.statistics);
	if (confined->disk)
		zcmu_disk_statistics(confined->disk, &message.statistics);
	zcmu_disk_close(confined->disk);
	zcmu_store_close(confined->store);
	message_send(KEEPER_FD, &message, -1);
	confined->is_stopped = true;
}

static void carry_out(struct confined *confined, const struct message *message, int uio_fd)
{
	switch ((enum message_type)message->type) {
	case MESSAGE_SERVE:
		say_done(take_ring(confined, message, uio_fd));
		break;
	case MESSAGE_LOCK_IN:
		say_done(lock_in(confined));
		break;
	case MESSAGE_RESIZE:
		say_done(confined->disk ? zcmu_disk_resize(confined->disk, message->size) :
					  -EPROTO);
		break;
	case MESSAGE_DRAIN:
		say_done(drain(confined, false));
		break;
	case MESSAGE_STOP:
		stop(confined);
		break;
	default:
		say_done(-EPROTO);
	}
}

static void say_ended(const struct confined *confined)
{
	const struct message message = { .type = MESSAGE_ENDED, .error = confined->serve_error };

	message_send(KEEPER_FD, &message, -1);
}

/* Until the keeper sends STOP, or is gone. */
static void listen_to_keeper(struct confined *confined)
{
	struct message message;
	int uio_fd;

	while (!confined->is_stopped) {
		/* It doesn't exist yet: poll() skips a descriptor of -1. */
		struct pollfd fds[2] = {
			{ .fd = KEEPER_FD, .events = POLLIN },
			{ .fd = confined->served_fd, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents) {
			say_ended(confined);
			pthread_join(confined->thread, NULL);
			_exit(EXIT_FAILED);
		}
		if (message_receive(KEEPER_FD, &message, &uio_fd))
			_exit(EXIT_FAILED);
		carry_out(confined, &message, uio_fd);
	}
}

static void begin(int fd, const struct confined_wish *wish, bool needs_starter)
{
	int err;

	err = let_go(fd, wish->program_lock);
	zcmu_set_log(log_to_keeper, NULL);
	if (!err && needs_starter)
		err = make_starter(wish);
	if (!err)
		err = become_user(wish);
	if (err) {
		say_done(err);
		_exit(EXIT_FAILED);
	}
}

/* To know a store's flags it must be loaded, and its code runs then. */
_Noreturn void confined_describe(int fd, const struct confined_wish *wish)
{
	struct message message = { .type = MESSAGE_DONE };
	uint32_t flags = 0;

	begin(fd, wish, false);
	message.error = zcmu_store_flags(wish->spec, &flags);
	message.size = flags;
	message_send(KEEPER_FD, &message, -1);
	_exit(EXIT_OK);
}

/* The same for the store that the spec names now. */
_Noreturn void confined_identify(int fd, const struct confined_wish *wish)
{
	struct message message = { .type = MESSAGE_DONE };

	begin(fd, wish, false);
	message.error = zcmu_store_identify(wish->spec, message.text, sizeof(message.text));
	message_send(KEEPER_FD, &message, -1);
	_exit(EXIT_OK);
}

_Noreturn void confined_main(int fd, const struct confined_wish *wish)
{
	struct confined confined = { .wish = wish, .served_fd = -1 };

	begin(fd, wish, starts_program(wish));
	open_store(&confined);
	listen_to_keeper(&confined);
	_exit(EXIT_OK);
}
