// SPDX-License-Identifier: MIT
/*
 * rbd: an image of Ceph, by librbd. One process writes an image at a time, and an earlier writer
 * can't write any more (lock.c). The map of the files is in rbd.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rbd.h"

#define DEFAULT_GIVE_UP	25u
#define DEFAULT_GIVE_UP_TEXT	"25"	/* seconds: before the disk's time-out, which is 30 */

static struct image *image_of(const struct zcmu_store *store)
{
	return store->data;
}

/* The header has changed: a snapshot, a flag, or the size. Runs in a thread of librbd. */
static void header_changed(void *argument)
{
	struct image *image = argument;
	uint64_t disk = __atomic_load_n(&image->store->size, __ATOMIC_SEQ_CST), size;

	if (rbd_get_size(image->handle, &size) || atomic_exchange(&image->told_size, size) == size)
		return;
	if (size < disk)
		zcmu_error("%s: the image has shrunk to %" PRIu64 " bytes, and the disk has %" PRIu64
			   ": what is behind the image's end fails", image->title, size, disk);
	else if (size > disk)
		zcmu_warning("%s: the image has grown to %" PRIu64 " bytes; \"zcmu resize NAME %" PRIu64
			     "\" gives them to the disk", image->title, size, size);
}

static uint32_t trim_granularity(const struct image *image)
{
	char value[32] = "";
	unsigned long bytes;

	if (rados_conf_get(image->cluster, "rbd_discard_granularity_bytes", value, sizeof(value)))
		return 0;
	bytes = strtoul(value, NULL, 10);
	return bytes >= 512 && bytes <= 1u << 30 && !(bytes & (bytes - 1)) ? (uint32_t)bytes : 0;
}

static int describe(struct image *image)
{
	struct zcmu_store *store = image->store;
	uint64_t size, stripe;
	int err = rbd_get_size(image->handle, &size);

	if (!err)
		err = rbd_get_stripe_unit(image->handle, &stripe);
	if (err) {
		zcmu_error("%s: can't ask for its size: %s", image->title, strerror(-err));
		return err;
	}
	if (store->create_size && store->create_size != size) {
		zcmu_error("%s: the image has %" PRIu64 " bytes, not %" PRIu64
			   "; leave the size out to take it as it is", image->title, size,
			   store->create_size);
		return -EEXIST;
	}
	if (size < store->block_size) {
		zcmu_error("%s: the image has %" PRIu64 " bytes, less than a block; \"rbd resize\" gives it some",
			   image->title, size);
		return -EINVAL;
	}
	/* Half a block at the end isn't used. */
	store->size = size / store->block_size * store->block_size;
	store->physical_block_size = 4096;
	store->optimal_io_size = stripe >= 4096 && stripe <= UINT32_MAX ? (uint32_t)stripe : 0;
	store->trim_granularity = trim_granularity(image);
	atomic_store(&image->told_size, size);
	return 0;
}

static int watch(struct image *image)
{
	int err = rbd_update_watch(image->handle, &image->watch, header_changed, image);

	image->watches = !err;
	if (err)
		zcmu_error("%s: can't watch it: %s", image->title, strerror(-err));
	return err;
}

static void image_store_close(struct zcmu_store *store)
{
	struct image *image = image_of(store);

	if (image->watches)
		rbd_update_unwatch(image->handle, image->watch);
	image_unlock(image);
	image_disconnect(image);
	image_spec_free(image);
	free(image);
}

struct image_options {
	char *conf, *id;
	uint64_t give_up;
	uint32_t lock;
};

static const struct zcmu_option image_options[] = {
	{ .name = "id", .value = "USER", .summary = "of the cluster",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct image_options, id) },
	{ .name = "conf", .value = "FILE", .summary = "the cluster's configuration",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct image_options, conf) },
	{ .name = "lock", .value = "refuse|steal", .summary = "if somebody else writes the image",
	  .standard = "refuse",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct image_options, lock) },
	{ .name = "give-up", .value = "SECONDS", .summary = "without the cluster; 0: never",
	  .standard = DEFAULT_GIVE_UP_TEXT, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct image_options, give_up) },
	{ 0 }
};

/* Options in front of the colon */
static int take_options(struct image *image, const struct image_options *is)
{
	image->give_up = (unsigned int)is->give_up;
	image->steals = is->lock;
	image->conf = is->conf ? strdup(is->conf) : NULL;
	image->id = is->id ? strdup(is->id) : NULL;
	return (is->conf && !image->conf) || (is->id && !image->id) ? -ENOMEM : 0;
}

static int image_store_open(struct zcmu_store *store, const char *argument)
{
	struct image *image = calloc(1, sizeof(*image));
	int err;

	if (!image)
		return -ENOMEM;
	image->store = store;
	image->sign_of_life = -1;
	store->data = image;
	err = take_options(image, store->options);
	if (!err)
		err = image_spec_parse(image, argument);
	if (!err)
		err = image_connect(image);
	if (!err)
		err = image_open(image);
	/* Take the lock before looking at the image: until then another client may change it. */
	if (!err && !store->read_only)
		err = image_lock(image);
	if (!err)
		err = describe(image);
	if (!err)
		err = watch(image);
	if (err)
		image_store_close(store);
	return err;
}

/* librbd calls this for any progress. */
static int ignore_progress(uint64_t done, uint64_t total, void *argument)
{
	(void)done;
	(void)total;
	(void)argument;
	return 0;
}

static int image_resize(struct zcmu_store *store, uint64_t size)
{
	struct image *image = image_of(store);
	bool shrinks = size == store->size;
	uint64_t is;
	int err = rbd_get_size(image->handle, &is);

	/* The image may have grown already, by "rbd resize". */
	if (!err && !shrinks && is >= size)
		return 0;
	if (!err && store->read_only)
		err = -EROFS;
	atomic_store(&image->told_size, size);
	if (!err)
		err = rbd_resize2(image->handle, size, shrinks, ignore_progress, NULL);
	if (err)
		zcmu_error("%s: can't make it %" PRIu64 " bytes: %s", image->title, size,
			   err == -EROFS ? "it is served read-only" : strerror(-err));
	return err;
}

/* A name can belong to another image later; ids of a cluster can't. */
static int tell_identity(const struct image *image, char *text, size_t size)
{
	char cluster[40] = "", id[128] = "";
	uint64_t snapshot = 0;
	int err = rados_cluster_fsid(image->cluster, cluster, sizeof(cluster));

	if (err >= 0)
		err = rbd_get_id(image->handle, id, sizeof(id));
	if (err >= 0 && image->snapshot)
		err = rbd_snap_get_id(image->handle, image->snapshot, &snapshot);
	if (err < 0)
		return err;
	snprintf(text, size, "rbd:%s/%" PRId64 "/%s@%" PRIu64, cluster,
		 rados_ioctx_get_id(image->ioctx), id, snapshot);
	return 0;
}

/* Looking at an image takes no lock, so its writer isn't disturbed. */
static int look_up_identity(const char *argument, char *text, size_t size)
{
	struct zcmu_store nobody = { .ops = &zcmu_store_plugin, .read_only = true };
	struct image image = { .store = &nobody, .give_up = DEFAULT_GIVE_UP, .sign_of_life = -1 };
	int err = image_spec_parse(&image, argument);

	if (!err)
		err = image_connect(&image);
	if (!err)
		err = image_open(&image);
	if (!err)
		err = tell_identity(&image, text, size);
	image_disconnect(&image);
	image_spec_free(&image);
	return err;
}

static int image_identity(struct zcmu_store *store, const char *argument, char *text, size_t size)
{
	return store ? tell_identity(image_of(store), text, size) :
		       look_up_identity(argument, text, size);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "rbd",
	.usage = "rbd:POOL/IMAGE",
	.summary = "an image of a Ceph cluster",
	/* There is no .flush: an answered write is on all copies (cluster.c, rbd_cache). */
	.flags = ZCMU_STORE_NETWORK,
	.open = image_store_open,
	.close = image_store_close,
	.queue_open = image_queue_open,
	.queue_close = image_queue_close,
	.queue_fd = image_queue_fd,
	.queue_reap = image_queue_reap,
	.read = image_request,
	.write = image_request,
	.trim = image_request,
	.zero = image_request,
	.resize = image_resize,
	.identity = image_identity,
	.options = image_options,
	.options_size = sizeof(struct image_options),
};
