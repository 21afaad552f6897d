// SPDX-License-Identifier: MIT
/*
 * zcmu serve, in this process: the store is opened here. A thread leads the serving, and may have
 * more threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backstore.h"
#include "created.h"
#include "serve/serve.h"
#include "zcmu.h"

/*
 * The store
 */

static int here_ask_flags(struct serve *serve)
{
	return zcmu_store_flags(serve->spec, &serve->flags);
}

static int here_identify(struct serve *serve, char *text, size_t size)
{
	int err = serve_opening_begin(serve);

	return err ? err : serve_opening_end(serve, zcmu_store_identify(serve->spec, text, size));
}

static int here_open(struct serve *serve, const struct zcmu_store_options *options)
{
	int err = serve_opening_begin(serve);

	serve->identity[0] = '\0';
	if (err)
		return err;
	created_begin(&serve->created, serve->spec, options->size);
	err = zcmu_store_open(serve->spec, options, &serve->store);
	if (!err)
		created_opened(&serve->created, serve->store);
	created_hint_at_size(serve->spec, options, err);
	if (serve_opening_end(serve, err))
		return err;
	serve->shape = serve->store;
	/* Some stores know only when they are open whether their data outlives them. */
	serve->flags = serve->store->ops->flags;
	err = zcmu_store_identity(serve->store, serve->identity, sizeof(serve->identity));
	if (!err || err == -EOPNOTSUPP)
		return 0;
	zcmu_error("%s: can't tell which store it is: %s", serve->spec, strerror(-err));
	return err;
}

/*
 * Serving
 */

static void is_ready(void *argument)
{
	struct serve *serve = argument;
	uint64_t one = 1;

	if (write(serve->served_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void *serve_thread(void *argument)
{
	struct serve *serve = argument;

	serve->serve_error = zcmu_disk_serve(serve->disk, serve->store, &serve->options);
	is_ready(serve);
	return NULL;
}

static void wait_served(const struct serve *serve)
{
	uint64_t count;

	while (read(serve->served_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static int start_serving(struct serve *serve)
{
	int err;

	serve->served_fd = eventfd(0, EFD_CLOEXEC);
	if (serve->served_fd < 0)
		return -errno;
	serve->options.ready = is_ready;
	serve->options.argument = serve;
	err = pthread_create(&serve->thread, NULL, serve_thread, serve);
	if (err) {
		zcmu_error("%s: can't start a thread: %s", serve->name, strerror(err));
		close(serve->served_fd);
		serve->served_fd = -1;
		return -err;
	}
	wait_served(serve);
	return serve->serve_error;
}

static void join_serving(struct serve *serve)
{
	pthread_join(serve->thread, NULL);
	close(serve->served_fd);
	serve->served_fd = -1;
}

static int here_start(struct serve *serve)
{
	int err = backstore_open_disk(&serve->backstore, &serve->disk);

	return err ? err : start_serving(serve);
}

static int here_resize(struct serve *serve, uint64_t size)
{
	return zcmu_disk_resize(serve->disk, size);
}

static int here_fd(const struct serve *serve)
{
	return serve->served_fd;
}

static int here_hear(struct serve *serve, bool is_readable)
{
	if (!is_readable)
		return 0;
	zcmu_error("%s: serving has ended: %s", serve->name, strerror(-serve->serve_error));
	return -EIO;
}

static bool here_is_dead(const struct serve *serve)
{
	(void)serve;
	return false;
}

static void close_disk(struct serve *serve)
{
	zcmu_disk_close(serve->disk);
	serve->disk = NULL;
}

static int here_hand_over(struct serve *serve)
{
	int err = zcmu_disk_hand_over(serve->disk);

	if (!err) {
		join_serving(serve);
		close_disk(serve);
	}
	return err;
}

static int here_stop(struct serve *serve, struct zcmu_statistics *statistics)
{
	int err = 0;

	if (serve->served_fd >= 0) {
		zcmu_disk_stop(serve->disk);
		join_serving(serve);
		err = serve->serve_error;
		zcmu_disk_statistics(serve->disk, statistics);
	}
	close_disk(serve);
	return err;
}

static void here_close(struct serve *serve)
{
	zcmu_store_close(serve->store);
	serve->store = NULL;
	serve->shape = NULL;
}

const struct serve_way serve_here = {
	.ask_flags = here_ask_flags,
	.identify = here_identify,
	.open = here_open,
	.start = here_start,
	.resize = here_resize,
	.fd = here_fd,
	.hear = here_hear,
	.is_dead = here_is_dead,
	.hand_over = here_hand_over,
	.stop = here_stop,
	.close = here_close,
};
