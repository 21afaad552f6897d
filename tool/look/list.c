// SPDX-License-Identifier: MIT
/* zcmu list: every backstore of type "user", made by anybody. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "backstore.h"
#include "exports.h"
#include "format.h"
#include "json.h"
#include "option.h"
#include "runfile.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"

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
	struct json_object *object = json_members();
	const char *device = exports_device(&row->exports);

	json_add(object, "name", json_text(row->backstore->name));
	json_add(object, "state", json_text(row->state));
	json_add(object, "device", device ? json_text(device) : NULL);
	json_add(object, "size", json_uint64(row->backstore->size));
	json_add(object, "config", json_text(row->backstore->config));
	json_add(object, "zcmu", json_boolean(backstore_is_ours(row->backstore)));
	json_add(object, "pid", row->pid ? json_int64(row->pid) : NULL);
	json_add(object, "uio", row->backstore->uio < 0 ? NULL : json_int64(row->backstore->uio));
	json_add(object, "exports", exports_to_json(&row->exports));
	return object;
}

static int longer(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

/* The end of a text, such as a path, tells more than its beginning. */
static void print_cut(const char *text, int width)
{
	int len = (int)strlen(text);

	if (len <= width)
		printf("%s", text);
	else
		printf("...%s", text + len - (width - 3));
}

/* Widths of columns. The other columns have a fixed width. */
struct columns {
	int name, device, config;
	int terminal;			/* 0: it is no terminal, and nothing is cut */
};

#define STATES_WIDTH	11
#define SIZES_WIDTH	10
#define LEAST_CONFIG	16		/* the least that is still useful */

/*
 * @device has a column of its own. If nothing is cut, exports are in one column, else a line each.
 */
static void print_exports(const struct exports *exports, const char *device,
			  const struct columns *columns)
{
	const char *front = "  ";
	bool any = false;
	char text[512];
	size_t i;

	for (i = 0; i < exports->count; i++) {
		if (exports->entries[i].device == device)
			continue;
		export_text(&exports->entries[i], text, sizeof(text));
		if (columns->terminal) {
			printf("\n  ");
			print_cut(text, columns->terminal - 2);
		} else {
			printf("%s%s", front, text);
		}
		front = ", ";
		any = true;
	}
	if (!any && !columns->terminal)
		printf("  -");
}

static void print_row(const struct row *row, const struct columns *columns)
{
	const char *name = row->backstore->name, *device = exports_device(&row->exports);
	const char *config = row->backstore->config[0] ? row->backstore->config : "-";
	char size[32];

	/* Other commands need this text, so it has a line of its own and isn't cut. */
	if ((int)strlen(name) > columns->name) {
		print_cut(name, columns->terminal);
		puts("");
		name = "";
	}
	printf("%-*s  %-*s  %-*s  %*s  ", columns->name, name, STATES_WIDTH, row->state,
	       columns->device, device ? device : "-", SIZES_WIDTH,
	       format_size(row->backstore->size, size, sizeof(size)));
	if (columns->terminal)
		print_cut(config, columns->config);
	else
		printf("%-*s", columns->config, config);
	print_exports(&row->exports, device, columns);
	puts("");
}

static int at_most(int width, int limit)
{
	return width < limit ? width : limit;
}

static int at_least(int limit, int width)
{
	return width > limit ? width : limit;
}

/*
 * Each column is as wide as its longest text. A line isn't longer than the terminal: exports are on
 * lines of their own then, and the beginning of a too long configuration is cut.
 */
static void print_table(const struct row *rows, size_t count)
{
	struct columns columns = { 4, 6, 6, (int)format_columns(STDOUT_FILENO) };
	const char *disk;
	size_t i;
	int room;

	for (i = 0; i < count; i++) {
		disk = exports_device(&rows[i].exports);
		columns.name = longer(columns.name, rows[i].backstore->name);
		columns.device = longer(columns.device, disk ? disk : "-");
		columns.config = longer(columns.config, rows[i].backstore->config);
	}
	if (columns.terminal) {
		room = columns.terminal - columns.device - STATES_WIDTH - SIZES_WIDTH - 4 * 2;
		columns.name = at_most(columns.name, at_least(4, room - LEAST_CONFIG));
		room -= columns.name;
		columns.config = at_most(columns.config, at_least(LEAST_CONFIG, room));
	}
	printf("%-*s  %-*s  %-*s  %*s  %-*s%s%s\n", columns.name, "NAME", STATES_WIDTH, "STATE",
	       columns.device, "DEVICE", SIZES_WIDTH, "SIZE",
	       columns.terminal ? 0 : columns.config, "CONFIG", columns.terminal ? "" : "  ",
	       columns.terminal ? "" : "EXPORTS");
	for (i = 0; i < count; i++)
		print_row(&rows[i], &columns);
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
		zcmu_error("there is not enough memory to list the disks");
		free(backstores);
		return EXIT_FAILED;
	}
	for (i = 0; i < count && !err; i++)
		err = look(&backstores[i], &rows[i]);
	if (!err && json) {
		object = json_document();
		array = json_list();
		for (i = 0; i < count; i++)
			json_append(array, to_json(&rows[i]));
		json_add(object, "disks", array);
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
