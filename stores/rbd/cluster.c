// SPDX-License-Identifier: MIT
/*
 * rbd: opens the cluster, the pool, and the image or snapshot. The message of each step that fails
 * names the object, the reason, and what to check.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rbd.h"

/* Time limit for connecting, in seconds */
unsigned int image_patience(const struct image *image)
{
	return image->give_up && image->give_up < 10 ? image->give_up : 10;
}

static int set_number(struct image *image, const char *name, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return rados_conf_set(image->cluster, name, text);
}

static const char *get(const struct image *image, const char *name, char *value, size_t size)
{
	return rados_conf_get(image->cluster, name, value, size) || !value[0] ? "unknown" : value;
}

static int read_conf(struct image *image)
{
	/* Without a name librados looks in Ceph's places; it needn't find a file. */
	int err = rados_conf_read_file(image->cluster, image->conf);

	if (!err || (err == -ENOENT && !image->conf))
		return 0;
	zcmu_error("%s: can't read Ceph's configuration %s: %s; conf= names another", image->title,
		   image->conf ? image->conf : "(ceph.conf)", strerror(-err));
	return err;
}

static int set_settings(struct image *image)
{
	const struct setting *s;
	int err;

	for (s = image->settings; s; s = s->next) {
		err = rados_conf_set(image->cluster, s->name, s->value);
		if (!err)
			continue;
		zcmu_error("%s: \"%s=%s\": %s", image->title, s->name, s->value, err == -ENOENT ?
			   "Ceph has no such option" :
			   "Ceph doesn't take that value");
		return err;
	}
	return 0;
}

/*
 * Settings that a disk needs, whatever the files say.
 *
 * No cache in librbd: a write is answered when all copies have it. Data in a cache of this process
 * would be lost when another process takes the image over. And a client whose image is taken is
 * shut out.
 *
 * Every operation ends, by an error of librados if nobody answers. Until then librbd owns the
 * payload, so this store can't give up by itself.
 */
static int set_ours(struct image *image)
{
	int err = rados_conf_set(image->cluster, "rbd_cache", "false");

	if (!err)
		err = rados_conf_set(image->cluster, "rbd_blocklist_on_break_lock", "true");
	if (!err)
		err = set_number(image, "client_mount_timeout", image_patience(image));
	if (!err)
		err = set_number(image, "rados_mon_op_timeout", image->give_up);
	if (!err)
		err = set_number(image, "rados_osd_op_timeout", image->give_up);
	return err;
}

static void say_not_connected(struct image *image, int error)
{
	char monitors[256] = "", keyring[256] = "";
	const char *id = image->id ? image->id : "admin";

	get(image, "mon_host", monitors, sizeof(monitors));
	get(image, "keyring", keyring, sizeof(keyring));
	switch (-error) {
	case ETIMEDOUT:
		zcmu_error("%s: no monitor at %s has answered for %u s; do they run, and is the network up?",
			   image->title, monitors, image_patience(image));
		break;
	case EACCES:
	case EPERM:
		zcmu_error("%s: the monitors at %s refuse client.%s: its key is missing or wrong in %s; is that the keyring (keyring=FILE), and the user (id=USER)?",
			   image->title, monitors, id, keyring);
		break;
	case ENOENT:
		zcmu_error("%s: no monitor is known, or there is no key of client.%s in %s; are conf=, id= and keyring= right?",
			   image->title, id, keyring);
		break;
	default:
		zcmu_error("%s: can't connect to the monitors at %s as client.%s: %s", image->title,
			   monitors, id, strerror(-error));
	}
}

static int open_pool(struct image *image)
{
	int err = rados_ioctx_create(image->cluster, image->pool, &image->ioctx);

	if (err) {
		zcmu_error("%s: can't use the pool \"%s\": %s%s", image->title, image->pool,
			   strerror(-err), err == -ENOENT ? "; \"ceph osd pool ls\" shows those there are" : "");
		image->ioctx = NULL;
		return err;
	}
	rados_ioctx_set_namespace(image->ioctx, image->name_space);
	return 0;
}

/* Errors are reported; image_disconnect() undoes everything, also after an error. */
int image_connect(struct image *image)
{
	int err = rados_create(&image->cluster, image->id);

	if (err) {
		zcmu_error("%s: can't set up librados: %s", image->title, strerror(-err));
		image->cluster = NULL;
		return err;
	}
	/* librbd's messages go to its log, if the configuration names one. We print our own. */
	rados_conf_set(image->cluster, "log_to_stderr", "false");
	rados_conf_set(image->cluster, "err_to_stderr", "false");
	err = read_conf(image);
	if (!err)
		err = set_settings(image);
	if (!err)
		err = set_ours(image);
	if (err)
		return err;
	err = rados_connect(image->cluster);
	if (err) {
		say_not_connected(image, err);
		return err;
	}
	return open_pool(image);
}

static int create(struct image *image)
{
	rbd_image_options_t options;
	int err;

	rbd_image_options_create(&options);
	err = rbd_create4(image->ioctx, image->name, image->store->create_size, options);
	rbd_image_options_destroy(options);
	if (err && err != -EEXIST)
		zcmu_error("%s: can't create it: %s", image->title, strerror(-err));
	return err == -EEXIST ? 0 : err;
}

static void say_not_opened(struct image *image, int error)
{
	char monitors[256] = "";

	get(image, "mon_host", monitors, sizeof(monitors));
	if (error == -ENOENT && image->snapshot)
		zcmu_error("%s: there is no such image or snapshot; \"rbd snap ls %s/%s\" shows those there are",
			   image->title, image->pool, image->name);
	else if (error == -ENOENT)
		zcmu_error("%s: there is no such image; \"rbd ls %s\" shows those there are, and a size makes one",
			   image->title, image->pool);
	else if (error == -EPERM || error == -EACCES)
		zcmu_error("%s: client.%s may not use it; its capabilities need \"profile rbd\" for the pool",
			   image->title, image->id ? image->id : "admin");
	else if (error == -ETIMEDOUT)
		zcmu_error("%s: the OSDs of its pool have not answered for %u s (monitors: %s); is the pool's health good?",
			   image->title, image->give_up, monitors);
	else
		zcmu_error("%s: can't open it: %s", image->title, strerror(-error));
}

static int open_once(struct image *image)
{
	int err = image->store->read_only ?
		  rbd_open_read_only(image->ioctx, image->name, &image->handle, image->snapshot) :
		  rbd_open(image->ioctx, image->name, &image->handle, NULL);

	if (err)
		image->handle = NULL;
	return err;
}

/* Settings that must be as set_ours() has them. */
static bool is_bad(const rbd_config_option_t *option)
{
	if (!strcmp(option->name, "rbd_cache"))
		return strcmp(option->value, "false");
	if (!strcmp(option->name, "rbd_blocklist_on_break_lock"))
		return strcmp(option->value, "true");
	return !strcmp(option->name, "rbd_plugins") && strstr(option->value, "pwl_cache");
}

/*
 * The configuration of the pool or the image overrides ours, which overrides that of the files.
 * Does it switch on a cache?
 */
static int check_configuration(struct image *image)
{
	rbd_config_option_t options[512];
	int n = sizeof(options) / sizeof(options[0]), i;
	int err = rbd_config_image_list(image->handle, options, &n);
	char bad[64] = "";
	bool in_pool = false;

	if (err) {
		zcmu_error("%s: can't read its configuration: %s", image->title, strerror(-err));
		return err;
	}
	for (i = 0; i < n; i++) {
		if (!is_bad(&options[i]))
			continue;
		snprintf(bad, sizeof(bad), "%s", options[i].name);
		in_pool = options[i].source == RBD_CONFIG_SOURCE_POOL;
	}
	rbd_config_image_list_cleanup(options, n);
	if (!bad[0])
		return 0;
	zcmu_error("%s: its configuration has %s, with which writes could be lost when another takes the image over; \"rbd config %s rm %s%s%s %s\" ends that",
		   image->title, bad, in_pool ? "pool" : "image", image->pool, in_pool ? "" : "/",
		   in_pool ? "" : image->name, bad);
	return -EINVAL;
}

int image_open(struct image *image)
{
	int err = open_once(image);

	if (err == -ENOENT && image->store->create_size && !image->store->read_only) {
		err = create(image);
		if (err)
			return err;
		err = open_once(image);
	}
	if (err) {
		say_not_opened(image, err);
		return err;
	}
	return check_configuration(image);
}

void image_disconnect(struct image *image)
{
	if (image->handle)
		rbd_close(image->handle);
	if (image->ioctx)
		rados_ioctx_destroy(image->ioctx);
	if (image->cluster)
		rados_shutdown(image->cluster);
}
