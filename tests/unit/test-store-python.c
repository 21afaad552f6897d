// SPDX-License-Identifier: MIT
/*
 * The store python (stores/python): payloads are lent to scripts and taken back, what
 * scripts raise becomes the right status, and the example is a disk.
 */
#include "python-script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint8_t data[65536], back[65536];

/* A disk of 64 KiB in memory. What follows goes on in the class. */
#define MEMORY								\
	"import ctypes, errno, zcmu\n"					\
	"class Store:\n"						\
	"    size = 65536\n"						\
	"    def __init__(self, argument, create_size, read_only):\n"	\
	"        self.memory, self.kept = bytearray(self.size), None\n"

#define READ								\
	"    def read(self, offset, buffer):\n"				\
	"        buffer[:] = self.memory[offset:offset + len(buffer)]\n"

#define WRITE								\
	"    def write(self, offset, buffer):\n"			\
	"        self.memory[offset:offset + len(buffer)] = buffer\n"

static void open_script(struct driver *d, const char *text)
{
	int err = python_open_script(d, text, "", 0);

	if (err)
		fail_msg("expected the script to be opened, got %d: %s", err, python_said);
}

static void what_is_written_is_read(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, MEMORY READ WRITE);
	assert_int_equal(driver_write(d, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_read(d, 512, back, 4096), ZCMU_OK);
	assert_memory_equal(back, data + 512, 4096);
}

/* The script puts the buffer's address into it. */
#define READ_ADDRESS							\
	"    def read(self, offset, buffer):\n"				\
	"        at = ctypes.addressof(ctypes.c_char.from_buffer(buffer))\n" \
	"        buffer[0:8] = at.to_bytes(8, 'little')\n"		\
	"        buffer[8:16] = len(buffer).to_bytes(8, 'little')\n"

static void expect_address(const uint64_t *at, const void *address, uint64_t length)
{
	assert_int_equal(at[0], (uintptr_t)address);
	assert_int_equal(at[1], length);
}

static void a_buffer_is_the_payload_itself(void **state)
{
	struct driver *d = *state;

	open_script(d, MEMORY READ_ADDRESS);
	assert_int_equal(driver_read(d, 0, back, 8192), ZCMU_OK);
	expect_address((uint64_t *)back, back, 8192);
}

static void pieces_that_are_one_run_are_no_copy(void **state)
{
	struct driven r = { .iov = { { back, 512 }, { back + 512, 100 }, { back + 612, 1436 } } };
	struct driver *d = *state;

	open_script(d, MEMORY READ_ADDRESS);
	driver_start(d, &r, ZCMU_IO_READ, 0, 2048);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_OK);
	expect_address((uint64_t *)back, back, 2048);
}

static void other_pieces_are_one_buffer_as_well(void **state)
{
	struct driven w = { .iov = { { data + 1000, 300 }, { data, 700 }, { data + 3000, 1048 } } };
	struct driven r = { .iov = { { back, 1 }, { back + 2, 2047 } } };
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, MEMORY READ WRITE);
	driver_start(d, &w, ZCMU_IO_WRITE, 512, 2048);
	driver_wait(d);
	assert_int_equal(w.status, ZCMU_OK);
	back[1] = 0x77;
	driver_start(d, &r, ZCMU_IO_READ, 512, 2048);
	driver_wait(d);
	assert_int_equal(r.status, ZCMU_OK);
	assert_int_equal(back[0], data[1000]);
	assert_int_equal(back[1], 0x77);
	assert_memory_equal(back + 2, data + 1001, 299);
	assert_memory_equal(back + 301, data, 700);
	assert_memory_equal(back + 1001, data + 3000, 1048);
}

static void a_write_s_buffer_is_read_only(void **state)
{
	struct driver *d = *state;

	driver_fill(data, sizeof(data));
	open_script(d, MEMORY READ
		    "    def write(self, offset, buffer):\n"
		    "        assert buffer.readonly\n"
		    "        buffer[0] = 1\n");
	assert_int_equal(driver_write(d, 0, data, 512, false), ZCMU_WRITE_ERROR);
	expect_python_said("cannot modify read-only memory");
	assert_int_equal(data[1], 7);
}

/* What is kept raises ValueError when it is touched, whatever was made of it. */
static const struct kept {
	const char *what;
	enum zcmu_status status;
} kept[] = {
	{ "buffer", ZCMU_OK },
	/* These might be in something that doesn't ask. */
	{ "buffer[8:16]", ZCMU_WRITE_ERROR },
	{ "buffer.cast('I')", ZCMU_WRITE_ERROR },
	{ "memoryview(buffer)", ZCMU_WRITE_ERROR },
	{ "[buffer, buffer[1:], memoryview(buffer[2:])]", ZCMU_WRITE_ERROR },
	/* A copy is a copy; what is in a loop is let go. */
	{ "bytes(buffer[2:])", ZCMU_OK },
	{ "(loop := [buffer[2:]], loop.append(loop), 1)[2]", ZCMU_OK },
};

static void a_kept_buffer_is_dead(void **state)
{
	struct driver *d = *state;
	char script[2048];
	size_t i;

	driver_fill(data, sizeof(data));
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		snprintf(script, sizeof(script), "%s"
			 "    def write(self, offset, buffer):\n"
			 "        self.kept = %s\n"
			 "    def read(self, offset, buffer):\n"
			 "        kept = self.kept if isinstance(self.kept, list) else [self.kept]\n"
			 "        for view in kept:\n"
			 "            for touch in bytes, len, lambda v: v[0], lambda v: v[1:], memoryview:\n"
			 "                if not isinstance(view, memoryview): continue\n"
			 "                try: touch(view)\n"
			 "                except ValueError: continue\n"
			 "                raise RuntimeError(f'{view} lives after {touch}')\n"
			 "        buffer[:] = bytes([55]) * len(buffer)\n", MEMORY, kept[i].what);
		open_script(d, script);
		if (driver_write(d, 0, data, 512, false) != kept[i].status)
			fail_msg("expected status %d of a write that keeps %s: %s", kept[i].status,
				 kept[i].what, python_said);
		if (kept[i].status != ZCMU_OK)
			expect_python_said("write has kept a part of its buffer");
		if (driver_read(d, 0, back, 512) != ZCMU_OK)
			fail_msg("expected %s to be dead, got: %s", kept[i].what, python_said);
		assert_int_equal(back[511], 55);
		driver_close(d);
	}
}

/* A buffer that is released by the script, or used up in an exception, is no trouble. */
static void a_buffer_may_be_released(void **state)
{
	struct driver *d = *state;

	open_script(d, MEMORY
		    "    def read(self, offset, buffer):\n"
		    "        with buffer: buffer[:] = bytes([3]) * len(buffer)\n"
		    "    def write(self, offset, buffer):\n"
		    "        try: self.parts = [buffer[:2], 1 / 0]\n"
		    "        except ZeroDivisionError as e: self.kept = e\n"
		    "        raise OSError(errno.EIO, 'no') from self.kept\n");
	expect_bytes_of(d, 0, 512, 3);
	assert_int_equal(driver_write(d, 0, data, 512, false), ZCMU_WRITE_ERROR);
	expect_bytes_of(d, 0, 512, 3);
}

/* Such an object asks nobody: all that can be done is to say so, before it kills. */
static void an_array_over_the_buffer_that_is_kept_fails_the_request(void **state)
{
	static const char *const keep[] = { "buffer", "buffer[512:]" };
	struct driver *d = *state;
	char script[2048];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(script, sizeof(script), "%s"
			 "    def read(self, offset, buffer):\n"
			 "        self.kept = (ctypes.c_char * 8).from_buffer(%s)\n", MEMORY, keep[i]);
		open_script(d, script);
		assert_int_equal(driver_read(d, 0, back, 1024), ZCMU_READ_ERROR);
		expect_python_said("read has kept a part of its buffer");
		driver_close(d);
	}
}

/* What a script raises, and what the initiator gets for it as a read and as a write */
static const struct raised {
	const char *what;
	enum zcmu_status read, write;
} raised[] = {
	{ "OSError(errno.EIO, 'x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "OSError(errno.ENOSPC, 'x')", ZCMU_HARDWARE_ERROR, ZCMU_NO_SPACE },
	{ "OSError(errno.EROFS, 'x')", ZCMU_HARDWARE_ERROR, ZCMU_WRITE_PROTECTED },
	{ "OSError(errno.EAGAIN, 'x')", ZCMU_BUSY, ZCMU_BUSY },
	{ "OSError(errno.ENODEV, 'x')", ZCMU_NOT_READY, ZCMU_NOT_READY },
	{ "FileNotFoundError(errno.ENOENT, 'x')", ZCMU_HARDWARE_ERROR, ZCMU_HARDWARE_ERROR },
	{ "MemoryError()", ZCMU_BUSY, ZCMU_BUSY },
	/* Without a number, or with one that is none, it isn't success. */
	{ "OSError('x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "OSError(0, 'x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "OSError(-5, 'x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "OSError(1 << 70, 'x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "ValueError('x')", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "KeyError", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "SystemExit(0)", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
	{ "KeyboardInterrupt", ZCMU_READ_ERROR, ZCMU_WRITE_ERROR },
};

static void an_exception_is_the_right_status(void **state)
{
	struct driver *d = *state;
	enum zcmu_status got;
	char script[1024];
	size_t i;

	for (i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		snprintf(script, sizeof(script), "%s"
			 "    def read(self, offset, buffer): raise %s\n"
			 "    write = read\n", MEMORY, raised[i].what);
		open_script(d, script);
		got = driver_read(d, 0, back, 512);
		if (got != raised[i].read)
			fail_msg("expected %d for a read with %s, got %d", raised[i].read,
				 raised[i].what, got);
		got = driver_write(d, 0, data, 512, false);
		if (got != raised[i].write)
			fail_msg("expected %d for a write with %s, got %d", raised[i].write,
				 raised[i].what, got);
		driver_close(d);
	}
}

static void a_failure_is_told_with_its_traceback_once(void **state)
{
	struct driver *d = *state;
	int i;

	open_script(d, MEMORY
		    "    def read(self, offset, buffer):\n"
		    "        self.deeper(offset)\n"
		    "    def deeper(self, offset):\n"
		    "        if offset: raise KeyError(offset)\n"
		    "        1 / 0\n");
	for (i = 0; i < 3; i++) {
		assert_int_equal(driver_read(d, 0, back, 512), ZCMU_READ_ERROR);
		assert_int_equal(driver_read(d, 512u * (1 + i), back, 512), ZCMU_READ_ERROR);
	}
	expect_python_said("script.py: Traceback (most recent call last):\n");
	expect_python_said("line 9, in deeper\n");
	expect_python_said("read of 512 bytes at 0 has failed: ZeroDivisionError: division by zero");
	expect_python_said("read of 512 bytes at 512 has failed: KeyError: 512");
	assert_int_equal(python_said_times("has failed"), 2);
}

/* Somebody thinks of read(offset, length) that returns bytes: the payload is not filled. */
static void a_method_that_returns_something_has_failed(void **state)
{
	struct driver *d = *state;

	open_script(d, MEMORY
		    "    def read(self, offset, buffer): return bytes(len(buffer))\n"
		    "    def write(self, offset, buffer): return len(buffer)\n"
		    "    def flush(self): return False\n");
	assert_int_equal(driver_read(d, 0, back, 512), ZCMU_READ_ERROR);
	expect_python_said("read() must return None, and has returned <class 'bytes'>: it fills");
	assert_int_equal(driver_write(d, 0, data, 512, false), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_flush(d), ZCMU_WRITE_ERROR);
}

static void the_other_methods_get_their_range(void **state)
{
	struct driver *d = *state;

	open_script(d, MEMORY READ WRITE
		    "    def flush(self): self.memory[0] += 1\n"
		    "    def trim(self, offset, length):\n"
		    "        self.memory[offset:offset + length] = bytes(length)\n"
		    "    def zero(self, offset, length): self.trim(offset, length)\n"
		    "    def map(self, offset, length):\n"
		    "        return offset >= 1024, 1024 if offset < 1024 else length\n"
		    "    def resize(self, size):\n"
		    "        if size > 1 << 20: raise OSError(errno.ENOSPC, 'too large')\n"
		    "        zcmu.warning(f'size {size}')\n");
	driver_fill(data, sizeof(data));
	assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	assert_int_equal(driver_trim(d, 512, 512), ZCMU_OK);
	assert_int_equal(driver_zero(d, 1024, 512, true), ZCMU_OK);
	assert_int_equal(driver_read(d, 0, back, 4096), ZCMU_OK);
	assert_int_equal(back[0], data[0] + 2);
	assert_memory_equal(back + 1536, data + 1536, 2560);
	expect_bytes_of(d, 512, 1024, 0);
	assert_int_equal(driver_map(d, 0, 8192, false), 1024);
	assert_int_equal(driver_map(d, 1024, 8192, true), 8192);
	assert_int_equal(d->store->ops->resize(d->store, 131072), 0);
	expect_python_said("size 131072");
	assert_int_equal(d->store->ops->resize(d->store, 2 << 20), -ENOSPC);
	expect_python_said("too large");
}

static void a_map_that_makes_no_sense_has_failed(void **state)
{
	static const char *const answers[] = { "True", "(True, 0)", "(True, 100)", "(True, 8704)",
					       "(True, -512)", "('x',)" };
	struct driver *d = *state;
	struct driven r = { 0 };
	char script[1024];
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		snprintf(script, sizeof(script), "%s"
			 "    def map(self, offset, length): return %s\n", MEMORY READ, answers[i]);
		open_script(d, script);
		driver_start(d, &r, ZCMU_IO_MAP, 0, 8192);
		driver_wait(d);
		if (r.status == ZCMU_OK)
			fail_msg("expected %s to fail, got success", answers[i]);
		driver_close(d);
	}
}

static void the_example_is_a_disk_that_stays(void **state)
{
	struct driver *d = *state;
	char spec[512];

	driver_name_file(d, NULL, "disk.db");
	snprintf(spec, sizeof(spec), "python:" EXAMPLES "/squeeze.py,%s", d->path);
	if (driver_open(d, spec, 1 << 20, false) == -ENOENT) {
		printf("skipped: there is no store python in this build\n");
		skip();
	}
	assert_int_equal(d->store->block_size, 4096);
	assert_false(d->store->ops->flags & ZCMU_STORE_VOLATILE);
	driver_fill(data, sizeof(data));
	expect_bytes_of(d, 0, 65536, 0);
	assert_int_equal(driver_write(d, 8192, data, 32768, true), ZCMU_OK);
	memset(data + 4096, 0, 8192);
	assert_int_equal(driver_write(d, 8192, data, 16384, false), ZCMU_OK);
	assert_int_equal(driver_trim(d, 8192 + 16384, 4096), ZCMU_OK);
	assert_int_equal(driver_zero(d, 8192 + 24576, 4096, true), ZCMU_OK);
	assert_int_equal(driver_flush(d), ZCMU_OK);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 0, false), 0);
	assert_int_equal(d->store->size, 1 << 20);
	memset(data + 16384, 0, 4096);
	memset(data + 24576, 0, 4096);
	assert_int_equal(driver_read(d, 8192, back, 32768), ZCMU_OK);
	assert_memory_equal(back, data, 32768);
	expect_bytes_of(d, 40960, 65536, 0);
	driver_close(d);
	assert_int_equal(driver_open(d, spec, 2 << 20, false), -EINVAL);
	expect_logged(d, "squeeze.py", "is a disk of 1048576 bytes; leave --size out");
}

/* As the kernel tells it: once, of SQLite's sync that comes next. */
static bool sync_fails;

static int fail_once(void)
{
	if (!sync_fails)
		return 0;
	sync_fails = false;
	errno = EIO;
	return -1;
}

int fdatasync(int fd)
{
	return fail_once() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return fail_once() ? -1 : (int)syscall(SYS_fsync, fd);
}

static void a_sync_of_the_example_that_failed_is_not_forgotten(void **state)
{
	struct driver *d = *state;
	char spec[512];
	int by, i;

	driver_name_file(d, NULL, "disk.db");
	snprintf(spec, sizeof(spec), "python:" EXAMPLES "/squeeze.py,%s", d->path);
	if (driver_open(d, spec, 8 << 20, false) == -ENOENT) {
		printf("skipped: there is no store python in this build\n");
		skip();
	}
	/* In a flush, and when it makes room without being asked to. */
	for (by = 0; by < 2; by++) {
		driver_fill(data, sizeof(data));
		/* SQLite begins its log, when nothing is in it that could be lost. */
		assert_int_equal(driver_write(d, 0, data, 4096, false), ZCMU_OK);
		sync_fails = true;
		for (i = 0; by && sync_fails && i < 4000; i++)
			(void)driver_write(d, (uint64_t)(i % 128) * 65536, data, 4096, false);
		if (!by && driver_flush(d) == ZCMU_OK)
			fail_msg("expected the flush that fails to fail, got success");
		assert_false(sync_fails);
		if (driver_flush(d) == ZCMU_OK)
			fail_msg("expected each flush after %s that failed to fail, got success",
				 by ? "a checkpoint of its own" : "a flush");
		driver_close(d);
		assert_int_equal(driver_open(d, spec, 0, false), 0);
		assert_int_equal(driver_flush(d), ZCMU_OK);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(what_is_written_is_read),
		STORE_TEST(a_buffer_is_the_payload_itself),
		STORE_TEST(pieces_that_are_one_run_are_no_copy),
		STORE_TEST(other_pieces_are_one_buffer_as_well),
		STORE_TEST(a_write_s_buffer_is_read_only),
		STORE_TEST(a_kept_buffer_is_dead),
		STORE_TEST(a_buffer_may_be_released),
		STORE_TEST(an_array_over_the_buffer_that_is_kept_fails_the_request),
		STORE_TEST(an_exception_is_the_right_status),
		STORE_TEST(a_failure_is_told_with_its_traceback_once),
		STORE_TEST(a_method_that_returns_something_has_failed),
		STORE_TEST(the_other_methods_get_their_range),
		STORE_TEST(a_map_that_makes_no_sense_has_failed),
		STORE_TEST(the_example_is_a_disk_that_stays),
		STORE_TEST(a_sync_of_the_example_that_failed_is_not_forgotten),
	};

	return cmocka_run_group_tests_name("store-python", tests, NULL, NULL);
}
