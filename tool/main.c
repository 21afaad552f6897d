// SPDX-License-Identifier: MIT
/*
 * The zcmu command: finds the subcommand. Each has a file of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "option.h"
#include "signals.h"
#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

static const struct subcommand subcommands[] = {
	{ "serve", "[OPTION]... STORE", "serve STORE as a local disk", serve_main },
	{ "attach", "NAME TARGET [OPTION]...", "export a disk over iSCSI, FC, or to a machine", attach_main },
	{ "detach", "[--force] NAME [TARGET]", "end that", detach_main },
	{ "alua", "[--json] NAME [GROUP STATE]", "the state of its ports, as initiators see it", alua_main },
	{ "resize", "[--shrink] NAME SIZE", "give a disk another size", resize_main },
	{ "copy", "[OPTION]... FROM TO", "copy a store to another", copy_main },
	{ "list", "[--json]", "list the disks", list_main },
	{ "upgrade", "[--program PATH] NAME", "hand a disk to a new process", upgrade_main },
	{ "save", "NAME", "have a disk made again after a boot", save_main },
	{ "restore", "[OPTION]... [NAME]", "make disks that were saved", restore_main },
	{ "stat", "[OPTION]... [NAME]", "show what was lent, how long it took, what failed", stat_main },
	{ "top", "[OPTION]...", "show the busiest disks, and what is wrong", top_main },
	{ "health", "[OPTION]... [NAME]", "tell whether a disk is served, degraded or dead", health_main },
	{ "inflight", "[--json] [NAME]", "list the commands that are under way", inflight_main },
	{ "exporter", "[OPTION]...", "serve what stat shows to Prometheus", exporter_main },
	{ "stop", "[--force] NAME", "end a disk, or clean up after one that crashed", stop_main },
	{ "tune", "[OPTION]... NAME", "measure from which size on lending pays", tune_main },
	{ "bench", "[OPTION]...", "measure what lending is worth on this machine", bench_main },
	{ "doctor", "[--json]", "tell what this machine lacks to serve disks", doctor_main },
	{ NULL, NULL, NULL, NULL }
};

static void print_usage(FILE *file)
{
	const struct subcommand *sub;

	fprintf(file, "usage: zcmu COMMAND [ARGUMENT]...\n\n"
		"Serves SCSI disks from user space, with the payload lent instead of copied.\n\n");
	for (sub = subcommands; sub->name; sub++)
		fprintf(file, "  zcmu %-8s %-28s %s\n", sub->name, sub->arguments, sub->summary);
	fprintf(file, "\nzcmu COMMAND --help summarizes a command, zcmu-COMMAND(1) describes it;\n"
		"zcmu --version prints the version.\n");
}

static int run(int argc, char **argv)
{
	const struct subcommand *sub;

	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("zcmu %s\n", zcmu_version());
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--complete"))
		return complete_main(subcommands, argc - 2, argv + 2);
	for (sub = subcommands; sub->name; sub++) {
		if (strcmp(sub->name, argv[1]))
			continue;
		option_begin(argv + 1);
		return sub->main(argc - 1, argv + 1);
	}
	fprintf(stderr, "zcmu: there is no command \"%s\"; zcmu --help lists them\n", argv[1]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/*
	 * A write beyond the limit (ulimit -f) fails like any other write, and the error is
	 * reported.
	 */
	signal(SIGXFSZ, SIG_IGN);
	signals_want_children();
	/* Do this before anything else is opened, even by a plug-in's loader. */
	if (standard_open())
		return EXIT_FAILED;
	return standard_end(run(argc, argv));
}
