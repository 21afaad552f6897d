// SPDX-License-Identifier: MIT
/* zcmu list: every backstore of type "user", whoever made it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct row {
	const struct backstore *backstore;
	const char *state;
	pid_t pid;
	char device[32];
};

static void look(const struct backstore *backstore, struct row *row)
{
	struct loopback loopback;

	row->backstore = backstore;
	row->pid = backstore_is_ours(backstore) ? runfile_pid(backstore->name) : 0;
	if (row->pid || backstore_is_served(backstore))
		row->state = "served";
	else if (backstore->uio < 0)
		row->state = "disabled";
	else
		row->state = backstore_is_ours(backstore) || !geteuid() ? "not served" : "unknown";
	row->device[0] = '\0';
	if (!loopback_find(backstore, &loopback))
		memcpy(row->device, loopback.device, sizeof(row->device));
}

static struct json_object *to_json(const struct row *row)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(row->backstore->name));
	json_object_object_add(object, "state", json_object_new_string(row->state));
	json_object_object_add(object, "device", row->device[0] ?
			       json_object_new_string(row->device) : NULL);
	json_object_object_add(object, "size",
			       json_object_new_uint64(row->backstore->size));
	json_object_object_add(object, "config",
			       json_object_new_string(row->backstore->config));
	json_object_object_add(object, "zcmu",
			       json_object_new_boolean(backstore_is_ours(row->backstore)));
	json_object_object_add(object, "pid", row->pid ? json_object_new_int(row->pid) : NULL);
	json_object_object_add(object, "uio", row->backstore->uio < 0 ? NULL :
			       json_object_new_int(row->backstore->uio));
	return object;
}

static void print_table(const struct row *rows, size_t count)
{
	char size[32];
	size_t i;

	printf("%-20s %-11s %-12s %10s  %s\n", "NAME", "STATE", "DEVICE", "SIZE", "CONFIG");
	for (i = 0; i < count; i++)
		printf("%-20s %-11s %-12s %10s  %s\n", rows[i].backstore->name, rows[i].state,
		       rows[i].device[0] ? rows[i].device : "-",
		       format_size(rows[i].backstore->size, size, sizeof(size)),
		       rows[i].backstore->config);
}

static int list(bool json)
{
	struct json_object *array;
	struct backstore *backstores;
	struct row *rows;
	size_t count, i;

	if (backstore_list(&backstores, &count))
		return EXIT_FAILED;
	rows = calloc(count + 1, sizeof(*rows));
	if (!rows) {
		free(backstores);
		return EXIT_FAILED;
	}
	for (i = 0; i < count; i++)
		look(&backstores[i], &rows[i]);
	if (json) {
		array = json_object_new_array();
		for (i = 0; i < count; i++)
			json_object_array_add(array, to_json(&rows[i]));
		print_json(array);
	} else {
		print_table(rows, count);
	}
	free(rows);
	free(backstores);
	return EXIT_OK;
}

int list_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			printf("usage: zcmu list [--json]\n\n"
			       "Lists the backstores of type \"user\", with who made and who serves them.\n\n"
			       "  --json   for a program\n"
			       "  --help   this text\n");
			return EXIT_OK;
		default:
			fprintf(stderr, "zcmu list --help shows how\n");
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		usage_error("list", "\"%s\" is not wanted here", argv[optind]);
		return EXIT_USAGE;
	}
	return list(json);
}
