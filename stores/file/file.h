/* SPDX-License-Identifier: MIT */
/*
 * The file store's insides.
 *
 *	open.c		opening, creating, the size
 *	file.c		the store: queues and requests
 *	identity.c	which file it is
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "zcmu.h"

struct file {
	int fd;
	bool is_device;
	bool is_limited;	/* ulimit -f: a write too far would kill the thread it is done in */
	bool is_tmpfs;		/* there is nothing but the page cache, and swap */
};

static inline struct file *file_of(const struct zcmu_store *store)
{
	return store->data;
}

/* open.c */
int zcmu_file_open(struct zcmu_store *store, const char *path);
void zcmu_file_close(struct zcmu_store *store);
int zcmu_file_resize(struct zcmu_store *store, uint64_t size);

/* identity.c; layers that have a file ask there as well */
int zcmu_file_tell(int fd, const char *path, char *text, size_t size);
int zcmu_file_identity(struct zcmu_store *store, const char *argument, char *text, size_t size);

#endif /* STORE_FILE_H */
