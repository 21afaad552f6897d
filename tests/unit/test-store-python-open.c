// SPDX-License-Identifier: MIT
/*
 * The store python (stores/python): what a script says of itself becomes the disk, and
 * scripts that can't be one are refused, with the file, the reason, and what to do.
 */
#include "python-script.h"

#include <stdio.h>

/* A disk of zeroes; more may follow in the class. */
#define ZEROES								\
	"class Store:\n"						\
	"    def __init__(self, argument, create_size, read_only):\n"	\
	"        self.size = create_size or 65536\n"			\
	"        self.argument, self.read_only = argument, read_only\n"	\
	"    def read(self, offset, buffer):\n"				\
	"        buffer[:] = bytes(len(buffer))\n"

static void a_script_with_read_is_a_read_only_disk(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d, ZEROES, "", 0), 0);
	assert_int_equal(d->store->size, 65536);
	assert_int_equal(d->store->block_size, 512);
	assert_true(d->store->read_only);
	assert_null(d->store->ops->trim);
	assert_null(d->store->ops->map);
	assert_null(d->store->ops->resize);
	assert_false(d->store->ops->flags & ZCMU_STORE_TRIM_ZEROES);
	expect_bytes_of(d, 0, 4096, 0);
}

static void methods_are_what_the_disk_can(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d, ZEROES
			 "    def write(self, offset, buffer): pass\n"
			 "    def flush(self): pass\n"
			 "    def trim(self, offset, length): pass\n"
			 "    def zero(self, offset, length): pass\n", "", 0), 0);
	assert_false(d->store->read_only);
	assert_int_equal(zcmu_store_flush(d->store), ZCMU_CAN_NATIVE);
	assert_int_equal(zcmu_store_fua(d->store), ZCMU_CAN_EMULATED);
	assert_int_equal(zcmu_store_trim(d->store), ZCMU_CAN_NATIVE);
	assert_true(zcmu_store_trims_to_zeroes(d->store));
	assert_int_equal(zcmu_store_zero(d->store), ZCMU_CAN_NATIVE);
}

static void the_script_s_attributes_are_the_disk_s(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d, ZEROES
			 "    block_size = 1024\n"
			 "    physical_block_size = 4096\n"
			 "    optimal_io_size = 1 << 20\n"
			 "    trim_granularity = 65536\n"
			 "    rotational = True\n", "", 0), 0);
	assert_int_equal(d->store->block_size, 1024);
	assert_int_equal(d->store->physical_block_size, 4096);
	assert_int_equal(d->store->optimal_io_size, 1 << 20);
	assert_int_equal(d->store->trim_granularity, 65536);
	assert_true(d->store->rotational);
}

/* What nobody says outlives the process must not be taken over by another one. */
static void a_disk_is_volatile_unless_it_says_persistent(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d, ZEROES, "", 0), 0);
	assert_true(d->store->ops->flags & ZCMU_STORE_VOLATILE);
	driver_close(d);
	assert_int_equal(python_open_script(d, ZEROES "    persistent = True\n", "", 0), 0);
	assert_false(d->store->ops->flags & ZCMU_STORE_VOLATILE);
}

static void what_is_behind_the_comma_is_the_script_s(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d,
			 "class Store:\n"
			 "    def __init__(self, argument, create_size, read_only):\n"
			 "        assert argument == 'a=1,b:/c' and create_size == 1 << 20\n"
			 "        assert read_only is False\n"
			 "        self.size = create_size\n"
			 "    def read(self, offset, buffer): pass\n", ",a=1,b:/c", 1 << 20), 0);
	assert_int_equal(d->store->size, 1 << 20);
}

/* _lzma is in C and not part of the interpreter, sibling is a file next to the script. */
static void scripts_can_import(void **state)
{
	struct driver *d = *state;
	char path[160];
	FILE *file;

	driver_name_file(d, NULL, "script.py");
	snprintf(path, sizeof(path), "%s/sibling.py", d->directory);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("SIZE = 512 * 99\n", file);
	fclose(file);
	assert_int_equal(python_open_script(d,
			 "import _lzma, lzma, sibling, zcmu\n"
			 "class Store:\n"
			 "    def __init__(self, argument, create_size, read_only):\n"
			 "        self.size = sibling.SIZE\n"
			 "        assert zcmu.parse_size('2K') == 2048\n"
			 "        zcmu.warning('a warning')\n"
			 "        assert lzma.decompress(lzma.compress(b'a')) == b'a'\n"
			 "    def read(self, offset, buffer): pass\n", "", 0), 0);
	assert_int_equal(d->store->size, 512 * 99);
	expect_python_said("a warning");
}

static void two_disks_of_a_script_share_nothing(void **state)
{
	static const char script[] =
		"made = 0\n"
		"class Store:\n"
		"    def __init__(self, argument, create_size, read_only):\n"
		"        global made\n"
		"        made += 1\n"
		"        self.size = 512 * made\n"
		"    def read(self, offset, buffer):\n"
		"        buffer[:] = bytes([made]) * len(buffer)\n";
	struct driver *d = *state;
	struct zcmu_store *other;

	assert_int_equal(python_open_script(d, script, "", 0), 0);
	assert_int_equal(zcmu_store_open(python_script(d, script), NULL, &other), 0);
	assert_int_equal(other->size, 512);
	zcmu_store_close(other);
	expect_bytes_of(d, 0, 512, 1);
}

static void close_is_called_once_and_open_again_works(void **state)
{
	struct driver *d = *state;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(python_open_script(d, "import zcmu\n" ZEROES
				 "    def close(self): zcmu.warning('closed')\n", "", 0), 0);
		driver_close(d);
		assert_int_equal(python_said_times("closed"), 1);
	}
}

/* What is wrong with a script, and what is said of it. */
static const struct misfit {
	const char *text, *said, *too;
	int err;
} misfits[] = {
	{ "x = = 1\n", "SyntaxError", "line 1", -EINVAL },
	{ "import nothing_of_that_name\n", "No module named 'nothing_of_that_name'", "line 1", -EINVAL },
	{ "x = 1\n", "no class Store", "zcmu-python(7)", -EINVAL },
	{ "class Store: pass\n", "Store() takes no arguments", "zcmu-python(7)", -EINVAL },
	{ "class Store:\n    def __init__(self, a, b, c): pass\n", "no method read", "zcmu-python(7)",
	  -EINVAL },
	{ "class Store:\n    def __init__(self, a, b, c): pass\n    def read(self, o, b): pass\n",
	  "self.size", "zcmu-python(7)", -EINVAL },
	{ ZEROES "    write = 3\n", "Store's write is 3", "must be a method", -EINVAL },
	{ ZEROES "    block_size = True\n", "block_size is True", "must be an int", -EINVAL },
	{ ZEROES "    block_size = '4K'\n", "block_size is '4K'", "must be an int", -EINVAL },
	{ ZEROES "    block_size = 1 << 32\n", "block_size is 4294967296", "must be an int", -EINVAL },
	{ ZEROES "    block_size = 1000\n", "1000 bytes can't be served", "", -EINVAL },
	{ ZEROES "    optimal_io_size = -1\n", "optimal_io_size is -1", "must be an int", -EINVAL },
	{ ZEROES "    persistent = 1\n", "persistent is 1", "True or False", -EINVAL },
	{ "class Store:\n    def __init__(self, a, b, c):\n        1 / 0\n", "ZeroDivisionError",
	  "line 3", -EINVAL },
	{ "class Store:\n    def __init__(self, a, b, c):\n        open('/dev/null/x')\n",
	  "/dev/null/x", "line 3", -ENOTDIR },
	{ "class Store:\n    def __init__(self, a, b, c):\n        raise SystemExit(0)\n",
	  "SystemExit", "line 3", -EINVAL },
};

static void a_script_that_is_no_store_is_refused_with_the_reason(void **state)
{
	struct driver *d = *state;
	size_t i;
	int err;

	for (i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
		err = python_open_script(d, misfits[i].text, "", 0);
		if (err != misfits[i].err)
			fail_msg("expected %d for script %zu, got %d", misfits[i].err, i, err);
		expect_python_said("python:/");
		expect_python_said("script.py");
		expect_python_said(misfits[i].said);
		expect_python_said(misfits[i].too);
	}
}

/* The script's own words, and no traceback */
static void a_script_can_refuse(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d,
			 "import zcmu\n"
			 "class Store:\n"
			 "    def __init__(self, argument, create_size, read_only):\n"
			 "        raise zcmu.Error('say python:x.py,SIZE')\n", "", 0), -EINVAL);
	expect_python_said("script.py: say python:x.py,SIZE\n");
	assert_int_equal(python_said_times("\n"), 1);
	assert_int_equal(python_open_script(d,
			 "import zcmu\n"
			 "class Store:\n"
			 "    def __init__(self, argument, create_size, read_only):\n"
			 "        self.size = zcmu.parse_size(argument)\n", ",big", 0), -EINVAL);
	expect_python_said("\"big\" is no size");
}

static void a_file_that_is_no_script_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(python_open_script(d, ZEROES, "", 0), 0);
	driver_close(d);
	zcmu_set_log(NULL, NULL);
	assert_int_equal(zcmu_store_open("python:/no/such/script.py,a", NULL, &d->store), -ENOENT);
	assert_int_equal(zcmu_store_open("python:", NULL, &d->store), -ENOENT);
	assert_int_equal(zcmu_store_open("python:/proc/self/exe", NULL, &d->store), -ENOEXEC);
	assert_int_equal(zcmu_store_open("python:/tmp", NULL, &d->store), -EISDIR);
	d->store = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE_TEST(a_script_with_read_is_a_read_only_disk),
		STORE_TEST(methods_are_what_the_disk_can),
		STORE_TEST(the_script_s_attributes_are_the_disk_s),
		STORE_TEST(a_disk_is_volatile_unless_it_says_persistent),
		STORE_TEST(what_is_behind_the_comma_is_the_script_s),
		STORE_TEST(scripts_can_import),
		STORE_TEST(two_disks_of_a_script_share_nothing),
		STORE_TEST(close_is_called_once_and_open_again_works),
		STORE_TEST(a_script_that_is_no_store_is_refused_with_the_reason),
		STORE_TEST(a_script_can_refuse),
		STORE_TEST(a_file_that_is_no_script_is_refused),
	};

	return cmocka_run_group_tests_name("store-python-open", tests, NULL, NULL);
}
