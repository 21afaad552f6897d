// SPDX-License-Identifier: MIT
/*
 * The store rbd with a cluster that loses OSDs, and gets them back, under load.
 */
#include "ceph-image.h"

#include <signal.h>
#include <stdio.h>

#define WRITES		32u
#define WRITE_BYTES	65536u
#define BYTES		(WRITES * WRITE_BYTES)

static uint8_t data[BYTES];
static struct driven writes[WRITES];

static void start_writes(struct ceph_image *c, uint8_t byte)
{
	unsigned int i;

	memset(data, byte, sizeof(data));
	for (i = 0; i < WRITES; i++) {
		writes[i] = (struct driven){
			.iov = { { data + i * WRITE_BYTES, WRITE_BYTES } },
		};
		/* Over all objects, and so over both OSDs. */
		driver_start(c->driver, &writes[i], ZCMU_IO_WRITE,
			     (uint64_t)i * (IMAGE_BYTES / WRITES), WRITE_BYTES);
	}
}

static void expect_writes(enum zcmu_status status)
{
	unsigned int i;

	for (i = 0; i < WRITES; i++)
		assert_int_equal(writes[i].status, status);
}

static void expect_contents(struct ceph_image *c, uint8_t byte)
{
	unsigned int i;

	for (i = 0; i < WRITES; i++)
		expect_bytes_of(c->driver, (uint64_t)i * (IMAGE_BYTES / WRITES), WRITE_BYTES, byte);
}

/* Each in turn: the second can be spared only when the first has what it has missed. */
static void osds_that_are_killed_under_load_cost_nothing(void **state)
{
	static const char *const names[OSDS] = { "osd.0", "osd.1" };
	struct ceph_image *c = *state;
	unsigned int osd;
	uint8_t byte = 0;

	assert_int_equal(ceph_open(c, ""), 0);
	for (osd = 0; osd < OSDS; osd++) {
		start_writes(c, ++byte);
		driver_wait_for(c->driver, &writes[3]);
		ceph_signal(names[osd], SIGKILL);
		driver_wait(c->driver);
		expect_writes(ZCMU_OK);
		expect_contents(c, byte);
		/* With one copy; and with the other one coming back under load. */
		start_writes(c, ++byte);
		ceph_start_osd(osd);
		driver_wait(c->driver);
		expect_writes(ZCMU_OK);
		expect_contents(c, byte);
		ceph_wait_clean(c);
	}
	expect_contents(c, byte);
}

/* On a busy machine the cluster may be too slow for a short give-up at its best. */
static void write_until_it_is_done(struct ceph_image *c, uint8_t byte)
{
	memset(data, byte, 4096);
	while (driver_write(c->driver, 0, data, 4096, false) != ZCMU_OK)
		;
}

/* Nothing is killed, but the cluster is as good as gone. The payload is ours again then. */
static void without_an_answer_commands_fail_after_give_up(void **state)
{
	struct ceph_image *c = *state;
	uint8_t back[4096];

	while (ceph_open(c, ",give-up=2"))
		;
	write_until_it_is_done(c, 1);
	ceph_signal("osd.0", SIGSTOP);
	ceph_signal("osd.1", SIGSTOP);
	assert_int_equal(driver_read(c->driver, 0, back, 4096), ZCMU_NOT_READY);
	expect_logged(c->driver, "127.0.0.1", "has not answered for 2 s");
	memset(data, 2, 4096);
	assert_int_equal(driver_write(c->driver, 0, data, 4096, false), ZCMU_NOT_READY);
	ceph_signal("osd.0", SIGCONT);
	ceph_signal("osd.1", SIGCONT);
	/* What comes later is not overtaken by what was given up. */
	write_until_it_is_done(c, 3);
	expect_logged(c->driver, "rbd:rbd/", "answers again");
	driver_close(c->driver);
	assert_int_equal(ceph_open(c, ""), 0);
	expect_bytes_of(c->driver, 0, 4096, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CEPH_TEST(without_an_answer_commands_fail_after_give_up),
		CEPH_TEST(osds_that_are_killed_under_load_cost_nothing),
	};

	return cmocka_run_group_tests_name("store-rbd-lost", tests, NULL, NULL);
}
