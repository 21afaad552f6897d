// SPDX-License-Identifier: MIT
/* Reads attrib/counters: "name value" lines, all from one moment. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "backstore.h"
#include "counters.h"
#include "module.h"
#include "zcmu.h"

int counters_read(const struct backstore *backstore, struct counter *counters, size_t *count)
{
	char path[PATH_MAX];
	FILE *file;
	size_t n = 0;

	backstore_path(backstore, path, sizeof(path));
	strncat(path, "/attrib/counters", sizeof(path) - strlen(path) - 1);
	file = fopen(path, "re");
	if (!file && module_loaded() == MODULE_STOCK)
		return -EOPNOTSUPP;
	if (!file) {
		zcmu_error("%s: no counters: %s", backstore->name, strerror(errno));
		return -ENOENT;
	}
	while (n < COUNTERS_MAX &&
	       fscanf(file, "%31s %" SCNu64, counters[n].name, &counters[n].value) == 2)
		n++;
	fclose(file);
	*count = n;
	return 0;
}

uint64_t counters_get(const struct counter *counters, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(counters[i].name, name))
			return counters[i].value;
	}
	return 0;
}
