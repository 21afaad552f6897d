// SPDX-License-Identifier: MIT
/*
 * The layer cow: whose file the overlay is, and what becomes of it when it can't be used. What cow
 * does with requests is test-cow-requests.c's.
 */
#include "store-driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_BYTES	(1u << 20)

static char overlay[256], spec[2048];

/* What somebody else does between the overlay's creation and its lock; once. */
static void (*meanwhile)(void);
static int other_fd = -1;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation)
{
	void (*now)(void) = meanwhile;
	struct stat st, named;

	if (now && !fstat(fd, &st) && !stat(overlay, &named) && st.st_ino == named.st_ino) {
		meanwhile = NULL;
		now();
	}
	return __real_flock(fd, operation);
}

static void make_disk(struct driver *d)
{
	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, DISK_BYTES, 7);
	snprintf(overlay, sizeof(overlay), "%s/overlay", d->directory);
	snprintf(spec, sizeof(spec), "cow,overlay=%s:file:%s", overlay, d->path);
}

static void lock_it(void)
{
	other_fd = open(overlay, O_RDWR | O_CLOEXEC);
	assert_int_equal(__real_flock(other_fd, LOCK_EX | LOCK_NB), 0);
}

static void write_it(void)
{
	FILE *file = fopen(overlay, "we");

	fputs("another's", file);
	assert_int_equal(fclose(file), 0);
}

static void remove_it(void)
{
	assert_int_equal(unlink(overlay), 0);
}

static void expect_file(const char *path, off_t size)
{
	struct stat st;

	if (stat(path, &st))
		fail_msg("expected %s to be there, got none", path);
	assert_int_equal(st.st_size, size);
}

static void an_overlay_that_another_has_locked_first_is_left_alone(void **state)
{
	struct driver *d = *state;

	make_disk(d);
	meanwhile = lock_it;
	assert_int_equal(driver_open(d, spec, 0, false), -EBUSY);
	expect_file(overlay, 0);
	close(other_fd);
}

static void an_overlay_that_another_has_made_meanwhile_is_left_alone(void **state)
{
	struct driver *d = *state;

	make_disk(d);
	meanwhile = write_it;
	assert_int_equal(driver_open(d, spec, 0, false), -EINVAL);
	expect_file(overlay, 9);
}

/* What is written to a file without a name is gone when it is closed. */
static void an_overlay_that_was_removed_meanwhile_is_refused(void **state)
{
	struct driver *d = *state;

	make_disk(d);
	meanwhile = remove_it;
	assert_int_equal(driver_open(d, spec, 0, false), -ESTALE);
	expect_logged(d, overlay, "try again");
	assert_int_equal(driver_open(d, spec, 0, false), 0);
}

/* It may be a new disk image, which has nothing in it yet. */
static void a_file_that_is_all_hole_is_nobody_s_overlay(void **state)
{
	struct driver *d = *state;

	make_disk(d);
	write_it();
	assert_int_equal(truncate(overlay, 0), 0);
	assert_int_equal(truncate(overlay, 64 << 20), 0);
	assert_int_equal(driver_open(d, spec, 0, false), -EINVAL);
	expect_logged(d, overlay, "not the overlay");
	expect_file(overlay, 64 << 20);
}

/* A bit for each block, in whole pages; and a page that says whose it is */
static void an_overlay_that_was_half_made_is_made(void **state)
{
	struct driver *d = *state;

	make_disk(d);
	write_it();
	assert_int_equal(truncate(overlay, 0), 0);
	assert_int_equal(truncate(overlay, DISK_BYTES + 4096 + 4096), 0);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
}

static void an_overlay_of_another_store_is_told(void **state)
{
	struct driver *d = *state;
	char other[300];

	make_disk(d);
	snprintf(other, sizeof(other), "%s/other", d->directory);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	if (d->logged[0])
		fail_msg("expected nothing to be told, got \"%s\"", d->logged);
	driver_close(d);
	/* Another image of its name, and of its size */
	assert_int_equal(rename(d->path, other), 0);
	driver_make_file(d, DISK_BYTES, 8);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	expect_logged(d, overlay, "another store");
	driver_close(d);
	assert_int_equal(rename(other, d->path), 0);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
}

static void an_overlay_may_have_a_long_path(void **state)
{
	static const char folders[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
		"ffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjjkkkkkkkkkkllllllllllmmmmmmmmmm"
		"nnnnnnnnnnoooooooooopppppppppp";
	struct driver *d = *state;
	char path[1024];
	unsigned int i;
	size_t len;

	make_disk(d);
	len = (size_t)snprintf(path, sizeof(path), "%s", d->directory);
	for (i = 0; i < 4; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/%s", folders);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path + len, sizeof(path) - len, "/overlay");
	assert_true(strlen(path) > 520);
	snprintf(spec, sizeof(spec), "cow,overlay=%s:file:%s", path, d->path);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	if (access(path, F_OK))
		fail_msg("expected the overlay at its path of %zu bytes, got none", strlen(path));
}

/* Options say which store it is, and whoever is asked without opening it doesn't get them. */
static void a_store_with_options_is_not_known_by_what_is_behind_them(void **state)
{
	struct driver *d = *state;
	char text[ZCMU_STORE_IDENTITY_MAX];

	make_disk(d);
	write_it();
	snprintf(spec, sizeof(spec), "file,a=b:%s", d->path);
	assert_int_equal(zcmu_store_identify(spec, text, sizeof(text)), -EOPNOTSUPP);
	snprintf(spec, sizeof(spec), "log,file=/dev/null:file,a=b:%s", d->path);
	assert_int_equal(zcmu_store_identify(spec, text, sizeof(text)), -EOPNOTSUPP);
	snprintf(spec, sizeof(spec), "cow,overlay=%s:file,a=b:%s", overlay, d->path);
	assert_int_equal(zcmu_store_identify(spec, text, sizeof(text)), -EOPNOTSUPP);
	snprintf(spec, sizeof(spec), "cow,overlay=%s:file:%s", overlay, d->path);
	assert_int_equal(zcmu_store_identify(spec, text, sizeof(text)), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(an_overlay_that_another_has_locked_first_is_left_alone),
		STORE_TEST(an_overlay_that_another_has_made_meanwhile_is_left_alone),
		STORE_TEST(an_overlay_that_was_removed_meanwhile_is_refused),
		STORE_TEST(a_file_that_is_all_hole_is_nobody_s_overlay),
		STORE_TEST(an_overlay_that_was_half_made_is_made),
		STORE_TEST(an_overlay_of_another_store_is_told),
		STORE_TEST(an_overlay_may_have_a_long_path),
		STORE_TEST(a_store_with_options_is_not_known_by_what_is_behind_them),
	};

	return cmocka_run_group_tests_name("cow", tests, NULL, NULL);
}
