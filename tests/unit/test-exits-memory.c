// SPDX-License-Identifier: MIT
/*
 * The zcmu command's exits, all of them that memory leads to: the first call that takes some fails,
 * then the second, and so on until there are no more. Whichever it is, either all was done and
 * printed, or there is a status and a message: fail-command.c has the command that fails so.
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

static char folder[] = "/tmp/zcmu-exits-memory.XXXXXX";

/* Return: an exit status, or -1 */
static int shell(const char *format, const char *a, unsigned int n, const char *b)
{
	char line[1024];
	int status;

	snprintf(line, sizeof(line), format, a, n, b);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned int read_count(void)
{
	unsigned int count = 0;
	FILE *file = fopen("count", "re");

	if (file && fscanf(file, "%u", &count) != 1)
		count = 0;
	if (file)
		fclose(file);
	return count;
}

static void complain(const char *command, unsigned int n, int status, const char *expected)
{
	char said[512] = "";
	FILE *file = fopen("said", "re");
	size_t len = file ? fread(said, 1, sizeof(said) - 1, file) : 0;

	said[len] = '\0';
	if (file)
		fclose(file);
	fail_msg("zcmu %s, without memory at call %u: expected %s, got status %d and \"%s\"", command, n,
		 expected, status, said);
}

/*
 * One command, whose exit status is @expected when nothing fails. @check: of what it has done.
 * Return: how many calls there are.
 */
static unsigned int walk(const char *command, int expected, const char *check)
{
	unsigned int n;
	int status;

	/* Until one has fewer calls than the number of the one to fail. */
	for (n = 0; ; n++) {
		/* A command that ends by a signal leaves no number. */
		status = shell("%s; echo 999999 > count; ZCMU_FAIL_NTH=%u ZCMU_FAIL_COUNT=count exec "
			       FAILING_COMMAND " %s < /dev/null > out 2> said",
			       "rm -f to to.* overlay note log", n, command);
		if (status < 0 || status > 2)
			complain(command, n, status, "it to end by itself");
		if (n && read_count() < n)
			break;
		if (!n && status != expected)
			complain(command, n, status, "what it does with all memory there is");
		/* What doctor has found is what it prints. */
		if (status && shell("test -s said || { test -s out && grep -q -e BAD -e bad out; }", "", 0, ""))
			complain(command, n, status, "a message");
		if (!n)
			shell("cp out all", "", 0, "");
		else if (!status && expected == 0 && shell("%s", check, 0, ""))
			complain(command, n, status, "all of it with a status of 0");
		if (expected && !status)
			complain(command, n, status, "no success");
		if (n && read_count() == 999999)
			complain(command, n, status, "a number of calls");
	}
	return n - 1;
}

#define PRINTED	"cmp -s out all"

static void what_is_printed_is_complete_or_an_error(void **state)
{
	(void)state;
	walk("--help", 0, PRINTED);
	walk("--version", 0, PRINTED);
	walk("serve --help", 0, PRINTED);
	/* What could not be looked at may have been full of disks. */
	walk("list", 0, "false");
	/* Or nothing was tried. */
	assert_true(walk("list --json", 0, "false") >= 8);
}

/* Whether this machine can serve disks isn't what this is about. */
static void doctor_knows_or_says_so(void **state)
{
	int status = shell(FAILING_COMMAND " doctor > out 2> said", "", 0, "");

	(void)state;
	walk("doctor", status, "test -s out");
	walk("doctor --json", status, PRINTED " || grep -q 'memory' out");
}

static void what_there_is_not_is_said(void **state)
{
	(void)state;
	walk("stat nosuch", 1, "false");
	walk("stop nosuch", 1, "false");
	walk("detach nosuch", 1, "false");
	walk("resize nosuch 1G", 1, "false");
	walk("attach --open-to-all nosuch iscsi:iqn.2026-11.org.example:a", 1, "false");
	walk("tune nosuch", 1, "false");
	walk("upgrade nosuch", 1, "false");
	walk("bench --frobnicate", 2, "false");
	walk("serve null:8192P", 1, "false");
	walk("serve --user nosuch null:1M", 2, "false");
}

static void a_copy_is_one_or_an_error(void **state)
{
	(void)state;
	assert_true(walk("copy --create file:from file:to", 0, "cmp -s from to") >= 8);
	walk("copy --create --resume note file:from file:to", 0, "cmp -s from to && test ! -e note");
	walk("copy --create --verify --threads 2 file:from file:to", 0, "cmp -s from to");
	walk("copy --json file:from ram:1M", 0, "grep -q '\"complete\":true' out");
	walk("copy --create cow,overlay=overlay:file:from log,file=log:file:to", 0, "cmp -s from to");
}

static int set_up(void **state)
{
	(void)state;
	setenv("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1", 1);
	unsetenv("ZCMU_STORE_PATH");
	return !mkdtemp(folder) || chdir(folder) ||
	       shell("seq 200000 | head -c 1048576 > from", "", 0, "");
}

static int tear_down(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "cd / && rm -rf %s", folder);
	return system(line);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_complete_or_an_error),
		cmocka_unit_test(doctor_knows_or_says_so),
		cmocka_unit_test(what_there_is_not_is_said),
		cmocka_unit_test(a_copy_is_one_or_an_error),
	};

	return cmocka_run_group_tests_name("exits-memory", tests, set_up, tear_down);
}
