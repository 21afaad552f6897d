// SPDX-License-Identifier: MIT
/*
 * An image to test with. See ceph-image.h.
 */
#include "ceph-image.h"
#include "fake-kernel.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PLACEMENT_GROUPS	8u	/* as tests/ceph/cluster makes them */

const char *ceph_path(const char *name)
{
	static char path[256];
	const char *folder = getenv("ZCMU_CEPH");

	if (!folder)
		fail_msg("expected $ZCMU_CEPH, got nothing; run tests/ceph/run");
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void ok(int err)
{
	if (err < 0)
		fail_msg("expected the cluster to do it, got: %s", strerror(-err));
}

int ceph_image_setup(void **state)
{
	struct ceph_image *c = calloc(1, sizeof(*c));
	static unsigned int count;
	rbd_image_options_t options;
	void *driver;

	driver_setup(&driver);
	c->driver = driver;
	c->driver->patience = CEPH_PATIENCE;
	fake_patience = CEPH_PATIENCE;
	ok(rados_create(&c->cluster, NULL));
	ok(rados_conf_read_file(c->cluster, ceph_path("ceph.conf")));
	ok(rados_connect(c->cluster));
	ok(rados_ioctx_create(c->cluster, "rbd", &c->pool));
	snprintf(c->name, sizeof(c->name), "disk-%d-%u", (int)getpid(), ++count);
	rbd_image_options_create(&options);
	ok(rbd_create4(c->pool, c->name, IMAGE_BYTES, options));
	rbd_image_options_destroy(options);
	snprintf(c->spec, sizeof(c->spec), "rbd,give-up=0,conf=%s,id=user:rbd/%s",
		 ceph_path("ceph.conf"), c->name);
	*state = c;
	return 0;
}

/* The image stays: the cluster goes with the tests, and may still have a watcher of it. */
int ceph_image_teardown(void **state)
{
	struct ceph_image *c = *state;
	void *driver = c->driver;

	driver_close(c->driver);
	driver_teardown(&driver);
	rados_ioctx_destroy(c->pool);
	rados_shutdown(c->cluster);
	free(c);
	return 0;
}

int ceph_open(struct ceph_image *c, const char *more)
{
	const char *rest = c->spec + strlen("rbd");
	char spec[1024];

	/* An option is given once. */
	if (strstr(more, "give-up="))
		rest += strlen(",give-up=0");
	if (more[0] == ',')
		snprintf(spec, sizeof(spec), "rbd%s%s", more, rest);
	else
		snprintf(spec, sizeof(spec), "%s%s", c->spec, more);
	return driver_open(c->driver, spec, 0, false);
}

static rbd_image_t open_image(struct ceph_image *c)
{
	rbd_image_t image;

	ok(rbd_open(c->pool, c->name, &image, NULL));
	return image;
}

static int ignore_progress(uint64_t done, uint64_t total, void *argument)
{
	(void)done;
	(void)total;
	(void)argument;
	return 0;
}

void ceph_resize(struct ceph_image *c, uint64_t size)
{
	rbd_image_t image = open_image(c);

	ok(rbd_resize2(image, size, true, ignore_progress, NULL));
	rbd_close(image);
}

void ceph_snapshot(struct ceph_image *c, const char *name)
{
	rbd_image_t image = open_image(c);

	ok(rbd_snap_create(image, name));
	rbd_close(image);
}

void ceph_metadata(struct ceph_image *c, const char *key, const char *value)
{
	rbd_image_t image = open_image(c);

	ok(rbd_metadata_set(image, key, value));
	rbd_close(image);
}

pid_t ceph_pid(const char *daemon)
{
	char name[64];
	FILE *file;
	int pid = 0;

	snprintf(name, sizeof(name), "%s.pid", daemon);
	file = fopen(ceph_path(name), "re");
	if (!file || fscanf(file, "%d", &pid) != 1 || pid <= 1)
		fail_msg("expected the pid of %s in %s", daemon, ceph_path(name));
	fclose(file);
	return pid;
}

void ceph_signal(const char *daemon, int number)
{
	if (kill(ceph_pid(daemon), number))
		fail_msg("expected %s to live, got: %s", daemon, strerror(errno));
}

void ceph_start_osd(unsigned int n)
{
	char command[512];

	/* Not with the sanitizers' settings of the test. */
	snprintf(command, sizeof(command), "\"$ZCMU_CEPH_CLUSTER\" start-osd %s %u",
		 getenv("ZCMU_CEPH"), n);
	if (system(command))
		fail_msg("expected osd.%u to start", n);
}

/* Of a placement group; without a manager its OSD has to be asked. */
static bool is_clean(struct ceph_image *c, const char *group)
{
	char text[64], *output = NULL, *said = NULL;
	const char *command = text, *state;
	size_t output_len, said_len;
	bool yes;

	snprintf(text, sizeof(text), "{\"prefix\": \"query\", \"pgid\": \"%s\"}", group);
	if (rados_pg_command(c->cluster, group, &command, 1, "", 0, &output, &output_len, &said,
			     &said_len))
		return false;
	/* The first is its own; those behind it are what others knew of it, some time ago. */
	state = memmem(output, output_len, "\"state\":", 8);
	yes = state && memmem(state, 32, "\"active+clean", 13);
	rados_buffer_free(output);
	rados_buffer_free(said);
	return yes;
}

void ceph_wait_clean(struct ceph_image *c)
{
	char group[32];
	unsigned int i;

	for (i = 0; i < PLACEMENT_GROUPS; i++) {
		snprintf(group, sizeof(group), "%lld.%x", (long long)rados_ioctx_get_id(c->pool), i);
		while (!is_clean(c, group))
			usleep(100 * 1000);
	}
}
