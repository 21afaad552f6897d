/* SPDX-License-Identifier: MIT */
/*
 * Drives a store without a disk: opens it by its spec, asks it for things, waits for
 * the answers, in one thread. The requests are the library's own (lib/serve/command.c).
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "serve/disk.h"

struct driver {
	struct zcmu_store *store;	/* NULL: not open */
	struct zcmu_disk disk;
	struct zcmu_thread thread;
	unsigned int out;		/* requests that were not answered */
	unsigned int patience;		/* seconds, for each answer */
	char logged[1024];		/* the last message */
	char directory[128];		/* for files; gone after the test, with what is in it */
	char spec[256];			/* "file:PATH", of the file that is tested */
	const char *path;
};

/* One request; read what it has come to when driver_wait() has returned. */
struct driven {
	struct zcmu_cmd cmd;
	struct driver *driver;
	enum zcmu_io_op op;
	bool fua, asked, answered;
	enum zcmu_status status;
	struct iovec iov[4];
};

int driver_setup(void **state);
int driver_teardown(void **state);

#define STORE_TEST(f)	cmocka_unit_test_setup_teardown(f, driver_setup, driver_teardown)

/* Return: zcmu_store_open()'s, or what the store said to queue_open(). */
int driver_open(struct driver *d, const char *spec, uint64_t size, bool read_only);
void driver_close(struct driver *d);

/* Name a file in a directory of its own below @base (NULL: $TMPDIR or /tmp). */
void driver_name_file(struct driver *d, const char *base, const char *name);
/* Make it, with that many bytes of @byte. */
void driver_make_file(struct driver *d, size_t size, uint8_t byte);
/* "disk.img" of 1 MiB, in a directory below $TMPDIR or /tmp */
void driver_make_disk(struct driver *d, uint8_t byte);

/* @text, with the directory in place of each @; as much as there is room for in @spec */
void driver_make_spec(const struct driver *d, char *spec, size_t size, const char *text);
/* The path of a file in the directory, until the next call */
const char *driver_path_of(const struct driver *d, const char *name);

/* Ask for something, and go on; pieces for reads and writes alone. */
void driver_start(struct driver *d, struct driven *r, enum zcmu_io_op op, uint64_t offset,
		  uint64_t length);
/* Wait until everything is answered. */
void driver_wait(struct driver *d);

/* Wait until this one is; others may be under way still. */
void driver_wait_for(struct driver *d, struct driven *r);

/* Let the store do something by itself, if there is anything: it waits a little for that. */
void driver_idle(struct driver *d);

/* Ask for one thing, and wait for it. Return: its status. */
enum zcmu_status driver_read(struct driver *d, uint64_t offset, void *to, size_t length);
enum zcmu_status driver_write(struct driver *d, uint64_t offset, const void *from, size_t length,
			      bool fua);
enum zcmu_status driver_flush(struct driver *d);
enum zcmu_status driver_trim(struct driver *d, uint64_t offset, uint64_t length);
enum zcmu_status driver_zero(struct driver *d, uint64_t offset, uint64_t length, bool may_trim);

/* The range begins with bytes that are mapped, or aren't. Return: how many of them. */
uint64_t driver_map(struct driver *d, uint64_t offset, uint64_t length, bool mapped);

/* Neighbours differ, bytes and blocks of 512. */
void driver_fill(uint8_t *data, size_t size);

/* A read brings these bytes, each the same. */
void expect_bytes_of(struct driver *d, uint64_t offset, size_t length, uint8_t byte);
/* The last message has both words. */
void expect_logged(const struct driver *d, const char *first, const char *second);

#endif /* STORE_DRIVER_H */
