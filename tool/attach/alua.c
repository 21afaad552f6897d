// SPDX-License-Identifier: MIT
/* zcmu alua: shows the port groups of a disk, and gives one of them another state. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "attach/group.h"
#include "backstore.h"
#include "exports.h"
#include "json.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

static void print_table(const struct exports *exports)
{
	char text[512];
	size_t i;

	printf("%5s  %-13s  %s\n", "GROUP", "STATE", "EXPORT");
	for (i = 0; i < exports->count; i++) {
		struct export export = exports->entries[i];
		const char *state = export.state ? export.state : "-";
		int group = export.group;

		export.group = 0;	/* has a column of its own */
		export_text(&export, text, sizeof(text));
		if (group < 0)
			printf("%5s  %-13s  %s\n", "-", state, text);
		else
			printf("%5d  %-13s  %s\n", group, state, text);
	}
}

static int show(const struct backstore *backstore, bool json)
{
	struct json_object *object;
	struct exports exports;

	if (exports_find(backstore, &exports))
		return EXIT_FAILED;
	if (json) {
		object = json_document();
		json_add(object, "name", json_text(backstore->name));
		json_add(object, "exports", exports_to_json(&exports));
		print_json(object);
	} else {
		print_table(&exports);
	}
	exports_free(&exports);
	return EXIT_OK;
}

static int set(const struct backstore *backstore, const char *group, const char *state)
{
	unsigned int id;

	if (!option_parse(group, 0, GROUP_MAX, &id)) {
		usage_error("alua", "\"%s\" is no port group: 1 to %d are", group, GROUP_MAX);
		return EXIT_USAGE;
	}
	if (!id) {
		usage_error("alua", "every port is in group 0 that isn't put elsewhere, this machine's own disk, too: its state stays; zcmu attach --port-group makes others");
		return EXIT_USAGE;
	}
	if (!group_state_is_valid(state)) {
		usage_error("alua", "\"%s\" is no state; optimized, non-optimized, standby, unavailable and transitioning are",
			    state);
		return EXIT_USAGE;
	}
	if (geteuid()) {
		zcmu_error("setting a state takes root");
		return EXIT_FAILED;
	}
	return group_set_state(backstore, id, state) ? EXIT_FAILED : EXIT_OK;
}

int alua_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct backstore backstore;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			printf("usage: zcmu alua [--json] NAME [GROUP STATE]\n\n"
			       "Shows in which group of ports each export of the disk NAME is, and the state of\n"
			       "that group (ALUA); or gives a group that zcmu attach has made another state.\n"
			       "Initiators are told. States are optimized, non-optimized, standby, unavailable and\n"
			       "transitioning.\n\n"
			       "  --json   for a program\n"
			       "  --help   this text\n");
			return EXIT_OK;
		default:
			option_wrong("alua", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1 && argc - optind != 3) {
		usage_error("alua", argc == optind ? "which disk?" : argc - optind == 2 ?
			    "which state is the group to have?" : "only one disk and one group at a time");
		return EXIT_USAGE;
	}
	if (backstore_find_wanted(argv[optind], &backstore))
		return EXIT_FAILED;
	return argc - optind == 1 ? show(&backstore, json) :
	       set(&backstore, argv[optind + 1], argv[optind + 2]);
}
