// SPDX-License-Identifier: MIT
/*
 * A disk on the store rbd, served by several threads: from CDBs to a real cluster.
 */
#include "ceph-image.h"
#include "remote.h"

static int set_up(void **state)
{
	return remote_setup(state, ceph_image_setup);
}

static int tear_down(void **state)
{
	return remote_teardown(state, ceph_image_teardown);
}

#define SERVE_TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static void start(struct remote *r)
{
	struct ceph_image *at = r->at;

	remote_start(r, at->spec);
}

static void write_and_compare(struct remote *r)
{
	int ids[REMOTE_COMMANDS];

	remote_write_all(r, ids);
	remote_expect_answers(r, ids);
	remote_read_and_compare(r);
}

/* Put a command that has an answer in its payload. */
static const struct fake_answer *ask(struct remote *r, const uint8_t *cdb, size_t size)
{
	struct fake_request request = { .cdb = cdb, .size = size };
	int id = fake_kernel_put(r->disk->kernel, &request);

	expect_answer(r->disk, id);
	return fake_kernel_answer(r->disk->kernel, id);
}

static void threads_share_the_work(void **state)
{
	struct remote *r = *state;

	start(r);
	write_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

/* No write cache, FUA is taken, and UNMAP, whose blocks need not read as zeroes. */
static void the_pages_say_what_the_image_can(void **state)
{
	static const uint8_t mode[6] = { 0x1a, 0x08, 0x08, 0, 255 };
	static const uint8_t thin[6] = { 0x12, 1, 0xb2, 0, 255 };
	static const uint8_t limits[6] = { 0x12, 1, 0xb0, 0, 255 };
	struct remote *r = *state;
	const uint8_t *p;

	start(r);
	p = ask(r, mode, 255)->payload;
	assert_int_equal(p[2] & 0x10, 0x10);
	assert_int_equal(p[4 + 2] & 0x04, 0);
	p = ask(r, thin, 255)->payload;
	assert_int_equal(p[5] & 0x84, 0x80);
	p = ask(r, limits, 255)->payload;
	assert_int_equal(zcmu_get32(p + 12), (4 << 20) / 512);
	assert_int_equal(zcmu_get32(p + 28), 65536 / 512);
	assert_int_equal(server_stop(r->disk), 0);
}

static uint64_t last_block(struct remote *r)
{
	static const uint8_t capacity[16] = { 0x9e, 0x10, [13] = 32 };

	return zcmu_get64(ask(r, capacity, 32)->payload);
}

static void the_disk_grows_and_shrinks_with_its_image(void **state)
{
	struct remote *r = *state;

	start(r);
	assert_int_equal(zcmu_disk_resize(r->disk->disk, 2 * IMAGE_BYTES), 0);
	assert_int_equal(last_block(r), 2 * IMAGE_BYTES / 512 - 1);
	expect_answer(r->disk, put_write(r->disk, 2 * IMAGE_BYTES / 512 - 8, 8, r->pattern));
	assert_int_equal(zcmu_disk_resize(r->disk->disk, IMAGE_BYTES), 0);
	assert_int_equal(last_block(r), IMAGE_BYTES / 512 - 1);
	expect_error(r->disk, put_write(r->disk, IMAGE_BYTES / 512, 8, r->pattern));
	write_and_compare(r);
	assert_int_equal(server_stop(r->disk), 0);
}

/* NOT READY, so that the initiator looks for another path. */
static void a_disk_whose_image_was_taken_answers_not_ready(void **state)
{
	struct remote *r = *state;
	int write, read;

	start(r);
	write_and_compare(r);
	assert_int_equal(ceph_open(r->at, ",lock=steal"), 0);
	write = put_write(r->disk, 0, 8, r->pattern + 512);
	expect_error(r->disk, write);
	assert_int_equal(fake_kernel_answer(r->disk->kernel, write)->sense[2] & 0x0f, 2);
	read = put_read(r->disk, 0, 8);
	expect_error(r->disk, read);
	assert_int_equal(fake_kernel_answer(r->disk->kernel, read)->sense[2] & 0x0f, 2);
	assert_int_equal(server_stop(r->disk), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVE_TEST(threads_share_the_work),
		SERVE_TEST(the_pages_say_what_the_image_can),
		SERVE_TEST(the_disk_grows_and_shrinks_with_its_image),
		SERVE_TEST(a_disk_whose_image_was_taken_answers_not_ready),
	};

	return cmocka_run_group_tests_name("serve-rbd", tests, NULL, NULL);
}
