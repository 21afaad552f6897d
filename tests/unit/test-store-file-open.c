// SPDX-License-Identifier: MIT
/*
 * The file store (stores/file), while it is opened: files that are created, taken as
 * they are, refused, and locked. No request is made here, so it takes no io_uring.
 */
#include "store-driver.h"
#include "descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1u << 20)

/* As zcmu_store_open(), without a queue. */
static int open_file(struct driver *d, uint64_t size, bool read_only)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .size = size, .read_only = read_only,
	};

	return zcmu_store_open(d->spec, &options, &d->store);
}

static off_t size_of(struct driver *d)
{
	struct stat st;

	return stat(d->path, &st) ? -1 : st.st_size;
}

static void a_missing_file_is_created_sparse(void **state)
{
	struct driver *d = *state;
	struct stat st;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, 64 * MIB, false), 0);
	assert_int_equal(d->store->size, 64 * MIB);
	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_true(st.st_blocks * 512 < MIB);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(d->store->created);
}

/* Behind its end is nothing to try it on. */
static void the_largest_file_there_can_be_is_as_thin_as_a_small_one(void **state)
{
	struct driver *d = *state;
	off_t low = 0, high = INT64_MAX - 4096, middle;
	bool is_thin;
	int fd;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, MIB, false), 0);
	is_thin = zcmu_store_can(d->store, ZCMU_IO_TRIM);
	driver_close(d);
	fd = open(d->path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (ftruncate(fd, middle))
			high = middle;
		else
			low = middle;
	}
	assert_int_equal(ftruncate(fd, low / 512 * 512), 0);
	close(fd);
	assert_int_equal(open_file(d, 0, false), 0);
	assert_int_equal(zcmu_store_can(d->store, ZCMU_IO_TRIM), is_thin);
}

static void a_file_of_half_a_block_is_not_created(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, MIB + 256, false), -EINVAL);
	assert_int_equal(size_of(d), -1);
	expect_logged(d, d->path, "512");
	expect_logged(d, "1048832", "nothing was created");
}

static void a_missing_file_is_not_created_without_a_size(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, 0, false), -ENOENT);
	assert_int_equal(size_of(d), -1);
	expect_logged(d, d->path, "created if it is given a size");
}

static void a_missing_file_is_not_created_to_be_read(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, MIB, true), -ENOENT);
	assert_int_equal(size_of(d), -1);
}

static void a_file_in_a_missing_directory_is_refused(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "missing/disk.img");
	assert_int_equal(open_file(d, MIB, false), -ENOENT);
	expect_logged(d, d->path, "No such file or directory");
}

static void a_file_that_is_there_is_served_as_it_is(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(open_file(d, 0, false), 0);
	assert_int_equal(d->store->size, 8192);
	assert_int_equal(d->store->block_size, 512);
	assert_int_equal(d->store->physical_block_size, 4096);
	assert_true(d->store->trim_granularity >= 512);
}

static void a_file_that_has_the_size_already_is_taken(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(open_file(d, 8192, false), 0);
	/* Whoever fails then must not remove it. */
	assert_false(d->store->created);
}

static void a_file_of_another_size_is_refused_and_left_alone(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(open_file(d, 16384, false), -EEXIST);
	expect_logged(d, d->path, "8192");
	expect_logged(d, d->path, "16384");
	assert_int_equal(open_file(d, 4096, false), -EEXIST);
	assert_int_equal(size_of(d), 8192);
}

static void a_file_of_half_a_block_is_refused(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 1000, 'x');
	assert_int_equal(open_file(d, 0, false), -EINVAL);
	expect_logged(d, d->path, "1000");
}

static void an_empty_file_is_refused(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 0, 'x');
	assert_int_equal(open_file(d, 0, false), -EINVAL);
	expect_logged(d, d->path, "size");
}

static void a_directory_is_refused(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "");
	assert_int_equal(open_file(d, 0, false), -EISDIR);
	expect_logged(d, d->directory, "directory");
	assert_int_equal(open_file(d, 0, true), -EINVAL);
	expect_logged(d, d->directory, "neither a regular file nor a block device");
}

static void a_character_device_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(zcmu_store_open("file:/dev/null", NULL, &d->store), -EINVAL);
	expect_logged(d, "/dev/null", "neither a regular file nor a block device");
}

static void no_path_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(zcmu_store_open("file:", NULL, &d->store), -EINVAL);
	expect_logged(d, "file:", "which file?");
	assert_int_equal(zcmu_store_open("file", NULL, &d->store), -EINVAL);
}

static void a_path_may_have_colons(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "a:b:c");
	assert_int_equal(open_file(d, MIB, false), 0);
	assert_int_equal(size_of(d), MIB);
}

static void a_file_that_may_not_be_written_is_refused_or_only_read(void **state)
{
	struct driver *d = *state;

	if (!geteuid()) {
		print_message("skipped: root may write to every file\n");
		skip();
	}
	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(chmod(d->path, 0400), 0);
	assert_int_equal(open_file(d, 0, false), -EACCES);
	expect_logged(d, d->path, "for reading and writing: Permission denied");
	assert_int_equal(open_file(d, 0, true), 0);
}

static void a_disk_that_is_only_read_can_t_be_changed(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(open_file(d, 0, true), 0);
	assert_false(zcmu_store_can(d->store, ZCMU_IO_WRITE));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_TRIM));
	assert_false(zcmu_store_can(d->store, ZCMU_IO_ZERO));
}

/*
 * Locks
 */

/* Somebody's, who lets the file go when the store pauses for the first time. */
static int held_fd = -1;

/* In place of libc's: no test waits for the time to pass. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	if (held_fd >= 0)
		close(held_fd);
	held_fd = -1;
	return 0;
}

/* Try to open the same file once more. */
static int open_again(struct driver *d, bool read_only)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .read_only = read_only,
	};
	struct zcmu_store *other = NULL;
	int err = zcmu_store_open(d->spec, &options, &other);

	zcmu_store_close(other);
	return err;
}

static void a_file_is_served_for_writing_once(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, MIB, false), 0);
	assert_int_equal(open_again(d, false), -EBUSY);
	expect_logged(d, d->path, "another process has it in use");
	assert_int_equal(open_again(d, true), -EBUSY);
}

/* What a dead process has under way keeps the file until it is done. */
static void a_file_that_is_let_go_soon_is_waited_for(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	held_fd = open(d->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held_fd, LOCK_EX), 0);
	assert_int_equal(open_file(d, 0, false), 0);
	assert_int_equal(held_fd, -1);
}

static void a_file_may_be_served_for_reading_often(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 8192, 'x');
	assert_int_equal(open_file(d, 0, true), 0);
	assert_int_equal(open_again(d, true), 0);
	assert_int_equal(open_again(d, false), -EBUSY);
}

static void a_closed_file_is_free_again(void **state)
{
	struct driver *d = *state;

	driver_name_file(d, NULL, "disk.img");
	assert_int_equal(open_file(d, MIB, false), 0);
	driver_close(d);
	assert_int_equal(open_again(d, false), 0);
}

/*
 * Nothing may be left behind
 */

static void a_refused_file_is_not_kept_open(void **state)
{
	struct driver *d = *state;
	unsigned int before;

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 1000, 'x');
	before = open_descriptors();
	assert_int_equal(open_file(d, 0, false), -EINVAL);
	assert_int_equal(open_file(d, 4096, false), -EEXIST);
	assert_int_equal(zcmu_store_open("file:/dev/null", NULL, &d->store), -EINVAL);
	assert_int_equal(zcmu_store_open("file:/", NULL, &d->store), -EISDIR);
	assert_int_equal(open_descriptors(), before);
}

/* What is there now by name, and what is open, are they the same? */
static void expect_identity(struct driver *d, bool same)
{
	char open_one[ZCMU_STORE_IDENTITY_MAX] = "", named[ZCMU_STORE_IDENTITY_MAX] = "";

	assert_int_equal(zcmu_store_identity(d->store, open_one, sizeof(open_one)), 0);
	assert_int_equal(zcmu_store_identify(d->spec, named, sizeof(named)), 0);
	if (same)
		assert_string_equal(open_one, named);
	else
		assert_string_not_equal(open_one, named);
}

static void a_file_keeps_its_identity_whatever_is_done_to_it(void **state)
{
	struct driver *d = *state;
	char before[ZCMU_STORE_IDENTITY_MAX], after[ZCMU_STORE_IDENTITY_MAX], link[300];

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, MIB, 1);
	assert_int_equal(open_file(d, 0, false), 0);
	expect_identity(d, true);
	assert_int_equal(zcmu_store_identity(d->store, before, sizeof(before)), 0);
	zcmu_store_close(d->store);
	d->store = NULL;
	assert_int_equal(truncate(d->path, 2 * MIB), 0);
	assert_int_equal(chmod(d->path, 0640), 0);
	/* By another way, and open for reading alone, it is the same. */
	snprintf(link, sizeof(link), "%s-link", d->path);
	assert_int_equal(symlink(d->path, link), 0);
	snprintf(link, sizeof(link), "%s-link", d->spec);
	assert_int_equal(zcmu_store_open(link, &(struct zcmu_store_options){
						  .struct_size = sizeof(struct zcmu_store_options),
						  .read_only = true,
					  },
					 &d->store), 0);
	assert_int_equal(zcmu_store_identity(d->store, after, sizeof(after)), 0);
	assert_string_equal(before, after);
}

static void a_file_in_place_of_another_has_another_identity(void **state)
{
	struct driver *d = *state;
	char was[300];

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, MIB, 1);
	assert_int_equal(open_file(d, 0, false), 0);
	/* The same bytes, but not the same file. */
	snprintf(was, sizeof(was), "%s-was", d->path);
	assert_int_equal(rename(d->path, was), 0);
	driver_make_file(d, MIB, 1);
	expect_identity(d, false);
	assert_int_equal(rename(was, d->path), 0);
	expect_identity(d, true);
}

/* Files have the time of the last tick. */
static void wait_for_a_tick(void)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &begin);
	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == begin.tv_sec && now.tv_nsec == begin.tv_nsec);
}

/* Its number is used again at once by many file systems. */
static void a_file_that_was_made_anew_has_another_identity(void **state)
{
	struct driver *d = *state;
	char before[ZCMU_STORE_IDENTITY_MAX], after[ZCMU_STORE_IDENTITY_MAX];

	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, MIB, 1);
	assert_int_equal(zcmu_store_identify(d->spec, before, sizeof(before)), 0);
	assert_int_equal(unlink(d->path), 0);
	assert_int_equal(zcmu_store_identify(d->spec, after, sizeof(after)), -ENOENT);
	wait_for_a_tick();
	driver_make_file(d, MIB, 1);
	assert_int_equal(zcmu_store_identify(d->spec, after, sizeof(after)), 0);
	assert_string_not_equal(before, after);
}

static void what_is_in_memory_has_no_identity(void **state)
{
	struct driver *d = *state;
	char text[ZCMU_STORE_IDENTITY_MAX];

	assert_int_equal(zcmu_store_open("log,file=/dev/null:ram:1M", NULL, &d->store), 0);
	assert_int_equal(zcmu_store_identity(d->store, text, sizeof(text)), -EOPNOTSUPP);
	assert_int_equal(zcmu_store_identify("ram:1M", text, sizeof(text)), -EOPNOTSUPP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_missing_file_is_created_sparse),
		STORE_TEST(the_largest_file_there_can_be_is_as_thin_as_a_small_one),
		STORE_TEST(a_file_of_half_a_block_is_not_created),
		STORE_TEST(a_missing_file_is_not_created_without_a_size),
		STORE_TEST(a_missing_file_is_not_created_to_be_read),
		STORE_TEST(a_file_in_a_missing_directory_is_refused),
		STORE_TEST(a_file_that_is_there_is_served_as_it_is),
		STORE_TEST(a_file_that_has_the_size_already_is_taken),
		STORE_TEST(a_file_of_another_size_is_refused_and_left_alone),
		STORE_TEST(a_file_of_half_a_block_is_refused),
		STORE_TEST(an_empty_file_is_refused),
		STORE_TEST(a_directory_is_refused),
		STORE_TEST(a_character_device_is_refused),
		STORE_TEST(no_path_is_refused),
		STORE_TEST(a_path_may_have_colons),
		STORE_TEST(a_file_that_may_not_be_written_is_refused_or_only_read),
		STORE_TEST(a_disk_that_is_only_read_can_t_be_changed),
		STORE_TEST(a_file_is_served_for_writing_once),
		STORE_TEST(a_file_that_is_let_go_soon_is_waited_for),
		STORE_TEST(a_file_may_be_served_for_reading_often),
		STORE_TEST(a_closed_file_is_free_again),
		STORE_TEST(a_refused_file_is_not_kept_open),
		STORE_TEST(a_file_keeps_its_identity_whatever_is_done_to_it),
		STORE_TEST(a_file_in_place_of_another_has_another_identity),
		STORE_TEST(a_file_that_was_made_anew_has_another_identity),
		STORE_TEST(what_is_in_memory_has_no_identity),
	};

	return cmocka_run_group_tests_name("store-file-open", tests, NULL, NULL);
}
