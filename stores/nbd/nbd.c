// SPDX-License-Identifier: MIT
/*
 * nbd: a network block device, by libnbd. Payloads go between the socket and the initiator's
 * memory; each of the disk's threads has a connection of its own. The server's abilities are those
 * of the disk. The map of the files is in nbd.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nbd.h"

#define DEFAULT_GIVE_UP	"25"		/* seconds: before the disk's time-out, which is 30 */
#define MAX_PART	(32u << 20)	/* bytes every server takes, if it tells no limit */

static struct nbd *nbd_of(const struct zcmu_store *store)
{
	return store->data;
}

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* The disk has the server's abilities. */
static void describe(struct zcmu_store *store, const struct server *server)
{
	uint32_t preferred = is_power_of_two(server->preferred_block) ? server->preferred_block : 0;

	store->size = server->size;
	if (server->min_block > store->block_size)
		store->block_size = server->min_block;
	store->physical_block_size = preferred < 4096 ? preferred : 4096;
	if (store->physical_block_size < store->block_size)
		store->physical_block_size = store->block_size;
	store->optimal_io_size = preferred > 4096 ? preferred : 0;
	store->read_only |= server->read_only;
	store->can_flush = server->flush ? ZCMU_CAN_NATIVE :
			   server->fua ? ZCMU_CAN_EMULATED : ZCMU_CAN_NONE;
	store->can_fua = server->fua ? ZCMU_CAN_NATIVE :
			 server->flush ? ZCMU_CAN_EMULATED : ZCMU_CAN_NONE;
	store->can_trim = server->trim ? ZCMU_CAN_NATIVE : ZCMU_CAN_NONE;
	store->can_zero = server->zero ? ZCMU_CAN_NATIVE : ZCMU_CAN_EMULATED;
	/* Without it, a flush covers only writes of the same connection. */
	store->max_threads = server->multi_conn ? 0 : 1;
}

static int check(struct zcmu_store *store, struct nbd *nbd, const struct server *server)
{
	uint32_t max = server->max_block && server->max_block < MAX_PART ? server->max_block :
		       MAX_PART;

	if (server->min_block > 4096) {
		zcmu_error("%s: the server wants blocks of %" PRIu32 " bytes; a disk has 4096 at most",
			   nbd->uri, server->min_block);
		return -EINVAL;
	}
	if (store->create_size && store->create_size != server->size) {
		zcmu_error("%s: the export has %" PRIu64 " bytes, not %" PRIu64
			   "; leave the size out to take it as it is", nbd->uri, server->size,
			   store->create_size);
		return -EEXIST;
	}
	describe(store, server);
	nbd->max_part = max / store->block_size * store->block_size;
	if (!nbd->max_part) {
		zcmu_error("%s: the server takes %" PRIu32 " bytes at most, less than a block",
			   nbd->uri, max);
		return -EINVAL;
	}
	return 0;
}

static void nbd_store_close(struct zcmu_store *store)
{
	struct nbd *nbd = nbd_of(store);

	if (nbd->spare) {
		nbd_aio_disconnect(nbd->spare, 0);
		nbd_close(nbd->spare);
	}
	nbd_stable_close(nbd);
	pthread_mutex_destroy(&nbd->lock);
	free(nbd->uri);
	free(nbd);
}

struct nbd_options {
	uint64_t give_up;
};

static const struct zcmu_option nbd_options[] = {
	{ .name = "give-up", .value = "SECONDS", .summary = "without the server; 0: never",
	  .standard = DEFAULT_GIVE_UP, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct nbd_options, give_up) },
	{ 0 }
};

static int nbd_store_open(struct zcmu_store *store, const char *argument)
{
	struct nbd *nbd = calloc(1, sizeof(*nbd));
	int err;

	if (!nbd)
		return -ENOMEM;
	nbd->store = store;
	nbd->gone.first = 1;
	pthread_mutex_init(&nbd->lock, NULL);
	nbd->give_up = (unsigned int)((const struct nbd_options *)store->options)->give_up;
	store->data = nbd;
	err = nbd_uri_take(nbd, argument);
	if (!err)
		err = nbd_server_connect(nbd, &nbd->spare, &nbd->server);
	if (!err)
		err = check(store, nbd, &nbd->server);
	if (err)
		nbd_store_close(store);
	return err;
}

/*
 * A server tells its size only when a connection is made, so ask with a new one. The queues connect
 * again when they get requests behind the old end.
 */
static int nbd_resize(struct zcmu_store *store, uint64_t size)
{
	struct nbd *nbd = nbd_of(store);
	struct nbd_handle *handle;
	struct server server;
	int err;

	if (size <= store->size)
		return 0;	/* then the disk is smaller than the export */
	err = nbd_server_connect(nbd, &handle, &server);
	if (err)
		return err;
	nbd_aio_disconnect(handle, 0);
	nbd_close(handle);
	if (server.size < size) {
		zcmu_error("%s: the export has %" PRIu64 " bytes, not %" PRIu64 "; make it larger at the server first",
			   nbd->uri, server.size, size);
		return -ENOSPC;
	}
	return 0;
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "nbd",
	.usage = "nbd:URI",
	.summary = "a network block device: nbd://HOST/EXPORT",
	.flags = ZCMU_STORE_FUA | ZCMU_STORE_NETWORK,
	.open = nbd_store_open,
	.close = nbd_store_close,
	.queue_open = nbd_queue_open,
	.queue_close = nbd_queue_close,
	.queue_fd = nbd_queue_fd,
	.queue_reap = nbd_queue_reap,
	.queue_submit = nbd_queue_submit,
	.read = nbd_request,
	.write = nbd_request,
	.flush = nbd_request,
	.trim = nbd_request,
	.zero = nbd_request,
	.resize = nbd_resize,
	.map = nbd_request,
	.options = nbd_options,
	.options_size = sizeof(struct nbd_options),
};
