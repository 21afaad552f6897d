// SPDX-License-Identifier: MIT
/*
 * nbd: a network block device, by libnbd. Payloads go between the socket and the initiator's
 * memory; each of the disk's threads has a connection of its own. The map of the files is in nbd.h.
 */
#include <errno.h>

#include "nbd.h"

struct nbd_options {
	uint64_t give_up;
};

static const struct zcmu_option nbd_options[] = {
	{ .name = "give-up", .value = "SECONDS", .summary = "without the server; 0: never",
	  .standard = NBD_DEFAULT_GIVE_UP, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct nbd_options, give_up) },
	{ 0 }
};

static int nbd_open(struct zcmu_store *store, const char *argument)
{
	const struct nbd_options *options = store->options;
	struct nbd *nbd = nbd_store_new(store, options->give_up);
	int err;

	if (!nbd)
		return -ENOMEM;
	err = nbd_uri_take(nbd, argument);
	if (!err)
		err = nbd_store_begin(nbd);
	if (err)
		nbd_store_close(store);
	return err;
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "nbd",
	.usage = "nbd:URI",
	.summary = "a network block device: nbd://HOST/EXPORT",
	.flags = ZCMU_STORE_FUA | ZCMU_STORE_NETWORK,
	.open = nbd_open,
	NBD_STORE_CALLBACKS,
	.options = nbd_options,
	.options_size = sizeof(struct nbd_options),
};
