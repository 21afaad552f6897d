// SPDX-License-Identifier: MIT
/*
 * The store rbd (stores/rbd) on a real cluster: data, what the disk can do, its size, and
 * what is wrong with a spec. Clusters that fail are test-store-rbd-lost.c's, who may write
 * test-store-rbd-lock.c's.
 */
#include "ceph-image.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t data[5 << 20], back[5 << 20];

static void fill(unsigned int seed)
{
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(seed + i + i / 511 * 3);
}

/* Across objects, which are of 4 MiB. */
static void what_is_written_is_read(void **state)
{
	struct ceph_image *c = *state;

	assert_int_equal(ceph_open(c, ""), 0);
	assert_int_equal(c->driver->store->size, IMAGE_BYTES);
	assert_int_equal(c->driver->store->optimal_io_size, 4 << 20);
	fill(1);
	assert_int_equal(driver_write(c->driver, 4096, data, sizeof(data), true), ZCMU_OK);
	assert_int_equal(driver_read(c->driver, 4096, back, sizeof(back)), ZCMU_OK);
	assert_memory_equal(back, data, sizeof(data));
	expect_bytes_of(c->driver, 0, 4096, 0);
	expect_bytes_of(c->driver, 32 << 20, 8 << 20, 0);
}

static void a_payload_in_pieces_is_written_and_read(void **state)
{
	struct ceph_image *c = *state;
	struct driven w = { .iov = { { data, 100 }, { data + 100, 3000 }, { data + 3100, 996 } } };
	struct driven r = { .iov = { { back + 1, 100 }, { back + 9000, 3000 },
				     { back + 20000, 996 } } };

	assert_int_equal(ceph_open(c, ""), 0);
	fill(7);
	memset(back, 0, 32768);
	/* The second half is in another object. */
	driver_start(c->driver, &w, ZCMU_IO_WRITE, (4 << 20) - 2048, 4096);
	driver_wait(c->driver);
	assert_int_equal(w.status, ZCMU_OK);
	driver_start(c->driver, &r, ZCMU_IO_READ, (4 << 20) - 2048, 4096);
	driver_wait(c->driver);
	assert_int_equal(r.status, ZCMU_OK);
	assert_memory_equal(back + 1, data, 100);
	assert_memory_equal(back + 9000, data + 100, 3000);
	assert_memory_equal(back + 20000, data + 3100, 996);
}

static void zeroes_are_read_where_they_were_written(void **state)
{
	struct ceph_image *c = *state;

	assert_int_equal(ceph_open(c, ""), 0);
	memset(data, 0x5a, sizeof(data));
	assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_zero(c->driver, 512, 1024, true), ZCMU_OK);
	assert_int_equal(driver_zero(c->driver, 8192, 4096, false), ZCMU_OK);
	expect_bytes_of(c->driver, 0, 512, 0x5a);
	expect_bytes_of(c->driver, 512, 1024, 0);
	expect_bytes_of(c->driver, 1536, 8192 - 1536, 0x5a);
	expect_bytes_of(c->driver, 8192, 4096, 0);
	expect_bytes_of(c->driver, 12288, 4096, 0x5a);
}

/* Objects that are trimmed as a whole are gone, and so read as zeroes. */
static void what_is_trimmed_is_given_back(void **state)
{
	struct ceph_image *c = *state;

	assert_int_equal(ceph_open(c, ""), 0);
	assert_int_equal(c->driver->store->trim_granularity, 65536);
	memset(data, 0x5a, sizeof(data));
	assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_trim(c->driver, 0, 4 << 20), ZCMU_OK);
	expect_bytes_of(c->driver, 0, 4 << 20, 0);
	expect_bytes_of(c->driver, 4 << 20, 1 << 20, 0x5a);
}

static void a_trim_of_the_whole_disk_comes_in_parts(void **state)
{
	struct ceph_image *c = *state;

	ceph_resize(c, 1ull << 30);
	assert_int_equal(ceph_open(c, ""), 0);
	memset(data, 0x5a, 4096);
	assert_int_equal(driver_write(c->driver, (1ull << 30) - 4096, data, 4096, false), ZCMU_OK);
	assert_int_equal(driver_zero(c->driver, 0, 1ull << 30, true), ZCMU_OK);
	expect_bytes_of(c->driver, (1ull << 30) - 4096, 4096, 0);
	assert_int_equal(driver_trim(c->driver, 0, 1ull << 30), ZCMU_OK);
}

/* Nothing that was answered is in this process alone: so there is nothing to flush. */
static void there_is_no_write_cache(void **state)
{
	struct ceph_image *c = *state;

	assert_int_equal(ceph_open(c, ":rbd_cache=true"), 0);
	assert_int_equal(zcmu_store_flush(c->driver->store), ZCMU_CAN_NONE);
	assert_int_equal(zcmu_store_fua(c->driver->store), ZCMU_CAN_NATIVE);
	assert_int_equal(zcmu_store_trim(c->driver->store), ZCMU_CAN_NATIVE);
	assert_int_equal(zcmu_store_zero(c->driver->store), ZCMU_CAN_NATIVE);
}

static void an_image_that_has_a_cache_configured_is_refused(void **state)
{
	struct ceph_image *c = *state;

	ceph_metadata(c, "conf_rbd_cache", "true");
	assert_int_equal(ceph_open(c, ""), -EINVAL);
	expect_logged(c->driver, "rbd_cache", "rbd config image rm");
}

static void payloads_may_go_to_the_socket_uncopied(void **state)
{
	struct ceph_image *c = *state;

	assert_int_equal(ceph_open(c, ":rbd_disable_zero_copy_writes=false"), 0);
	fill(3);
	assert_int_equal(driver_write(c->driver, 0, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_read(c->driver, 0, back, sizeof(back)), ZCMU_OK);
	assert_memory_equal(back, data, sizeof(data));
}

static void a_snapshot_stays_as_it_was(void **state)
{
	struct ceph_image *c = *state;
	char spec[1024];

	assert_int_equal(ceph_open(c, ""), 0);
	memset(data, 1, 8192);
	assert_int_equal(driver_write(c->driver, 0, data, 8192, false), ZCMU_OK);
	/* Under a disk that is served, by another client. */
	ceph_snapshot(c, "monday");
	memset(data, 2, 4096);
	assert_int_equal(driver_write(c->driver, 0, data, 4096, false), ZCMU_OK);
	expect_bytes_of(c->driver, 0, 4096, 2);
	expect_bytes_of(c->driver, 4096, 4096, 1);
	driver_close(c->driver);
	snprintf(spec, sizeof(spec), "rbd,conf=%s,id=user:rbd/%s@monday",
		 ceph_path("ceph.conf"), c->name);
	assert_int_equal(driver_open(c->driver, spec, 0, false), 0);
	assert_true(c->driver->store->read_only);
	expect_bytes_of(c->driver, 0, 8192, 1);
}

static void it_changes_its_size_with_the_image_s(void **state)
{
	struct ceph_image *c = *state;
	struct zcmu_store *store;

	assert_int_equal(ceph_open(c, ""), 0);
	store = c->driver->store;
	assert_int_equal(store->ops->resize(store, 2 * IMAGE_BYTES), 0);
	store->size = 2 * IMAGE_BYTES;
	memset(data, 3, 4096);
	assert_int_equal(driver_write(c->driver, store->size - 4096, data, 4096, false), ZCMU_OK);
	expect_bytes_of(c->driver, store->size - 4096, 4096, 3);
	expect_bytes_of(c->driver, IMAGE_BYTES, 4096, 0);
	/* Smaller again, which takes the library to have set the size before. */
	store->size = IMAGE_BYTES;
	assert_int_equal(store->ops->resize(store, IMAGE_BYTES), 0);
	expect_bytes_of(c->driver, 0, 4096, 0);
}

static void an_image_that_others_have_made_larger_is_told_of(void **state)
{
	struct ceph_image *c = *state;
	struct zcmu_store *store;

	assert_int_equal(ceph_open(c, ""), 0);
	store = c->driver->store;
	ceph_resize(c, 2 * IMAGE_BYTES);
	while (!strstr(c->driver->logged, "has grown"))
		driver_idle(c->driver);
	expect_logged(c->driver, "134217728", "zcmu resize");
	assert_int_equal(store->ops->resize(store, 2 * IMAGE_BYTES), 0);
	store->size = 2 * IMAGE_BYTES;
	expect_bytes_of(c->driver, store->size - 4096, 4096, 0);
}

/* No error for librbd, which cuts such a request off. */
static void behind_the_end_of_an_image_that_has_shrunk_everything_fails(void **state)
{
	struct ceph_image *c = *state;
	const uint64_t half = IMAGE_BYTES / 2;

	assert_int_equal(ceph_open(c, ""), 0);
	ceph_resize(c, half);
	memset(data, 4, 8192);
	assert_int_equal(driver_write(c->driver, half, data, 4096, false), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_write(c->driver, half - 4096, data, 8192, false), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_read(c->driver, half, back, 4096), ZCMU_READ_ERROR);
	assert_int_equal(driver_read(c->driver, half - 4096, back, 8192), ZCMU_READ_ERROR);
	assert_int_equal(driver_zero(c->driver, half, 4096, true), ZCMU_WRITE_ERROR);
	assert_int_equal(driver_write(c->driver, 0, data, 4096, false), ZCMU_OK);
	expect_bytes_of(c->driver, 0, 4096, 4);
	while (!strstr(c->driver->logged, "has shrunk"))
		driver_idle(c->driver);
}

static void an_image_is_made_if_a_size_is_given(void **state)
{
	struct ceph_image *c = *state;
	char spec[1024];

	snprintf(spec, sizeof(spec), "rbd,conf=%s,id=user:rbd/new-%s",
		 ceph_path("ceph.conf"), c->name);
	assert_int_equal(driver_open(c->driver, spec, 0, false), -ENOENT);
	expect_logged(c->driver, "no such image", "a size makes one");
	assert_int_equal(driver_open(c->driver, spec, 8 << 20, false), 0);
	assert_int_equal(c->driver->store->size, 8 << 20);
	expect_bytes_of(c->driver, 0, 4096, 0);
	driver_close(c->driver);
	assert_int_equal(driver_open(c->driver, spec, 16 << 20, false), -EEXIST);
	expect_logged(c->driver, "8388608", "16777216");
}

/* What is wrong with a spec, and two words of what is said of it. */
static void mistakes_are_told(void **state)
{
	static const struct {
		const char *spec;	/* %s: our ceph.conf */
		int err;
		const char *first, *second;
	} mistakes[] = {
		{ "rbd:disk", -EINVAL, "rbd:disk", "rbd:POOL/IMAGE" },
		{ "rbd:rbd/a/b/c", -EINVAL, "rbd:rbd/a/b/c", "NAMESPACE" },
		{ "rbd:rbd/disk@", -EINVAL, "rbd:rbd/disk@", "SNAPSHOT" },
		{ "rbd:rbd/disk:id", -EINVAL, "\"id\"", "NAME=VALUE" },
		{ "rbd,give-up=soon:rbd/disk", -EINVAL, "give-up", "soon" },
		{ "rbd,lock=maybe:rbd/disk", -EINVAL, "steal", "maybe" },
		{ "rbd:rbd/disk:id=user", -EINVAL, "in front", "rbd,id=USER:POOL/IMAGE" },
		{ "rbd:rbd/disk:give-up=2", -EINVAL, "in front", "rbd,give-up=SECONDS:" },
		{ "rbd,conf=%s:rbd/disk:colour=red", -ENOENT, "colour", "no" },
		{ "rbd,conf=/none:rbd/disk", -ENOENT, "/none", "conf=" },
		{ "rbd,conf=%s,id=nobody:rbd/disk", -EACCES, "client.nobody", "keyring" },
		{ "rbd,conf=%s,id=wrong:rbd/disk", -EACCES, "client.wrong", "key" },
		{ "rbd,conf=%s,id=user:nopool/disk", -ENOENT, "nopool", "ceph osd pool ls" },
		{ "rbd,conf=%s,id=user:rbd/nodisk", -ENOENT, "rbd/nodisk", "rbd ls rbd" },
		{ "rbd,conf=%s,id=user:rbd/none/nodisk", -ENOENT, "rbd/none/nodisk", "no such image" },
		{ "rbd,conf=%s,id=user,give-up=2:rbd/nodisk:mon_host=127.0.0.1\\:1", -ETIMEDOUT,
		  "127.0.0.1:1", "monitor" },
	};
	struct ceph_image *c = *state;
	char spec[512];
	size_t i;

	for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		snprintf(spec, sizeof(spec), mistakes[i].spec, ceph_path("ceph.conf"));
		if (driver_open(c->driver, spec, 0, false) != mistakes[i].err)
			fail_msg("expected %d for %s, got another: %s", mistakes[i].err, spec,
				 c->driver->logged);
		expect_logged(c->driver, mistakes[i].first, mistakes[i].second);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CEPH_TEST(what_is_written_is_read),
		CEPH_TEST(a_payload_in_pieces_is_written_and_read),
		CEPH_TEST(zeroes_are_read_where_they_were_written),
		CEPH_TEST(what_is_trimmed_is_given_back),
		CEPH_TEST(a_trim_of_the_whole_disk_comes_in_parts),
		CEPH_TEST(there_is_no_write_cache),
		CEPH_TEST(an_image_that_has_a_cache_configured_is_refused),
		CEPH_TEST(payloads_may_go_to_the_socket_uncopied),
		CEPH_TEST(a_snapshot_stays_as_it_was),
		CEPH_TEST(it_changes_its_size_with_the_image_s),
		CEPH_TEST(an_image_that_others_have_made_larger_is_told_of),
		CEPH_TEST(behind_the_end_of_an_image_that_has_shrunk_everything_fails),
		CEPH_TEST(an_image_is_made_if_a_size_is_given),
		CEPH_TEST(mistakes_are_told),
	};

	return cmocka_run_group_tests_name("store-rbd", tests, NULL, NULL);
}
