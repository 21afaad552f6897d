// SPDX-License-Identifier: MIT
/*
 * Standard input and outputs of the command (tool/standard.c): closed ones, and a standard
 * output that can't be written. No disk, no root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES	(1u << 20)

static char folder[] = "/tmp/zcmu-test-XXXXXX";

/* Return: the exit status of a line of shell; $zcmu is the command. */
static int shell(const char *line)
{
	int status = system(line);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_status(int expected, const char *line)
{
	int got = shell(line);

	if (got != expected)
		fail_msg("%s: expected status %d, got %d", line, expected, got);
}

static void write_file(const char *name, uint8_t byte)
{
	FILE *file = fopen(name, "we");
	uint32_t i;

	assert_non_null(file);
	for (i = 0; i < BYTES; i++)
		fputc(byte, file);
	assert_int_equal(fclose(file), 0);
}

/* Of nothing but these two bytes */
static void expect_bytes(const char *name, uint8_t byte, uint8_t or_byte)
{
	FILE *file = fopen(name, "re");
	uint32_t i;
	int got;

	assert_non_null(file);
	for (i = 0; i < BYTES; i++) {
		got = fgetc(file);
		if (got != byte && got != or_byte)
			fail_msg("%s: expected %#x or %#x at %u, got %#x", name, byte, or_byte, i, got);
	}
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

static void expect_file(const char *name, uint8_t byte)
{
	expect_bytes(name, byte, byte);
}

/* That no note can be written is said: not to whatever file has become descriptor 2. */
static void a_message_does_not_go_into_a_store(void **state)
{
	static const char *const closed[] = { "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-", "0<&- 2>&-" };
	char line[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		write_file("from", 0xa5);
		write_file("to", 0x5a);
		snprintf(line, sizeof(line), "$zcmu copy --resume none/note file:from file:to %s",
			 closed[i]);
		/* Whether it is an error that there are no notes isn't what this is about. */
		(void)shell(line);
		expect_file("from", 0xa5);
		expect_bytes("to", 0xa5, 0x5a);
		write_file("to", 0x5a);
		snprintf(line, sizeof(line), "$zcmu copy file:missing file:to %s", closed[i]);
		expect_status(1, line);
		expect_file("to", 0x5a);
		snprintf(line, sizeof(line), "$zcmu copy file:from file:to %s", closed[i]);
		expect_status(0, line);
		expect_file("to", 0xa5);
	}
}

static const char *const prints[] = { "--help", "help", "--version", "serve --help", "copy --help",
				      "list", "list --json", "list --help", "doctor", "doctor --json",
				      "stat --help" };

static void what_can_not_be_printed_is_no_success(void **state)
{
	char line[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		/* doctor fails where there is no root; never with a status of 0. */
		snprintf(line, sizeof(line), "! $zcmu %s > /dev/full 2> said && "
			 "grep -q \"the standard output can't be written\" said", prints[i]);
		expect_status(0, line);
		snprintf(line, sizeof(line), "! $zcmu %s >&- 2> said && "
			 "grep -q \"the standard output can't be written\" said", prints[i]);
		expect_status(0, line);
	}
	expect_status(1, "$zcmu list > /dev/full 2> said");
	expect_status(0, "grep -q \"the standard output can't be written: No space left\" said");
	expect_status(1, "$zcmu list --json >&- 2> said");
	expect_status(0, "grep -q \"the standard output can't be written: Bad file descriptor\" said");
}

/* Whether the signal kills, as it does unless somebody has it ignored, or not */
static void what_nobody_reads_is_no_success(void **state)
{
	static const char without_reader[] = "mkfifo pipe && exec 3<>pipe 4>pipe 3<&- && ";
	char line[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		snprintf(line, sizeof(line), "%s trap '' PIPE; ! $zcmu %s >&4 2> said && "
			 "grep -q \"the standard output can't be written: Broken pipe\" said",
			 without_reader, prints[i]);
		expect_status(0, line);
		assert_int_equal(unlink("pipe"), 0);
		snprintf(line, sizeof(line), "%s ($zcmu %s >&4 2> said); test $? -gt 128",
			 without_reader, prints[i]);
		expect_status(0, line);
		assert_int_equal(unlink("pipe"), 0);
	}
}

static void what_prints_nothing_needs_no_standard_output(void **state)
{
	(void)state;
	write_file("from", 1);
	write_file("to", 2);
	expect_status(0, "$zcmu copy file:from file:to > /dev/full");
	expect_status(0, "$zcmu copy file:from file:to <&- >&-");
	expect_status(0, "$zcmu list <&- > list && grep -q NAME list");
	expect_status(2, "$zcmu sreve >&- 2> said");
	expect_status(0, "grep -q 'there is no command' said");
}

/* A descriptor that the caller hadn't opened is no --ready-fd, whatever has its number. */
static void a_closed_descriptor_is_no_ready_fd(void **state)
{
	(void)state;
	expect_status(2, "$zcmu serve --ready-fd 0 ram:1M <&- 2> said");
	expect_status(0, "grep -q 'is no open file descriptor' said");
	expect_status(2, "$zcmu serve --ready-fd 77 ram:1M 2> said");
}

/* What is handed over can't have the number of what is printed to. */
static void nothing_is_handed_over_as_a_standard_descriptor(void **state)
{
	(void)state;
	expect_status(2, "$zcmu serve --hand-over 0,1,2,-1 ram:1M 2> said");
	expect_status(2, "$zcmu serve --hand-over 0,8,9,-1 ram:1M 8< from 9< from 2> said");
}

/* A script that prints, by all ways there are: nothing of it is a result. */
static void what_a_script_prints_is_no_result(void **state)
{
	static const char script[] =
		"import os, sys\n"
		"print('loaded')\n"
		"class Store:\n"
		"    size = 1 << 20\n"
		"    def __init__(self, argument, size, read_only):\n"
		"        print('opened', flush=True)\n"
		"        os.write(1, b'written\\n')\n"
		"    def read(self, offset, buffer):\n"
		"        print('read', file=sys.__stdout__)\n"
		"        buffer[:] = bytes(len(buffer))\n";
	FILE *file = fopen("from.py", "we");

	(void)state;
	fputs(script, file);
	assert_int_equal(fclose(file), 0);
	expect_status(0, "LSAN_OPTIONS=detect_leaks=0 ZCMU_STORE_PATH=$(dirname $zcmu)/../stores"
			 " $zcmu copy --json python:from.py ram:1M > out 2> said");
	expect_status(0, "test $(wc -l < out) = 1 && grep -q '^{\"version\":1,.*\"complete\":true}$' out");
	expect_status(0, "grep -q opened said && grep -q written said");
	assert_false(unlink("from.py") || unlink("out"));
}

/* As people make mistakes: what is said begins with the command, and is about it. */
static void an_option_error_names_the_command(void **state)
{
	static const char *const commands[] = { "serve", "copy", "list", "stat", "stop", "tune",
						"bench", "doctor", "attach", "detach", "resize", "upgrade" };
	char line[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(line, sizeof(line), "$zcmu %s --frob 2> said", commands[i]);
		expect_status(2, line);
		snprintf(line, sizeof(line), "test \"$(cat said)\" = 'zcmu %s: there is no option"
			 " \"--frob\", or more than one that begins so; zcmu %s --help shows how'",
			 commands[i], commands[i]);
		expect_status(0, line);
	}
	expect_status(2, "$zcmu serve --user nosuch ram:1M 2> said");
	expect_status(0, "grep -q '^zcmu serve: there is no user' said");
	expect_status(2, "$zcmu copy --threads 2> said");
	expect_status(0, "grep -q '^zcmu copy: --threads needs a value behind it; ' said");
	expect_status(1, "touch bare && $zcmu copy bare ram:1M 2> said");
	expect_status(0, "grep -q 'zcmu: bare: which store? It is a file or device: say file:bare$' said");
	expect_status(1, "truncate -s 1M bare && $zcmu copy file:bare file:missing 2> said");
	expect_status(0, "grep -q 'file:missing: give --create to create it' said && ! grep -q -e --size said");
	expect_status(1, "$zcmu copy --create file:bare file:/proc/missing/x 2> said");
	expect_status(0, "! grep -q -e --size said && rm bare");
}

static int set_up(void **state)
{
	(void)state;
	return setenv("zcmu", ZCMU_COMMAND, 1) || !mkdtemp(folder) || chdir(folder);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink("from") || unlink("to") || unlink("said") || unlink("list") || rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_does_not_go_into_a_store),
		cmocka_unit_test(what_can_not_be_printed_is_no_success),
		cmocka_unit_test(what_nobody_reads_is_no_success),
		cmocka_unit_test(what_prints_nothing_needs_no_standard_output),
		cmocka_unit_test(a_closed_descriptor_is_no_ready_fd),
		cmocka_unit_test(what_a_script_prints_is_no_result),
		cmocka_unit_test(an_option_error_names_the_command),
		cmocka_unit_test(nothing_is_handed_over_as_a_standard_descriptor),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
