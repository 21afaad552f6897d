// SPDX-License-Identifier: MIT
/*
 * The zcmu command's exits: each but 0 has a message, and none is a signal. Whatever is missing
 * on the machine the tests run on (root, the module) is one more reason to fail with a word.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/zcmu-exits.XXXXXX";

/* Run by a shell, in the folder. Return: its status; a failure must have said why. */
static int run_line(const char *line)
{
	char command[2048], words[4096];
	size_t len;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "cd %s && { %s; } 2>&1 > /dev/null < /dev/null", folder,
		 line);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	len = fread(words, 1, sizeof(words) - 1, pipe);
	words[len] = '\0';
	status = pclose(pipe);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 2)
		fail_msg("%s: expected status 0, 1 or 2, got %#x: %s", line, (unsigned int)status, words);
	if (status && !words[strspn(words, " \n")])
		fail_msg("%s: expected a message with status %d, got none", line, WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

static int run(const char *before, const char *arguments)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s; exec " ZCMU_COMMAND " %s", before, arguments);
	return run_line(line);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Of no use to anybody, whatever the machine is */
static void what_can_t_be_done_is_said(void **state)
{
	static const char *const nonsense[] = {
		"", "frobnicate", "serve", "serve --frobnicate", "serve floppy:a", "serve null:x",
		"serve --name no/name null:1M", "serve null:8192P", "serve null:16383P",
		"attach", "attach nosuch", "attach nosuch iscsi:x", "attach nosuch fc:1", "attach nosuch vhost:naa.1", "alua", "alua nosuch 1", "alua nosuch x standby",
		"detach", "detach nosuch",
		"resize", "resize nosuch", "resize nosuch 1G", "resize nosuch x", "upgrade",
		"upgrade nosuch", "stat --frobnicate", "stat nosuch", "stat --count 1 nosuch",
		"stat --json --openmetrics", "stat a b", "top x", "top --interval 0", "health nosuch",
		"inflight nosuch", "inflight a b", "exporter x",
		"exporter --port 65536", "stop", "stop nosuch", "tune",
		"tune nosuch", "bench --frobnicate", "list --frobnicate", "doctor --frobnicate",
		"copy", "copy null:1M", "copy null:x null:1M", "copy null:2M null:1M",
		"copy null:8192P null:8192P", "copy file:missing file:other",
		"copy null:1M file:missing/other --create", "copy ram:8191P ram:8191P",
		"copy --threads 65 null:1M null:1M", "copy --create null:1M file:.",
		"copy log:null:1M null:1M", "copy cow:null:1M null:1M",
		"copy fault,error=EIO:null:1M null:1M", "copy null:1M fault,error=ENOSPC:ram:1M",
		"copy --resume . null:1M null:1M",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		if (!run(":", nonsense[i]))
			fail_msg("zcmu %s: expected it to fail, it succeeded", nonsense[i]);
	}
}

/* It would be the end of the process, without a word (SIGXFSZ). */
static void a_limit_of_file_sizes_is_an_error_that_is_said(void **state)
{
	(void)state;
	assert_int_equal(run("rm -f disk.img; ulimit -f 1", "copy --create ram:1M file:disk.img"), 1);
	assert_int_equal(run("ulimit -f 1", "copy null:1M cow,overlay=overlay:null:1M"), 1);
	assert_int_equal(run("[ ! -e disk.img ] && [ ! -e overlay ] || exit 9", "--version"), 0);
}

static void a_limit_of_descriptors_is_an_error_that_is_said(void **state)
{
	char before[64];
	unsigned int n, failed = 0;

	(void)state;
	/* The loader needs one, and the sanitizers another. */
	for (n = 5; n < 24; n++) {
		snprintf(before, sizeof(before), "rm -f a b; ulimit -n %u", n);
		failed += run(before, "copy --create ram:1M file:a") != 0;
		failed += run(before, "copy --threads 2 null:1M cow,overlay=b:null:1M") != 0;
	}
	/* Or it was no limit. */
	assert_true(failed > 4);
}

/* In a mount namespace of its own, where /sys, /run and modprobe are made up. */
#define MADE_UP								\
	"unshare -m sh -c 'PATH=%s:$PATH; mount -t tmpfs none /sys && mount -t tmpfs none /run && " \
	"{ %s; } && exec " ZCMU_COMMAND " %s'"

/* A kernel without the module, without configfs, with folders that are no target core's */
static void what_the_kernel_lacks_is_said(void **state)
{
	static const char *const kernels[] = {
		"echo exit 1 >> modprobe", "echo exit 0 >> modprobe",
		"echo exit 0 >> modprobe; mkdir -p /sys/kernel/config/target",
		"echo exit 0 >> modprobe; mkdir -p /sys/kernel/config/target/core /sys/module/target_core_user",
		"echo exit 0 >> modprobe; mkdir -p /sys/kernel/config/target/core/user_0/m/attrib",
	};
	static const char *const commands[] = {
		"serve --name m null:1M", "serve --daemon --name n ram:1M", "stat m", "stop --force m",
		"resize m 1G", "attach --open-to-all m iscsi:iqn.2026-11.org.example:a",
	};
	char command[1024], before[256];
	size_t i, j;

	(void)state;
	if (geteuid() || system("unshare -m true 2> /dev/null")) {
		print_message("skipped: no mount namespaces without root\n");
		skip();
	}
	for (i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		for (j = 0; j < sizeof(commands) / sizeof(commands[0]); j++) {
			snprintf(before, sizeof(before), "printf \"#!/bin/sh\\n\" > modprobe; chmod +x modprobe; %s",
				 kernels[i]);
			snprintf(command, sizeof(command), MADE_UP, folder, before, commands[j]);
			if (!run_line(command))
				fail_msg("%s: expected it to fail, it succeeded", command);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_t_be_done_is_said),
		cmocka_unit_test(what_the_kernel_lacks_is_said),
		cmocka_unit_test(a_limit_of_file_sizes_is_an_error_that_is_said),
		cmocka_unit_test(a_limit_of_descriptors_is_an_error_that_is_said),
	};

	return cmocka_run_group_tests_name("exits", tests, make_folder, remove_folder);
}
