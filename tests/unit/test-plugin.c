// SPDX-License-Identifier: MIT
/*
 * Plug-ins (lib/store/plugin.c): stores in files, found, loaded, or refused with a reason. The
 * file that works is the example of the manual, examples/xor.c.
 */
#include "store-driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t data[8192];

static void the_example_is_a_disk(void **state)
{
	struct driver *d = *state;

	memset(data, 0x5a, sizeof(data));
	assert_int_equal(driver_open(d, "xor,key=42:1M", 0, false), 0);
	assert_string_equal(d->store->ops->name, "xor");
	assert_int_equal(d->store->size, 1 << 20);
	/* Memory of zeroes, XORed */
	expect_bytes_of(d, 0, 4096, 42);
	assert_int_equal(driver_write(d, 8192, data, 8192, true), ZCMU_OK);
	expect_bytes_of(d, 8192, 8192, 0x5a);
	expect_bytes_of(d, 0, 8192, 42);
}

static void the_example_s_messages_are_the_library_s(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "xor:1M", 0, false), -EINVAL);
	expect_logged(d, "xor:1M", "key=42");
}

/* What the command says of a store: its usage, and each option. */
static void the_help_lists_the_options_of_stores_and_layers(void **state)
{
	static const char *const words[] = {
		"xor,key=N:SIZE", "\n    ,key=N             1 to 255\n", "\n    ,overlay=PATH ",
		"\n    ,touch=0|1 ", "\n    ,hang  ",
	};
	static char text[16384];
	FILE *help = popen(ZCMU_COMMAND " serve --help", "re");
	size_t i, len;

	(void)state;
	assert_non_null(help);
	len = fread(text, 1, sizeof(text) - 1, help);
	assert_int_equal(pclose(help), 0);
	text[len] = '\0';
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strstr(text, words[i]))
			fail_msg("expected \"%s\", got \"%s\"", words[i], text);
	}
}

static void a_store_that_is_nowhere_is_refused_with_those_there_are(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "floppy:a", 0, false), -ENOENT);
	expect_logged(d, "\"floppy\"", "file, ram, null, ");
	expect_logged(d, "xor", "/zcmu/1");
}

static void a_name_does_not_lead_out_of_the_folder(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "../examples/xor,key=1:1M", 0, false), -ENOENT);
	assert_int_equal(driver_open(d, "Xor,key=1:1M", 0, false), -ENOENT);
}

static void a_uri_is_for_the_store_of_its_scheme(void **state)
{
	struct driver *d = *state;

	/* The whole of it is the argument. */
	assert_int_equal(driver_open(d, "xor://a/b", 0, false), -EINVAL);
	expect_logged(d, "xor:xor://a/b", "say");
	assert_int_equal(driver_open(d, "xor+unix://a/b", 0, false), -EINVAL);
	expect_logged(d, "xor:xor+unix://a/b", "say");
}

static void a_plug_in_of_another_abi_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "misfit-abi:", 0, false), -ENOEXEC);
	expect_logged(d, "misfit-abi.so", "build it again");
}

static void a_plug_in_from_an_older_library_is_taken(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "fits-older:", 0, false), 0);
	assert_int_equal(d->store->ops->size, sizeof(struct zcmu_store_ops));
}

static void a_file_that_is_no_store_is_refused(void **state)
{
	struct driver *d = *state;

	assert_int_equal(driver_open(d, "misfit-none:", 0, false), -ENOEXEC);
	expect_logged(d, "misfit-none.so", "zcmu_store_plugin");
	assert_int_equal(driver_open(d, "misfit-name:", 0, false), -ENOEXEC);
	expect_logged(d, "misfit-name.so", "\"other\"");
}

/* Copy a plug-in, with one text in it changed to another of the same length. */
static void copy_changed(const char *from, const char *to, const char *old, const char *new)
{
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	size_t len, i, changed = 0;
	char *bytes;

	assert_non_null(in);
	assert_non_null(out);
	fseek(in, 0, SEEK_END);
	len = (size_t)ftell(in);
	rewind(in);
	bytes = malloc(len);
	assert_int_equal(fread(bytes, 1, len, in), len);
	for (i = 0; i + strlen(old) <= len; i++) {
		if (!memcmp(bytes + i, old, strlen(old))) {
			memcpy(bytes + i, new, strlen(old));
			changed++;
		}
	}
	assert_true(changed > 0);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	free(bytes);
	fclose(in);
	fclose(out);
}

static void a_library_that_is_missing_is_named_with_its_package(void **state)
{
	struct driver *d = *state;
	char path[256], *search = strdup(getenv("ZCMU_STORE_PATH"));

	driver_name_file(d, NULL, "none");
	setenv("ZCMU_STORE_PATH", d->directory, 1);
	snprintf(path, sizeof(path), "%s/lacks.so", d->directory);
	copy_changed(XOR_PLUGIN, path, "libzcmu.so.0", "libnbd.so.77");
	assert_int_equal(driver_open(d, "lacks:", 0, false), -ELIBACC);
	expect_logged(d, "libnbd.so.77", "libnbd0");
	snprintf(path, sizeof(path), "%s/lacks2.so", d->directory);
	copy_changed(XOR_PLUGIN, path, "libzcmu.so.0", "libabsent.77");
	assert_int_equal(driver_open(d, "lacks2:", 0, false), -ELIBACC);
	expect_logged(d, "lacks2.so", "libabsent.77, which is not installed");
	setenv("ZCMU_STORE_PATH", search, 1);
	free(search);
}

static void a_file_that_can_t_be_loaded_is_refused(void **state)
{
	struct driver *d = *state;
	char *search = strdup(getenv("ZCMU_STORE_PATH"));

	driver_name_file(d, NULL, "garbage.so");
	setenv("ZCMU_STORE_PATH", d->directory, 1);
	driver_make_file(d, 5000, 0x7f);
	assert_int_equal(driver_open(d, "garbage:", 0, false), -ENOEXEC);
	expect_logged(d, "garbage.so", "can't be loaded");
	setenv("ZCMU_STORE_PATH", search, 1);
	free(search);
}

/* With a file beside it that would be complained about if it were loaded as well. */
/* What is loaded can do whatever root can. */
static void root_loads_nothing_that_others_can_write(void **state)
{
	struct driver *d = *state;
	char *search = strdup(getenv("ZCMU_STORE_PATH"));
	char path[256];

	if (geteuid()) {
		print_message("skipped: not root\n");
		skip();
	}
	driver_name_file(d, NULL, "xor.so");
	setenv("ZCMU_STORE_PATH", d->directory, 1);
	unsetenv("SUDO_UID");
	snprintf(path, sizeof(path), "%s/fits-older.so", d->directory);
	copy_changed(FITS_OLDER, path, "zcmu", "zcmu");
	assert_int_equal(chmod(d->directory, 0775), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	expect_logged(d, d->directory, "others than root can write to");
	assert_int_equal(chmod(d->directory, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	expect_logged(d, path, "others than root can write to");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 1234, 0), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	/* Who has become root by sudo, and brings his own: here it lacks its library. */
	setenv("SUDO_UID", "1234", 1);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -ELIBACC);
	unsetenv("SUDO_UID");
	setenv("ZCMU_STORE_PATH", search, 1);
	free(search);
}

/* Who can write to a folder above can put another one in the place of what is below it. */
static void root_loads_nothing_that_others_can_put_in_its_place(void **state)
{
	struct driver *d = *state;
	char *search = strdup(getenv("ZCMU_STORE_PATH"));
	char above[256], folder[300], link[300], links[300], path[360], linked[360];

	if (geteuid()) {
		print_message("skipped: not root\n");
		skip();
	}
	unsetenv("SUDO_UID");
	driver_name_file(d, NULL, "xor.so");
	snprintf(above, sizeof(above), "%s/above", d->directory);
	snprintf(folder, sizeof(folder), "%s/stores", above);
	snprintf(link, sizeof(link), "%s/link", d->directory);
	snprintf(path, sizeof(path), "%s/fits-older.so", folder);
	snprintf(links, sizeof(links), "%s/links", d->directory);
	snprintf(linked, sizeof(linked), "%s/fits-older.so", links);
	assert_int_equal(mkdir(above, 0755) || mkdir(folder, 0755) || mkdir(links, 0755), 0);
	assert_int_equal(symlink(folder, link) || symlink(path, linked), 0);
	copy_changed(FITS_OLDER, path, "zcmu", "zcmu");
	setenv("ZCMU_STORE_PATH", folder, 1);
	assert_int_equal(chmod(above, 0777), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	expect_logged(d, above, "others than root can write to");
	/* By whatever way it is found */
	setenv("ZCMU_STORE_PATH", link, 1);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	setenv("ZCMU_STORE_PATH", links, 1);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	/* Others can't touch root's in there, as in /tmp; they can add stores of their own. */
	setenv("ZCMU_STORE_PATH", folder, 1);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	assert_int_equal(chmod(folder, 0755) || chmod(above, 01777), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -ELIBACC);
	assert_int_equal(chmod(above, 0755) || chown(above, 1234, 0), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -EPERM);
	assert_int_equal(chown(above, 0, 0), 0);
	assert_int_equal(driver_open(d, "fits-older:", 0, false), -ELIBACC);
	setenv("ZCMU_STORE_PATH", search, 1);
	free(search);
	assert_int_equal(unlink(path) || unlink(link) || unlink(linked) || rmdir(links) ||
			 rmdir(folder) || rmdir(above), 0);
}

static void flags_are_told_of_the_one_store_that_is_named(void **state)
{
	struct driver *d = *state;
	char *search = strdup(getenv("ZCMU_STORE_PATH"));
	uint32_t flags = 0;

	driver_name_file(d, NULL, "garbage.so");
	driver_make_file(d, 5000, 0x7f);
	setenv("ZCMU_STORE_PATH", d->directory, 1);
	assert_int_equal(zcmu_store_flags("log,file=/a:limit,rate=1G:ram:1M", &flags), 0);
	assert_true(flags & ZCMU_STORE_VOLATILE);
	assert_int_equal(zcmu_store_flags("file:no-such-file", &flags), 0);
	assert_false(flags & ZCMU_STORE_VOLATILE);
	setenv("ZCMU_STORE_PATH", search, 1);
	assert_int_equal(zcmu_store_flags("xor://a/b", &flags), 0);
	assert_string_equal(d->logged, "");
	assert_int_equal(zcmu_store_flags("log:floppy:a", &flags), -ENOENT);
	expect_logged(d, "\"floppy\"", "file, ram, null, ");
	assert_int_equal(zcmu_store_flags("log", &flags), -EINVAL);
	expect_logged(d, "log", "which store");
	free(search);
}

static void those_that_can_be_loaded_are_listed_behind_the_built_in_ones(void **state)
{
	const struct zcmu_store_ops *const *list = zcmu_store_list();
	bool has_xor = false;
	size_t i;

	(void)state;
	assert_string_equal(list[0]->name, "file");
	assert_string_equal(list[2]->name, "null");
	for (i = 3; list[i]; i++) {
		has_xor |= !strcmp(list[i]->name, "xor");
		assert_null(strstr(list[i]->name, "misfit"));
		if (i > 3)
			assert_true(strcmp(list[i - 1]->name, list[i]->name) < 0);
	}
	assert_true(has_xor);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		/* First: what is loaded stays. */
		STORE_TEST(root_loads_nothing_that_others_can_write),
		STORE_TEST(root_loads_nothing_that_others_can_put_in_its_place),
		STORE_TEST(the_example_is_a_disk),
		STORE_TEST(the_example_s_messages_are_the_library_s),
		cmocka_unit_test(the_help_lists_the_options_of_stores_and_layers),
		STORE_TEST(a_store_that_is_nowhere_is_refused_with_those_there_are),
		STORE_TEST(a_name_does_not_lead_out_of_the_folder),
		STORE_TEST(a_uri_is_for_the_store_of_its_scheme),
		STORE_TEST(a_plug_in_of_another_abi_is_refused),
		STORE_TEST(a_plug_in_from_an_older_library_is_taken),
		STORE_TEST(a_file_that_is_no_store_is_refused),
		STORE_TEST(a_library_that_is_missing_is_named_with_its_package),
		STORE_TEST(a_file_that_can_t_be_loaded_is_refused),
		STORE_TEST(flags_are_told_of_the_one_store_that_is_named),
		STORE_TEST(those_that_can_be_loaded_are_listed_behind_the_built_in_ones),
	};

	return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
