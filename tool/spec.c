// SPDX-License-Identifier: MIT
/* What a STORE of the command line names, without opening it. */
#include <string.h>

#include "tool.h"

static const struct zcmu_store_ops *find(const struct zcmu_store_ops *const *ops, const char *name,
					 size_t len)
{
	for (; *ops; ops++) {
		if (strlen((*ops)->name) == len && !strncmp((*ops)->name, name, len))
			return *ops;
	}
	return NULL;
}

/* The flags of the store, behind its layers: those keep nothing from it. 0: no such store */
uint32_t spec_flags(const char *spec)
{
	const struct zcmu_store_ops *ops;
	const char *colon;
	size_t len;

	while (find(zcmu_layer_list(), spec, strcspn(spec, ":,"))) {
		colon = strchr(spec, ':');
		if (!colon)
			return 0;
		spec = colon + 1;
	}
	/* "NAME:...", or a URI that stands for itself: its scheme may have "s" or "+unix" behind. */
	len = strcspn(spec, ":+");
	ops = find(zcmu_store_list(), spec, len);
	if (!ops && len > 1 && spec[len - 1] == 's')
		ops = find(zcmu_store_list(), spec, len - 1);
	return ops ? ops->flags : 0;
}
