/* SPDX-License-Identifier: MIT */
/* What the parts of mover share: the disk, and the ways to move its payloads. */
#ifndef MOVER_H
#define MOVER_H

#include "serve/disk.h"

#define MOVER_DISK_BYTES	(64u << 20)
#define MOVER_SPARE_BYTES	(256u << 10)	/* behind the disk in memory: goes nowhere */
#define IN_PROGRESS	1	/* of a move_*() that calls zcmu_io_done() itself, later */

/* mover.c */
extern struct zcmu_disk *disk;
extern uint8_t *memory;		/* the disk, unless it is a file */
extern int file;		/* -1: it is memory */
bool is_twist(const char *name);
bool is_read(const struct zcmu_io *io);
/* Is it a WRITE to the first MiB? */
bool is_first(const struct zcmu_io *io);
/* What a system call has made of a request. Return: 0 or -EIO. */
int result(const struct zcmu_io *io, ssize_t n, int error);
/* Or the program ends. */
void must(bool ok, const char *what);
void start_thread(void *(*run)(void *), void *argument);
int move_by_cpu(const struct zcmu_io *io);

/* mover_file.c. Return: 0, -EIO, or IN_PROGRESS. */
ssize_t file_io(const struct zcmu_io *io, const struct iovec *iov, int iovcnt);
int move_direct(struct zcmu_io *io);
void open_aio(void);
int move_by_aio(struct zcmu_io *io);
void open_uring(void);
int move_by_uring(struct zcmu_io *io);
void open_registered(void);
int move_registered(struct zcmu_io *io);

/* mover_memory.c */
void open_socket(void);
int move_by_socket(struct zcmu_io *io);
void open_zerocopy(void);
int move_by_zerocopy(struct zcmu_io *io);
void open_vmsplice(void);
int move_by_vmsplice(struct zcmu_io *io);
void fork_remote(void);
int move_by_process(struct zcmu_io *io);

/* mover_pinned.c */
void open_umem(void);
int move_in_umem(struct zcmu_io *io);

#endif /* MOVER_H */
