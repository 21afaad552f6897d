// SPDX-License-Identifier: MIT
/*
 * The end of zcmu copy: what is left of the copy and of its note when something fails at the very
 * end. The command runs in the test's process, where folders can't be flushed as it likes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "subcommand.h"

#define BYTES	(3u << 20)

static char folder[64], from[136], to[136], note[128], source[128], target[128];

/* What becomes of a flush of the note's folder, and what happens meanwhile */
static int folder_error;
static bool is_spoilt, was_noted, verify;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

static void spoil(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "spoilt", 6, 70000), 6);
	close(fd);
}

int __wrap_fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return __real_fsync(fd);
	if (is_spoilt)
		spoil(target);
	/* Before there is a note, it is for the target. */
	if (!access(note, F_OK))
		was_noted = true;
	if (!folder_error || !was_noted || !access(note, F_OK))
		return __real_fsync(fd);
	errno = folder_error;
	return -1;
}

static int setup(void **state)
{
	static char bytes[BYTES];
	FILE *file;

	(void)state;
	folder_error = 0;
	is_spoilt = was_noted = verify = false;
	strcpy(folder, "/tmp/zcmu-copy-end-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(source, sizeof(source), "%s/from", folder);
	snprintf(target, sizeof(target), "%s/to", folder);
	snprintf(note, sizeof(note), "%s/note", folder);
	snprintf(from, sizeof(from), "file:%s", source);
	snprintf(to, sizeof(to), "file:%s", target);
	memset(bytes, 0x5a, sizeof(bytes));
	file = fopen(source, "we");
	assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	assert_int_equal(fclose(file), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(source);
	unlink(target);
	unlink(note);
	return rmdir(folder);
}

/* Return: its exit status. */
static int copy(const char *option)
{
	char *argv[] = {
		(char *)"copy", (char *)"--resume", note, (char *)option,
		(char *)(verify ? "--verify" : "--quiet"), from, to, NULL,
	};

	optind = 1;
	return copy_main(7, argv);
}

static void expect_whole(void)
{
	struct stat st;

	if (stat(target, &st))
		fail_msg("expected the copy to stay, got none");
	assert_int_equal(st.st_size, BYTES);
	assert_true(access(note, F_OK) < 0);
}

static void a_folder_that_can_not_be_flushed_is_no_failure(void **state)
{
	(void)state;
	folder_error = EINVAL;
	assert_int_equal(copy("--create"), EXIT_OK);
	expect_whole();
}

static void a_finished_copy_stays_though_its_note_s_end_fails(void **state)
{
	(void)state;
	folder_error = EIO;
	assert_int_equal(copy("--create"), EXIT_FAILED);
	expect_whole();
}

/* It says that all is copied, and so the next copy would do nothing. */
static void a_copy_that_is_found_wrong_leaves_neither_itself_nor_a_note(void **state)
{
	(void)state;
	is_spoilt = true;
	verify = true;
	assert_int_equal(copy("--create"), EXIT_FAILED);
	if (!access(note, F_OK))
		fail_msg("expected no note of a copy that is wrong, got one");
	assert_true(access(target, F_OK) < 0);
}

static void the_note_of_a_copy_that_is_found_wrong_goes(void **state)
{
	(void)state;
	assert_int_equal(copy("--create"), EXIT_OK);
	is_spoilt = true;
	verify = true;
	assert_int_equal(copy("--quiet"), EXIT_FAILED);
	if (!access(note, F_OK))
		fail_msg("expected no note of a copy that is wrong, got one");
	/* It was there before. */
	assert_int_equal(access(target, F_OK), 0);
	is_spoilt = false;
	assert_int_equal(copy("--quiet"), EXIT_OK);
	expect_whole();
}

#define COPY_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		COPY_TEST(a_folder_that_can_not_be_flushed_is_no_failure),
		COPY_TEST(a_finished_copy_stays_though_its_note_s_end_fails),
		COPY_TEST(a_copy_that_is_found_wrong_leaves_neither_itself_nor_a_note),
		COPY_TEST(the_note_of_a_copy_that_is_found_wrong_goes),
	};

	return cmocka_run_group_tests_name("copy-end", tests, NULL, NULL);
}
