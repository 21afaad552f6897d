// SPDX-License-Identifier: MIT
/*
 * file: a regular file or a block device, through the page cache, by io_uring. The
 * payload goes straight between the initiator's memory and the page cache. Writes that
 * only have to be copied there are done on the spot: io_uring has a kernel thread do
 * them on most file systems, one at a time, and the ways there and back cost more than
 * the copy of some 100 KiB.
 *
 * A flush is fdatasync(), a write with FUA is RWF_DSYNC: both reach the disk. A trim
 * punches a hole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "zcmu.h"

#define QUEUE_DEPTH	256

/* A write on the spot that takes longer than its copy could has waited for a disk. */
#define SLOW_NS		4000000
#define COPY_NS_PER_KIB	4096
/* So many writes are io_uring's then, doubling with each slow one, before it is tried again. */
#define DETOUR_MIN	16u
#define DETOUR_MAX	4096u
/* Pages of the page cache: whatever the CPU has is no larger. */
#define WHOLE_PAGES	4096u

struct file {
	int fd;
	bool is_device;
	bool is_limited;	/* ulimit -f: a write too far would kill the thread it is done in */
};

/* A thread's */
struct queue {
	struct io_uring ring;
	unsigned int detours;		/* writes that are still io_uring's */
	unsigned int next_detours;	/* how many after the next slow one */
};

static struct file *file_of(const struct zcmu_store *store)
{
	return store->data;
}

/*
 * Opening
 */

/* A block device is opened exclusively: so it isn't mounted, nor part of anything. */
static bool is_block_device(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode);
}

static int open_fd(struct zcmu_store *store, const char *path)
{
	int flags = O_CLOEXEC | (store->read_only ? O_RDONLY : O_RDWR);
	int fd = open(path, flags | (is_block_device(path) ? O_EXCL : 0));
	int err;

	if (fd >= 0 || errno != ENOENT)
		goto out;
	if (!store->create_size || store->read_only) {
		zcmu_error("file:%s: there is no such file; give --size to create it", path);
		return -ENOENT;
	}
	if (store->create_size % store->block_size) {
		zcmu_error("file:%s: --size %" PRIu64 " is not a multiple of the block size, %" PRIu32
			   "; nothing was created", path, store->create_size, store->block_size);
		return -EINVAL;
	}
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)store->create_size)) {
		err = -errno;
		zcmu_error("file:%s: can't make it %" PRIu64 " bytes long: %s", path,
			   store->create_size, strerror(-err));
		unlink(path);
		close(fd);
		return err;
	}
out:
	if (fd < 0) {
		err = -errno;
		zcmu_error("file:%s: can't open it for %s: %s", path,
			   store->read_only ? "reading" : "reading and writing",
			   err == -EBUSY ? "it is in use (mounted?)" : strerror(-err));
		return err;
	}
	return fd;
}

static int get_size(struct zcmu_store *store, struct file *file, const char *path)
{
	unsigned int physical;
	struct stat st;
	int block_size, err;

	if (fstat(file->fd, &st))
		goto fail;
	if (S_ISREG(st.st_mode)) {
		store->size = (uint64_t)st.st_size;
		store->physical_block_size = 4096;
		store->trim_granularity = (uint32_t)st.st_blksize;
		return 0;
	}
	if (!S_ISBLK(st.st_mode)) {
		zcmu_error("file:%s: neither a regular file nor a block device", path);
		return -EINVAL;
	}
	file->is_device = true;
	if (ioctl(file->fd, BLKGETSIZE64, &store->size) ||
	    ioctl(file->fd, BLKSSZGET, &block_size) || ioctl(file->fd, BLKPBSZGET, &physical))
		goto fail;
	store->block_size = (uint32_t)block_size;
	store->physical_block_size = physical;
	return 0;
fail:
	err = -errno;
	zcmu_error("file:%s: can't get its size: %s", path, strerror(-err));
	return err;
}

/* Can its file system punch holes? Asked beyond the end, where there is nothing to lose. */
static bool can_punch(const struct file *file, uint64_t size)
{
	return file->is_device ||
	       !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)size, 4096);
}

static int check_and_lock(struct zcmu_store *store, struct file *file, const char *path)
{
	int err = get_size(store, file, path);

	if (err)
		return err;
	if (store->create_size && store->create_size != store->size) {
		zcmu_error("file:%s: it has %" PRIu64 " bytes already, not %" PRIu64
			   "; leave --size out to serve it as it is", path, store->size,
			   store->create_size);
		return -EEXIST;
	}
	if (flock(file->fd, (store->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		err = -errno;
		zcmu_error("file:%s: another process has it in use (%s)", path, strerror(-err));
		return -EBUSY;
	}
	if (!store->read_only && !can_punch(file, store->size)) {
		store->can_trim = ZCMU_CAN_NONE;
		store->can_zero = ZCMU_CAN_EMULATED;
	}
	return 0;
}

static int file_open(struct zcmu_store *store, const char *path)
{
	struct rlimit limit;
	struct file *file;
	int err;

	if (!*path) {
		zcmu_error("file: which file? Say file:disk.img, for example");
		return -EINVAL;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = open_fd(store, path);
	err = file->fd < 0 ? file->fd : check_and_lock(store, file, path);
	if (err) {
		if (file->fd >= 0)
			close(file->fd);
		free(file);
		return err;
	}
	file->is_limited = getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur != RLIM_INFINITY;
	store->data = file;
	return 0;
}

static void file_close(struct zcmu_store *store)
{
	close(file_of(store)->fd);
	free(file_of(store));
}

/*
 * The size. A file is cut off when it shrinks, and made longer when it grows, but not cut
 * off because it was longer than the disk already. A device has the size it has, which is
 * looked up; the disk may be smaller.
 */
static int file_resize(struct zcmu_store *store, uint64_t size)
{
	const struct file *file = file_of(store);
	bool shrinks = size == store->size;
	uint64_t device_size;
	struct stat st;
	int err;

	if (file->is_device) {
		if (ioctl(file->fd, BLKGETSIZE64, &device_size))
			goto fail;
		if (size <= device_size)
			return 0;
		zcmu_error("file: the device has %" PRIu64 " bytes, not %" PRIu64 "; make it larger first",
			   device_size, size);
		return -ENOSPC;
	}
	if (fstat(file->fd, &st))
		goto fail;
	if (!shrinks && (uint64_t)st.st_size >= size)
		return 0;
	/* What the initiator was told must be so after a crash, too. */
	if (ftruncate(file->fd, (off_t)size) || fsync(file->fd))
		goto fail;
	return 0;
fail:
	err = -errno;
	zcmu_error("file: can't make it %" PRIu64 " bytes long: %s", size,
		   store->read_only ? "it is served --read-only" : strerror(-err));
	return err;
}

/*
 * Queues: an io_uring per thread
 */

/*
 * A ring can open files and connect sockets, and no filter of system calls sees that. Ours
 * can do what is needed here and nothing else, whoever gets at it. (Debian's liburing 2.3
 * declares functions for this, but hasn't got them.)
 */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {
		IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
	};
	struct io_uring_restriction allowed[sizeof(ops)] = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++) {
		allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[i].sqe_op = ops[i];
	}
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
		    sizeof(ops)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0) < 0)
		return -errno;
	return 0;
}

static int file_queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	int err;

	(void)store;
	if (!queue)
		return -ENOMEM;
	queue->next_detours = DETOUR_MIN;
	err = io_uring_queue_init(QUEUE_DEPTH, &queue->ring, IORING_SETUP_R_DISABLED);
	if (!err) {
		err = restrict_ring(&queue->ring);
		if (err)
			io_uring_queue_exit(&queue->ring);
	}
	if (err) {
		zcmu_error("file: no io_uring: %s%s", strerror(-err),
			   err == -EPERM || err == -ENOSYS ?
			   "; is it switched off (sysctl kernel.io_uring_disabled)?" : "");
		free(queue);
		return err;
	}
	*ret = queue;
	return 0;
}

static struct io_uring *ring_of(void *queue)
{
	return &((struct queue *)queue)->ring;
}

static void file_queue_close(struct zcmu_store *store, void *queue)
{
	(void)store;
	io_uring_queue_exit(ring_of(queue));
	free(queue);
}

static int file_queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ring_of(queue)->ring_fd;
}

static void file_queue_submit(struct zcmu_store *store, void *queue)
{
	(void)store;
	/* What it can't take now it takes with the next: they are kept in the ring. */
	io_uring_submit(ring_of(queue));
}

/* A free entry of the submission queue; there is one after a submit at the latest. */
static struct io_uring_sqe *get_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(ring)))
		io_uring_submit(ring);
	return sqe;
}

/*
 * Requests
 */

/* How to fill a range with zeroes, and what to try if that isn't supported. */
static int zero_mode(const struct zcmu_io *io, bool second_try)
{
	bool punch = io->op == ZCMU_IO_TRIM || io->may_trim;

	return FALLOC_FL_KEEP_SIZE |
	       (punch != second_try ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

/* io->data: whether this is the second try of a trim or zero. */
static void start(struct zcmu_store *store, struct zcmu_io *io)
{
	struct io_uring_sqe *sqe = get_sqe(ring_of(io->queue));
	int fd = file_of(store)->fd;

	switch (io->op) {
	case ZCMU_IO_READ:
		io_uring_prep_readv(sqe, fd, io->iov, (unsigned int)io->iovcnt, io->offset);
		break;
	case ZCMU_IO_WRITE:
		io_uring_prep_writev2(sqe, fd, io->iov, (unsigned int)io->iovcnt, io->offset,
				      io->fua ? RWF_DSYNC : 0);
		break;
	case ZCMU_IO_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case ZCMU_IO_TRIM:
	case ZCMU_IO_ZERO:
		io_uring_prep_fallocate(sqe, fd, zero_mode(io, io->data), (off_t)io->offset,
					(off_t)io->length);
		break;
	case ZCMU_IO_MAP:	/* file_map() */
		break;
	}
	io_uring_sqe_set_data(sqe, io);
}

static void file_request(struct zcmu_store *store, struct zcmu_io *io)
{
	io->data = NULL;
	start(store, io);
}

/* Pass over what was transferred; the rest is another request. */
static void advance(struct zcmu_io *io, size_t bytes)
{
	io->offset += bytes;
	io->length -= bytes;
	while (bytes >= io->iov->iov_len) {
		bytes -= io->iov->iov_len;
		io->iov++;
		io->iovcnt--;
	}
	io->iov->iov_base = (char *)io->iov->iov_base + bytes;
	io->iov->iov_len -= bytes;
}

/* A request has ended with @res. Return: false if it was started once more. */
static bool is_done(struct zcmu_store *store, struct zcmu_io *io, int res, int *error)
{
	*error = res < 0 ? res : 0;
	switch (io->op) {
	case ZCMU_IO_READ:
	case ZCMU_IO_WRITE:
		if (res == -EINTR || res == -EAGAIN)
			break;
		/* 0: the file is shorter than it was. */
		if (!res)
			*error = -EIO;
		if (res <= 0 || (uint64_t)res == io->length)
			return true;
		advance(io, (size_t)res);
		break;
	case ZCMU_IO_FLUSH:
		if (res != -EINTR)
			return true;
		break;
	case ZCMU_IO_TRIM:
	case ZCMU_IO_ZERO:
		if (res == -EOPNOTSUPP && !io->data)
			io->data = io;
		else if (res != -EINTR)
			return true;
		break;
	case ZCMU_IO_MAP:
		return true;
	}
	start(store, io);
	return false;
}

static void file_queue_reap(struct zcmu_store *store, void *queue)
{
	struct io_uring *ring = ring_of(queue);
	struct io_uring_cqe *cqe;
	bool restarted = false;

	while (!io_uring_peek_cqe(ring, &cqe)) {
		struct zcmu_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res, error;

		/* The place is free before the answer: that may lead to a new request. */
		io_uring_cqe_seen(ring, cqe);
		if (is_done(store, io, res, &error))
			zcmu_io_done(io, error);
		else
			restarted = true;
	}
	if (restarted)
		io_uring_submit(ring);
}

/*
 * Writes on the spot
 */

/*
 * Is there nothing in this write that has to wait for a disk? Part of a page may have to be
 * read first, FUA is waited for.
 */
static bool is_only_a_copy(const struct zcmu_io *io)
{
	return io->op == ZCMU_IO_WRITE && !io->fua && !(io->offset % WHOLE_PAGES) &&
	       !(io->length % WHOLE_PAGES);
}

/* Has it gone well so far? Where too much is dirty already, writers are made to wait. */
static bool is_quick(struct queue *queue)
{
	if (!queue->detours)
		return true;
	queue->detours--;
	return false;
}

static void note_time(struct queue *queue, const struct timespec *begin, uint64_t bytes)
{
	struct timespec end;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &end);
	ns = (end.tv_sec - begin->tv_sec) * 1000000000ll + (end.tv_nsec - begin->tv_nsec);
	if (ns <= (int64_t)(SLOW_NS + bytes / 1024 * COPY_NS_PER_KIB)) {
		queue->next_detours = DETOUR_MIN;
		return;
	}
	queue->detours = queue->next_detours;
	if (queue->next_detours < DETOUR_MAX)
		queue->next_detours *= 2;
}

static void file_write(struct zcmu_store *store, struct zcmu_io *io)
{
	const struct file *file = file_of(store);
	struct timespec begin;
	int error;
	ssize_t n;

	io->data = NULL;
	if (file->is_limited || !is_only_a_copy(io) || !is_quick(io->queue)) {
		start(store, io);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	n = pwritev(file->fd, io->iov, io->iovcnt, (off_t)io->offset);
	n = n < 0 ? -errno : n;
	note_time(io->queue, &begin, io->length);
	if (is_done(store, io, (int)n, &error))
		zcmu_io_done(io, error);
}

/*
 * Is it data or a hole, and how far? io_uring has no lseek(), but this looks at
 * memory and at most at the file's extents. What can't tell (a block device) has no
 * holes. Half a block of data is a block that is mapped.
 */
static void file_map(struct zcmu_store *store, struct zcmu_io *io)
{
	int fd = file_of(store)->fd;
	off_t at = (off_t)io->offset, end = at + (off_t)io->length, next;
	off_t block = store->block_size;

	next = lseek(fd, at, SEEK_DATA);
	if (next < 0)
		next = errno == ENXIO ? end : at;
	next = (next < end ? next : end) / block * block;
	io->mapped = next <= at;
	if (io->mapped) {
		next = lseek(fd, at, SEEK_HOLE);
		if (next < 0 || next > end)
			next = end;
		next = (next + block - 1) / block * block;
		if (next <= at)
			next = at + block;
	}
	io->length = (uint64_t)(next - at);
	zcmu_io_done(io, 0);
}

const struct zcmu_store_ops zcmu_file_store = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_file_store),
	.name = "file",
	.usage = "file:PATH",
	.summary = "a file or block device; --size creates a sparse file",
	.flags = ZCMU_STORE_FUA | ZCMU_STORE_TRIM_ZEROES,
	.open = file_open,
	.close = file_close,
	.queue_open = file_queue_open,
	.queue_close = file_queue_close,
	.queue_fd = file_queue_fd,
	.queue_reap = file_queue_reap,
	.queue_submit = file_queue_submit,
	.read = file_request,
	.write = file_write,
	.flush = file_request,
	.trim = file_request,
	.zero = file_request,
	.resize = file_resize,
	.map = file_map,
};
