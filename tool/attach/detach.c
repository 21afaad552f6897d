// SPDX-License-Identifier: MIT
/* zcmu detach: removes exports that zcmu attach has made. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "backstore.h"
#include "exports.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

static bool is_meant(const struct export *export, const struct target *target)
{
	return !target || (!strcmp(export->fabric, target->fabric->folder) &&
			   !strcmp(export->target, target->name));
}

/*
 * Did zcmu attach make any of them? If not, this is reported, and so is a target of somebody else
 * that exports the disk and isn't touched.
 */
static bool is_attached(const char *name, const struct exports *exports,
			const struct target *target)
{
	const struct export *foreign = NULL;
	struct target known;
	bool found = false;
	size_t i;

	for (i = 0; i < exports->count; i++) {
		const struct export *export = &exports->entries[i];

		if (!is_meant(export, target) || !target_of_export(export, &known))
			continue;
		if (export_is_attached(export))
			found = true;
		else
			foreign = export;
	}
	if (found || (target && attach_is_leftover(target)))
		return true;
	if (foreign)
		zcmu_error("%s: %s was made by somebody else: take the disk out of it with what made it, targetcli perhaps",
			   name, foreign->target);
	else
		zcmu_error("%s: it is not attached to %s; zcmu list shows its exports", name,
			   target ? target->name : "any target");
	return false;
}

static bool is_in_use(const char *name, const struct exports *exports,
		      const struct target *target)
{
	char who[1024];
	size_t i;

	for (i = 0; i < exports->count; i++) {
		const struct export *export = &exports->entries[i];

		if (!is_meant(export, target) || !export_is_attached(export) ||
		    !export_is_used(export, who, sizeof(who)))
			continue;
		zcmu_error("%s: %s, or detach the disk with --force and let them see I/O errors",
			   name, who);
		return true;
	}
	return false;
}

static int detach(const char *name, const struct target *target, bool force)
{
	struct backstore backstore;
	struct exports exports;
	int status = EXIT_FAILED;

	if (geteuid()) {
		zcmu_error("detaching a disk takes root");
		return EXIT_FAILED;
	}
	if (backstore_find_wanted(name, &backstore))
		return EXIT_FAILED;
	if (exports_find(&backstore, &exports))
		return EXIT_FAILED;
	if (is_attached(name, &exports, target) &&
	    (force || !is_in_use(name, &exports, target)) && !attach_remove(&backstore, target))
		status = EXIT_OK;
	exports_free(&exports);
	return status;
}

int detach_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	const struct target *wanted = NULL;
	struct target target;
	bool force = false;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			force = true;
			break;
		case 'h':
			printf("usage: zcmu detach [--force] NAME [TARGET]\n\n"
			       "Takes the disk NAME out of the target, or out of all that it was attached to.\n"
			       "A target that has nothing in it any more is removed.\n\n"
			       "  --force   even if somebody uses it\n"
			       "  --help    this text\n");
			return EXIT_OK;
		default:
			option_wrong("detach", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1 && argc - optind != 2) {
		usage_error("detach", argc == optind ? "which disk?" :
			    "only one disk and one target at a time");
		return EXIT_USAGE;
	}
	if (argc - optind == 2) {
		if (!attach_target("detach", argv[optind + 1], &target))
			return EXIT_USAGE;
		wanted = &target;
	}
	return detach(argv[optind], wanted, force);
}
