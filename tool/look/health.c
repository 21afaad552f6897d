// SPDX-License-Identifier: MIT
/*
 * zcmu health: for monitoring, which wants an exit status and a line: is a disk served, degraded,
 * or dead? judge.c decides.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "look/judge.h"
#include "look/sample.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

#define MOST_SECONDS	(24u * 60 * 60 * 365)
#define WHY		512

static void print_help(void)
{
	printf("usage: zcmu health [OPTION]... [NAME]\n\n"
	       "Tells whether the disk, or each disk, is served (exit status 0), degraded (1) or dead\n"
	       "(2), in a line each, and why. 3: that can't be found out. The worst disk decides.\n\n"
	       "  --slow SECONDS     degraded: a command is under way for longer (default %u)\n"
	       "  --lately SECONDS   degraded: a command failed since then (default %u)\n"
	       "  --json             for a program\n"
	       "  --help             this text\n", JUDGE_SLOW, JUDGE_LATELY);
}

static struct json_object *to_json(const struct sample *sample, enum verdict verdict,
				   const char *why)
{
	struct json_object *object = json_members();

	json_add(object, "name", json_text(sample->backstore.name));
	json_add(object, "health", json_text(verdict_name(verdict)));
	json_add(object, "reason", why[0] ? json_text(why) : NULL);
	return object;
}

static int tell(const struct sample *samples, size_t count, const struct limits *limits,
		bool json)
{
	struct json_object *document = json ? json_document() : NULL;
	struct json_object *list = json ? json_list() : NULL;
	enum verdict verdict, worst = VERDICT_SERVED;
	char why[WHY];
	size_t i;

	for (i = 0; i < count; i++) {
		verdict = judge(&samples[i], limits, why, sizeof(why));
		/* What is unknown may be dead, and isn't known to be. */
		if (worst != VERDICT_DEAD && verdict > worst)
			worst = verdict;
		if (verdict == VERDICT_DEAD)
			worst = verdict;
		if (json)
			json_append(list, to_json(&samples[i], verdict, why));
		else
			printf("%s: %s%s%s\n", samples[i].backstore.name, verdict_name(verdict),
			       why[0] ? ": " : "", why);
	}
	if (json) {
		json_add(document, "disks", list);
		print_json(document);
	}
	return (int)worst;
}

/* A disk that is watched and isn't there is dead; whoever can't look at it doesn't know. */
static int look(const char *name, const struct limits *limits, bool json)
{
	struct sample *samples;
	size_t count;
	int status, err = sample_take_wanted(name, &samples, &count);

	if (err)
		return err == -ENOENT ? VERDICT_DEAD : VERDICT_UNKNOWN;
	status = tell(samples, count, limits, json);
	free(samples);
	return status;
}

int health_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "slow", required_argument, NULL, 's' },
		{ "lately", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct limits limits = { JUDGE_SLOW, JUDGE_LATELY };
	int option, status = -1;
	bool json = false;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1 && status < 0) {
		switch (option) {
		case 's':
			status = option_number("health", "--slow", optarg, 1, MOST_SECONDS,
					       &limits.slow);
			break;
		case 'l':
			status = option_number("health", "--lately", optarg, 0, MOST_SECONDS,
					       &limits.lately);
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("health", option);
			status = VERDICT_UNKNOWN;
		}
	}
	/* EXIT_USAGE would be taken for a dead disk. */
	if (status >= 0)
		return VERDICT_UNKNOWN;
	if (argc - optind > 1) {
		usage_error("health", "one disk, or all");
		return VERDICT_UNKNOWN;
	}
	return look(argv[optind], &limits, json);
}
