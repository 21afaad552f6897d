// SPDX-License-Identifier: MIT
/*
 * A disk that is served in a thread of its own. See server.h.
 */
#include "server.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "zcmu.h"

#define RING_BYTES	65536u
#define DATA_SLOTS	160u	/* 64 KiB each */

static void is_ready(void *argument)
{
	struct server *s = argument;

	sem_post(&s->ready);
}

int server_setup(void **state)
{
	struct server *s = calloc(1, sizeof(*s));

	s->kernel = fake_kernel_create(RING_BYTES, DATA_SLOTS);
	s->disk = fake_kernel_disk(s->kernel);
	scripted_init(&s->script);
	s->store = &s->script.store;
	s->options.struct_size = sizeof(s->options);
	s->options.ready = is_ready;
	s->options.argument = s;
	sem_init(&s->ready, 0, 0);
	sem_init(&s->ended, 0, 0);
	*state = s;
	return 0;
}

/* Whatever a test that failed has left half done: nothing may hang for it. */
static void let_everything_end(struct server *s)
{
	pthread_mutex_lock(&s->script.lock);
	s->script.hold = false;
	pthread_mutex_unlock(&s->script.lock);
	scripted_let_go(&s->script);
	while (scripted_answer_any(&s->script, 0))
		;
	zcmu_disk_stop(s->disk);
	pthread_join(s->handle, NULL);
	s->runs = false;
}

static int complain(const char *who, const char *what)
{
	if (!what)
		return 0;
	print_error("%s: %s\n", who, what);
	return -1;
}

int server_teardown(void **state)
{
	struct server *s = *state;
	int err;

	if (s->runs)
		let_everything_end(s);
	err = complain("fake kernel", fake_kernel_complaint(s->kernel));
	if (!err)
		err = complain("scripted store", s->script.complaint);
	if (!err && !zcmu_disk_is_idle(s->disk))
		err = complain("library", "it has commands that were not answered");
	fake_kernel_destroy(s->kernel);
	if (s->opened)
		zcmu_store_close(s->opened);
	scripted_deinit(&s->script);
	sem_destroy(&s->ready);
	sem_destroy(&s->ended);
	free(s);
	return err;
}

int server_open_store(struct server *s, const char *spec)
{
	struct zcmu_store *store;
	int err = zcmu_store_open(spec, NULL, &store);

	if (!err)
		s->store = s->opened = store;
	return err;
}

static void *serve(void *argument)
{
	struct server *s = argument;

	s->result = zcmu_disk_serve(s->disk, s->store, &s->options);
	/* If it failed, it was never ready; don't let the test wait for that. */
	sem_post(&s->ready);
	sem_post(&s->ended);
	return NULL;
}

static bool wait_on(sem_t *semaphore)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += fake_patience;
	return !sem_timedwait(semaphore, &deadline);
}

void server_start(struct server *s, unsigned int threads)
{
	s->options.threads = threads;
	assert_int_equal(pthread_create(&s->handle, NULL, serve, s), 0);
	s->runs = true;
	if (!wait_on(&s->ready))
		fail_msg("expected the disk to be served, got nothing");
}

void server_start_on_one_cpu(struct server *s, unsigned int threads)
{
	cpu_set_t before, one;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	server_start(s, threads);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int server_join(struct server *s)
{
	scripted_end(&s->script);
	if (!wait_on(&s->ended))
		fail_msg("expected serving to end, got nothing");
	pthread_join(s->handle, NULL);
	s->runs = false;
	return s->result;
}

int server_stop(struct server *s)
{
	zcmu_disk_stop(s->disk);
	return server_join(s);
}

static int put(struct server *s, const struct fake_request *request)
{
	int id = fake_kernel_put(s->kernel, request);

	if (id <= 0)
		fail_msg("expected the command to fit, got %d", id);
	return id;
}

int put_inquiry(struct server *s)
{
	static const uint8_t cdb[] = { 0x12, 0, 0, 0, 96, 0 };
	struct fake_request request = { .cdb = cdb, .size = 96 };

	return put(s, &request);
}

static int put_transfer(struct server *s, uint8_t opcode, uint32_t lba, uint32_t blocks,
			const void *data)
{
	uint8_t cdb[10] = { opcode };
	struct fake_request request = { .cdb = cdb, .data = data, .size = blocks * 512u };

	zcmu_put32(cdb + 2, lba);
	zcmu_put16(cdb + 7, (uint16_t)blocks);
	return put(s, &request);
}

int put_read(struct server *s, uint32_t lba, uint32_t blocks)
{
	return put_transfer(s, 0x28, lba, blocks, NULL);
}

int put_write(struct server *s, uint32_t lba, uint32_t blocks, const void *data)
{
	return put_transfer(s, 0x2a, lba, blocks, data);
}

void expect_answer_at(struct server *s, int id, uint8_t status, const char *file, int line)
{
	const struct fake_answer *answer = fake_kernel_answer(s->kernel, id);

	if (!fake_kernel_wait(s->kernel, id)) {
		print_error("expected an answer to command %d, got none\n", id);
		_fail(file, line);
	}
	if (answer->status != status) {
		print_error("expected status %02x for command %d, got %02x\n", status, id,
			    answer->status);
		_fail(file, line);
	}
}

void expect_contents_at(struct server *s, int id, uint32_t lba, const char *file, int line)
{
	const struct fake_answer *answer = fake_kernel_answer(s->kernel, id);
	size_t i;

	expect_answer_at(s, id, 0x00, file, line);
	for (i = 0; i < answer->size; i++) {
		if (answer->payload[i] == scripted_pattern(lba * 512ull + i))
			continue;
		print_error("expected %02x in byte %zu from block %u on, got %02x\n",
			    scripted_pattern(lba * 512ull + i), i, lba, answer->payload[i]);
		_fail(file, line);
	}
}
