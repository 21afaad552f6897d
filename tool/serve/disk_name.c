// SPDX-License-Identifier: MIT
/*
 * The name of a disk that is given none: it is made from its store, or is the one that the disk has
 * already. Valid names are in backstore.c, and runfile.c makes sure that nobody else has the name.
 */
#include <ctype.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstore.h"
#include "runfile.h"
#include "serve/disk_name.h"
#include "serve/serial.h"
#include "serve/takeover.h"

#define MAX_KIND_LEN	16

/* The part in front of the number; for "nbd+unix://" it is nbd. Return: its length */
static int kind_len(const char *spec)
{
	size_t len = strcspn(spec, ":+,");

	return len < MAX_KIND_LEN ? (int)len : MAX_KIND_LEN;
}

static bool names_a_file(const char *spec)
{
	return !strncmp(spec, "file:", 5) && spec[5];
}

/* "file:/a/disk.img" is disk.img, "ram:1G" is ram0 or the next that is free. */
void disk_name_make(const char *spec, char *name)
{
	struct backstore other;
	char path[PATH_MAX];
	unsigned int i;

	if (names_a_file(spec)) {
		snprintf(path, sizeof(path), "%s", spec + 5);
		snprintf(name, NAME_MAX_LEN + 1, "%.*s", NAME_MAX_LEN, basename(path));
		return;
	}
	for (i = 0; i < 1000; i++) {
		snprintf(name, NAME_MAX_LEN + 1, "%.*s%u", kind_len(spec), spec, i);
		if (!runfile_is_held(name) && backstore_find(name, &other))
			return;
	}
}

/* Could disk_name_make() have made the name, if other names had been taken? */
static bool is_made_of(const char *name, const char *spec)
{
	size_t len = (size_t)kind_len(spec);

	return !strncmp(name, spec, len) && isdigit((unsigned char)name[len]) &&
	       !name[len + strspn(name + len, "0123456789")];
}

/* Is it the disk of that store, with its serial: @given, or the one that is kept here? */
static bool is_left_of(const struct backstore *backstore, const char *absolute, const char *given)
{
	char serial[SERIAL_SIZE];

	if (given[0])
		return takeover_is_left_of(backstore, absolute, given);
	if (!serial_find(backstore->name, absolute, serial) &&
	    takeover_is_left_of(backstore, absolute, serial))
		return true;
	serial_of_machine(backstore->name, absolute, serial);
	return takeover_is_left_of(backstore, absolute, serial);
}

/*
 * The same command line takes over the disk of a dead process. So if there is one of this store
 * whose name was made up, use that name again. @absolute: the form in which its serial is kept;
 * @serial: the requested one, or empty
 */
void disk_name_find(const char *spec, const char *absolute, const char *serial, char *name)
{
	struct backstore *all;
	size_t i, count;

	if (names_a_file(spec) || backstore_list(&all, &count))
		return;
	for (i = 0; i < count; i++) {
		if (!is_made_of(all[i].name, spec) || runfile_is_held(all[i].name))
			continue;
		if (is_left_of(&all[i], absolute, serial)) {
			snprintf(name, NAME_MAX_LEN + 1, "%.*s", NAME_MAX_LEN, all[i].name);
			break;
		}
	}
	free(all);
}
