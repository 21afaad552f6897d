/* SPDX-License-Identifier: MIT */
/*
 * The subcommands, one file each: they return an exit status. Everywhere in tool/, functions that
 * return int return 0 or a negative errno and have told what went wrong, unless their comment says
 * "quiet".
 */
#ifndef ZCMU_TOOL_SUBCOMMAND_H
#define ZCMU_TOOL_SUBCOMMAND_H

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

int serve_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);
int resize_main(int argc, char **argv);
int copy_main(int argc, char **argv);
int list_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int stop_main(int argc, char **argv);
int upgrade_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int tune_main(int argc, char **argv);
int bench_main(int argc, char **argv);

#endif /* ZCMU_TOOL_SUBCOMMAND_H */
