/* SPDX-License-Identifier: MIT */
/*
 * An image in the cluster of tests/ceph/cluster, and a driver for a store that opens it.
 * The test is another client of the cluster, client.admin, who does what people do with
 * the program rbd. $ZCMU_CEPH is the cluster's folder.
 */
#ifndef CEPH_IMAGE_H
#define CEPH_IMAGE_H

#include "store-driver.h"

#include <rados/librados.h>
#include <rbd/librbd.h>
#include <sys/types.h>

#define IMAGE_BYTES	(64u << 20)
#define OSDS		2
/* Seconds, for what hangs: tests/ceph/run ends it earlier. What is slow is waited for. */
#define CEPH_PATIENCE	3600

struct ceph_image {
	struct driver *driver;
	rados_t cluster;
	rados_ioctx_t pool;
	char name[64];
	char spec[512];			/* for client.user, with our ceph.conf; never gives up */
};

/* cmocka's: a new image for each test. */
int ceph_image_setup(void **state);
int ceph_image_teardown(void **state);

#define CEPH_TEST(f)	cmocka_unit_test_setup_teardown(f, ceph_image_setup, ceph_image_teardown)

/* A file of the cluster's folder; a buffer of the next call. */
const char *ceph_path(const char *name);

/* Open the store with more options (",a=b") or settings (":a=b"). Return: as driver_open(). */
int ceph_open(struct ceph_image *c, const char *more);

/* What "rbd resize --allow-shrink" and the like do. */
void ceph_resize(struct ceph_image *c, uint64_t size);
void ceph_snapshot(struct ceph_image *c, const char *name);
void ceph_metadata(struct ceph_image *c, const char *key, const char *value);

/* Daemons: "mon.a", "osd.0" ... An OSD that was killed can be started again. */
pid_t ceph_pid(const char *daemon);
void ceph_signal(const char *daemon, int signal);
void ceph_start_osd(unsigned int n);
/* Wait until every object has all its copies. */
void ceph_wait_clean(struct ceph_image *c);

#endif /* CEPH_IMAGE_H */
