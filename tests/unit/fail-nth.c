// SPDX-License-Identifier: MIT
/* Calls that fail on demand: see fail-nth.h. */
#include "fail-nth.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_uint nth, count;
static atomic_int only;

void fail_nth(unsigned int n)
{
	atomic_store(&count, 0);
	atomic_store(&nth, n);
}

unsigned int fail_end(void)
{
	atomic_store(&nth, 0);
	return atomic_load(&count);
}

static __thread bool is_spared;

void fail_spare_this_thread(void)
{
	is_spared = true;
}

void fail_only(int error)
{
	atomic_store(&only, error);
}

bool fail_now(int error)
{
	int wanted = atomic_load(&only);

	if (is_spared || (wanted && wanted != error))
		return false;
	if (atomic_fetch_add(&count, 1) + 1 != atomic_load(&nth))
		return false;
	errno = error;
	return true;
}

/* NAME(PARAMETERS) of TYPE: when it fails it returns FAILURE, with ERROR in errno. */
#define FAILS(type, name, parameters, arguments, failure, error)	\
type __real_ ## name parameters;					\
type __wrap_ ## name parameters;					\
type __wrap_ ## name parameters						\
{									\
	return fail_now(error) ? failure : __real_ ## name arguments;	\
}

FAILS(void *, malloc, (size_t size), (size), NULL, ENOMEM)
FAILS(void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
FAILS(void *, realloc, (void *p, size_t size), (p, size), NULL, ENOMEM)
FAILS(char *, strdup, (const char *s), (s), NULL, ENOMEM)
FAILS(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
FAILS(int, epoll_create1, (int flags), (flags), -1, EMFILE)
FAILS(int, epoll_ctl, (int fd, int op, int of, struct epoll_event *e), (fd, op, of, e), -1,
      ENOMEM)
FAILS(int, eventfd, (unsigned int value, int flags), (value, flags), -1, EMFILE)
FAILS(int, timerfd_create, (int clock, int flags), (clock, flags), -1, EMFILE)
FAILS(int, fstat64, (int fd, struct stat64 *st), (fd, st), -1, EIO)
FAILS(int, flock, (int fd, int operation), (fd, operation), -1, ENOLCK)
FAILS(int, ftruncate64, (int fd, off64_t size), (fd, size), -1, ENOSPC)
FAILS(int, fsync, (int fd), (fd), -1, ENOSPC)
FAILS(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at), -1, EIO)
FAILS(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), -1, ENOSPC)
FAILS(void *, mmap64, (void *at, size_t n, int prot, int flags, int fd, off64_t offset),
      (at, n, prot, flags, fd, offset), MAP_FAILED, ENOMEM)
FAILS(int, mprotect, (void *at, size_t n, int prot), (at, n, prot), -1, ENOMEM)
FAILS(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes,
			    void *(*start)(void *argument), void *argument),
      (thread, attributes, start, argument), EAGAIN, 0)
FAILS(int, io_uring_queue_init, (unsigned int n, struct io_uring *ring, unsigned int flags),
      (n, ring, flags), -ENOMEM, 0)

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	/* Whatever is created in a test is its own. */
	return fail_now(EMFILE) ? -1 : __real_open64(path, flags, 0600);
}
