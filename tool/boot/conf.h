/* SPDX-License-Identifier: MIT */
/*
 * Disks that come back: conf.c reads /etc/zcmu/disks.d/NAME.conf, save.c writes it, and restore.c
 * makes disks of them.
 */
#ifndef ZCMU_TOOL_BOOT_CONF_H
#define ZCMU_TOOL_BOOT_CONF_H

#include <limits.h>
#include <stddef.h>

#include "backstore.h"

#define CONF_DIR	"/etc/zcmu/disks.d"
#define CONF_OPTIONS	8
#define CONF_EXPORTS	16

struct conf {
	char name[NAME_MAX_LEN + 1];	/* of the disk */
	const char *store;
	const char *folder;		/* where its process runs; NULL: "/" */
	struct {
		char option[16];	/* of zcmu serve: "--threads" */
		const char *value;	/* NULL: it has none */
	} options[CONF_OPTIONS];
	size_t option_count;
	const char *exports[CONF_EXPORTS];	/* what follows the NAME of zcmu attach */
	size_t export_count;
	char *text;			/* what the others point into */
};

void conf_path(const char *name, char *path, size_t size);
int conf_parse(const char *path, char *text, struct conf *ret);	/* changes the text, and owns it */
int conf_read(const char *name, struct conf *ret);
void conf_free(struct conf *conf);

/* save.c. @options: "key = value" lines of its process */
int conf_save(const struct backstore *backstore, const char *options);

#endif /* ZCMU_TOOL_BOOT_CONF_H */
