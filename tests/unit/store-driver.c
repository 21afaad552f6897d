// SPDX-License-Identifier: MIT
/*
 * Drives a store without a disk. See store-driver.h.
 *
 * A request is a command whose one step asks the store: so zcmu_io_done() comes back
 * here, and not to a ring.
 */
#include "store-driver.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake-kernel.h"

static void keep_log(int level, const char *message, void *argument)
{
	struct driver *d = argument;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	(void)level;
	/* What the library tells of any store that fails is test-serve-failing.c's. */
	if (strstr(message, ": its store fails to "))
		return;
	pthread_mutex_lock(&lock);
	strncpy(d->logged, message, sizeof(d->logged) - 1);
	pthread_mutex_unlock(&lock);
}

int driver_setup(void **state)
{
	struct driver *d = calloc(1, sizeof(*d));

	d->patience = FAKE_PATIENCE_SECONDS;
	zcmu_set_log(keep_log, d);
	*state = d;
	return 0;
}

/* Remove the directory, in which there are files alone. */
static void remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

int driver_teardown(void **state)
{
	struct driver *d = *state;

	driver_close(d);
	if (d->directory[0])
		remove_directory(d->directory);
	zcmu_set_log(NULL, NULL);
	free(d);
	return 0;
}

int driver_open(struct driver *d, const char *spec, uint64_t size, bool read_only)
{
	struct zcmu_store_options options = {
		.struct_size = sizeof(options), .size = size, .read_only = read_only,
	};
	const struct zcmu_store_ops *ops;
	int err;

	assert_null(d->store);
	err = zcmu_store_open(spec, &options, &d->store);
	if (err)
		return err;
	ops = d->store->ops;
	d->disk.store = d->store;
	d->thread = (struct zcmu_thread){ .disk = &d->disk, .epoll_fd = -1, .wake_fd = -1 };
	if (ops->queue_open) {
		err = ops->queue_open(d->store, &d->thread.queue);
		d->thread.has_queue = !err;
	}
	return err;
}

void driver_close(struct driver *d)
{
	if (d->store && d->thread.has_queue)
		d->store->ops->queue_close(d->store, d->thread.queue);
	d->thread.has_queue = false;
	zcmu_store_close(d->store);
	d->store = NULL;
}

void driver_name_file(struct driver *d, const char *base, const char *name)
{
	if (!base)
		base = getenv("TMPDIR");
	snprintf(d->directory, sizeof(d->directory), "%s/zcmu-unit-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(d->directory))
		fail_msg("can't make a directory like %s: %s", d->directory, strerror(errno));
	snprintf(d->spec, sizeof(d->spec), "file:%s/%s", d->directory, name);
	d->path = d->spec + 5;
}

void driver_make_file(struct driver *d, size_t size, uint8_t byte)
{
	FILE *file = fopen(d->path, "we");

	assert_non_null(file);
	while (size--)
		fputc(byte, file);
	assert_int_equal(fclose(file), 0);
}

void driver_make_spec(const struct driver *d, char *spec, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len < size - sizeof(d->directory); text++) {
		if (*text == '@')
			len += (size_t)sprintf(spec + len, "%s", d->directory);
		else
			spec[len++] = *text;
	}
	spec[len] = '\0';
}

void driver_make_disk(struct driver *d, uint8_t byte)
{
	driver_name_file(d, NULL, "disk.img");
	driver_make_file(d, 1 << 20, byte);
}

const char *driver_path_of(const struct driver *d, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", d->directory, name);
	return path;
}

/* The command's step: ask first; then, with the answer, note it. */
static bool step(struct zcmu_cmd *cmd)
{
	struct driven *r = (struct driven *)cmd;

	if (!r->asked) {
		r->asked = true;
		zcmu_cmd_ask_store(cmd, r->op, cmd->offset, cmd->left, r->fua);
		return true;
	}
	r->status = cmd->status;
	r->answered = true;
	r->driver->out--;
	return false;
}

void driver_start(struct driver *d, struct driven *r, enum zcmu_io_op op, uint64_t offset,
		  uint64_t length)
{
	struct zcmu_cmd *cmd = &r->cmd;
	int i;

	r->driver = d;
	r->op = op;
	r->asked = false;
	r->answered = false;
	cmd->disk = &d->disk;
	cmd->thread = &d->thread;
	cmd->payload = r->iov;
	cmd->scratch = cmd->inline_scratch;
	cmd->status = ZCMU_OK;
	cmd->offset = offset;
	cmd->left = length;
	for (i = 0; i < 4 && r->iov[i].iov_len; i++)
		;
	cmd->req.iovcnt = i;
	d->out++;
	zcmu_cmd_run_steps(cmd, step);
}

static bool is_all_answered(const struct driver *d, const struct driven *r)
{
	return r ? r->answered : !d->out;
}

static void wait_for(struct driver *d, const struct driven *r)
{
	const struct zcmu_store_ops *ops = d->store->ops;
	struct pollfd pollfd = { .events = POLLIN };

	if (ops->queue_submit)
		ops->queue_submit(d->store, d->thread.queue);
	if (d->thread.has_queue)
		pollfd.fd = ops->queue_fd(d->store, d->thread.queue);
	while (!is_all_answered(d, r)) {
		assert_true(d->thread.has_queue);
		if (poll(&pollfd, 1, (int)d->patience * 1000) != 1)
			fail_msg("expected %u answers, got none", d->out);
		ops->queue_reap(d->store, d->thread.queue);
		if (ops->queue_submit)
			ops->queue_submit(d->store, d->thread.queue);
	}
}

void driver_wait(struct driver *d)
{
	wait_for(d, NULL);
}

void driver_wait_for(struct driver *d, struct driven *r)
{
	wait_for(d, r);
}

void driver_idle(struct driver *d)
{
	const struct zcmu_store_ops *ops = d->store->ops;
	struct pollfd pollfd = { .events = POLLIN };

	pollfd.fd = ops->queue_fd(d->store, d->thread.queue);
	if (poll(&pollfd, 1, 100) == 1)
		ops->queue_reap(d->store, d->thread.queue);
}

static enum zcmu_status ask(struct driver *d, struct driven *r, enum zcmu_io_op op,
			    uint64_t offset, uint64_t length)
{
	driver_start(d, r, op, offset, length);
	driver_wait(d);
	assert_true(r->answered);
	return r->status;
}

enum zcmu_status driver_read(struct driver *d, uint64_t offset, void *to, size_t length)
{
	struct driven r = { .iov = { { to, length } } };

	return ask(d, &r, ZCMU_IO_READ, offset, length);
}

enum zcmu_status driver_write(struct driver *d, uint64_t offset, const void *from, size_t length,
			      bool fua)
{
	struct driven r = { .iov = { { (void *)from, length } }, .fua = fua };

	return ask(d, &r, ZCMU_IO_WRITE, offset, length);
}

enum zcmu_status driver_flush(struct driver *d)
{
	struct driven r = { 0 };

	return ask(d, &r, ZCMU_IO_FLUSH, 0, 0);
}

enum zcmu_status driver_trim(struct driver *d, uint64_t offset, uint64_t length)
{
	struct driven r = { 0 };

	return ask(d, &r, ZCMU_IO_TRIM, offset, length);
}

enum zcmu_status driver_zero(struct driver *d, uint64_t offset, uint64_t length, bool may_trim)
{
	struct driven r = { .cmd.may_trim = may_trim };

	return ask(d, &r, ZCMU_IO_ZERO, offset, length);
}

uint64_t driver_map(struct driver *d, uint64_t offset, uint64_t length, bool mapped)
{
	struct driven r = { 0 };

	assert_int_equal(ask(d, &r, ZCMU_IO_MAP, offset, length), ZCMU_OK);
	assert_int_equal(r.cmd.io.mapped, mapped);
	return r.cmd.io.length;
}

void driver_fill(uint8_t *data, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 512);
}

void expect_bytes_of(struct driver *d, uint64_t offset, size_t length, uint8_t byte)
{
	uint8_t *data = malloc(length);
	size_t i;

	/* What isn't read must show, whatever is expected. */
	memset(data, byte ^ 0xff, length);
	assert_int_equal(driver_read(d, offset, data, length), ZCMU_OK);
	for (i = 0; i < length && data[i] == byte; i++)
		;
	if (i < length)
		fail_msg("expected %02x at %llu, got %02x", byte, (unsigned long long)offset + i,
			 data[i]);
	free(data);
}

void expect_logged(const struct driver *d, const char *first, const char *second)
{
	if (!strstr(d->logged, first) || !strstr(d->logged, second))
		fail_msg("expected a message of \"%s\" and \"%s\", got \"%s\"", first, second,
			 d->logged);
}
