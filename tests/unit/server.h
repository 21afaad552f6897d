/* SPDX-License-Identifier: MIT */
/*
 * A disk that is served, by zcmu_disk_serve() in a thread of its own, with a fake
 * kernel on one side and a scripted store on the other. For what the threads do; what
 * the CDBs mean is tested with initiator.h.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "fake-kernel.h"
#include "scripted-store.h"

struct server {
	struct fake_kernel *kernel;
	struct zcmu_disk *disk;
	struct scripted_store script;
	struct zcmu_store *store;	/* the scripted one, if the test doesn't change it */
	struct zcmu_store *opened;	/* by server_open_store(), or NULL */
	struct zcmu_serve_options options;
	pthread_t handle;
	bool runs;
	sem_t ready, ended;
	int result;			/* zcmu_disk_serve()'s, when it has ended */
};

/*
 * cmocka's; the teardown ends what runs, closes what server_open_store() has opened, and
 * fails if kernel or store complain.
 */
int server_setup(void **state);
int server_teardown(void **state);

#define SERVER_TEST(f)	cmocka_unit_test_setup_teardown(f, server_setup, server_teardown)

/* Another store in place of the scripted one. Return: as zcmu_store_open(). */
int server_open_store(struct server *s, const char *spec);
/* Serve; it is ready when this returns. @threads: that run the store's callbacks. */
void server_start(struct server *s, unsigned int threads);
/* The same, on a machine that seems to have one CPU. */
void server_start_on_one_cpu(struct server *s, unsigned int threads);
/* Wait for the end, after zcmu_disk_stop() or whatever ends it. Return: its result. */
int server_join(struct server *s);
int server_stop(struct server *s);

/* Put a command, which has to fit. Return: its id. */
int put_inquiry(struct server *s);
int put_read(struct server *s, uint32_t lba, uint32_t blocks);
int put_write(struct server *s, uint32_t lba, uint32_t blocks, const void *data);

/* GOOD will come for it, with the contents the disk had at first if it is a read. */
#define expect_answer(s, id)	expect_answer_at(s, id, 0x00, __FILE__, __LINE__)
#define expect_error(s, id)	expect_answer_at(s, id, 0x02, __FILE__, __LINE__)
#define expect_contents(s, id, lba)	expect_contents_at(s, id, lba, __FILE__, __LINE__)
#define expect_no_answer(s, id)	assert_false(fake_kernel_answer((s)->kernel, id)->arrived)

void expect_answer_at(struct server *s, int id, uint8_t status, const char *file, int line);
void expect_contents_at(struct server *s, int id, uint32_t lba, const char *file, int line);

#endif /* SERVER_H */
