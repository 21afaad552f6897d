// SPDX-License-Identifier: MIT
/*
 * zcmu doctor: what serving a disk needs, whether this machine has it, and what to do if it hasn't.
 * It changes nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "attribute.h"
#include "json.h"
#include "look/kernel.h"
#include "module.h"
#include "option.h"
#include "subcommand.h"

enum verdict {
	GOOD,
	WARNING,	/* it works, but not as well as it could */
	BAD,		/* no disk can be served */
};

struct finding {
	enum verdict verdict;
	char what[160];
	const char *advice;	/* NULL if there is nothing to do */
};

static void find(struct finding *finding, enum verdict verdict, const char *advice,
		 const char *format, const char *argument)
{
	finding->verdict = verdict;
	finding->advice = advice;
	snprintf(finding->what, sizeof(finding->what), format, argument);
}

static void check_root(struct finding *f)
{
	if (geteuid())
		find(f, WARNING, "run zcmu serve as root (sudo)", "you are not root%s", "");
	else
		find(f, GOOD, NULL, "you are root%s", "");
}

static bool read_kernel(struct utsname *name, struct kernel_version *version)
{
	return !uname(name) && kernel_version_read(version, name->release, name->version);
}

static void check_kernel(struct finding *f)
{
	struct kernel_version version;
	struct utsname name;

	if (!read_kernel(&name, &version) ||
	    kernel_version_compare(&version, ZCMU_OLDEST_KERNEL) < 0)
		find(f, BAD, "zcmu's module needs Linux " ZCMU_OLDEST_KERNEL " or later",
		     "the kernel is %s", name.release);
	else if (kernel_version_compare(&version, ZCMU_NEWEST_KERNEL) > 0)
		find(f, WARNING,
		     "get a newer zcmu, or boot an older kernel: DKMS doesn't build this one's module for it",
		     "the kernel is %s: zcmu has been tried with Linux " ZCMU_OLDEST_KERNEL " to "
		     ZCMU_NEWEST_KERNEL, name.release);
	else
		find(f, GOOD, NULL, "the kernel is %s", name.release);
}

/* What is reached over the network by "zcmu attach" is the kernel's, and so are its faults. */
static void check_holes(struct finding *f)
{
	enum kernel_hole uaf = HOLE_UNKNOWN, lock = HOLE_UNKNOWN;
	struct kernel_version version;
	struct utsname name;

	if (read_kernel(&name, &version)) {
		uaf = kernel_hole_use_after_free(&version);
		lock = kernel_hole_recursive_lock(&version);
	}
	if (uaf == HOLE_OPEN || lock == HOLE_OPEN)
		find(f, WARNING, "install a newer kernel before you let others in with \"zcmu attach\"",
		     "the kernel's own target has known holes: %s",
		     lock != HOLE_OPEN ? "CVE-2026-23216" :
		     uaf != HOLE_OPEN ? "CVE-2026-23292" : "CVE-2026-23216, CVE-2026-23292");
	else if (uaf == HOLE_UNKNOWN || lock == HOLE_UNKNOWN)
		find(f, GOOD, "ask your distribution before you let others in with \"zcmu attach\"",
		     "CVE-2026-23216 and CVE-2026-23292 of the kernel's own target: can't tell by the name %s",
		     name.release);
	else
		find(f, GOOD, NULL,
		     "the kernel's own target has neither CVE-2026-23216 nor CVE-2026-23292%s", "");
}

/* Modules from before that parameter lend. */
static bool module_lends(void)
{
	char value[8] = "";

	return attribute_read(value, sizeof(value), "/sys/module/target_core_user/parameters/lends") ||
	       strcmp(value, "N");
}

/* Is zcmu's module where modprobe finds it, installed by DKMS? Stock has no version. */
static bool is_installed(void)
{
	FILE *output = popen("modinfo -F version target_core_user 2> /dev/null", "re");
	char version[64] = "";
	bool has_one;

	if (!output)
		return false;
	has_one = fgets(version, sizeof(version), output) && version[0] != '\n';
	return !pclose(output) && has_one;
}

/* How can a machine get the module if it isn't loaded? */
static const char *way_to_load(bool stock_is_loaded)
{
	if (is_installed())
		return stock_is_loaded ?
		       "zcmu's is installed: stop everything that uses the stock one, then \"modprobe -r target_core_user\" and \"modprobe target_core_user\"" :
		       "zcmu's is installed: \"modprobe target_core_user\"";
	/* For example, the kernel is newer, and its headers were missing when DKMS needed them. */
	if (attribute_exists("/var/lib/dkms/zcmu"))
		return stock_is_loaded ?
		       "DKMS has zcmu's, but not for this kernel: install its headers (linux-headers-$(uname -r)), \"dkms autoinstall\", stop everything that uses the stock one, then \"modprobe -r target_core_user\" and \"modprobe target_core_user\"" :
		       "DKMS has zcmu's, but not for this kernel: install its headers (linux-headers-$(uname -r)), then \"dkms autoinstall\" and \"modprobe target_core_user\"";
	return stock_is_loaded ?
	       "stop everything that uses it, \"modprobe -r target_core_user\", then load zcmu's: \"make module\" and \"insmod build/<version>/target_core_user.ko\", or \"make install\" and \"modprobe target_core_user\"" :
	       "build zcmu's module (\"make module\") and load it: \"modprobe uio; modprobe target_core_mod; insmod build/<version>/target_core_user.ko\"";
}

static void check_module(struct finding *f)
{
	char version[64] = "?";

	switch (module_loaded()) {
	case MODULE_OURS:
		attribute_read(version, sizeof(version), "/sys/module/target_core_user/version");
		if (!module_lends()) {
			find(f, WARNING,
			     "boot without page_table_check=on, or a kernel without CONFIG_PAGE_TABLE_CHECK_ENFORCED",
			     "zcmu's target_core_user %s is loaded, but the kernel checks page tables: every payload is copied", version);
			break;
		}
		find(f, GOOD, NULL, "zcmu's target_core_user %s is loaded: payloads are lent", version);
		break;
	case MODULE_STOCK:
		find(f, WARNING, way_to_load(true),
		     "the stock target_core_user is loaded: every payload is copied%s", "");
		break;
	case MODULE_NONE:
		find(f, WARNING, way_to_load(false), "target_core_user is not loaded%s", "");
		break;
	}
}

/* Is the module there: built in, loaded, or available for modprobe? */
static bool has_module(const char *name)
{
	const char *const argv[] = { "modprobe", "-n", "-q", name, NULL };

	return attribute_exists("/sys/module/%s", name) || !run_program(argv);
}

#define DKMS_KEY	"/var/lib/dkms/mok.pub"

/* Is the key that DKMS signs with known not to be one that Secure Boot trusts? */
static bool has_key_to_enroll(void)
{
	FILE *output = popen("LC_ALL=C mokutil --test-key " DKMS_KEY " 2> /dev/null", "re");
	bool is_missing = false;
	char line[256];

	if (!output)
		return false;
	while (fgets(line, sizeof(line), output))
		is_missing |= strstr(line, "is not enrolled") != NULL;
	pclose(output);
	return is_missing;
}

static void check_loadable(struct finding *f)
{
	char value[64] = "";

	if (!attribute_read(value, sizeof(value), "/proc/sys/kernel/modules_disabled") &&
	    !strcmp(value, "1") && module_loaded() != MODULE_OURS) {
		find(f, BAD, "reboot: kernel.modules_disabled can't be reset",
		     "the kernel loads no modules any more%s", "");
		return;
	}
	if (!attribute_read(value, sizeof(value), "/sys/kernel/security/lockdown") &&
	    !strstr(value, "[none]") && module_loaded() != MODULE_OURS) {
		if (has_key_to_enroll())
			find(f, WARNING, "enroll it: \"mokutil --import " DKMS_KEY "\", then reboot, and confirm it before the system starts",
			     "the kernel is locked down (%s), and the key that DKMS signs with is not enrolled", value);
		else
			find(f, WARNING, "sign the module with a key the machine trusts (mokutil), or switch Secure Boot off",
			     "the kernel is locked down (%s): it wants signed modules", value);
		return;
	}
	if (!attribute_exists("/proc/modules")) {
		find(f, BAD, "boot a stock Debian kernel, or use a guest: vm/run -k 6.1 -- COMMAND",
		     "this kernel can't load modules%s", "");
		return;
	}
	find(f, GOOD, NULL, "the kernel loads modules%s", "");
}

static void check_target(struct finding *f)
{
	if (attribute_exists(TARGET))
		find(f, GOOD, NULL, "configfs has the kernel's SCSI target%s", "");
	else if (has_module("target_core_mod"))
		find(f, GOOD, NULL, "the kernel's SCSI target can be loaded%s", "");
	else
		find(f, BAD, "use a kernel with CONFIG_TARGET_CORE (Debian's have it)",
		     "the kernel has no SCSI target%s", "");
}

static void check_loopback(struct finding *f)
{
	if (has_module("tcm_loop"))
		find(f, GOOD, NULL, "the loopback fabric is there: disks become /dev/sdX%s", "");
	else
		find(f, BAD, "use a kernel with CONFIG_LOOPBACK_TARGET (Debian's have it)",
		     "there is no loopback fabric (tcm_loop)%s", "");
}

static void check_uio(struct finding *f)
{
	if (has_module("uio"))
		find(f, GOOD, NULL, "UIO is there%s", "");
	else
		find(f, BAD, "use a kernel with CONFIG_UIO (Debian's have it)", "there is no UIO%s", "");
}

static void check_io_uring(struct finding *f)
{
	struct io_uring ring;
	int err = io_uring_queue_init(4, &ring, 0);

	if (!err) {
		io_uring_queue_exit(&ring);
		find(f, GOOD, NULL, "io_uring works (the file store needs it)%s", "");
		return;
	}
	find(f, WARNING, "set kernel.io_uring_disabled=0 (sysctl), or lift the seccomp filter",
	     "io_uring does not work (%s): no file store", strerror(-err));
}

static void (*const checks[])(struct finding *) = {
	check_root, check_kernel, check_module, check_loadable, check_target, check_holes,
	check_loopback, check_uio, check_io_uring,
};

#define NR_CHECKS	(sizeof(checks) / sizeof(checks[0]))

static void print_text(const struct finding *findings)
{
	static const char *const words[] = { "ok  ", "warn", "BAD " };
	size_t i;

	for (i = 0; i < NR_CHECKS; i++) {
		printf("%s  %s\n", words[findings[i].verdict], findings[i].what);
		if (findings[i].advice)
			printf("      -> %s\n", findings[i].advice);
	}
}

static void print_findings_json(const struct finding *findings, bool works)
{
	static const char *const words[] = { "ok", "warning", "bad" };
	struct json_object *object = json_document();
	struct json_object *array = json_list();
	size_t i;

	for (i = 0; i < NR_CHECKS; i++) {
		struct json_object *entry = json_members();

		json_add(entry, "verdict", json_text(words[findings[i].verdict]));
		json_add(entry, "what", json_text(findings[i].what));
		json_add(entry, "advice", findings[i].advice ?
			 json_text(findings[i].advice) : NULL);
		json_append(array, entry);
	}
	json_add(object, "works", json_boolean(works));
	json_add(object, "lends", json_boolean(module_loaded() == MODULE_OURS && module_lends()));
	json_add(object, "findings", array);
	print_json(object);
}

int doctor_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct finding findings[NR_CHECKS];
	bool json = false, works = true;
	int option;
	size_t i;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			printf("usage: zcmu doctor [--json]\n\n"
			       "Tells whether this machine can serve disks and lend their payload, and what to\n"
			       "do if not. Exit status 1: it can't serve.\n\n"
			       "  --json   for a program\n"
			       "  --help   this text\n");
			return EXIT_OK;
		default:
			option_wrong("doctor", option);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		usage_error("doctor", "\"%s\" is not wanted here", argv[optind]);
		return EXIT_USAGE;
	}
	for (i = 0; i < NR_CHECKS; i++) {
		checks[i](&findings[i]);
		works &= findings[i].verdict != BAD;
	}
	if (json)
		print_findings_json(findings, works);
	else
		print_text(findings);
	return works ? EXIT_OK : EXIT_FAILED;
}
