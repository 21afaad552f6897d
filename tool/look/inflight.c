// SPDX-License-Identifier: MIT
/* zcmu inflight: which commands are under way, for how long, and in whose hands. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstore.h"
#include "format.h"
#include "json.h"
#include "look/cdb.h"
#include "look/sample.h"
#include "option.h"
#include "runfile.h"
#include "subcommand.h"
#include "zcmu.h"

/* A line of attrib/inflight */
struct flying {
	char hands[16];
	int64_t age;			/* us; -1: not measured */
	unsigned int id;
	bool is_known;			/* the two below */
	uint64_t bytes;
	uint8_t cdb[16];
	size_t cdb_len;
};

static bool parse(const char *line, struct flying *ret)
{
	char hex[40] = "";
	int n;

	*ret = (struct flying){ .age = -1 };
	n = sscanf(line, "%15s %" SCNd64 " %u %" SCNu64 " %39s", ret->hands, &ret->age, &ret->id,
		   &ret->bytes, hex);
	if (n == 5)
		ret->cdb_len = cdb_parse(hex, ret->cdb, sizeof(ret->cdb));
	ret->is_known = n == 5 && ret->cdb_len;
	return n == 3 || ret->is_known;
}

/* Who is that, on this disk? */
static const char *whose(const struct flying *flying, const struct backstore *backstore, char *text,
			 size_t size)
{
	pid_t pid = backstore_is_ours(backstore) ? runfile_pid(backstore->name) : 0;

	if (strcmp(flying->hands, "handler"))
		snprintf(text, size, "%s", flying->hands);
	else if (pid)
		snprintf(text, size, "process %d", (int)pid);
	else
		snprintf(text, size, "its process");
	return text;
}

static void print_line(const struct flying *flying, const struct backstore *backstore)
{
	char hands[64], age[32] = "-", name[40], bytes[32] = "-", lba[24] = "-";
	uint64_t block;

	if (flying->age >= 0)
		format_duration((uint64_t)flying->age * 1000, age, sizeof(age));
	if (flying->is_known)
		format_size(flying->bytes, bytes, sizeof(bytes));
	if (cdb_lba(flying->cdb, flying->cdb_len, &block))
		snprintf(lba, sizeof(lba), "%" PRIu64, block);
	printf("%-16s %-14s %8s %6u  %-24s %12s %10s\n", backstore->name,
	       whose(flying, backstore, hands, sizeof(hands)), age, flying->id,
	       cdb_name(flying->cdb, flying->cdb_len, name, sizeof(name)), lba, bytes);
}

static struct json_object *to_json(const struct flying *flying, const struct backstore *backstore)
{
	struct json_object *object = json_members();
	uint64_t block;
	char name[40];

	json_add(object, "name", json_text(backstore->name));
	json_add(object, "hands", json_text(flying->hands));
	json_add(object, "age_us", flying->age < 0 ? NULL : json_int64(flying->age));
	json_add(object, "id", json_int64(flying->id));
	json_add(object, "operation",
		 flying->is_known ? json_text(cdb_name(flying->cdb, flying->cdb_len, name,
						       sizeof(name))) : NULL);
	json_add(object, "lba", cdb_lba(flying->cdb, flying->cdb_len, &block) ?
				json_uint64(block) : NULL);
	json_add(object, "bytes", flying->is_known ? json_uint64(flying->bytes) : NULL);
	return object;
}

/* Return: 0, or an error that was reported. @told: how many it has told of */
static int show_disk(const struct backstore *backstore, struct json_object *list, uint64_t *told)
{
	char folder[PATH_MAX], path[PATH_MAX + 32], line[256];
	struct flying flying;
	FILE *file;

	*told = 0;
	backstore_path(backstore, folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/attrib/inflight", folder);
	file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		zcmu_error("%s: the loaded module does not tell what is under way (see zcmu doctor)",
			   backstore->name);
		return -EOPNOTSUPP;
	}
	if (!file) {
		zcmu_error("%s: can't read %s: %s", backstore->name, path, strerror(errno));
		return -EACCES;
	}
	while (fgets(line, sizeof(line), file)) {
		if (!parse(line, &flying))
			continue;
		(*told)++;
		if (list)
			json_append(list, to_json(&flying, backstore));
		else
			print_line(&flying, backstore);
	}
	fclose(file);
	return 0;
}

/* The kernel has a page for the list, and counts them all. */
static void tell_rest(const struct sample *sample, uint64_t told)
{
	uint64_t all = sample_under_way(sample);

	if (all > told)
		printf("%-16s and about %" PRIu64 " more, which the kernel does not list\n",
		       sample->backstore.name, all - told);
}

static int show(const struct sample *samples, size_t count, bool json)
{
	struct json_object *document = json ? json_document() : NULL;
	struct json_object *list = json ? json_list() : NULL;
	int status = EXIT_OK;
	uint64_t told;
	size_t i;

	if (!json)
		printf("%-16s %-14s %8s %6s  %-24s %12s %10s\n", "NAME", "HANDS", "AGE", "ID",
		       "OPERATION", "LBA", "SIZE");
	for (i = 0; i < count; i++) {
		if (show_disk(&samples[i].backstore, list, &told))
			status = EXIT_FAILED;
		else if (!json)
			tell_rest(&samples[i], told);
	}
	if (json) {
		json_add(document, "commands", list);
		print_json(document);
	}
	return status;
}

int inflight_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct sample *samples;
	bool json = false;
	size_t count;
	int option, status;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			printf("usage: zcmu inflight [--json] [NAME]\n\n"
			       "Lists the commands that are under way, of the disk or of all disks: in whose hands\n"
			       "they are, for how long, and what they are.\n\n"
			       "  --json   for a program\n"
			       "  --help   this text\n");
			return EXIT_OK;
		default:
			option_wrong("inflight", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1) {
		usage_error("inflight", "one disk, or all");
		return EXIT_USAGE;
	}
	if (sample_take_wanted(argv[optind], &samples, &count))
		return EXIT_FAILED;
	status = show(samples, count, json);
	free(samples);
	return status;
}
