// SPDX-License-Identifier: MIT
/*
 * What a shell offers: zcmu --complete, which takes it from what the command says of itself, and
 * what bash, zsh and fish make of that (completion/).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/zcmu-complete.XXXXXX";

/* Of a command, run by bash in the folder */
static const char *output(const char *command)
{
	static char text[16384];
	char line[4096];
	size_t n;
	FILE *pipe;

	snprintf(line, sizeof(line),
		 "cd %s && export PATH=$PWD:$PATH C=" COMPLETION " && exec bash 2>&1 -ec '%s'", folder,
		 command);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	if (pclose(pipe))
		fail_msg("%s: expected status 0, got another: %s", command, text);
	return text;
}

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The candidates, without what they are, for such words */
static void offers(const char *words, const char *expected)
{
	char command[1024];

	snprintf(command, sizeof(command), "zcmu --complete %s | cut -f1 | paste -sd\" \"", words);
	assert_string_equal(output(command), expected);
}

/* All that --help has, and what it says there */
static void commands_and_options_are_those_of_help(void **state)
{
	(void)state;
	assert_string_equal(output("diff <(zcmu --complete \"\" | cut -f1 | sort) "
				   "<(zcmu --help | sed -n \"s/^  zcmu \\([a-z]*\\) .*/\\1/p\" | sort)"),
			    "");
	assert_string_equal(output("zcmu --complete sav"), "save\thave a disk made again after a boot\n");
	assert_string_equal(output("for c in $(zcmu --complete \"\" | cut -f1); do "
				   "diff <(zcmu --complete $c -- | cut -f1 | sort) "
				   "<(zcmu $c --help | grep -v \"used by zcmu\" | "
				   "sed -n \"s/^  \\(--[a-z-]*\\).*/\\1/p\" | sort) || echo $c; done"),
			    "");
	assert_string_equal(output("zcmu --complete serve --thr"),
			    "--threads\tthreads that run the store; default 1, or 4 if its requests may block\n");
	/* Each is taken, or misses its value. */
	assert_string_equal(output("for c in $(zcmu --complete \"\" | cut -f1); do "
				   "for o in $(zcmu --complete $c -- | cut -f1); do "
				   "zcmu $c $o --nothing 2>&1 < /dev/null | grep \"no option.*$o\" || true; done; done"),
			    "");
}

static void words_are_of_their_kind(void **state)
{
	(void)state;
	output("mkdir -p d && touch d/one.img d/.hidden d/two");
	offers("serve --recover \"\"", "reissue retry fail off\n");
	offers("serve --recover re", "reissue retry\n");
	offers("serve nul", "null:\n");
	offers("serve --threads 2 --read-only fil", "file:\n");
	offers("serve file:d/o", "file:d/one.img\n");
	offers("serve qcow2:d/o", "qcow2:d/one.img\n");
	offers("serve file:d/.h", "file:d/.hidden\n");
	offers("serve cow,overlay=x:file:d/t", "cow,overlay=x:file:d/two\n");
	offers("serve cow,overlay=x:fil", "cow,overlay=x:file:\n");
	offers("serve file:d", "file:d/\n");
	offers("copy ra", "ram:\n");
	offers("copy --threads 2 ram:1M nul", "null:\n");
	offers("copy --resume d/o", "d/one.img\n");
	offers("bench --folder d", "d/\n");
	offers("attach x is", "iscsi:iqn.\n");
	offers("detach --force x is", "iscsi:iqn.\n");
	offers("attach x v", "vhost:naa.\n");
	offers("attach x iscsi:a --state s", "standby\n");
	offers("alua x 7 op", "optimized\n");
	/* There is no more, or nobody knows it. */
	offers("copy ram:1M null: x", "\n");
	offers("serve --size \"\"", "\n");
	offers("serve --name \"\"", "\n");
	offers("nothing --x", "\n");
	offers("resize x \"\"", "\n");
}

/* What is behind the last colon, in the order of the command */
static void bash_offers_the_same(void **state)
{
	(void)state;
	write_file("ask", "source $C/zcmu.bash\n"
		   "compopt() { echo \"compopt $*\"; }\n"
		   "COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()\n"
		   "_zcmu zcmu\n"
		   "echo \"${COMPREPLY[*]}\"\n");
	assert_string_equal(output("bash ask \"zcmu sa\""), "save\n");
	assert_string_equal(output("bash ask \"sudo -E zcmu serve --rec\""), "--recover\n");
	assert_string_equal(output("bash ask \"zcmu serve --recover \""), "reissue retry fail off\n");
	assert_string_equal(output("bash ask \"zcmu serve fil\""), "compopt -o nospace\nfile:\n");
	assert_string_equal(output("bash ask \"zcmu serve file:d/o\""), "d/one.img\n");
	assert_string_equal(output("bash ask \"zcmu serve cow,overlay=x:file:d/o\""), "d/one.img\n");
	output("touch \"d/with blank\"");
	assert_string_equal(output("bash ask \"zcmu copy file:d/w\""), "d/with\\ blank\n");
	assert_string_equal(output("bash ask zcmu"), "\n");
}

static void zsh_offers_the_same(void **state)
{
	(void)state;
	if (system("command -v zsh > /dev/null"))
		skip();
	write_file("ask", "_call_program() { shift; eval \"$*\" }\n"
		   "compadd() { print -r -- \"$@[-1]\" \"${(P)@[-1]}\" }\n"
		   "words=(\"$@\") CURRENT=$#\n"
		   "ask() { source $C/_zcmu }\n"
		   "ask\n");
	assert_string_equal(output("zsh ask zcmu sa"), "plain save\nopen \n");
	assert_string_equal(output("zsh ask zcmu serve file:d/o"),
			    "plain file:d/one.img\nopen \n");
	assert_string_equal(output("zsh ask zcmu serve fil"), "plain \nopen file:\n");
}

static void fish_offers_the_same(void **state)
{
	(void)state;
	if (system("command -v fish > /dev/null"))
		skip();
	write_file("ask", "source $C/zcmu.fish\ncomplete -C $argv[1]\n");
	assert_string_equal(output("HOME=$PWD fish ask \"zcmu sa\""), "save\thave a disk made again after a boot\n");
	assert_string_equal(output("HOME=$PWD fish ask \"zcmu serve --recover re\""), "reissue\nretry\n");
	assert_string_equal(output("HOME=$PWD fish ask \"zcmu serve file:d/o\""), "file:d/one.img\n");
}

static int set_up(void **state)
{
	char command[512];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(command, sizeof(command), "ln -s " ZCMU_COMMAND " %s/zcmu", folder);
	return system(command);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_options_are_those_of_help),
		cmocka_unit_test(words_are_of_their_kind),
		cmocka_unit_test(bash_offers_the_same),
		cmocka_unit_test(zsh_offers_the_same),
		cmocka_unit_test(fish_offers_the_same),
	};

	return cmocka_run_group_tests_name("complete", tests, set_up, tear_down);
}
