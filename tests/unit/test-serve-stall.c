// SPDX-License-Identifier: MIT
/*
 * A file that is locked for long, by a trim or a change of its size: whoever would wait for that
 * lock isn't the thread that serves the disk. The kernel's lock is played here: the linker puts
 * functions of this file in the place of system calls (see meson.build).
 */
#include "server.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zcmu.h"

#define SIZE		(8u << 20)
#define BLOCKS		(SIZE / 512)

static pthread_mutex_t inode = PTHREAD_MUTEX_INITIALIZER;
static sem_t is_locked, let_go;
static atomic_bool takes_long;

int __real_fallocate64(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length);
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
off_t __real_lseek64(int fd, off_t offset, int whence);
off_t __wrap_lseek64(int fd, off_t offset, int whence);
ssize_t __real_pwritev64(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t offset);

static void hold(void)
{
	pthread_mutex_lock(&inode);
	if (atomic_load(&takes_long)) {
		sem_post(&is_locked);
		sem_wait(&let_go);
	}
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
	int ret;

	hold();
	ret = __real_fallocate64(fd, mode, offset, length);
	pthread_mutex_unlock(&inode);
	return ret;
}

int __wrap_ftruncate64(int fd, off_t size)
{
	int ret;

	hold();
	ret = __real_ftruncate64(fd, size);
	pthread_mutex_unlock(&inode);
	return ret;
}

off_t __wrap_lseek64(int fd, off_t offset, int whence)
{
	off_t ret;

	pthread_mutex_lock(&inode);
	ret = __real_lseek64(fd, offset, whence);
	pthread_mutex_unlock(&inode);
	return ret;
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t offset)
{
	ssize_t ret;

	pthread_mutex_lock(&inode);
	ret = __real_pwritev64(fd, iov, n, offset);
	pthread_mutex_unlock(&inode);
	return ret;
}

/*
 * The test's file, in the folder it runs in
 */

static char path[] = "/tmp/zcmu-stall.XXXXXX";

static void serve_file(struct server *s)
{
	char spec[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(__real_ftruncate64(fd, SIZE), 0);
	close(fd);
	snprintf(spec, sizeof(spec), "file:%s", path);
	assert_int_equal(server_open_store(s, spec), 0);
	unlink(path);
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	sem_init(&is_locked, 0, 0);
	sem_init(&let_go, 0, 0);
	atomic_store(&takes_long, true);
	server_start(s, 1);
}

static int put(struct server *s, const uint8_t *cdb, const void *data, size_t size)
{
	struct fake_request request = { .cdb = cdb, .data = data, .size = size };
	int id = fake_kernel_put(s->kernel, &request);

	assert_true(id > 0);
	return id;
}

static int put_unmap(struct server *s)
{
	static const uint8_t cdb[10] = { 0x42, [8] = 24 };
	uint8_t list[24] = { [1] = 22, [3] = 16 };

	zcmu_put32(list + 16, BLOCKS / 2);
	return put(s, cdb, list, sizeof(list));
}

/* WRITE SAME (16) of zeroes, with UNMAP or without */
static int put_zero(struct server *s, bool may_trim)
{
	static const uint8_t zeroes[512];
	uint8_t cdb[16] = { 0x93, may_trim ? 0x08 : 0 };

	zcmu_put32(cdb + 10, BLOCKS / 2);
	return put(s, cdb, zeroes, sizeof(zeroes));
}

static int put_get_lba_status(struct server *s)
{
	uint8_t cdb[16] = { 0x9e, 0x12, [13] = 24 };

	zcmu_put64(cdb + 2, BLOCKS / 2);
	return put(s, cdb, NULL, 24);
}

/* Of pages that nobody else is about: they are copied on the spot, where nothing is locked. */
static int put_page(struct server *s)
{
	static const uint8_t page[4096] = { 1 };

	return put_write(s, BLOCKS / 2, 8, page);
}

/* @id: of what holds the lock */
static void expect_others_to_pass(struct server *s, int id)
{
	int map, others;

	sem_wait(&is_locked);
	map = put_get_lba_status(s);
	put_page(s);
	others = put_inquiry(s);
	expect_answer(s, others);
	expect_answer(s, put_inquiry(s));
	expect_answer(s, put_read(s, BLOCKS - 8, 8));
	if (id)
		expect_no_answer(s, id);
	expect_no_answer(s, map);
	atomic_store(&takes_long, false);
	sem_post(&let_go);
	if (id)
		expect_answer(s, id);
	expect_answer(s, map);
	assert_int_equal(server_stop(s), 0);
}

static void nobody_waits_for_an_unmap(void **state)
{
	struct server *s = *state;

	serve_file(s);
	expect_others_to_pass(s, put_unmap(s));
}

static void nobody_waits_for_zeroes(void **state)
{
	struct server *s = *state;

	serve_file(s);
	expect_others_to_pass(s, put_zero(s, false));
}

static void nobody_waits_for_zeroes_that_may_trim(void **state)
{
	struct server *s = *state;

	serve_file(s);
	expect_others_to_pass(s, put_zero(s, true));
}

static void *resize(void *disk)
{
	return (void *)(intptr_t)zcmu_disk_resize(disk, SIZE * 2);
}

static void nobody_waits_for_a_new_size(void **state)
{
	struct server *s = *state;
	pthread_t thread;
	void *result;

	serve_file(s);
	assert_int_equal(pthread_create(&thread, NULL, resize, s->disk), 0);
	expect_others_to_pass(s, 0);
	pthread_join(thread, &result);
	assert_int_equal((intptr_t)result, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(nobody_waits_for_an_unmap),
		SERVER_TEST(nobody_waits_for_zeroes),
		SERVER_TEST(nobody_waits_for_zeroes_that_may_trim),
		SERVER_TEST(nobody_waits_for_a_new_size),
	};

	return cmocka_run_group_tests_name("serve-stall", tests, NULL, NULL);
}
