// SPDX-License-Identifier: MIT
/* Reads attrib/counters, and others like it: "name value" lines, all from one moment. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "backstore.h"
#include "counters.h"
#include "module.h"
#include "zcmu.h"

/* Any attribute of such lines; a negative value is cast. */
int counters_read_from(const struct backstore *backstore, const char *attribute,
		       struct counter *counters, size_t *count)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];
	FILE *file;
	size_t n = 0;

	*count = 0;
	backstore_path(backstore, folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/attrib/%s", folder, attribute);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (n < COUNTERS_MAX &&
	       fscanf(file, "%31s %" SCNu64, counters[n].name, &counters[n].value) == 2)
		n++;
	fclose(file);
	*count = n;
	return 0;
}

int counters_read(const struct backstore *backstore, struct counter *counters, size_t *count)
{
	int err = counters_read_from(backstore, "counters", counters, count);

	if (!err)
		return 0;
	if (module_loaded() == MODULE_STOCK)
		return -EOPNOTSUPP;
	zcmu_error("%s: no counters: %s", backstore->name, strerror(-err));
	return -ENOENT;
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
