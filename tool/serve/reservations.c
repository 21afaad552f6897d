// SPDX-License-Identifier: MIT
/*
 * Persistent reservations that shall outlive the target (APTPL). The target core writes them to a
 * file for each serial, and never reads that. It takes reservations from the process that makes the
 * backstore, before the backstore is exported, and gives them to initiators when they come, through
 * any fabric. The content of the reservations isn't examined here.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "backstore.h"
#include "serve/reservations.h"
#include "zcmu.h"

#define MAX_METADATA	4000	/* bytes that configfs takes at once, less a few */

struct reservations {
	const struct backstore *backstore;
	char file[PATH_MAX];
	unsigned int line;
	bool is_open;			/* after a PR_REG_START */
	char metadata[MAX_METADATA];	/* of the registration so far: "a=b,c=d" */
};

static int say_wrong(const struct reservations *r, const char *what)
{
	zcmu_error("%s: %s:%u: %s, so nobody knows who may write to the disk: remove the file, and let its initiators register anew",
		   r->backstore->name, r->file, r->line, what);
	return -EPROTO;
}

static int give_back(const struct reservations *r)
{
	char path[PATH_MAX];

	backstore_path(r->backstore, path, sizeof(path));
	return attribute_write(r->metadata, "%s/pr/res_aptpl_metadata", path);
}

static int take_line(struct reservations *r, char *line)
{
	size_t len = strlen(r->metadata);

	line[strcspn(line, "\n")] = '\0';
	r->line++;
	if (!strncmp(line, "PR_REG_START:", 13)) {
		if (r->is_open)
			return say_wrong(r, "a registration begins within another");
		r->is_open = true;
		r->metadata[0] = '\0';
		return 0;
	}
	if (!strncmp(line, "PR_REG_END:", 11)) {
		if (!r->is_open)
			return say_wrong(r, "a registration ends that hasn't begun");
		r->is_open = false;
		return give_back(r);
	}
	/* The file says in words that there are none. */
	if (!r->is_open)
		return *line && strncmp(line, "No Registrations", 16) ?
		       say_wrong(r, "it isn't the target core's") : 0;
	if (!strchr(line, '=') || strchr(line, ','))
		return say_wrong(r, "it isn't the target core's");
	if ((size_t)snprintf(r->metadata + len, sizeof(r->metadata) - len, "%s%s", len ? "," : "",
			     line) >= sizeof(r->metadata) - len)
		return say_wrong(r, "a registration is too long");
	return 0;
}

static int read_file(struct reservations *r, FILE *file)
{
	bool is_whole = false;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int err = 0;

	while (!err && (n = getline(&line, &size, file)) > 0) {
		/* The core ends the file with a NUL, and there is no other. */
		is_whole = !line[n - 1];
		if (memchr(line, '\0', (size_t)n - 1))
			err = say_wrong(r, "it isn't the target core's");
		else
			err = take_line(r, line);
	}
	free(line);
	if (!err && ferror(file))
		err = say_wrong(r, "it can't be read");
	/* The kernel writes it anew each time, and may have been interrupted. */
	if (!err && (r->is_open || !is_whole))
		err = say_wrong(r, "it is cut short");
	return err;
}

/* The target core's file for them, if there is any. */
static int find_file(struct reservations *r)
{
	static const char serial_is[] = "T10 VPD Unit Serial Number: ";
	char root[PATH_MAX / 2], serial[256], path[PATH_MAX];

	backstore_path(r->backstore, path, sizeof(path));
	if (attribute_read(root, sizeof(root), TARGET "/dbroot") ||
	    attribute_read(serial, sizeof(serial), "%s/wwn/vpd_unit_serial", path) ||
	    strncmp(serial, serial_is, sizeof(serial_is) - 1))
		return -ENOENT;
	snprintf(r->file, sizeof(r->file), "%s/pr/aptpl_%s", root, serial + sizeof(serial_is) - 1);
	return 0;
}

/* The backstore is not exported yet: after that the target core takes no more. */
int reservations_restore(const struct backstore *backstore)
{
	struct reservations *r = calloc(1, sizeof(*r));
	FILE *file;
	int err;

	if (!r) {
		zcmu_error("%s: there is not enough memory to restore its reservations", backstore->name);
		return -ENOMEM;
	}
	r->backstore = backstore;
	err = find_file(r);
	file = err ? NULL : fopen(r->file, "re");
	if (file) {
		err = read_file(r, file);
		fclose(file);
	} else if (!err && errno != ENOENT && errno != ENOTDIR) {
		err = -errno;
		zcmu_error("%s: can't read its persistent reservations from %s: %s", backstore->name,
			   r->file, strerror(-err));
	} else {
		err = 0;
	}
	free(r);
	return err;
}
