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

/*
 * All but @device, which has a column of its own: @front goes before the first. Return: are
 * there any?
 */
static bool print_exports(const struct exports *exports, const char *device, const char *front,
			  const char *separator)
{
	char text[512];
	bool any = false;
	size_t i;

	for (i = 0; i < exports->count; i++) {
		if (exports->entries[i].device == device)
			continue;
		printf("%s%s", front, export_text(&exports->entries[i], text, sizeof(text)));
		front = separator;
		any = true;
	}
	return any;
}

static int longer(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

/* The end of a text tells more: of a path, say. */
static void print_cut(const char *text, int width)
{
	int len = (int)strlen(text);

	if (len <= width)
		printf("%-*s", width, text);
	else
		printf("...%s", text + len - (width - 3));
}

/*
 * As wide as the longest of each column. On a terminal a line ends with it: where exports lie is
 * on lines of their own then, and the beginning of a configuration that is too long is left out.
 */
static void print_table(const struct row *rows, size_t count)
{
	int name = 4, device = 6, config = 6, terminal = (int)format_columns(STDOUT_FILENO), room;
	const char *disk;
	char size[32];
	size_t i;

	for (i = 0; i < count; i++) {
		disk = exports_device(&rows[i].exports);
		name = longer(name, rows[i].backstore->name);
		device = longer(device, disk ? disk : "-");
		config = longer(config, rows[i].backstore->config);
	}
	room = terminal - name - device - 11 - 10 - 8;
	if (terminal && config > room)
		config = room < 10 ? 10 : room;
	printf("%-*s  %-11s  %-*s  %10s  %-*s%s%s\n", name, "NAME", "STATE", device, "DEVICE", "SIZE",
	       terminal ? 0 : config, "CONFIG", terminal ? "" : "  ", terminal ? "" : "EXPORTS");
	for (i = 0; i < count; i++) {
		disk = exports_device(&rows[i].exports);
		printf("%-*s  %-11s  %-*s  %10s  ", name, rows[i].backstore->name, rows[i].state,
		       device, disk ? disk : "-",
		       format_size(rows[i].backstore->size, size, sizeof(size)));
		print_cut(rows[i].backstore->config[0] ? rows[i].backstore->config : "-", config);
		if (terminal)
			print_exports(&rows[i].exports, disk, "\n  ", "\n  ");
		else if (!print_exports(&rows[i].exports, disk, "  ", ", "))
			printf("  -");
		puts("");
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

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
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
			option_wrong("list", option);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		usage_error("list", "\"%s\" is not wanted here", argv[optind]);
		return EXIT_USAGE;
	}
	return list(json);
}
