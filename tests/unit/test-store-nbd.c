// SPDX-License-Identifier: MIT
/*
 * The store nbd (stores/nbd) with Debian's servers: data, limits, what the server can do.
 * Servers that go away are test-store-nbd-lost.c's.
 */
#include "nbd-server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t data[1 << 20], back[1 << 20];

static void fill(unsigned int seed)
{
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(seed + i + i / 511 * 3);
}

static void write_and_read_back(struct nbd_server *s)
{
	fill(1);
	memset(back, 0, sizeof(back));
	assert_int_equal(driver_write(s->driver, 4096, data, sizeof(data), false), ZCMU_OK);
	assert_int_equal(driver_read(s->driver, 4096, back, sizeof(back)), ZCMU_OK);
	assert_memory_equal(back, data, sizeof(data));
	expect_bytes_of(s->driver, 0, 4096, 0);
}

static void what_is_written_is_read(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "memory 8M");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(s->driver->store->size, 8 << 20);
	assert_int_equal(s->driver->store->block_size, 512);
	write_and_read_back(s);
}

static void qemu_nbd_is_served_by_all_threads(void **state)
{
	struct nbd_server *s = *state;
	char command[512];

	driver_make_file(s->driver, 4 << 20, 0);
	snprintf(command, sizeof(command), "qemu-nbd -t -e 8 -f raw -k @ %s", s->driver->path);
	nbd_server_start(s, command);
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(s->driver->store->max_threads, 0);
	assert_int_equal(zcmu_store_fua(s->driver->store), ZCMU_CAN_NATIVE);
	write_and_read_back(s);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
}

static void one_connection_is_enough_for_a_server_without_multi_conn(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "--filter=multi-conn memory 1M multi-conn-mode=disable");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(s->driver->store->max_threads, 1);
}

static void requests_are_cut_to_what_the_server_takes(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "--filter=blocksize-policy memory 8M blocksize-minimum=1024"
		     " blocksize-preferred=4096 blocksize-maximum=64K blocksize-error-policy=error");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(s->driver->store->block_size, 1024);
	assert_int_equal(s->driver->store->physical_block_size, 4096);
	write_and_read_back(s);
}

static void blocks_larger_than_a_disk_s_are_refused(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "--filter=blocksize-policy memory 8M blocksize-minimum=8192"
		     " blocksize-preferred=8192 blocksize-maximum=64K");
	assert_int_equal(nbd_server_open(s, ""), -EINVAL);
	expect_logged(s->driver, "8192", "4096");
}

/* Pieces that are blocks go out as they are; others are put together first. */
static void a_payload_in_pieces_is_written_and_read(void **state)
{
	static const size_t cuts[][3] = { { 512, 2048, 1536 }, { 100, 3000, 996 } };
	struct nbd_server *s = *state;
	size_t i;

	nbdkit_start(s, "memory 1M");
	assert_int_equal(nbd_server_open(s, ""), 0);
	for (i = 0; i < 2; i++) {
		const size_t *cut = cuts[i];
		struct driven w = { .iov = { { data, cut[0] }, { data + cut[0], cut[1] },
					     { data + cut[0] + cut[1], cut[2] } } };
		struct driven r = { .iov = { { back + 1, cut[0] }, { back + 9000, cut[1] },
					     { back + 20000, cut[2] } } };

		fill((unsigned int)i + 7);
		memset(back, 0, 32768);
		driver_start(s->driver, &w, ZCMU_IO_WRITE, 8192, 4096);
		driver_wait(s->driver);
		assert_int_equal(w.status, ZCMU_OK);
		driver_start(s->driver, &r, ZCMU_IO_READ, 8192, 4096);
		driver_wait(s->driver);
		assert_int_equal(r.status, ZCMU_OK);
		assert_memory_equal(back + 1, data, cut[0]);
		assert_memory_equal(back + 9000, data + cut[0], cut[1]);
		assert_memory_equal(back + 20000, data + cut[0] + cut[1], cut[2]);
	}
}

/* Writes that wait for a file to appear: reads overtake them. */
static void answers_come_in_the_server_s_order(void **state)
{
	struct nbd_server *s = *state;
	struct driven slow = { .iov = { { data, 4096 } } }, quick = { .iov = { { back, 4096 } } };
	struct driver *d;
	char command[1024];
	FILE *script, *file;

	script = fopen(nbd_server_path(s, "pwrite"), "we");
	fprintf(script, "#!/bin/sh\nuntil [ -e %s/go ]; do sleep 0.1; done\ncat > /dev/null\n",
		s->driver->directory);
	fclose(script);
	chmod(nbd_server_path(s, "pwrite"), 0700);
	snprintf(command, sizeof(command),
		 "eval thread_model=echo\tparallel get_size=echo\t1M can_write=exit\t0"
		 " pread=dd\tif=/dev/zero\tcount=$3\tiflag=count_bytes pwrite=exec\t%s", nbd_server_path(s, "pwrite"));
	nbdkit_start(s, command);
	assert_int_equal(nbd_server_open(s, ""), 0);
	d = s->driver;
	memset(back, 0xff, 4096);
	driver_start(d, &slow, ZCMU_IO_WRITE, 0, 4096);
	driver_start(d, &quick, ZCMU_IO_READ, 8192, 4096);
	driver_wait_for(d, &quick);
	assert_int_equal(quick.status, ZCMU_OK);
	assert_int_equal(back[4095], 0);
	assert_false(slow.answered);
	file = fopen(nbd_server_path(s, "go"), "we");
	fclose(file);
	driver_wait(d);
	assert_int_equal(slow.status, ZCMU_OK);
}

/* How many lines of the server's log have all these words. */
static unsigned int logged_lines(struct nbd_server *s, const char *first, const char *second)
{
	FILE *file = fopen(nbd_server_path(s, "log"), "re");
	unsigned int n = 0;
	char line[1024];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, first) && strstr(line, second);
	fclose(file);
	return n;
}

static void flush_fua_trim_and_zero_are_the_server_s(void **state)
{
	struct nbd_server *s = *state;
	char arguments[512];

	snprintf(arguments, sizeof(arguments), "--filter=log --filter=fua memory 8M fuamode=native logfile=%s",
		 nbd_server_path(s, "log"));
	nbdkit_start(s, arguments);
	assert_int_equal(nbd_server_open(s, ""), 0);
	fill(1);
	assert_int_equal(driver_write(s->driver, 0, data, 65536, false), ZCMU_OK);
	assert_int_equal(driver_write(s->driver, 65536, data, 4096, true), ZCMU_OK);
	assert_int_equal(driver_flush(s->driver), ZCMU_OK);
	assert_int_equal(driver_trim(s->driver, 0, 8192), ZCMU_OK);
	assert_int_equal(driver_zero(s->driver, 8192, 4096, true), ZCMU_OK);
	assert_int_equal(driver_zero(s->driver, 16384, 4096, false), ZCMU_OK);
	expect_bytes_of(s->driver, 8192, 4096, 0);
	expect_bytes_of(s->driver, 16384, 4096, 0);
	driver_close(s->driver);
	nbd_server_kill(s);
	assert_true(logged_lines(s, " Write ", "fua=0") >= 1);
	assert_true(logged_lines(s, " Write ", "fua=1") >= 1);
	assert_true(logged_lines(s, " Flush ", "") >= 1);
	assert_true(logged_lines(s, " Trim ", "offset=0x0") >= 1);
	assert_true(logged_lines(s, " Zero ", "trim=1") >= 1);
	assert_true(logged_lines(s, " Zero ", "trim=0") >= 1);
}

/* What the server says it can do, and what the disk can then. */
static void a_disk_can_what_its_server_can(void **state)
{
	static const struct {
		const char *server;
		enum zcmu_can flush, fua, trim, zero;
	} servers[] = {
		{ "memory 1M", ZCMU_CAN_NATIVE, ZCMU_CAN_NATIVE, ZCMU_CAN_NATIVE, ZCMU_CAN_NATIVE },
		{ "--filter=fua memory 1M",
		  ZCMU_CAN_NATIVE, ZCMU_CAN_EMULATED, ZCMU_CAN_NATIVE, ZCMU_CAN_NATIVE },
		{ "eval get_size=echo\t1M pread=exit\t1 pwrite=exit\t0 can_write=exit\t0 can_fua=echo\tnone",
		  ZCMU_CAN_NONE, ZCMU_CAN_NONE, ZCMU_CAN_NONE, ZCMU_CAN_NATIVE },
		{ "eval get_size=echo\t1M pread=exit\t1 pwrite=exit\t0 can_write=exit\t0 can_fua=echo\tnative",
		  ZCMU_CAN_EMULATED, ZCMU_CAN_NATIVE, ZCMU_CAN_NONE, ZCMU_CAN_NATIVE },
		{ "--filter=nozero eval get_size=echo\t1M pread=exit\t1 pwrite=exit\t0 can_write=exit\t0",
		  ZCMU_CAN_NONE, ZCMU_CAN_NONE, ZCMU_CAN_NONE, ZCMU_CAN_EMULATED },
	};
	struct nbd_server *s = *state;
	size_t i;

	for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		nbdkit_start(s, servers[i].server);
		assert_int_equal(nbd_server_open(s, ""), 0);
		assert_int_equal(zcmu_store_flush(s->driver->store), servers[i].flush);
		assert_int_equal(zcmu_store_fua(s->driver->store), servers[i].fua);
		assert_int_equal(zcmu_store_trim(s->driver->store), servers[i].trim);
		assert_int_equal(zcmu_store_zero(s->driver->store), servers[i].zero);
		driver_close(s->driver);
		nbd_server_kill(s);
	}
}

static void a_server_that_is_read_only_makes_a_disk_that_is(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "-r memory 1M");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_true(s->driver->store->read_only);
	expect_bytes_of(s->driver, 0, 4096, 0);
}

static void errors_of_the_server_are_the_disk_s(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "eval get_size=echo\t1M can_write=exit\t0 pread=echo\tEIO\t>&2;exit\t1"
		     " pwrite=cat\t>/dev/null;echo\tENOSPC\t>&2;exit\t1");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(driver_read(s->driver, 0, back, 4096), ZCMU_READ_ERROR);
	assert_int_equal(driver_write(s->driver, 0, data, 4096, false), ZCMU_NO_SPACE);
}

static void holes_are_told(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "memory 8M");
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(driver_map(s->driver, 0, 8 << 20, false), 8 << 20);
	fill(1);
	assert_int_equal(driver_write(s->driver, 0, data, 32768, false), ZCMU_OK);
	assert_int_equal(driver_map(s->driver, 0, 8 << 20, true), 32768);
}

static void tls_is_spoken(void **state)
{
	struct nbd_server *s = *state;
	char text[1024];

	snprintf(text, sizeof(text), "psktool -u zcmu -p %s > /dev/null 2>&1",
		 nbd_server_path(s, "keys"));
	if (system(text)) {
		printf("skipped: there is no psktool\n");
		skip();
	}
	snprintf(text, sizeof(text), "--tls=require --tls-psk=%s memory 8M", nbd_server_path(s, "keys"));
	nbdkit_start(s, text);
	/* Without TLS it lets nobody in. */
	assert_true(nbd_server_open(s, "") < 0);
	expect_logged(s->driver, "can't connect", "TLS");
	snprintf(s->uri, sizeof(s->uri), "nbds+unix://zcmu@/?socket=%s&tls-psk-file=%s", s->socket,
		 nbd_server_path(s, "keys"));
	assert_int_equal(nbd_server_open(s, ",give-up=60"), 0);
	write_and_read_back(s);
}

static void it_grows_when_the_server_has_grown(void **state)
{
	struct nbd_server *s = *state;
	char arguments[512];

	driver_make_file(s->driver, 1 << 20, 0);
	snprintf(arguments, sizeof(arguments), "file %s", s->driver->path);
	nbdkit_start(s, arguments);
	assert_int_equal(nbd_server_open(s, ""), 0);
	assert_int_equal(s->driver->store->ops->resize(s->driver->store, 2 << 20), -ENOSPC);
	expect_logged(s->driver, "1048576", "2097152");
	assert_int_equal(truncate(s->driver->path, 2 << 20), 0);
	assert_int_equal(s->driver->store->ops->resize(s->driver->store, 2 << 20), 0);
	s->driver->store->size = 2 << 20;
	fill(3);
	assert_int_equal(driver_write(s->driver, 1 << 20, data, 1 << 20, false), ZCMU_OK);
	memset(back, 0, sizeof(back));
	assert_int_equal(driver_read(s->driver, 1 << 20, back, 1 << 20), ZCMU_OK);
	assert_memory_equal(back, data, sizeof(data));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(what_is_written_is_read),
		NBD_TEST(qemu_nbd_is_served_by_all_threads),
		NBD_TEST(one_connection_is_enough_for_a_server_without_multi_conn),
		NBD_TEST(requests_are_cut_to_what_the_server_takes),
		NBD_TEST(blocks_larger_than_a_disk_s_are_refused),
		NBD_TEST(a_payload_in_pieces_is_written_and_read),
		NBD_TEST(answers_come_in_the_server_s_order),
		NBD_TEST(flush_fua_trim_and_zero_are_the_server_s),
		NBD_TEST(a_disk_can_what_its_server_can),
		NBD_TEST(a_server_that_is_read_only_makes_a_disk_that_is),
		NBD_TEST(errors_of_the_server_are_the_disk_s),
		NBD_TEST(holes_are_told),
		NBD_TEST(tls_is_spoken),
		NBD_TEST(it_grows_when_the_server_has_grown),
	};

	return cmocka_run_group_tests_name("store-nbd", tests, NULL, NULL);
}
