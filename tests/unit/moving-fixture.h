/* SPDX-License-Identifier: MIT */
/*
 * For test-serve-moving.c and test-serve-stream.c: a disk of 1 MiB in a file, in a folder of its
 * own.
 */
#ifndef MOVING_FIXTURE_H
#define MOVING_FIXTURE_H

#include "server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "zcmu.h"

#define BYTES	(1u << 20)

static char folder[64];
static uint8_t data[65536], back[65536];

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int setup(void **state)
{
	size_t i;
	int fd;

	snprintf(folder, sizeof(folder), "/tmp/moving-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	fd = open(path_of("disk"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, BYTES) || close(fd))
		return -1;
	for (i = 0; i < sizeof(data); i++)
		data[i] = scripted_pattern(i + 7);
	return server_setup(state);
}

static int teardown(void **state)
{
	int err;

	/* If a test has failed, nothing may hang for it. */
	fake_kernel_let_moves_go(((struct server *)*state)->kernel, -ENOMEM);
	err = server_teardown(state);
	unlink(path_of("disk"));
	unlink(path_of("log"));
	unlink(path_of("trigger"));
	unlink(path_of("overlay"));
	return rmdir(folder) || err ? -1 : 0;
}

#define MOVING_TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

static void expect_in_file(const char *name, off_t at, size_t size)
{
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, back, size, at), size);
	close(fd);
	assert_memory_equal(back, data, size);
}

static void expect_read(struct server *s, int id, size_t size)
{
	expect_answer(s, id);
	assert_memory_equal(fake_kernel_answer(s->kernel, id)->payload, data, size);
}

#endif /* MOVING_FIXTURE_H */
