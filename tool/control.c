// SPDX-License-Identifier: MIT
/*
 * /run/zcmu/.NAME.control: how other zcmu commands talk to the process that serves a disk. A packet
 * is a text. The request is words: "resize 1073741824". The answer is "ok", or "error" with the
 * process's message on the next line. A connection has one request. Only root can connect.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "runfile.h"
#include "zcmu.h"

#define REQUEST_SECONDS	5	/* for a client to send its request */
#define ANSWER_SECONDS	150
#define BACKLOG		128	/* all clients wait while a request is carried out */

/* Messages during a request go to the client that sent it. */
static __thread char *answer;

/* Messages at the end, from any thread, go to the client that asked for the end, and to the log. */
static pthread_mutex_t gather_lock = PTHREAD_MUTEX_INITIALIZER;
static char gathered[CONTROL_MAX];
static bool gathers;

static void make_path(const char *name, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	/* Not the name of a disk: those begin with a letter or a digit. */
	snprintf(address->sun_path, sizeof(address->sun_path), RUN_DIR "/.%.64s.control", name);
}

/*
 * The side that serves
 */

/* The runfile is ours already, so an existing socket belongs to a dead process. */
int control_open(const char *name, struct control *ret)
{
	struct sockaddr_un address;
	int err;

	make_path(name, &address);
	ret->asker = -1;
	ret->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(address.sun_path);
	if (ret->fd >= 0 && !bind(ret->fd, (const struct sockaddr *)&address, sizeof(address))) {
		snprintf(ret->path, sizeof(ret->path), "%s", address.sun_path);
		if (!chmod(ret->path, 0600) && !listen(ret->fd, BACKLOG))
			return 0;
	}
	err = -errno;
	zcmu_error("%s: can't make %s: %s", name, address.sun_path, strerror(-err));
	control_close(ret, true);
	return err;
}

/* SO_PEERCRED must name this process, not the one that called listen() before. */
int control_own(const struct control *control)
{
	int err = listen(control->fd, BACKLOG) ? -errno : 0;

	if (err)
		zcmu_error("can't listen at %s: %s", control->path, strerror(-err));
	return err;
}

/*
 * Inherit the socket from the process that has served the disk so far. Clients that connect
 * meanwhile wait.
 */
void control_inherit(const char *name, int fd, struct control *ret)
{
	struct sockaddr_un address;

	make_path(name, &address);
	ret->asker = -1;
	ret->fd = fd;
	snprintf(ret->path, sizeof(ret->path), "%s", address.sun_path);
}

/* @is_ours: we still have the name, so the file doesn't belong to another process. */
void control_close(struct control *control, bool is_ours)
{
	if (control->path[0] && is_ours)
		unlink(control->path);
	if (control->fd >= 0)
		close(control->fd);
	if (control->asker >= 0)
		close(control->asker);
	*control = (struct control){ .fd = -1, .asker = -1 };
}

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && !peer.uid;
}

static void append(char *text, const char *message)
{
	size_t len = strlen(text);

	snprintf(text + len, CONTROL_MAX - len, "%s%s", len ? "\n" : "", message);
}

bool control_takes(const char *message)
{
	if (answer) {
		append(answer, message);
		return true;
	}
	pthread_mutex_lock(&gather_lock);
	if (gathers)
		append(gathered, message);
	pthread_mutex_unlock(&gather_lock);
	return false;
}

void control_gather(void)
{
	pthread_mutex_lock(&gather_lock);
	gathers = true;
	pthread_mutex_unlock(&gather_lock);
}

/* Split at blanks. Return: the number of words, at most @max. */
static size_t split(char *line, char **words, size_t max)
{
	size_t n = 0;
	char *word, *rest = line;

	while (n < max && (word = strsep(&rest, " \n"))) {
		if (*word)
			words[n++] = word;
	}
	return n;
}

static void reply(int fd, int err, const char *said)
{
	char text[CONTROL_MAX + 16];
	int n = snprintf(text, sizeof(text), "%s\n%s", err ? "error" : "ok", said);

	/* A client that has gone doesn't want the answer. */
	(void)!send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

static bool receive(int fd, char *request, size_t size)
{
	struct timeval limit = { .tv_sec = REQUEST_SECONDS };
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = recv(fd, request, size - 1, 0);
	request[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Return: is the request answered later? */
static bool serve_request(int fd, control_function function, void *argument)
{
	char request[CONTROL_MAX], said[CONTROL_MAX] = "";
	char *words[CONTROL_WORDS];
	int err;

	if (!receive(fd, request, sizeof(request)))
		return false;
	answer = said;
	err = function(words, split(request, words, CONTROL_WORDS), argument);
	answer = NULL;
	if (err == CONTROL_LATER)
		return true;
	reply(fd, err, said);
	return false;
}

/* The descriptor is readable: take one request. */
void control_handle(struct control *control, control_function function, void *argument)
{
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (is_root(fd) && serve_request(fd, function, argument))
		control->asker = fd;
	else
		close(fd);
}

/*
 * The process is done, with this result. Tell the client that waits for the end, and clients with
 * this or any other request that came meanwhile. No more clients come.
 */
void control_conclude(struct control *control, bool is_ours, int err)
{
	char request[CONTROL_MAX];
	int fd;

	if (control->fd < 0)
		return;
	if (is_ours)
		unlink(control->path);
	control->path[0] = '\0';
	if (control->asker >= 0)
		reply(control->asker, err, gathered);
	while ((fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (!is_root(fd) || !receive(fd, request, sizeof(request)))
			;
		else if (!strcmp(request, "stop"))
			reply(fd, err, gathered);
		else
			reply(fd, -ESHUTDOWN, "the disk has been stopped");
		close(fd);
	}
}

/*
 * The side that asks
 */

static void pass_on(char *said, bool ok)
{
	char *line;

	while ((line = strsep(&said, "\n"))) {
		if (*line && ok)
			zcmu_warning("%s", line);
		else if (*line)
			zcmu_error("%s", line);
	}
}

/* @said: gets the message of a request that was done; or NULL, then messages are warnings. */
static int exchange(int fd, const char *name, const char *request, char *said, size_t size)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	char reply[CONTROL_MAX + 16], *line, *rest = reply;
	ssize_t n;
	bool ok;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = send(fd, request, strlen(request), MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, reply, sizeof(reply) - 1, 0);
	if (n <= 0) {
		zcmu_error("%s: its process does not answer: %s", name,
			   n ? strerror(errno) : "it has ended");
		return -EIO;
	}
	reply[n] = '\0';
	line = strsep(&rest, "\n");
	ok = !strcmp(line, "ok");
	if (ok && said) {
		snprintf(said, size, "%s", rest ? rest : "");
		return 0;
	}
	pass_on(rest, ok);
	return ok ? 0 : -EIO;
}

/*
 * Which process listens there? Return: a connected descriptor; -ESRCH: none; -EACCES: we may not
 * ask. Quiet. @pid: the listener; 0: unknown, or not visible from here, because it has no number in
 * this PID namespace
 */
static int connect_to_server(const char *name, pid_t *pid)
{
	struct sockaddr_un address;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd, err;

	*pid = 0;
	make_path(name, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		err = errno == ENOENT || errno == ECONNREFUSED ? -ESRCH : -errno;
		close(fd);
		return err;
	}
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		*pid = peer.pid;
	return fd;
}

int control_find_server(const char *name, pid_t *pid)
{
	int fd = connect_to_server(name, pid);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

bool control_is_served(const char *name)
{
	pid_t pid;
	int err = control_find_server(name, &pid);

	/* The process is there, and busy. */
	return !err || err == -EAGAIN;
}

/*
 * A pid may belong to another process as soon as its own has ended. So the connected process must
 * live when the pidfd is made. It does if the connection hasn't ended by then.
 */
int control_server_pidfd(const char *name, pid_t *pid)
{
	struct pollfd end = { .fd = connect_to_server(name, pid) };
	int fd;

	if (end.fd < 0)
		return end.fd;
	fd = *pid ? pidfd_open(*pid, 0) : -EXDEV;
	if (*pid && fd < 0)
		fd = -errno;
	if (fd >= 0 && poll(&end, 1, 0)) {
		close(fd);
		fd = -ESRCH;
	}
	close(end.fd);
	return fd;
}

int control_ask_for(const char *name, const char *request, char *said, size_t size)
{
	struct sockaddr_un address;
	int fd, err;

	make_path(name, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		err = exchange(fd, name, request, said, size);
	} else {
		err = -errno;
		zcmu_error("%s: can't reach its process by %s: %s", name, address.sun_path,
			   strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* The message of an older zcmu, which waits for a signal. */
static bool does_not_know(const char *said)
{
	return strstr(said, "does not know the request \"stop\"");
}

static int await_the_end(int fd, const char *name, int seconds)
{
	struct timeval limit = { .tv_sec = seconds };
	char text[CONTROL_MAX + 16], *rest = text;
	ssize_t n;
	bool ok;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = send(fd, "stop", 4, MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, text, sizeof(text) - 1, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		zcmu_error("%s: its process has not ended after %d s: is its store stuck?", name,
			   seconds);
		return -ETIMEDOUT;
	}
	if (n <= 0) {
		zcmu_error("%s: its process has ended before it was done: what was not flushed may be lost; \"zcmu stop %s\" removes what it has left, if it has left anything",
			   name, name);
		return -EIO;
	}
	text[n] = '\0';
	if (does_not_know(text))
		return -EOPNOTSUPP;
	ok = !strcmp(strsep(&rest, "\n"), "ok");
	pass_on(rest, ok);
	return ok ? 0 : -EIO;
}

/*
 * Have the process end, and wait for the result. -EOPNOTSUPP, quiet: it is an older zcmu;
 * -ENOTCONN, quiet: it can't be reached.
 */
int control_stop(const char *name, int seconds)
{
	struct sockaddr_un address;
	int fd, err = -ENOTCONN;

	make_path(name, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		err = await_the_end(fd, name, seconds);
	if (fd >= 0)
		close(fd);
	return err;
}

int control_ask(const char *name, const char *request)
{
	return control_ask_for(name, request, NULL, 0);
}
