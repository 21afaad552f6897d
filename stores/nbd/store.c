// SPDX-License-Identifier: MIT
/*
 * nbd: a store whose bytes an NBD server has: opening it, what its disk can do, its size. The
 * server's abilities are those of the disk. Who the server is was decided before: see nbd.c, and
 * stores/exec.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nbd.h"
#include "../../lib/program/program.h"

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

void nbd_store_close(struct zcmu_store *store)
{
	struct nbd *nbd = nbd_of(store);

	if (nbd->spare) {
		nbd_aio_disconnect(nbd->spare, 0);
		nbd_close(nbd->spare);
	}
	nbd_stable_close(nbd);
	if (nbd->program)
		program_close(nbd->program);
	pthread_mutex_destroy(&nbd->lock);
	free(nbd->export);
	free(nbd->uri);
	free(nbd);
}

/* A store that isn't connected; store->data is set, so nbd_store_close() ends it. */
struct nbd *nbd_store_new(struct zcmu_store *store, uint64_t give_up)
{
	struct nbd *nbd = calloc(1, sizeof(*nbd));

	if (!nbd)
		return NULL;
	nbd->store = store;
	nbd->gone.first = 1;
	nbd->give_up = (unsigned int)give_up;
	pthread_mutex_init(&nbd->lock, NULL);
	store->data = nbd;
	return nbd;
}

/* Connect, and see what the server can do. After an error the store is to be closed. */
int nbd_store_begin(struct nbd *nbd)
{
	int err = nbd_server_connect(nbd, &nbd->spare, &nbd->server);

	return err ? err : check(nbd->store, nbd, &nbd->server);
}

/*
 * A server tells its size only when a connection is made, so ask with a new one. The queues connect
 * again when they get requests behind the old end.
 */
int nbd_store_resize(struct zcmu_store *store, uint64_t size)
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
