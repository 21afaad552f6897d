// SPDX-License-Identifier: MIT
/*
 * Load for a disk: reads or writes of one size, without the page cache, with a fixed number always
 * under way. The only pattern is sequential; fio has all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "measure/load.h"
#include "zcmu.h"

/* Pages like those of initiators: each by itself, none of them huge. */
static int make_buffers(struct load *load)
{
	load->memory_size = (size_t)load->depth * load->max_bytes;
	load->memory = mmap(NULL, load->memory_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (load->memory == MAP_FAILED)
		return -errno;
	madvise(load->memory, load->memory_size, MADV_NOHUGEPAGE);
	memset(load->memory, 0x5a, load->memory_size);
	return 0;
}

int load_open(const char *device, uint64_t size, unsigned int depth, uint32_t max_bytes,
	      struct load *ret)
{
	int err;

	*ret = (struct load){ .depth = depth, .max_bytes = max_bytes, .size = size };
	ret->fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (ret->fd < 0) {
		err = -errno;
		zcmu_error("can't open %s: %s", device, strerror(-err));
		return err;
	}
	err = make_buffers(ret);
	if (err) {
		zcmu_error("no memory for %u commands of %" PRIu32 " bytes: %s", depth, max_bytes,
			   strerror(-err));
		close(ret->fd);
		return err;
	}
	err = io_uring_queue_init(depth, &ret->ring, 0);
	if (err) {
		zcmu_error("no io_uring to measure with: %s; zcmu doctor tells how to switch it on",
			   strerror(-err));
		munmap(ret->memory, ret->memory_size);
		close(ret->fd);
	}
	return err;
}

void load_close(struct load *load)
{
	io_uring_queue_exit(&load->ring);
	munmap(load->memory, load->memory_size);
	close(load->fd);
}

/* Replace a finished command by the next one. */
static void start(struct load *load, bool write, uint32_t bytes, unsigned int place)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);
	char *buffer = load->memory + (size_t)place * load->max_bytes;

	if (load->offset + bytes > load->size)
		load->offset = 0;
	if (write)
		io_uring_prep_write(sqe, load->fd, buffer, bytes, load->offset);
	else
		io_uring_prep_read(sqe, load->fd, buffer, bytes, load->offset);
	sqe->user_data = place;
	load->offset += bytes;
}

/* Take ended commands, and note if one has failed. Return: how many */
static unsigned int take(struct load *load, uint32_t bytes, unsigned int *places, int *err)
{
	struct io_uring_cqe *cqe;
	unsigned int n = 0;

	while (!io_uring_peek_cqe(&load->ring, &cqe)) {
		if (cqe->res != (int)bytes)
			*err = cqe->res < 0 ? cqe->res : -EIO;
		places[n++] = (unsigned int)cqe->user_data;
		io_uring_cqe_seen(&load->ring, cqe);
	}
	return n;
}

/* After a failure no command is started any more, but those under way are waited for. */
static int run(struct load *load, bool write, uint32_t bytes, unsigned int commands)
{
	unsigned int started = 0, ended = 0, places[LOAD_DEPTH_MAX], n, i;
	int err = 0, ret;

	while (started < load->depth && started < commands) {
		start(load, write, bytes, started);
		started++;
	}
	while (ended < started) {
		ret = io_uring_submit_and_wait(&load->ring, 1);
		if (ret < 0 && ret != -EINTR)
			return ret;
		n = take(load, bytes, places, &err);
		ended += n;
		for (i = 0; i < n && started < commands && !err; i++, started++)
			start(load, write, bytes, places[i]);
	}
	return err;
}

/* @us: the total time divided by the number of commands, in microseconds */
int load_run(struct load *load, bool write, uint32_t bytes, unsigned int commands, double *us)
{
	struct timespec begin, end;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	err = run(load, write, bytes, commands);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (err) {
		zcmu_error("a %s of %" PRIu32 " bytes failed: %s", write ? "write" : "read", bytes,
			   strerror(-err));
		return err;
	}
	*us = ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
	      1e3 / commands;
	return 0;
}
