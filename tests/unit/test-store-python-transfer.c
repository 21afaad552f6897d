// SPDX-License-Identifier: MIT
/*
 * Scripts that leave payloads to the kernel (stores/python/transfer.c), where there is none that
 * moves them: the store does it, and what fails is an error of the script's. With a kernel:
 * test-serve-python.c.
 */
#include "python-script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"

static uint8_t data[65536], back[65536];

/* A disk of 64 KiB in the file that is the argument. What follows goes on in the class. */
#define FILE_DISK							\
	"import errno, os, zcmu\n"					\
	"class Store:\n"						\
	"    size, transfers, kept = 65536, True, None\n"		\
	"    def __init__(self, argument, create_size, read_only):\n"	\
	"        self.fd = os.open(argument, os.O_RDWR | os.O_CREAT)\n"	\
	"    def close(self):\n"					\
	"        os.close(self.fd)\n"

#define READ								\
	"    def read(self, offset, buffer, io):\n"			\
	"        io.transfer(self.fd, offset)\n"

#define WRITE								\
	"    def write(self, offset, buffer, io):\n"			\
	"        io.transfer(self.fd, offset)\n"

static void open_script(struct driver *d, const char *text)
{
	char argument[512];
	int err;

	if (!d->directory[0])
		driver_name_file(d, NULL, "script.py");
	snprintf(argument, sizeof(argument), ",%s/disk", d->directory);
	err = python_open_script(d, text, argument, 0);
	if (err)
		fail_msg("expected the script to be opened, got %d: %s", err, python_said);
}

static void what_is_moved_is_in_the_file_and_no_descriptor_stays(void **state)
{
	struct driven w = { .iov = { { data + 1000, 300 }, { data, 700 }, { data + 3000, 1048 } } };
	struct driver *d = *state;
	unsigned int before;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK READ WRITE);
	before = open_descriptors();
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_read(d, 512, back, 4096), ZCMU_OK);
	assert_memory_equal(back, data + 512, 4096);
	driver_start(d, &w, ZCMU_IO_WRITE, 512, 2048);
	driver_wait(d);
	assert_int_equal(w.status, ZCMU_OK);
	assert_int_equal(driver_read(d, 512, back, 2048), ZCMU_OK);
	assert_memory_equal(back, data + 1000, 300);
	assert_memory_equal(back + 300, data, 700);
	assert_memory_equal(back + 1000, data + 3000, 1048);
	assert_int_equal(open_descriptors(), before);
}

/* Its number is another file's before the bytes are moved. */
static void a_descriptor_may_be_closed_after_the_call(void **state)
{
	struct driver *d = *state;
	struct stat st;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK READ
		    "    def write(self, offset, buffer, io):\n"
		    "        fd = os.dup(self.fd)\n"
		    "        io.transfer(fd, offset)\n"
		    "        os.close(fd)\n"
		    "        self.kept = open(os.readlink(f'/proc/self/fd/{self.fd}') + '2', 'wb')\n"
		    "        assert self.kept.fileno() == fd\n");
	assert_int_equal(driver_write(d, 512, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_read(d, 512, back, 4096), ZCMU_OK);
	assert_memory_equal(back, data, 4096);
	assert_int_equal(stat(driver_path_of(d, "disk2"), &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* Misaligned as well: what the kernel moves needn't be aligned for this process. */
static void direct_io_is_right_for_every_payload(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK
		    "    block_size = 4096\n"
		    "    def read(self, offset, buffer, io):\n"
		    "        fd = os.open(f'/proc/self/fd/{self.fd}', os.O_RDWR | os.O_DIRECT)\n"
		    "        io.transfer(fd, offset)\n"
		    "        os.close(fd)\n"
		    "    write = read\n");
	assert_int_equal(driver_write(d, 0, data, 32768, false), ZCMU_OK);
	assert_int_equal(driver_write(d, 8192, data + 513, 4096, false), ZCMU_OK);
	assert_int_equal(driver_read(d, 4096, back + 1, 12288), ZCMU_OK);
	assert_memory_equal(back + 1, data + 4096, 4096);
	assert_memory_equal(back + 4097, data + 513, 4096);
	assert_memory_equal(back + 8193, data + 12288, 4096);
}

static void a_call_that_makes_no_sense_raises_what_a_script_can_catch(void **state)
{
	static const char *const calls[] = {
		"OSError: io.transfer(-1, offset)",
		"OSError: io.transfer(987, offset)",
		"TypeError: io.transfer(self.fd)",
		"TypeError: io.transfer('disk', offset)",
		"TypeError: io.transfer(self.fd, 1.5)",
		"OverflowError: io.transfer(self.fd, -1)",
		"OverflowError: io.transfer(self.fd, 1 << 64)",
		"OverflowError: io.transfer(self.fd, (1 << 63) - 1)",
		"TypeError: type(io)()",
	};
	struct driver *d = *state;
	char text[2048];
	size_t i;

	driver_fill(data, sizeof(data));
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int len = (int)strcspn(calls[i], ":");

		/* -1 is not even a descriptor, and that is a ValueError of Python's own. */
		snprintf(text, sizeof(text), FILE_DISK WRITE
			 "    def read(self, offset, buffer, io):\n"
			 "        try:%s\n"
			 "        except %.*s:\n"
			 "            os.preadv(self.fd, [buffer], offset)\n", calls[i] + len + 1,
			 i ? len : 10, i ? calls[i] : "ValueError");
		open_script(d, text);
		assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
		memset(back, 0, 4096);
		if (driver_read(d, 0, back, 4096) != ZCMU_OK)
			fail_msg("%s: expected it to be caught, got: %s", calls[i], python_said);
		assert_memory_equal(back, data, 4096);
		driver_close(d);
	}
}

static void one_transfer_while_the_method_runs(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK READ
		    "    def write(self, offset, buffer, io):\n"
		    "        if self.kept:\n"
		    "            self.kept.transfer(self.fd, offset)\n"
		    "        self.kept = io\n"
		    "        io.transfer(self.fd, offset)\n"
		    "        if offset:\n"
		    "            io.transfer(self.fd, offset)\n");
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_WRITE_ERROR);
	expect_python_said("ValueError: transfer() after the method has returned");
	driver_close(d);
	open_script(d, FILE_DISK READ
		    "    def write(self, offset, buffer, io):\n"
		    "        io.transfer(self.fd, offset)\n"
		    "        io.transfer(self.fd, offset)\n");
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_WRITE_ERROR);
	expect_python_said("ValueError: transfer() for the second time");
}

static void what_a_method_left_before_it_failed_is_not_moved(void **state)
{
	struct driver *d = *state;
	unsigned int before;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK READ
		    "    def write(self, offset, buffer, io):\n"
		    "        io.transfer(self.fd, offset)\n"
		    "        if offset: return 1\n"
		    "        raise OSError(errno.ENOSPC, 'full')\n");
	before = open_descriptors();
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_NO_SPACE);
	assert_int_equal(driver_write(d, 512, data, 4096, false), ZCMU_WRITE_ERROR);
	assert_int_equal(open_descriptors(), before);
	/* The file is as short as it was. */
	assert_int_equal(driver_read(d, 0, back, 512), ZCMU_READ_ERROR);
	expect_python_said("transfer of the read of 512 bytes at 0 has failed: OSError: [Errno 5]");
	assert_int_equal(open_descriptors(), before);
}

static void a_transfer_that_fails_is_an_error_of_the_method(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK READ
		    "    def write(self, offset, buffer, io):\n"
		    "        with open('/dev/full', 'wb', buffering=0) as full:\n"
		    "            io.transfer(full, offset)\n");
	/* Another error is told as well, though neither has a line. */
	assert_int_equal(driver_read(d, 0, back, 512), ZCMU_READ_ERROR);
	expect_python_said("transfer of the read of 512 bytes at 0 has failed: OSError: [Errno 5]");
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_NO_SPACE);
	expect_python_said("transfer of the write of 4096 bytes at 0 has failed: OSError: [Errno 28]");
}

static void a_script_that_doesn_t_transfer_gets_no_io(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, FILE_DISK
		    "    transfers = False\n"
		    "    def read(self, offset, buffer):\n"
		    "        os.preadv(self.fd, [buffer], offset)\n"
		    "    def write(self, offset, buffer):\n"
		    "        os.pwritev(self.fd, [buffer], offset)\n");
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_read(d, 0, back, 4096), ZCMU_OK);
	assert_memory_equal(back, data, 4096);
}

/* It reaches from one of the example's files into the next, and then doesn't. */
static void the_example_is_a_disk_that_stays(void **state)
{
	struct driver *d = *state;
	const uint64_t at = (64 << 20) - 8192;
	char spec[512];

	/* The folder alone: there is nothing in it. */
	driver_name_file(d, NULL, "000000");
	snprintf(spec, sizeof(spec), "python:" EXAMPLES "/chunks.py,%s", d->directory);
	if (driver_open(d, spec, 192 << 20, false) == -ENOENT) {
		printf("skipped: there is no store python in this build\n");
		skip();
	}
	driver_fill(data, sizeof(data));
	assert_int_equal(driver_write(d, at, data, 32768, true), ZCMU_OK);
	assert_int_equal(driver_write(d, at + 16384, data, 8192, false), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(d->store->size, 192 << 20);
	memcpy(data + 16384, data, 8192);
	assert_int_equal(driver_read(d, at, back, 32768), ZCMU_OK);
	assert_memory_equal(back, data, 32768);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 64 << 20, false), -EINVAL);
	expect_logged(d, "chunks.py", "has 3 files of 67108864 bytes");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(what_is_moved_is_in_the_file_and_no_descriptor_stays),
		STORE_TEST(a_descriptor_may_be_closed_after_the_call),
		STORE_TEST(direct_io_is_right_for_every_payload),
		STORE_TEST(a_call_that_makes_no_sense_raises_what_a_script_can_catch),
		STORE_TEST(one_transfer_while_the_method_runs),
		STORE_TEST(what_a_method_left_before_it_failed_is_not_moved),
		STORE_TEST(a_transfer_that_fails_is_an_error_of_the_method),
		STORE_TEST(a_script_that_doesn_t_transfer_gets_no_io),
		STORE_TEST(the_example_is_a_disk_that_stays),
	};

	return cmocka_run_group_tests_name("store-python-transfer", tests, NULL, NULL);
}
