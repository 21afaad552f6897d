// SPDX-License-Identifier: MIT
/* zcmu list: every backstore of type "user", whoever made it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct row {
	const struct backstore *backstore;
	const char *state;
	pid_t pid;
	struct exports exports;
};

static int look(const struct backstore *backstore, struct row *row)
{
	row->backstore = backstore;
	row->pid = backstore_is_ours(backstore) ? runfile_pid(backstore->name) : 0;
	row->state = backstore_state(backstore);
	return exports_find(backstore, &row->exports);
}

static struct json_object *to_json(const struct row *row)
{
	struct json_object *object = json_object_new_object();
	const char *device = exports_device(&row->exports);

	json_object_object_add(object, "name", json_text(row->backstore->name));
	json_object_object_add(object, "state", json_text(row->state));
	json_object_object_add(object, "device", device ? json_text(device) : NULL);
	json_object_object_add(object, "size",
			       json_object_new_uint64(row->backstore->size));
	json_object_object_add(object, "config",
			       json_text(row->backstore->config));
	json_object_object_add(object, "zcmu",
			       json_object_new_boolean(backstore_is_ours(row->backstore)));
	json_object_object_add(object, "pid", row->pid ? json_object_new_int(row->pid) : NULL);
	json_object_object_add(object, "uio", row->backstore->uio < 0 ? NULL :
			       json_object_new_int(row->backstore->uio));
	json_object_object_add(object, "exports", exports_to_json(&row->exports));
	return object;
}

/* All but @device, which has a column of its own */
static void print_exports(const struct exports *exports, const char *device)
{
	const char *separator = "";
	char text[512];
	size_t i;

	for (i = 0; i < exports->count; i++) {
		if (exports->entries[i].device == device)
			continue;
		printf("%s%s", separator, export_text(&exports->entries[i], text, sizeof(text)));
		separator = ", ";
	}
	puts(*separator ? "" : "-");
}

static void print_table(const struct row *rows, size_t count)
{
	int width = (int)strlen("CONFIG");
	char size[32];
	size_t i;

	for (i = 0; i < count; i++) {
		if ((int)strlen(rows[i].backstore->config) > width)
			width = (int)strlen(rows[i].backstore->config);
	}
	printf("%-20s %-11s %-12s %10s  %-*s  %s\n", "NAME", "STATE", "DEVICE", "SIZE", width,
	       "CONFIG", "EXPORTS");
	for (i = 0; i < count; i++) {
		const char *device = exports_device(&rows[i].exports);

		printf("%-20s %-11s %-12s %10s  %-*s  ", rows[i].backstore->name, rows[i].state,
		       device ? device : "-",
		       format_size(rows[i].backstore->size, size, sizeof(size)), width,
		       rows[i].backstore->config[0] ? rows[i].backstore->config : "-");
		print_exports(&rows[i].exports, device);
	}
}

static int list(bool json)
{
	struct json_object *object, *array;
	struct backstore *backstores;
	struct row *rows;
	size_t count, i;
	int err = 0;

	if (backstore_list(&backstores, &count))
		return EXIT_FAILED;
	rows = calloc(count + 1, sizeof(*rows));
	if (!rows) {
		free(backstores);
		return EXIT_FAILED;
	}
	for (i = 0; i < count && !err; i++)
		err = look(&backstores[i], &rows[i]);
	if (!err && json) {
		object = json_document();
		array = json_object_new_array();
		for (i = 0; i < count; i++)
			json_object_array_add(array, to_json(&rows[i]));
		json_object_object_add(object, "disks", array);
		print_json(object);
	} else if (!err) {
		print_table(rows, count);
	}
	for (i = 0; i < count; i++)
		exports_free(&rows[i].exports);
	free(rows);
	free(backstores);
	return err ? EXIT_FAILED : EXIT_OK;
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
			       "Lists the backstores of type \"user\", whoever made them: with who serves them, and\n"
			       "where they are exported.\n\n"
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
