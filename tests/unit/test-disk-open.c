// SPDX-License-Identifier: MIT
/*
 * Which UIO device zcmu_disk_open() opens, by the backstore's name and by the device's number. The
 * devices, and what sysfs says of them, are files of the test's own: the linker puts its functions
 * in place of the real ones (meson.build).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "serve/disk.h"
#include "zcmu-abi.h"

#define MAP_BYTES	8192u
#define UIO_MAJOR	240u

/* /dev/uioN is devices[N]. */
static const char *const devices[] = {
	"tcm-user/1/first",
	"some-card",
	"tcm-user/2/second/zcmu/file:disk.img",
	"tcm-user/3/first",
};
#define NR_DEVICES	(sizeof(devices) / sizeof(devices[0]))

static char directory[64];	/* with files uio0, uio1, ..., for who looks for them */
static char logged[512];
static int opened = -1;		/* N of the device that was opened last */
static int open_fd = -1;	/* its descriptor */
static const char *renamed;	/* the device is that one's once it is open */

int __real_open64(const char *path, int flags, ...);
FILE *__real_fopen64(const char *path, const char *mode);
int __real_fstat64(int fd, struct stat *st);
DIR *__real_opendir(const char *path);
int __wrap_open64(const char *path, int flags, ...);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __wrap_fstat64(int fd, struct stat *st);
DIR *__wrap_opendir(const char *path);

/* A ring that nobody has used */
static int open_map(void)
{
	struct zcmu_mailbox mailbox = {
		.version = ZCMU_MAILBOX_VERSION, .flags = ZCMU_CAP_OOOC, .cmdr_off = 4096,
		.cmdr_size = 4096,
	};
	int fd = memfd_create("uio", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, MAP_BYTES), 0);
	assert_int_equal(write(fd, &mailbox, sizeof(mailbox)), sizeof(mailbox));
	return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	unsigned int n;

	if (sscanf(path, "/dev/uio%u", &n) != 1)
		return __real_open64(path, flags, 0600);
	assert_true(n < NR_DEVICES);
	opened = (int)n;
	open_fd = open_map();
	return open_fd;
}

int __wrap_fstat64(int fd, struct stat *st)
{
	int err = __real_fstat64(fd, st);

	if (!err && fd == open_fd) {
		st->st_mode = S_IFCHR;
		st->st_rdev = makedev(UIO_MAJOR, (unsigned int)opened);
	}
	return err;
}

static FILE *text(const char *line)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	fprintf(file, "%s\n", line);
	rewind(file);
	return file;
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	unsigned int n;
	int end = 0;

	if (sscanf(path, "/sys/class/uio/uio%u/name%n", &n, &end) == 1 && end &&
	    n < NR_DEVICES)
		return text(devices[n]);
	end = 0;
	if (sscanf(path, "/sys/dev/char/240:%u/%n", &n, &end) == 1 && end) {
		if (!strcmp(path + end, "name"))
			return text(renamed ? renamed : devices[n]);
		if (!strcmp(path + end, "maps/map0/size"))
			return text("0x2000");
	}
	return __real_fopen64(path, mode);
}

DIR *__wrap_opendir(const char *path)
{
	return __real_opendir(strcmp(path, "/sys/class/uio") ? path : directory);
}

static void keep_log(int level, const char *message, void *argument)
{
	(void)level;
	(void)argument;
	snprintf(logged, sizeof(logged), "%s", message);
}

static int setup(void **state)
{
	char path[96];
	size_t i;

	(void)state;
	zcmu_set_log(keep_log, NULL);
	snprintf(directory, sizeof(directory), "/tmp/zcmu-unit-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	for (i = 0; i < NR_DEVICES; i++) {
		snprintf(path, sizeof(path), "%s/uio%zu", directory, i);
		close(__real_open64(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	return 0;
}

static int teardown(void **state)
{
	char path[96];
	size_t i;

	(void)state;
	for (i = 0; i < NR_DEVICES; i++) {
		snprintf(path, sizeof(path), "%s/uio%zu", directory, i);
		unlink(path);
	}
	return rmdir(directory);
}

static void expect_opened(const char *name, int uio, const char *disk_name)
{
	struct zcmu_disk *disk;

	opened = -1;
	assert_int_equal(zcmu_disk_open(name, &disk), 0);
	assert_int_equal(opened, uio);
	assert_string_equal(disk->name, disk_name);
	zcmu_disk_close(disk);
	open_fd = -1;
}

static void expect_refused(const char *name, int error, const char *words)
{
	struct zcmu_disk *disk;

	logged[0] = '\0';
	assert_int_equal(zcmu_disk_open(name, &disk), error);
	if (!strstr(logged, words))
		fail_msg("expected \"%s\", got \"%s\"", words, logged);
	open_fd = -1;
}

static void a_disk_is_found_by_its_name(void **state)
{
	(void)state;
	expect_opened("second", 2, "second");
	expect_opened("user_3/first", 3, "first");
	expect_refused("first", -ENOTUNIQ, "user_N/first");
	expect_refused("third", -ENOENT, "is the backstore enabled");
}

static void a_disk_is_found_by_the_number_of_its_device(void **state)
{
	(void)state;
	expect_opened("/dev/uio0", 0, "first");
	expect_opened("/dev/uio2", 2, "second");
	expect_opened("/dev/uio3", 3, "first");
}

static void a_device_that_is_no_disk_is_not_opened(void **state)
{
	(void)state;
	opened = -1;
	expect_refused("/dev/uio1", -ENODEV, "another driver's, \"some-card\"");
	expect_refused("/dev/uio4", -ENOENT, "no such UIO device");
	expect_refused("/dev/uio", -ENOENT, "no UIO device has that name");
	expect_refused("/dev/uio1x", -ENOENT, "no UIO device has that name");
	assert_int_equal(opened, -1);
}

static void a_number_that_has_become_another_disk_s_is_refused(void **state)
{
	(void)state;
	renamed = "tcm-user/3/other";
	expect_refused("/dev/uio3", -ENODEV, "is another disk's now");
	renamed = "tcm-user/1/first";
	expect_refused("/dev/uio3", -ENODEV, "is another disk's now");
	renamed = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_found_by_its_name),
		cmocka_unit_test(a_disk_is_found_by_the_number_of_its_device),
		cmocka_unit_test(a_device_that_is_no_disk_is_not_opened),
		cmocka_unit_test(a_number_that_has_become_another_disk_s_is_refused),
	};

	return cmocka_run_group_tests_name("disk-open", tests, setup, teardown);
}
