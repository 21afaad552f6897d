// SPDX-License-Identifier: MIT
/*
 * nbd: a connection to the server, until it is made; what the server then reports about the export,
 * and whether that is still the disk that the initiator knows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nbd.h"

/* libnbd's last message in this thread, without the function's name. */
const char *nbd_server_reason(void)
{
	const char *error = nbd_get_error(), *text;

	if (!error)
		return "no reason was given";
	text = strncmp(error, "nbd_", 4) ? NULL : strstr(error, ": ");
	return text ? text + 2 : error;
}

/* A handle that is not connected. NULL: libnbd has an error message. */
struct nbd_handle *nbd_server_handle(void)
{
	struct nbd_handle *handle = nbd_create();

	if (!handle)
		return NULL;
	/* The URI comes from the user who serves the disk, so it may name the user's keys. */
	if (nbd_set_uri_allow_local_file(handle, true) ||
	    nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) ||
	    /* libnbd would touch the payload twice; nbd_aio_pread_structured() tells what came. */
	    nbd_set_pread_initialize(handle, false)) {
		nbd_close(handle);
		return NULL;
	}
	return handle;
}

/* One of libnbd's yes-or-no questions; an error is a no. */
#define says(handle, question)	(nbd_##question(handle) == 1)

static uint32_t block_size(struct nbd_handle *handle, int which)
{
	int64_t size = nbd_get_block_size(handle, which);

	return size > 0 && size <= UINT32_MAX ? (uint32_t)size : 0;
}

/* Return: 0, or a negative errno; then nbd_server_reason() has the reason. */
int nbd_server_describe(struct nbd_handle *handle, struct server *server)
{
	int64_t size = nbd_get_size(handle);

	if (size < 0)
		return -(nbd_get_errno() ? nbd_get_errno() : EIO);
	*server = (struct server){
		.size = (uint64_t)size,
		.min_block = block_size(handle, LIBNBD_SIZE_MINIMUM),
		.preferred_block = block_size(handle, LIBNBD_SIZE_PREFERRED),
		.max_block = block_size(handle, LIBNBD_SIZE_MAXIMUM),
		.read_only = says(handle, is_read_only),
		.flush = says(handle, can_flush),
		.fua = says(handle, can_fua),
		.trim = says(handle, can_trim),
		.zero = says(handle, can_zero),
		.multi_conn = says(handle, can_multi_conn),
		.extents = nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1,
	};
	return 0;
}

/* Can the server still do what the initiator was told? NULL: yes; else the reason why not. */
const char *nbd_server_changed(const struct nbd *nbd, const struct server *server)
{
	const struct zcmu_store *store = nbd->store;

	if (server->size < __atomic_load_n(&store->size, __ATOMIC_SEQ_CST))
		return "the export is smaller than the disk now";
	if (server->read_only && !store->read_only)
		return "the export is read-only now";
	if (server->min_block > store->block_size)
		return "the export has larger blocks than the disk now";
	if ((nbd->server.flush && !server->flush) || (nbd->server.fua && !server->fua))
		return "the server does not offer flush and FUA any more";
	if (!store->read_only && ((nbd->server.trim && !server->trim) ||
				  (nbd->server.zero && !server->zero)))
		return "the server does not offer trim and zero any more";
	return NULL;
}

/* @reason: from libnbd */
static const char *advice(int error, const char *reason)
{
	if (strcasestr(reason, "certificate verification"))
		return "; is the server's certificate signed by the authority in ca-cert.pem, made for that host, and not expired?";
	if (strcasestr(reason, "certificate"))
		return "; does the server want a certificate of ours, and take the one it gets?";
	switch (error) {
	case ECONNREFUSED:
		return "; does the server run, and listen there?";
	case ENOENT:
		return "; is that its socket, and does it have that export? nbdinfo --list shows the exports";
	case EACCES:
	case EPERM:
		return "; are the keys and permissions right?";
	case ETIMEDOUT:
		return "; is that an NBD server, and does it answer others?";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "; is the network up, and the address right?";
	default:
		return "; is that an NBD server, and the URI right?";
	}
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* Time limit for connecting, in seconds */
unsigned int nbd_server_patience(const struct nbd *nbd)
{
	return nbd->give_up && nbd->give_up < 10 ? nbd->give_up : 10;
}

/* Wait for a connection that was started. @reason: why it failed. */
static int wait_connected(const struct nbd *nbd, struct nbd_handle *handle, char *reason,
			  size_t size)
{
	int64_t end = now() + nbd_server_patience(nbd) * 1000, left;

	while (!nbd_aio_is_ready(handle)) {
		left = end - now();
		if (left <= 0) {
			snprintf(reason, size, "it has not answered for %u s",
				 nbd_server_patience(nbd));
			return -ETIMEDOUT;
		}
		if (nbd_aio_is_dead(handle) || nbd_aio_is_closed(handle) ||
		    nbd_poll(handle, (int)left) < 0) {
			snprintf(reason, size, "%s", nbd_server_reason());
			return -(nbd_get_errno() ? nbd_get_errno() : EIO);
		}
	}
	return 0;
}

/* Connect, and wait for it. Errors are reported. */
int nbd_server_connect(struct nbd *nbd, struct nbd_handle **ret, struct server *server)
{
	const char *untrusted = nbd_uri_trusts_anybody(nbd);
	struct nbd_handle *handle;
	char reason[512];
	int err = 0;

	if (untrusted) {
		zcmu_error("%s: can't connect: %s", nbd->uri, untrusted);
		return -EACCES;
	}
	handle = nbd_server_handle();
	if (!handle || nbd_aio_connect_uri(handle, nbd->uri)) {
		err = -(nbd_get_errno() ? nbd_get_errno() : EIO);
		snprintf(reason, sizeof(reason), "%s", nbd_server_reason());
	}
	if (!err)
		err = wait_connected(nbd, handle, reason, sizeof(reason));
	if (!err) {
		err = nbd_server_describe(handle, server);
		if (err)
			snprintf(reason, sizeof(reason), "%s", nbd_server_reason());
	}
	if (err) {
		zcmu_error("%s: can't connect: %s%s", nbd->uri, reason, advice(-err, reason));
		if (handle)
			nbd_close(handle);
		return err;
	}
	*ret = handle;
	return 0;
}
