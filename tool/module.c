// SPDX-License-Identifier: MIT
/* The kernel's side: finds which target_core_user is loaded, and loads missing modules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attribute.h"
#include "module.h"
#include "zcmu.h"

/* Stock has no version; ours has zcmu's. */
enum module_kind module_loaded(void)
{
	if (!attribute_exists("/sys/module/target_core_user"))
		return MODULE_NONE;
	return attribute_exists("/sys/module/target_core_user/version") ? MODULE_OURS : MODULE_STOCK;
}

int run_program(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* Quiet: the user of the module notices that it is missing, and reports that. */
int module_load(const char *name)
{
	const char *const argv[] = { "modprobe", "-q", name, NULL };

	if (attribute_exists("/sys/module/%s", name))
		return 0;
	return run_program(argv) ? -ENOENT : 0;
}

/* Load the modules that serving a disk needs, and mount configfs. @local: a disk of this machine */
int module_prepare(bool local)
{
	static const char *const names[] = { "configfs", "target_core_mod", "target_core_user",
					     "tcm_loop", "sd_mod" };
	size_t i, count = sizeof(names) / sizeof(names[0]) - (local ? 0 : 2);

	if (geteuid()) {
		zcmu_error("serving a disk takes root: the kernel's target is configured and /dev/uioN is opened");
		return -EPERM;
	}
	for (i = 0; i < count; i++) {
		/*
		 * Built-in modules have no folder and can't be loaded. The following steps notice a
		 * missing one.
		 */
		if (module_load(names[i]) && !strcmp(names[i], "target_core_user")) {
			zcmu_error("the kernel module target_core_user is not loaded and can't be; zcmu doctor tells what to do");
			return -ENOENT;
		}
	}
	if (!attribute_exists(TARGET)) {
		mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
		if (!attribute_exists(TARGET)) {
			zcmu_error("there is no " TARGET "; zcmu doctor tells what to do");
			return -ENOENT;
		}
	}
	if (module_loaded() == MODULE_STOCK)
		zcmu_warning("the stock target_core_user is loaded: every payload will be copied (see zcmu doctor)");
	return 0;
}
