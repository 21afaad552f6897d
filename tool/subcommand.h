/* SPDX-License-Identifier: MIT */
/*
 * The zcmu command's subcommands, one file each: they return an exit status. Everywhere in tool/,
 * functions that return int return 0 or a negative errno and have reported the error, unless their
 * comment says "quiet".
 *
 * Rooms, by what a user does, and the rooms that each uses; tests/rooms reads this, and fails if
 * another is used:
 *
 * 	serve		confine, attach, boot	a disk, until it ends: serve, resize, upgrade, stop
 * 	complete	boot		words that a shell may offer
 * 	boot		attach		disks that come back: save, restore
 * 	confine		-		serve --user: the store in a process without privileges
 * 	attach		-		a disk for others: attach, detach, alua
 * 	copy		-		from one store to another
 * 	measure		-		on a disk for that alone: tune, bench
 * 	look		-		what there is: list, stat, top, health, inflight,
 *				exporter, doctor
 *
 * Shared files are beside the rooms, and use none of them. Each may use those that stand before it
 * here, which tests/rooms checks, too; so there is no circle of files:
 *
 *	values		standard json format option signals memory contents created
 *	the kernel	attribute module
 *	the disk	backstore counters loopback exports new_backstore
 *	its process	control runfile served
 *
 * main.c calls all subcommands.
 */
#ifndef ZCMU_TOOL_SUBCOMMAND_H
#define ZCMU_TOOL_SUBCOMMAND_H

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* main.c has a table of them; the last one has no name. */
struct subcommand {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*main)(int argc, char **argv);
};

int serve_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);
int alua_main(int argc, char **argv);
int resize_main(int argc, char **argv);
int copy_main(int argc, char **argv);
int list_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int health_main(int argc, char **argv);
int top_main(int argc, char **argv);
int exporter_main(int argc, char **argv);
int inflight_main(int argc, char **argv);
int stop_main(int argc, char **argv);
int save_main(int argc, char **argv);
int restore_main(int argc, char **argv);
int upgrade_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int tune_main(int argc, char **argv);
int bench_main(int argc, char **argv);

/* @argv: from the subcommand on, the last word is completed */
int complete_main(const struct subcommand *subcommands, int argc, char **argv);

#endif /* ZCMU_TOOL_SUBCOMMAND_H */
