// SPDX-License-Identifier: MIT
/*
 * zcmu resize: gives a disk another size while it is served. Both ends are here: the subcommand,
 * which asks, and the code of the process that serves the disk.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "control.h"
#include "option.h"
#include "runfile.h"
#include "serve/resize.h"
#include "subcommand.h"
#include "zcmu.h"

/*
 * In the process that serves
 */

/* Initiators get a UNIT ATTENTION; our own disk, if there is one, is rescanned at once. */
static void tell(const struct backstore *backstore, const char *device, uint64_t size)
{
	char path[PATH_MAX], text[32];

	backstore_path(backstore, path, sizeof(path));
	snprintf(text, sizeof(text), "%" PRIu64, size);
	if (attribute_write(text, "%s/attrib/dev_size", path))
		zcmu_warning("%s: it has the new size, but the kernel can't tell its initiators: let each scan it again",
			     backstore->name);
	if (device[0] &&
	    attribute_exists("/sys/block/%s/device/rescan", device + strlen("/dev/")))
		attribute_write("1", "/sys/block/%s/device/rescan", device + strlen("/dev/"));
}

/* "resize BYTES [shrink]"; @old_size: the present one. @function: changes it. */
int resize_serve(resize_function function, void *argument, uint64_t old_size,
		 const struct backstore *backstore, const char *device, char **words, size_t count)
{
	bool may_shrink = count > 2 && !strcmp(words[2], "shrink");
	uint64_t size;
	int err;

	if (count < 2 || zcmu_parse_size(words[1], &size))
		return -EINVAL;
	if (size < old_size && !may_shrink) {
		zcmu_error("%s: it has %" PRIu64 " bytes: %" PRIu64 " would cut off what is behind them; say --shrink if that is meant",
			   backstore->name, old_size, size);
		return -EINVAL;
	}
	err = function(argument, size);
	if (!err)
		tell(backstore, device, size);
	return err;
}

/*
 * The subcommand
 */

static int resize(const char *name, uint64_t size, bool may_shrink)
{
	struct backstore backstore;
	char request[64];

	if (geteuid()) {
		zcmu_error("resizing a disk takes root");
		return EXIT_FAILED;
	}
	if (backstore_find_wanted(name, &backstore))
		return EXIT_FAILED;
	if (!runfile_is_held(name)) {
		zcmu_error("%s: no zcmu serve serves it: change its size with what does, or by serving it", name);
		return EXIT_FAILED;
	}
	snprintf(request, sizeof(request), "resize %" PRIu64 "%s", size,
		 may_shrink ? " shrink" : "");
	return control_ask(name, request) ? EXIT_FAILED : EXIT_OK;
}

int resize_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "shrink", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool may_shrink = false;
	uint64_t size;
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 's':
			may_shrink = true;
			break;
		case 'h':
			printf("usage: zcmu resize [--shrink] NAME SIZE\n\n"
			       "Gives a disk that zcmu serve serves another size (K, M, G, T, P), and its store: a\n"
			       "file becomes longer or is cut off; a block device must have the size already.\n\n"
			       "  --shrink   SIZE may be less: what is behind it is lost\n"
			       "  --help     this text\n");
			return EXIT_OK;
		default:
			option_wrong("resize", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2) {
		usage_error("resize", argc == optind ? "which disk, and which size?" :
			    argc - optind == 1 ? "which size?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	if (zcmu_parse_size(argv[optind + 1], &size) || !size) {
		usage_error("resize", "\"%s\" is no size; 512M or 10G are", argv[optind + 1]);
		return EXIT_USAGE;
	}
	return resize(argv[optind], size, may_shrink);
}
