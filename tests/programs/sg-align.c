// SPDX-License-Identifier: MIT
/*
 * To be preloaded: SG_IO with page-aligned memory, whatever the program gives.
 *
 * iscsi-test-cu reads 1 MiB into an array that is not aligned. That is 257 pages; the
 * loopback fabric takes 256 at a time, and the ioctl fails before the disk hears of
 * it. Nothing of the command is changed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Between the program's memory, in one piece or many, and ours */
static void copy(const struct sg_io_hdr *theirs, char *ours, int to_ours)
{
	const sg_iovec_t whole = { .iov_base = theirs->dxferp, .iov_len = theirs->dxfer_len };
	const sg_iovec_t *iov = theirs->iovec_count ? theirs->dxferp : &whole;
	size_t left = theirs->dxfer_len, n;

	for (; left; iov++, ours += n, left -= n) {
		n = iov->iov_len < left ? iov->iov_len : left;
		if (to_ours)
			memcpy(ours, iov->iov_base, n);
		else
			memcpy(iov->iov_base, ours, n);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int fd, unsigned long request, ...);
	struct sg_io_hdr *theirs, ours;
	void *argument, *memory = NULL;
	va_list arguments;
	int ret;

	if (!next)
		next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	theirs = argument;
	if (request != SG_IO || !theirs->dxfer_len)
		return next(fd, request, argument);

	if (posix_memalign(&memory, (size_t)sysconf(_SC_PAGESIZE), theirs->dxfer_len)) {
		errno = ENOMEM;
		return -1;
	}
	/* In either direction: what isn't transferred stays as it was. */
	copy(theirs, memory, 1);
	ours = *theirs;
	ours.dxferp = memory;
	ours.iovec_count = 0;
	ret = next(fd, request, &ours);
	if (theirs->dxfer_direction != SG_DXFER_TO_DEV)
		copy(theirs, memory, 0);
	ours.dxferp = theirs->dxferp;
	ours.iovec_count = theirs->iovec_count;
	*theirs = ours;
	free(memory);
	return ret;
}
