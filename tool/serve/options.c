// SPDX-License-Identifier: MIT
/* The command line of zcmu serve: its options, and --help. Nothing is made here. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "backstore.h"
#include "confine/privileges.h"
#include "option.h"
#include "serve/handover.h"
#include "serve/serial.h"
#include "serve/serve.h"
#include "serve/takeover.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

#define MAX_TIME_OUT		(24 * 60 * 60)

/* A store or layer, and the syntax of what follows its name. */
static void print_store(const struct zcmu_store_ops *ops)
{
	const struct zcmu_option *option;
	char text[128];

	printf("  %-20s %s\n", ops->usage, ops->summary);
	for (option = ops->options; option && option->name; option++) {
		snprintf(text, sizeof(text), "%s%s%s", option->name, option->value ? "=" : "",
			 option->value ? option->value : "");
		/* A list of words may be long. Then their description has a line of its own. */
		printf("    ,%-17s %s%s\n", text, strlen(text) > 17 ? "\n                       " : "",
		       option->summary);
	}
}

static void print_help(void)
{
	const struct zcmu_store_ops *const *ops;

	printf("usage: zcmu serve [OPTION]... STORE\n\n"
	       "Makes STORE a SCSI disk of this machine, prints its /dev/sdX, and serves it until\n"
	       "SIGTERM, SIGINT (^C) or \"zcmu stop NAME\", or until its terminal is closed.\n\n"
	       "  --name NAME      name of the disk; default: made from STORE\n"
	       "  --size SIZE      create the store with that size (K, M, G, T, P); one that is there\n"
	       "                   must have it already\n"
	       "  --threads N      threads that run the store; default 1, or 4 if its requests may block\n"
	       "  --time-out SEC   fail commands that the store takes longer for; 0: never; default 30\n"
	       "  --read-only      the disk can't be written to\n"
	       "  --no-local       make no /dev/sdX of it, but only what zcmu attach exports; print its name\n"
	       "  --recover MODE   what becomes of commands under way if this process dies: reissue\n"
	       "                   (the default: the next process carries them out), retry (the\n"
	       "                   initiator sends them again), fail, or off\n"
	       "  --serial SERIAL  the disk's serial number; default: a random one, which is kept\n"
	       "  --user USER      open and run the store as this user, without privileges\n"
	       "  --foreground     stay in the foreground (the default)\n"
	       "  --daemon         return when the disk is there, serve in the background\n"
	       "  --ready-fd FD    write the disk's /dev/sdX and a newline to FD when it is there\n"
	       "  --save           have zcmu restore make the disk again, after a boot for example\n"
	       "  --hand-over FDS  used by zcmu upgrade\n"
	       "  --help           this text\n\n"
	       "If a process of zcmu serve has died, the same command line takes its disk over.\n\n"
	       "STORE may be LAYER:STORE, with the layers\n");
	for (ops = zcmu_layer_list(); *ops; ops++)
		print_store(*ops);
	printf("\nSTORE is one of\n");
	for (ops = zcmu_store_list(); *ops; ops++)
		print_store(*ops);
}

enum { OPT_NAME = 1, OPT_SIZE, OPT_THREADS, OPT_TIME_OUT, OPT_READ_ONLY, OPT_FOREGROUND, OPT_DAEMON,
       OPT_READY_FD, OPT_RECOVER, OPT_SERIAL, OPT_USER, OPT_SAVE,
       OPT_NO_LOCAL, OPT_HAND_OVER, OPT_HELP };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "time-out", required_argument, NULL, OPT_TIME_OUT },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "no-local", no_argument, NULL, OPT_NO_LOCAL },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "daemon", no_argument, NULL, OPT_DAEMON },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "recover", required_argument, NULL, OPT_RECOVER },
	{ "hand-over", required_argument, NULL, OPT_HAND_OVER },
	{ "serial", required_argument, NULL, OPT_SERIAL },
	{ "user", required_argument, NULL, OPT_USER },
	{ "save", no_argument, NULL, OPT_SAVE },
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
		return option_number("serve", "--threads", optarg, 1, 256, &serve->options.threads);
	case OPT_TIME_OUT:
		if (!option_parse(optarg, 0, MAX_TIME_OUT, &serve->time_out)) {
			usage_error("serve", "--time-out is 0..%d seconds, not \"%s\"", MAX_TIME_OUT,
				    optarg);
			return EXIT_USAGE;
		}
		return -1;
	case OPT_READ_ONLY:
		serve->store_options.read_only = true;
		return -1;
	case OPT_NO_LOCAL:
		serve->no_local = true;
		return -1;
	case OPT_FOREGROUND:
		serve->daemon = false;
		return -1;
	case OPT_DAEMON:
		serve->daemon = true;
		return -1;
	case OPT_READY_FD:
		/* A message was printed already. */
		if (serve_is_successor(serve))
			return -1;
		if (!option_parse(optarg, 0, 65535, &fd) || fcntl((int)fd, F_GETFD) < 0 ||
		    standard_was_closed((int)fd)) {
			usage_error("serve", "--ready-fd: \"%s\" is no open file descriptor", optarg);
			return EXIT_USAGE;
		}
		serve->ready_fd = (int)fd;
		return -1;
	case OPT_RECOVER:
		if (!takeover_is_mode(optarg)) {
			usage_error("serve", "--recover is reissue, retry, fail or off, not \"%s\"", optarg);
			return EXIT_USAGE;
		}
		serve->recover = optarg;
		return -1;
	case OPT_HAND_OVER:
		if (handover_parse(optarg, &serve->handover)) {
			usage_error("serve", "--hand-over is zcmu upgrade's");
			return EXIT_USAGE;
		}
		serve->stands_in = serve->handover.lifeline_fd >= 0;
		return -1;
	case OPT_SERIAL:
		if (!serial_is_valid(optarg)) {
			usage_error("serve", "\"%s\" can't be a serial number: up to %d letters, digits, \".\", \"_\", \":\" and \"-\", the first a letter or digit",
				    optarg, SERIAL_SIZE - 1);
			return EXIT_USAGE;
		}
		serve->asked_serial = optarg;
		return -1;
	case OPT_USER:
		return user_find(optarg, &serve->user) ? EXIT_USAGE : -1;
	case OPT_SAVE:
		/* It was saved when it was made. */
		serve->save = !serve_is_successor(serve);
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		option_wrong("serve", option);
		return EXIT_USAGE;
	}
}

/* Parse the arguments. Return: an exit status, or -1 to go on. */
int serve_parse(struct serve *serve, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
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
