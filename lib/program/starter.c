// SPDX-License-Identifier: MIT
/*
 * The starter: a process that starts a program, starts it again when it has died and somebody wants
 * a connection, and ends it with the store. Never two at a time: the next one is started when the
 * one before, and its children, have ended. See program.h.
 *
 * It is made by fork() in a process that may have threads, and there is no exec(). It uses no locks
 * of that process, and no memory but its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "packet.h"
#include "program.h"

/* Descriptors of the starter, and of the program: LISTEN_FDS begins at 3. */
enum { STORE_FD = 3, LOCK_FD = 4, FIRST_FREE_FD = 5 };

#define MAX_ARGUMENTS	1024

struct starter {
	struct program_hello hello;
	char *arguments[MAX_ARGUMENTS + 1];	/* [0] is a path */
	int stderr_fd;
	bool has_lock, has_namespace;
	pid_t pid;		/* 0: it doesn't run */
	int pidfd, listener;
	int address;		/* O_PATH, of the listener's name, which nobody else can reach */
	uint32_t starts;
	uint32_t number;	/* of the question */
	int status;
};

static struct starter starter = { .stderr_fd = -1, .pidfd = -1, .listener = -1, .address = -1 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * The listening socket. Its name is in a folder of our own, and is gone before anybody is told:
 * what remains is a descriptor of it, which leads to the socket by /proc.
 */

static int bind_and_listen(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = (size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	int err = 0;

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	starter.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (starter.listener < 0 ||
	    bind(starter.listener, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	starter.address = open(address.sun_path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (starter.address < 0 || listen(starter.listener, SOMAXCONN))
		err = -errno;
	unlink(address.sun_path);
	return err;
}

static int make_listener(void)
{
	const char *base = secure_getenv("TMPDIR");
	char folder[256];
	int err;

	if ((size_t)snprintf(folder, sizeof(folder), "%s/zcmu-XXXXXX",
			     base && *base ? base : "/tmp") >= sizeof(folder))
		return -ENAMETOOLONG;
	if (!mkdtemp(folder))
		return -errno;
	err = bind_and_listen(folder);
	rmdir(folder);
	return err;
}

static int connect_to(int *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", starter.address);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		*ret = fd;
		return 0;
	}
	err = -errno;
	close(fd);
	return err;
}

/*
 * The program
 */

static void set_environment(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	unsetenv("LISTEN_FDNAMES");
	/* It is not who the service manager waits for. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv(PROGRAM_STARTER);
	unsetenv(PROGRAM_LOCK);
	unsetenv(PROGRAM_WAS_KILLED);
}

static _Noreturn void run(pid_t parent, int report)
{
	sigset_t none;
	int number, err;

	setpgid(0, 0);
	/* Later it would not be noticed that the starter has died. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(127);
	for (number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(starter.stderr_fd, STDERR_FILENO);
	dup2(starter.stderr_fd, STDOUT_FILENO);
	dup2(starter.listener, STORE_FD);
	if (!starter.has_lock)
		close(LOCK_FD);
	close_range(FIRST_FREE_FD, ~0U, CLOSE_RANGE_CLOEXEC);
	set_environment();
	execv(starter.arguments[0], starter.arguments);
	err = errno;
	_exit(write(report, &err, sizeof(err)) == sizeof(err) ? 127 : 126);
}

/* exec() closes the pipe, or an errno comes out of it. */
static int await_exec(int report)
{
	int err = 0;
	ssize_t n;

	do {
		n = read(report, &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? -err : 0;
}

static long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / (1000 * 1000);
}

/* 0: unknown. The name of a process may have blanks and parentheses. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512], *end;
	int fd, parent = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close_fd(&fd);
	text[n > 0 ? n : 0] = '\0';
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* What the program has started is our child when the program has died, whatever it calls itself. */
static void kill_children(void)
{
	struct dirent *entry;
	DIR *proc;

	if (starter.has_namespace) {
		/* All but this process and the first, which is the store's. */
		kill(-1, SIGKILL);
		return;
	}
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 1 && parent_of(entry->d_name) == getpid())
			kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

/* The program itself has ended. Return when nothing of it is left. */
static void bury(void)
{
	struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	siginfo_t ended;

	/* Its number, and its group's, is nobody else's until its status was asked for. */
	while (waitid(P_PID, (id_t)starter.pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill(-starter.pid, SIGKILL);
	while (waitpid(starter.pid, &starter.status, 0) < 0 && errno == EINTR)
		;
	close_fd(&starter.pidfd);
	/* Who waits to be accepted need not wait any more. */
	close_fd(&starter.listener);
	close_fd(&starter.address);
	for (;;) {
		kill_children();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			break;
		nanosleep(&pause, NULL);
	}
	starter.pid = 0;
}

static int start(void)
{
	pid_t parent = getpid();
	int report[2], err;

	if (starter.starts && starter.hello.is_once)
		return -ESHUTDOWN;
	err = make_listener();
	if (!err && pipe2(report, O_CLOEXEC))
		err = -errno;
	if (err) {
		close_fd(&starter.listener);
		close_fd(&starter.address);
		return err;
	}
	starter.pid = fork();
	if (!starter.pid)
		run(parent, report[1]);
	err = starter.pid < 0 ? -errno : 0;
	close(report[1]);
	if (!err) {
		starter.pidfd = pidfd_open(starter.pid, 0);
		starter.starts++;
		err = starter.pidfd < 0 ? -errno : await_exec(report[0]);
		if (err) {
			kill(starter.pid, SIGKILL);
			bury();
		}
	} else {
		starter.pid = 0;
		close_fd(&starter.listener);
		close_fd(&starter.address);
	}
	close(report[0]);
	return err;
}

/* It may write what it has in memory, and then it must go. */
static _Noreturn void end(void)
{
	struct pollfd fd = { .fd = starter.pidfd, .events = POLLIN };
	long deadline = ms_now() + PROGRAM_END_SECONDS * 1000L, left;

	if (starter.pid) {
		close_fd(&starter.listener);
		kill(starter.pid, SIGTERM);
		kill(starter.pid, SIGCONT);
		do {
			left = deadline - ms_now();
		} while (left > 0 && poll(&fd, 1, (int)left) <= 0);
		kill(starter.pid, SIGKILL);
		bury();
	}
	_exit(0);
}

/*
 * Packets
 */

static void answer(int err, int fd)
{
	const struct program_answer packet = {
		.number = starter.number,
		.error = err, .status = starter.status, .starts = starter.starts,
		.is_running = starter.pid > 0,
	};

	/* If nobody is there, the end of the socket says so. */
	packet_send(STORE_FD, &packet, sizeof(packet), fd, 0);
}

static void give_connection(void)
{
	int fd = -1, err = starter.pid ? 0 : start();

	if (!err)
		err = connect_to(&fd);
	answer(err, fd);
	close_fd(&fd);
}

/* Nobody is trusted here, but a store that is locked in, and this is the way out of it. */
static bool take_words(size_t bytes)
{
	char *at = starter.hello.words, *last = at + bytes;
	size_t n = 0;

	if (!bytes || last[-1])
		return false;
	for (; at < last && n < MAX_ARGUMENTS; at += strlen(at) + 1)
		starter.arguments[n++] = at;
	return at == last && starter.stderr_fd >= 0;
}

static void serve_store(void)
{
	struct program_ask ask;
	int stray;

	if (packet_receive(STORE_FD, &ask, sizeof(ask), &stray) != sizeof(ask))
		end();
	close_fd(&stray);
	starter.number = ask.number;
	switch ((enum program_question)ask.question) {
	case PROGRAM_CONNECT:
		give_connection();
		break;
	case PROGRAM_STATE:
		answer(0, -1);
		break;
	default:
		end();
	}
}

/* Leave what belongs to the process that has made this one. */
static void let_go(int fd, int lock)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), high;
	sigset_t all;

	/* ^C and the like are for the store's process. SIGKILL is for everybody. */
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NAME, "zcmu-starter");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	high = fcntl(fd, F_DUPFD_CLOEXEC, 64);
	dup2(lock >= 0 ? lock : null, 63);
	dup2(high, STORE_FD);
	dup2(63, LOCK_FD);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	fcntl(STORE_FD, F_SETFD, FD_CLOEXEC);
	close_range(FIRST_FREE_FD, ~0U, 0);
	starter.has_lock = lock >= 0;
}

_Noreturn void program_starter(int fd, int lock, bool has_namespace)
{
	ssize_t n;

	starter.has_namespace = has_namespace;
	let_go(fd, lock);
	n = packet_receive(STORE_FD, &starter.hello, sizeof(starter.hello), &starter.stderr_fd);
	if (n <= (ssize_t)offsetof(struct program_hello, words) ||
	    !take_words((size_t)n - offsetof(struct program_hello, words)))
		_exit(1);
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = STORE_FD, .events = POLLIN },
			{ .fd = starter.pidfd, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			bury();
		if (fds[0].revents)
			serve_store();
	}
}
