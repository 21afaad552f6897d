// SPDX-License-Identifier: MIT
/* readonly: nobody writes to the store below, which is opened for reading only. */
#include "layer.h"

static const struct layer_kind kind = {
	.name = "readonly",
	.size = sizeof(struct layer),
	.read_only = true,
};

static int readonly_open(struct zcmu_store *store, const char *argument)
{
	store->read_only = true;
	return layer_open(store, argument, &kind);
}

const struct zcmu_store_ops zcmu_readonly_layer = {
	LAYER_OPS,
	.identity = layer_identity,
	.name = "readonly",
	.usage = "readonly:STORE",
	.summary = "nobody can write to it",
	.open = readonly_open,
};
