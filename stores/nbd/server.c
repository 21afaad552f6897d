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
#include "../../lib/program/program.h"

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

/* Time limit for connecting, in seconds. A server that is only started then takes its time. */
unsigned int nbd_server_patience(const struct nbd *nbd)
{
	unsigned int limit = nbd->program ? 20 : 10;

	return nbd->give_up && nbd->give_up < limit ? nbd->give_up : limit;
}

static int of_libnbd(const char **reason)
{
	*reason = nbd_server_reason();
	return -(nbd_get_errno() ? nbd_get_errno() : EIO);
}

/* The program is started if it doesn't run. */
static int begin_with_program(const struct nbd *nbd, struct nbd_handle *handle,
			      const char **reason)
{
	int fd, err;

	if (nbd->export && nbd_set_export_name(handle, nbd->export))
		return of_libnbd(reason);
	err = program_connect(nbd->program, &fd);
	if (!err)
		return nbd_aio_connect_socket(handle, fd) ? of_libnbd(reason) : 0;
	if (err == -ESHUTDOWN)
		*reason = "the program has ended, and is not started again, because what it had is gone with it";
	else if (err == -EPIPE)
		*reason = "the process that starts the program has died; serve the disk again";
	else
		*reason = strerrordesc_np(-err);
	return err;
}

/*
 * Begin to connect. @handle: of nbd_server_handle(), NULL as well. If that fails there is a reason,
 * until the next call.
 */
int nbd_server_begin(const struct nbd *nbd, struct nbd_handle *handle, const char **reason)
{
	if (!handle)
		return of_libnbd(reason);
	if (nbd->program)
		return begin_with_program(nbd, handle, reason);
	*reason = nbd_uri_trusts_anybody(nbd);
	if (*reason)
		return -EACCES;
	return nbd_aio_connect_uri(handle, nbd->uri) ? of_libnbd(reason) : 0;
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

/* @reason: as far as we know it. The program may have told more. */
static void say_why_not_program(const struct nbd *nbd, int err, const char *reason)
{
	char told[768];

	if (program_has_ended(nbd->program, err == -ETIMEDOUT ? 0 : 500, told, sizeof(told)))
		zcmu_error("%s: can't connect: %s", nbd->uri, told);
	else if (told[0])
		zcmu_error("%s: can't connect: %s; %s", nbd->uri, reason, told);
	else
		zcmu_error("%s: can't connect: %s; is it an NBD server that takes its socket as from systemd (LISTEN_FDS), and stays in the foreground?",
			   nbd->uri, reason);
}

static void say_why_not(const struct nbd *nbd, int err, const char *reason)
{
	if (nbd->program)
		say_why_not_program(nbd, err, reason);
	else
		zcmu_error("%s: can't connect: %s%s", nbd->uri, reason,
			   nbd_uri_trusts_anybody(nbd) ? "" : advice(-err, reason));
}

/* Connect, and wait for it. Errors are reported. */
int nbd_server_connect(struct nbd *nbd, struct nbd_handle **ret, struct server *server)
{
	struct nbd_handle *handle = nbd_server_handle();
	const char *why_not;
	char reason[512];
	int err;

	err = nbd_server_begin(nbd, handle, &why_not);
	if (err)
		snprintf(reason, sizeof(reason), "%s", why_not);
	else
		err = wait_connected(nbd, handle, reason, sizeof(reason));
	if (!err) {
		err = nbd_server_describe(handle, server);
		if (err)
			snprintf(reason, sizeof(reason), "%s", nbd_server_reason());
	}
	if (err) {
		say_why_not(nbd, err, reason);
		if (handle)
			nbd_close(handle);
		return err;
	}
	*ret = handle;
	return 0;
}
