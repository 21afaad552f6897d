// SPDX-License-Identifier: MIT
/*
 * zcmu exporter: what zcmu stat --openmetrics prints, over HTTP. It answers GET of one page, to one
 * client after the other, and knows no more of HTTP than that takes. Who may ask is decided by
 * where it listens: on this machine's loopback address, or at a socket that a service manager has
 * made.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "look/sample.h"
#include "look/stat.h"
#include "option.h"
#include "signals.h"
#include "subcommand.h"
#include "zcmu.h"

#define DEFAULT_PORT	9956
#define REQUEST_MAX	8192
#define CLIENT_MS	5000	/* for all of a client's request and its answer */
#define PASSED_FD	3	/* sd_listen_fds(3) */

#define TYPE_TEXT	"text/plain; charset=utf-8"
#define TYPE_OLD	"text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPEN	"application/openmetrics-text; version=1.0.0; charset=utf-8"

static int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Return: false if the time is over, or the client gone */
static bool wait_for(int fd, short event, int64_t deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = event };
	int64_t left = deadline - now_ms();

	return left > 0 && poll(&poll_fd, 1, (int)left) == 1;
}

static bool send_all(int fd, const char *data, size_t len, int64_t deadline)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (!wait_for(fd, POLLOUT, deadline)) {
			return false;
		}
	}
	return true;
}

/* Up to the empty line that ends the head of a request. There is no body of one that we answer. */
static bool receive(int fd, char *request, size_t size, int64_t deadline)
{
	size_t len = 0;

	while (len < size - 1 && wait_for(fd, POLLIN, deadline)) {
		ssize_t n = recv(fd, request + len, size - 1 - len, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n"))
			return strlen(request) == len;
	}
	return false;
}

struct answer {
	const char *status, *type;
	char *body;
	size_t len;
};

/* Does the client take the format that is asked for? Prometheus says so. */
static bool wants_openmetrics(const char *request)
{
	const char *line = strcasestr(request, "\naccept:");

	return line && memmem(line, strcspn(line + 1, "\n") + 1, "application/openmetrics-text", 28);
}

/* All disks, as they are now. Return: whether there is enough memory */
static bool write_page(bool open, struct answer *answer)
{
	struct sample *samples;
	size_t count;
	FILE *file;
	bool failed;

	if (sample_take_wanted(NULL, &samples, &count)) {
		answer->status = "503 Service Unavailable";
		return true;
	}
	file = open_memstream(&answer->body, &answer->len);
	if (file && open)
		openmetrics_write(samples, count, file);
	else if (file)
		openmetrics_write_old(samples, count, file);
	free(samples);
	failed = !file || ferror(file);
	if (file && fclose(file))
		failed = true;
	answer->type = open ? TYPE_OPEN : TYPE_OLD;
	return !failed;
}

static void make_answer(const char *request, struct answer *answer)
{
	char method[8], path[64], minor[2];

	*answer = (struct answer){ .status = "200 OK", .type = TYPE_TEXT };
	if (sscanf(request, "%7[A-Z] %63[^ \r\n] HTTP/1.%1[01]", method, path, minor) != 3) {
		answer->status = "400 Bad Request";
		return;
	}
	path[strcspn(path, "?")] = '\0';
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		answer->status = "405 Method Not Allowed";
	else if (strcmp(path, "/metrics"))
		answer->status = "404 Not Found";
	else if (!write_page(wants_openmetrics(request), answer))
		answer->status = "503 Service Unavailable";
}

static void serve_client(int fd)
{
	int64_t deadline = now_ms() + CLIENT_MS;
	char request[REQUEST_MAX], head[512];
	struct answer answer;
	bool is_ok;
	int n;

	if (!receive(fd, request, sizeof(request), deadline))
		return;
	make_answer(request, &answer);
	is_ok = !strncmp(answer.status, "200", 3);
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
		     answer.status, answer.type, is_ok ? answer.len : 0,
		     strncmp(answer.status, "405", 3) ? "" : "Allow: GET, HEAD\r\n");
	if (send_all(fd, head, (size_t)n, deadline) && is_ok && strncmp(request, "HEAD", 4))
		send_all(fd, answer.body, answer.len, deadline);
	free(answer.body);
}

/*
 * Where it listens
 */

/* Has a service manager made the socket, for this process? -1: no */
static int passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid() || strcmp(fds, "1"))
		return -1;
	fcntl(PASSED_FD, F_SETFD, FD_CLOEXEC);
	return PASSED_FD;
}

static int listen_on_loopback(unsigned int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, (const struct sockaddr *)&address, sizeof(address)) && !listen(fd, 16))
		return fd;
	zcmu_error("can't listen at 127.0.0.1:%u: %s; --port chooses another one", port,
		   strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Until a signal. @idle: or nobody has asked for so many seconds; 0: for ever */
static int serve(int listener, int signal_fd, unsigned int idle)
{
	struct pollfd events[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};
	int n, fd;

	for (;;) {
		n = poll(events, 2, idle ? (int)idle * 1000 : -1);
		if (!n || (n > 0 && events[0].revents))
			return EXIT_OK;
		if (n < 0 || !events[1].revents)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			zcmu_error("nobody can be answered: %s", strerror(errno));
			return EXIT_FAILED;
		}
		serve_client(fd);
		close(fd);
	}
}

static int make_signal_fd(void)
{
	sigset_t set;
	int fd;

	signals_heeded(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		zcmu_error("can't wait for signals: %s", strerror(errno));
	return fd;
}

static void print_help(void)
{
	printf("usage: zcmu exporter [OPTION]...\n\n"
	       "Serves what zcmu stat shows of all disks to Prometheus: http://127.0.0.1:PORT/metrics,\n"
	       "or the socket that a service manager passes.\n\n"
	       "  --port PORT     default %u\n"
	       "  --idle SECONDS  end when nobody has asked for so long; default: never\n"
	       "  --help          this text\n", DEFAULT_PORT);
}

int exporter_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "idle", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	unsigned int port = DEFAULT_PORT, idle = 0;
	int option, status = -1, listener, signal_fd;

	while (status < 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			status = option_number("exporter", "--port", optarg, 1, 65535, &port);
			break;
		case 'i':
			status = option_number("exporter", "--idle", optarg, 1, 86400, &idle);
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("exporter", option);
			return EXIT_USAGE;
		}
	}
	if (status >= 0)
		return status;
	if (optind != argc) {
		usage_error("exporter", "\"%s\" is not wanted here", argv[optind]);
		return EXIT_USAGE;
	}
	listener = passed_socket();
	if (listener < 0)
		listener = listen_on_loopback(port);
	if (listener < 0)
		return EXIT_FAILED;
	signal_fd = make_signal_fd();
	status = signal_fd < 0 ? EXIT_FAILED : serve(listener, signal_fd, idle);
	close(listener);
	return status;
}
