// SPDX-License-Identifier: MIT
/*
 * zcmu serve: from a STORE to a disk, and back to nothing. One process per disk: the
 * main thread sets up and waits for the end, another leads the serving.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "tool.h"

#define DEFAULT_TIME_OUT	30		/* seconds, the kernel's as well */
#define MAX_TIME_OUT		(24 * 60 * 60)

struct serve {
	/* what was asked for */
	char name[NAME_MAX_LEN + 1];
	const char *spec;
	struct zcmu_store_options store_options;
	struct zcmu_serve_options options;
	unsigned int time_out;		/* seconds */
	bool daemon;
	int ready_fd;

	/* what was made, in this order */
	struct runfile runfile;
	struct control control;
	struct zcmu_store *store;
	char serial[64];
	struct backstore backstore;
	struct zcmu_disk *disk;
	pthread_t thread;
	int served_fd;			/* eventfd: the ring is read; or serving has ended */
	int serve_error;
	struct loopback loopback;
};

static void print_help(void)
{
	const struct zcmu_store_ops *const *ops;

	printf("usage: zcmu serve [OPTION]... STORE\n\n"
	       "Makes STORE a SCSI disk of this machine, prints its /dev/sdX, and serves it until\n"
	       "SIGTERM, SIGINT (^C), SIGHUP or \"zcmu stop NAME\".\n\n"
	       "  --name NAME      name of the disk; default: made from STORE\n"
	       "  --size SIZE      create a file of that size (K, M, G, T, P); one that is there\n"
	       "                   must have it already\n"
	       "  --threads N      threads that run the store; default 1\n"
	       "  --time-out SEC   fail commands that the store takes longer for; 0: never; default 30\n"
	       "  --read-only      the disk can't be written to\n"
	       "  --foreground     stay in the foreground (the default)\n"
	       "  --daemon         return when the disk is there, serve in the background\n"
	       "  --ready-fd FD    write the disk's /dev/sdX and a newline to FD when it is there\n"
	       "  --help           this text\n\n"
	       "STORE may be LAYER:STORE, with the layers\n");
	for (ops = zcmu_layer_list(); *ops; ops++)
		printf("  %-20s %s\n", (*ops)->usage, (*ops)->summary);
	printf("\nSTORE is one of\n");
	for (ops = zcmu_store_list(); *ops; ops++)
		printf("  %-20s %s\n", (*ops)->usage, (*ops)->summary);
}

/*
 * Options
 */

/* "file:/a/disk.img" is disk.img, "ram:1G" is ram0 or the next that is free. */
static void make_name(struct serve *serve)
{
	struct backstore other;
	/* Of "nbd+unix://" it is nbd. */
	size_t len = strcspn(serve->spec, ":+,");
	char path[PATH_MAX];
	unsigned int i;

	if (!strncmp(serve->spec, "file:", 5) && serve->spec[5]) {
		snprintf(path, sizeof(path), "%s", serve->spec + 5);
		snprintf(serve->name, sizeof(serve->name), "%.*s", NAME_MAX_LEN, basename(path));
		return;
	}
	for (i = 0; i < 1000; i++) {
		snprintf(serve->name, sizeof(serve->name), "%.*s%u",
			 len < 16 ? (int)len : 16, serve->spec, i);
		if (!runfile_pid(serve->name) && backstore_find(serve->name, &other))
			return;
	}
}

static bool parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < min || n > max)
		return false;
	*ret = (unsigned int)n;
	return true;
}

enum { OPT_NAME = 1, OPT_SIZE, OPT_THREADS, OPT_TIME_OUT, OPT_READ_ONLY, OPT_FOREGROUND, OPT_DAEMON,
       OPT_READY_FD, OPT_HELP };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "time-out", required_argument, NULL, OPT_TIME_OUT },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "daemon", no_argument, NULL, OPT_DAEMON },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 }
};

/* Return: an exit status, or -1 to go on. */
static int take_option(struct serve *serve, int option)
{
	unsigned int fd;

	switch (option) {
	case OPT_NAME:
		if (!backstore_name_is_valid(optarg)) {
			usage_error("serve", "\"%s\" can't be a name: up to %d letters, digits, \".\", \"_\" and \"-\", the first a letter or digit",
				    optarg, NAME_MAX_LEN);
			return EXIT_USAGE;
		}
		snprintf(serve->name, sizeof(serve->name), "%s", optarg);
		return -1;
	case OPT_SIZE:
		if (zcmu_parse_size(optarg, &serve->store_options.size) ||
		    !serve->store_options.size) {
			usage_error("serve", "\"%s\" is no size; 512M or 10G are", optarg);
			return EXIT_USAGE;
		}
		return -1;
	case OPT_THREADS:
		if (!parse_number(optarg, 1, 256, &serve->options.threads)) {
			usage_error("serve", "--threads is 1..256, not \"%s\"", optarg);
			return EXIT_USAGE;
		}
		return -1;
	case OPT_TIME_OUT:
		if (!parse_number(optarg, 0, MAX_TIME_OUT, &serve->time_out)) {
			usage_error("serve", "--time-out is 0..%d seconds, not \"%s\"", MAX_TIME_OUT,
				    optarg);
			return EXIT_USAGE;
		}
		return -1;
	case OPT_READ_ONLY:
		serve->store_options.read_only = true;
		return -1;
	case OPT_FOREGROUND:
		serve->daemon = false;
		return -1;
	case OPT_DAEMON:
		serve->daemon = true;
		return -1;
	case OPT_READY_FD:
		if (!parse_number(optarg, 0, 65535, &fd) || fcntl((int)fd, F_GETFD) < 0) {
			usage_error("serve", "--ready-fd: \"%s\" is no open file descriptor", optarg);
			return EXIT_USAGE;
		}
		serve->ready_fd = (int)fd;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		fprintf(stderr, "zcmu serve --help shows how\n");
		return EXIT_USAGE;
	}
}

static int parse(struct serve *serve, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		status = take_option(serve, option);
		if (status >= 0)
			return status;
	}
	if (argc - optind != 1) {
		usage_error("serve", argc == optind ? "which STORE?" : "only one STORE at a time");
		return EXIT_USAGE;
	}
	serve->spec = argv[optind];
	return -1;
}

/*
 * Making the disk, in steps; each is undone by tear_down()
 */

static int check_name(const struct serve *serve)
{
	struct backstore other;

	if (!backstore_name_is_valid(serve->name)) {
		zcmu_error("%s: \"%s\" can't be the disk's name; give one with --name", serve->spec,
			   serve->name);
		return -EINVAL;
	}
	if (backstore_find(serve->name, &other))
		return 0;
	if (backstore_is_ours(&other) && !backstore_is_served(&other))
		zcmu_error("%s: a disk of that name was left behind by a process that died; \"zcmu stop %s\" cleans it up",
			   serve->name, serve->name);
	else
		zcmu_error("%s: a backstore has that name (%s); choose another with --name",
			   serve->name, other.config[0] ? other.config : "made by somebody else");
	return -EEXIST;
}

static void is_ready(void *argument)
{
	struct serve *serve = argument;
	uint64_t one = 1;

	if (write(serve->served_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void *serve_thread(void *argument)
{
	struct serve *serve = argument;

	serve->serve_error = zcmu_disk_serve(serve->disk, serve->store, &serve->options);
	is_ready(serve);
	return NULL;
}

static void wait_served(const struct serve *serve)
{
	uint64_t count;

	while (read(serve->served_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static int start_serving(struct serve *serve)
{
	int err;

	serve->served_fd = eventfd(0, EFD_CLOEXEC);
	if (serve->served_fd < 0)
		return -errno;
	serve->options.ready = is_ready;
	serve->options.argument = serve;
	err = pthread_create(&serve->thread, NULL, serve_thread, serve);
	if (err) {
		zcmu_error("%s: can't start a thread: %s", serve->name, strerror(err));
		close(serve->served_fd);
		serve->served_fd = -1;
		return -err;
	}
	wait_served(serve);
	return serve->serve_error;
}

/* A spec that means the same from every folder, to be shown. */
static void make_absolute(const char *spec, char *absolute, size_t size)
{
	char path[PATH_MAX];

	if (!strncmp(spec, "file:", 5) && realpath(spec + 5, path))
		snprintf(absolute, size, "file:%s", path);
	else
		snprintf(absolute, size, "%s", spec);
}

static int set_up(struct serve *serve)
{
	char spec[PATH_MAX + 8];
	int err;

	err = module_prepare();
	if (err)
		return err;
	if (!serve->name[0])
		make_name(serve);
	err = check_name(serve);
	if (!err)
		err = runfile_create(serve->name, &serve->runfile);
	if (!err)
		err = control_open(serve->name, &serve->control);
	if (!err)
		err = zcmu_store_open(serve->spec, &serve->store_options, &serve->store);
	if (err)
		return err;
	make_absolute(serve->spec, spec, sizeof(spec));
	backstore_serial(serve->name, spec, serve->serial, sizeof(serve->serial));
	serve->options.serial = serve->serial;
	err = backstore_create(serve->name, serve->store, spec, serve->serial, serve->time_out,
			       &serve->backstore);
	if (err) {
		serve->backstore.name[0] = '\0';
		return err;
	}
	err = zcmu_disk_open(serve->name, &serve->disk);
	if (!err)
		err = start_serving(serve);
	if (!err)
		err = loopback_attach(&serve->backstore, &serve->loopback);
	if (err)
		serve->loopback.wwn[0] = '\0';
	return err;
}

/* What the disk has done, in one line that a script can read as well. */
static void say_farewell(const struct serve *serve)
{
	struct zcmu_statistics s;

	zcmu_disk_statistics(serve->disk, &s);
	if (!serve->daemon)
		fprintf(stderr, "zcmu: %s: %" PRIu64 " commands, %" PRIu64 " errors; payload: %" PRIu64
			" bytes in place, %" PRIu64 " bytes copied by the kernel\n",
			serve->name, s.commands, s.errors, s.bytes_in_place, s.bytes_copied);
}

/* Undo what was made, in reverse. The detach waits until the disk's commands are done. */
static int tear_down(struct serve *serve)
{
	int err = 0;

	/* What zcmu attach has made of it goes with the disk, while it is still served. */
	if (serve->backstore.name[0])
		err = iscsi_detach(&serve->backstore, NULL);
	if (serve->loopback.wwn[0]) {
		if (loopback_detach(&serve->loopback))
			err = -EBUSY;
		say_farewell(serve);
	}
	if (serve->served_fd >= 0) {
		zcmu_disk_stop(serve->disk);
		pthread_join(serve->thread, NULL);
		close(serve->served_fd);
	}
	zcmu_disk_close(serve->disk);
	if (serve->backstore.name[0] && backstore_remove(&serve->backstore))
		err = -EBUSY;
	zcmu_store_close(serve->store);
	control_close(&serve->control);
	if (serve->runfile.fd >= 0)
		runfile_remove(&serve->runfile);
	return err;
}

/*
 * The daemon: the parent waits for what the child has to say
 */

/* What somebody has asked for is told him alone. */
static void to_stderr(int level, const char *message)
{
	(void)level;
	if (!control_takes(message))
		fprintf(stderr, "zcmu: %s\n", message);
}

static void to_syslog(int level, const char *message)
{
	if (!control_takes(message))
		syslog(level, "%s", message);
}

/* In the child: nobody listens to stdin, stdout and stderr from here on. */
static void let_go_of_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	openlog("zcmu", LOG_PID, LOG_DAEMON);
	zcmu_set_log(to_syslog);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

/*
 * Fork. In the parent, return the exit status once the child is ready or dead; its
 * messages have gone to our stderr directly. In the child, return -1.
 */
static int become_daemon(int *report_fd)
{
	int fds[2], status;
	char ready;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
		zcmu_error("can't make a process for the background: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (pid) {
		close(fds[1]);
		if (read(fds[0], &ready, 1) == 1)
			return EXIT_OK;
		/* It has ended, and has said why. */
		return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
		       WEXITSTATUS(status) : EXIT_FAILED;
	}
	close(fds[0]);
	setsid();
	*report_fd = fds[1];
	return -1;
}

/*
 * Running
 */

static void announce(const struct serve *serve, int report_fd)
{
	char line[64], size[32];
	int n;

	printf("%s\n", serve->loopback.device);
	fflush(stdout);
	if (!serve->daemon)
		fprintf(stderr, "zcmu: %s: %s, %s, is %s; stop it with ^C or \"zcmu stop %s\"\n",
			serve->name, serve->spec,
			format_size(serve->store->size, size, sizeof(size)),
			serve->loopback.device, serve->name);
	if (serve->ready_fd >= 0) {
		n = snprintf(line, sizeof(line), "%s\n", serve->loopback.device);
		if (write(serve->ready_fd, line, (size_t)n) != n)
			zcmu_warning("nobody reads the --ready-fd");
		close(serve->ready_fd);
	}
	if (report_fd >= 0) {
		let_go_of_terminal();
		if (write(report_fd, "r", 1) != 1)
			zcmu_warning("nobody waits for the daemon");
		close(report_fd);
	}
}

static int carry_out(char **words, size_t count, void *argument)
{
	struct serve *serve = argument;

	if (count && !strcmp(words[0], "resize"))
		return resize_serve(serve->disk, serve->store, &serve->backstore,
				    serve->loopback.device, words, count);
	zcmu_error("%s: its process, of zcmu %s, does not know the request \"%s\"", serve->name,
		   zcmu_version(), count ? words[0] : "");
	return -EOPNOTSUPP;
}

/* Until a signal, or until serving has ended by itself; requests are carried out. */
static int wait_for_end(struct serve *serve, int signal_fd)
{
	struct pollfd fds[3] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = serve->served_fd, .events = POLLIN },
		{ .fd = serve->control.fd, .events = POLLIN },
	};

	do {
		if (fds[2].revents)
			control_handle(&serve->control, carry_out, serve);
		while (poll(fds, 3, -1) < 0 && errno == EINTR)
			;
	} while (!fds[0].revents && !fds[1].revents);
	if (fds[1].revents) {
		zcmu_error("%s: serving has ended: %s", serve->name, strerror(-serve->serve_error));
		return -EIO;
	}
	if (loopback_is_in_use(&serve->loopback))
		zcmu_warning("%s: %s is still in use; it goes all the same", serve->name,
			     serve->loopback.device);
	return 0;
}

/* What ends a disk arrives at a descriptor, in every thread's place. */
static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* The terminal was closed. */
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int serve_main(int argc, char **argv)
{
	struct serve serve = {
		.time_out = DEFAULT_TIME_OUT,
		.ready_fd = -1,
		.runfile.fd = -1,
		.control.fd = -1,
		.served_fd = -1,
	};
	int status, signal_fd, err, report_fd = -1;

	status = parse(&serve, argc, argv);
	if (status >= 0)
		return status;
	if (serve.daemon) {
		status = become_daemon(&report_fd);
		if (status >= 0)
			return status;
	}
	zcmu_set_log(to_stderr);
	signal_fd = block_signals();
	err = signal_fd < 0 ? -errno : set_up(&serve);
	if (!err) {
		announce(&serve, report_fd);
		err = wait_for_end(&serve, signal_fd);
	}
	if (tear_down(&serve))
		err = -EBUSY;
	return err ? EXIT_FAILED : EXIT_OK;
}
