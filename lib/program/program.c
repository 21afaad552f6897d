// SPDX-License-Identifier: MIT
/*
 * A program, from the side of the store that uses it: the questions to its starter, and what it
 * says on its standard error output, which a thread reads and logs. See program.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "packet.h"
#include "program.h"
#include "zcmu.h"

/* The starter answers at once, but where the program, or what it has started, can't be ended. */
#define ANSWER_SECONDS	10

struct program {
	char *name;
	int socket;
	pid_t pid;		/* of the starter; 0: it isn't our child */
	pthread_mutex_t ask_lock;	/* a question and its answer; number */
	uint32_t number;		/* of the latest question */
	/* what the program says */
	int said_fd, stop_fd;	/* stop_fd: eventfd */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t said_lock;	/* all below */
	char line[512], last[512];
	size_t len;
};

/*
 * What it says
 */

/* One line, of characters that are harmless on a terminal */
static void log_line(struct program *program)
{
	size_t i;

	for (i = 0; i < program->len; i++) {
		if ((unsigned char)program->line[i] < ' ' || program->line[i] == 0x7f)
			program->line[i] = '?';
	}
	program->line[program->len] = '\0';
	if (program->len) {
		memcpy(program->last, program->line, program->len + 1);
		zcmu_warning("%s: %s", program->name, program->line);
	}
	program->len = 0;
}

/* Log what is in the pipe. Return: false at its end */
static bool read_said(struct program *program)
{
	char text[1024];
	ssize_t n, i;

	pthread_mutex_lock(&program->said_lock);
	while ((n = read(program->said_fd, text, sizeof(text))) > 0) {
		for (i = 0; i < n; i++) {
			if (text[i] != '\n')
				program->line[program->len++] = text[i];
			if (text[i] == '\n' || program->len == sizeof(program->line) - 1)
				log_line(program);
		}
	}
	pthread_mutex_unlock(&program->said_lock);
	return n < 0;
}

static void *listen_to_it(void *argument)
{
	struct program *program = argument;
	struct pollfd fds[2] = {
		{ .fd = program->said_fd, .events = POLLIN },
		{ .fd = program->stop_fd, .events = POLLIN },
	};

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0)
			fds[0].revents = fds[1].revents = 0;
		/* The starter has the other end, too: it has died. */
		if (fds[0].revents && !read_said(program))
			fds[0].fd = -1;
	}
	return NULL;
}

/* Signals are for other threads. */
static int start_listening(struct program *program)
{
	sigset_t all, old;
	int err;

	program->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (program->stop_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&program->thread, NULL, listen_to_it, program);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	program->has_thread = !err;
	return err;
}

static void stop_listening(struct program *program)
{
	uint64_t one = 1;

	if (!program->has_thread)
		return;
	if (write(program->stop_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	pthread_join(program->thread, NULL);
	read_said(program);
	log_line(program);
}

/*
 * Questions
 */

static int receive(struct program *program, struct program_answer *answer, int *passed)
{
	ssize_t n = packet_receive(program->socket, answer, sizeof(*answer), passed);

	if (n == sizeof(*answer))
		return 0;
	return n == -EAGAIN ? -ETIMEDOUT : -EPIPE;
}

/* Answers to earlier questions, which came too late, are passed over. */
static int await_answer(struct program *program, struct program_answer *answer, int *passed)
{
	int err;

	for (;;) {
		err = receive(program, answer, passed);
		if (err || answer->number == program->number)
			return err;
		if (*passed >= 0)
			close(*passed);
		*passed = -1;
	}
}

/*
 * @passed: a descriptor that came with the answer, or -1. -ETIMEDOUT: the starter is busy with
 * something that takes long; ask it again.
 */
static int ask(struct program *program, enum program_question question,
	       struct program_answer *answer, int *passed)
{
	struct program_ask packet = { .question = question };
	int err;

	*passed = -1;
	pthread_mutex_lock(&program->ask_lock);
	packet.number = ++program->number;
	err = packet_send(program->socket, &packet, sizeof(packet), -1, MSG_DONTWAIT);
	if (!err)
		err = await_answer(program, answer, passed);
	else if (err == -EAGAIN)
		err = -ETIMEDOUT;
	pthread_mutex_unlock(&program->ask_lock);
	return err;
}

int program_connect(struct program *program, int *fd)
{
	struct program_answer answer;
	int err;

	err = ask(program, PROGRAM_CONNECT, &answer, fd);
	if (!err)
		err = answer.error;
	return !err && *fd < 0 ? -EPROTO : err;
}

static void describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "the program was killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "the program has ended with exit status %d",
			 WEXITSTATUS(status));
}

static void add_last_line(struct program *program, char *text, size_t size)
{
	size_t len = strlen(text);

	read_said(program);
	pthread_mutex_lock(&program->said_lock);
	if (program->last[0])
		snprintf(text + len, size - len, "%sit has said: %s", len ? "; " : "",
			 program->last);
	pthread_mutex_unlock(&program->said_lock);
}

/* Return: has it ended within @ms? */
static bool await_its_end(struct program *program, int ms, struct program_answer *answer)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int none = -1;

	for (; ; ms -= 10) {
		if (ask(program, PROGRAM_STATE, answer, &none) || !answer->starts)
			return false;
		if (!answer->is_running || ms <= 0)
			return !answer->is_running;
		nanosleep(&pause, NULL);
	}
}

bool program_has_ended(struct program *program, int ms, char *text, size_t size)
{
	struct program_answer answer = { 0 };
	bool has_ended = await_its_end(program, ms, &answer);

	text[0] = '\0';
	if (has_ended)
		describe_end(answer.status, text, size);
	add_last_line(program, text, size);
	return has_ended;
}

/*
 * The beginning and the end
 */

static bool can_run(const char *path)
{
	struct stat st;

	return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

/* As a shell does it. Errors are reported. */
static int find_program(const struct program *program, const char *word, char *path, size_t size)
{
	const char *folder = secure_getenv("PATH");
	size_t len;

	if (strchr(word, '/')) {
		if ((size_t)snprintf(path, size, "%s", word) < size && can_run(path))
			return 0;
		zcmu_error("%s: %s is no program that can be run: %s", program->name, word,
			   access(word, X_OK) ? strerror(errno) : "it is no file");
		return access(word, F_OK) ? -ENOENT : -EACCES;
	}
	for (folder = folder ? folder : "/usr/bin:/bin"; *folder; folder += len + !!folder[len]) {
		len = strcspn(folder, ":");
		if (len && (size_t)snprintf(path, size, "%.*s/%s", (int)len, folder, word) < size &&
		    can_run(path))
			return 0;
	}
	zcmu_error("%s: there is no program \"%s\" in PATH; is its package installed?",
		   program->name, word);
	return -ENOENT;
}

/* Number of a descriptor that somebody has left in the environment; -1: none */
static int take_number(const char *variable)
{
	const char *text = secure_getenv(variable);
	char *end;
	long number = text ? strtol(text, &end, 10) : -1;

	if (!text || end == text || *end || number < 0 || number > INT_MAX)
		return -1;
	return (int)number;
}

static int find_starter(struct program *program)
{
	int there = take_number(PROGRAM_STARTER), fds[2];

	if (there >= 0) {
		unsetenv(PROGRAM_STARTER);
		program->socket = there;
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	program->pid = fork();
	if (!program->pid)
		program_starter(fds[1], take_number(PROGRAM_LOCK), false);
	close(fds[1]);
	program->socket = fds[0];
	return program->pid < 0 ? -errno : 0;
}

static int add_word(struct program_hello *hello, size_t *len, const char *word)
{
	size_t n = strlen(word) + 1;

	if (*len + n > sizeof(hello->words))
		return -E2BIG;
	memcpy(hello->words + *len, word, n);
	*len += n;
	return 0;
}

/* The first word is the path of the program, in place of its name: as with other programs' $0. */
static int introduce(struct program *program, char *const *words, bool is_once)
{
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct program_hello *hello = calloc(1, sizeof(*hello));
	char path[PATH_MAX];
	size_t len = 0;
	int fds[2], err;

	if (!hello)
		return -ENOMEM;
	hello->question = PROGRAM_HELLO;
	hello->is_once = is_once;
	err = words[0] ? find_program(program, words[0], path, sizeof(path)) : -EINVAL;
	if (!err)
		err = add_word(hello, &len, path);
	while (!err && *++words)
		err = add_word(hello, &len, *words);
	if (!err && pipe2(fds, O_CLOEXEC))
		err = -errno;
	if (err) {
		free(hello);
		return err;
	}
	program->said_fd = fds[0];
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	setsockopt(program->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	err = packet_send(program->socket, hello, offsetof(struct program_hello, words) + len,
			  fds[1], 0);
	close(fds[1]);
	free(hello);
	return err ? err : start_listening(program);
}

int program_open(const char *name, char *const *words, bool is_once, struct program **ret)
{
	struct program *program = calloc(1, sizeof(*program));
	int err;

	if (!program)
		return -ENOMEM;
	program->socket = program->said_fd = program->stop_fd = -1;
	pthread_mutex_init(&program->ask_lock, NULL);
	pthread_mutex_init(&program->said_lock, NULL);
	program->name = strdup(name);
	err = program->name ? find_starter(program) : -ENOMEM;
	if (!err)
		err = introduce(program, words, is_once);
	if (err) {
		program_close(program);
		return err;
	}
	*ret = program;
	return 0;
}

/*
 * Until the socket's other end is closed. The program is killed before the wait is over. Answers to
 * earlier questions may come first.
 */
static void await_end(const struct program *program)
{
	struct pollfd fd = { .fd = program->socket, .events = POLLIN };
	struct program_answer late;
	int ready;

	do {
		ready = poll(&fd, 1, (PROGRAM_END_SECONDS + 5) * 1000);
	} while ((ready < 0 && errno == EINTR) ||
		 (ready > 0 && recv(program->socket, &late, sizeof(late), MSG_DONTWAIT) > 0));
}

void program_close(struct program *program)
{
	const struct program_ask question = { .question = PROGRAM_END };

	if (program->socket >= 0) {
		if (send(program->socket, &question, sizeof(question), MSG_NOSIGNAL) > 0)
			await_end(program);
		close(program->socket);
	}
	if (program->pid > 0) {
		while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	stop_listening(program);
	if (program->said_fd >= 0)
		close(program->said_fd);
	if (program->stop_fd >= 0)
		close(program->stop_fd);
	pthread_mutex_destroy(&program->ask_lock);
	pthread_mutex_destroy(&program->said_lock);
	free(program->name);
	free(program);
}
