// SPDX-License-Identifier: MIT
/* What zcmu doctor advises where the module isn't loaded: by how it can be had. No root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "module.h"
#include "subcommand.h"

static char folder[] = "/tmp/zcmu-doctor.XXXXXX";

/*
 * The machine, as the command asks for it
 */

static enum module_kind loaded;
static bool dkms_has_it;
static const char *lockdown;

enum module_kind module_loaded(void)
{
	return loaded;
}

int run_program(const char *const argv[])
{
	(void)argv;
	return 0;
}

bool attribute_exists(const char *format, ...)
{
	return strncmp(format, "/var/lib/dkms", 13) || dkms_has_it;
}

int attribute_read(char *value, size_t size, const char *format, ...)
{
	if (!lockdown || strcmp(format, "/sys/kernel/security/lockdown"))
		return -ENOENT;
	snprintf(value, size, "%s", lockdown);
	return 0;
}

/* In the place of a program: what it says if it is asked what it should be, or nothing */
static void make_program(const char *name, const char *arguments, const char *answer)
{
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n[ \"$*\" = \"%s\" ] || exit 2\n%s%s\n", arguments,
		answer ? "echo " : "exit 1", answer ? answer : "");
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(name, 0700), 0);
}

static void make_modinfo(const char *version)
{
	make_program("modinfo", "-F version target_core_user", version);
}

/* Return: the line of advice behind the line with @what */
static const char *advice_on(const char *what)
{
	static char line[1024];
	char *arguments[] = { (char *)"doctor", NULL };
	int before = dup(STDOUT_FILENO);
	bool found = false;
	FILE *said;

	fflush(stdout);
	assert_non_null(freopen("said", "we", stdout));
	optind = 0;
	doctor_main(1, arguments);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	said = fopen("said", "re");
	assert_non_null(said);
	while (!found && fgets(line, sizeof(line), said))
		found = strstr(line, what);
	if (!found || !fgets(line, sizeof(line), said))
		fail_msg("expected advice on \"%s\", got none", what);
	fclose(said);
	return line;
}

static void expect_advice(const char *what, const char *wanted, const char *unwanted)
{
	const char *got = advice_on(what);

	if (!strstr(got, wanted) || strstr(got, unwanted))
		fail_msg("%s: expected advice with \"%s\" and without \"%s\", got %s", what, wanted,
			 unwanted, got);
}

#define NONE	"target_core_user is not loaded"
#define STOCK	"the stock target_core_user is loaded"

static void where_it_is_installed_it_is_loaded(void **state)
{
	(void)state;
	make_modinfo("0.1.0");
	dkms_has_it = true;
	loaded = MODULE_NONE;
	expect_advice(NONE, "-> zcmu's is installed: \"modprobe target_core_user\"", "make");
	loaded = MODULE_STOCK;
	expect_advice(STOCK, "\"modprobe -r target_core_user\" and \"modprobe target_core_user\"", "make");
}

static void where_dkms_has_it_for_another_kernel_it_is_built_by_dkms(void **state)
{
	(void)state;
	dkms_has_it = true;
	make_modinfo(NULL);
	loaded = MODULE_NONE;
	expect_advice(NONE, "\"dkms autoinstall\"", "make");
	/* The stock module is found, and has no version. */
	make_modinfo("");
	loaded = MODULE_STOCK;
	expect_advice(STOCK, "\"dkms autoinstall\"", "make");
}

static void where_it_is_not_it_is_built(void **state)
{
	(void)state;
	dkms_has_it = false;
	make_modinfo(NULL);
	loaded = MODULE_NONE;
	expect_advice(NONE, "make module", "is installed");
	make_modinfo("");
	loaded = MODULE_STOCK;
	expect_advice(STOCK, "make install", "is installed");
}

#define KEY	"/var/lib/dkms/mok.pub"

static void where_the_machine_wants_signatures_its_key_is_to_be_enrolled(void **state)
{
	(void)state;
	loaded = MODULE_NONE;
	lockdown = "none [integrity] confidentiality";
	make_program("mokutil", "--test-key " KEY, KEY " is not enrolled");
	expect_advice("the key that DKMS signs with is not enrolled", "mokutil --import " KEY, "sign");
	make_program("mokutil", "--test-key " KEY, KEY " is already enrolled");
	expect_advice("it wants signed modules", "sign the module", "--import");
	/* As if it weren't there. */
	make_program("mokutil", "--test-key " KEY, NULL);
	expect_advice("it wants signed modules", "sign the module", "--import");
	lockdown = NULL;
}

static int set_up(void **state)
{
	char path[512];

	(void)state;
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	snprintf(path, sizeof(path), "%s:%s", folder, getenv("PATH"));
	return setenv("PATH", path, 1);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink("modinfo") || unlink("mokutil") || unlink("said") || chdir("/") || rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_is_installed_it_is_loaded),
		cmocka_unit_test(where_dkms_has_it_for_another_kernel_it_is_built_by_dkms),
		cmocka_unit_test(where_it_is_not_it_is_built),
		cmocka_unit_test(where_the_machine_wants_signatures_its_key_is_to_be_enrolled),
	};

	return cmocka_run_group_tests_name("doctor", tests, set_up, tear_down);
}
