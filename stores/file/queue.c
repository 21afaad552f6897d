// SPDX-License-Identifier: MIT
/*
 * Queues: an io_uring for each thread. Another thread that has ended a queue's request hands it
 * over to the queue: an eventfd, which the ring reads, wakes the queue's thread.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"

#define QUEUE_DEPTH	256

/*
 * A ring can open files and connect sockets, and no filter of system calls sees that. Ours can do
 * only what is needed here, even for an attacker. (Debian's liburing 2.3 declares functions for
 * this, but doesn't have them.)
 */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {
		IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
	};
	struct io_uring_restriction allowed[sizeof(ops) + 1] = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++) {
		allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[i].sqe_op = ops[i];
	}
	allowed[i].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	allowed[i].sqe_flags = IOSQE_ASYNC;
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
		    sizeof(ops) + 1) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0) < 0)
		return -errno;
	return 0;
}

static int open_ring(struct io_uring *ring)
{
	int err = io_uring_queue_init(QUEUE_DEPTH, ring, IORING_SETUP_R_DISABLED);

	if (!err) {
		err = restrict_ring(ring);
		if (err)
			io_uring_queue_exit(ring);
	}
	if (err)
		zcmu_error("file: no io_uring: %s%s", strerror(-err),
			   err == -EPERM || err == -ENOSYS ?
			   "; is it switched off (sysctl kernel.io_uring_disabled)?" : "");
	return err;
}

int zcmu_file_queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->store = store;
	file_list_init(&queue->handed_over);
	err = open_ring(&queue->ring);
	if (err) {
		free(queue);
		return err;
	}
	pthread_mutex_init(&queue->lock, NULL);
	/* The eventfd blocks, so that io_uring waits for it and doesn't answer EAGAIN. */
	queue->wake_fd = eventfd(0, EFD_CLOEXEC);
	err = queue->wake_fd < 0 ? -errno : zcmu_file_aside_start(queue);
	if (err) {
		zcmu_file_queue_close(store, queue);
		return err;
	}
	*ret = queue;
	return 0;
}

void zcmu_file_queue_close(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;

	(void)store;
	zcmu_file_aside_stop(queue);
	/* The thread that has handed over the last request may still be in there. */
	pthread_mutex_lock(&queue->lock);
	assert(!queue->handed_over.first);
	pthread_mutex_unlock(&queue->lock);
	io_uring_queue_exit(&queue->ring);
	if (queue->wake_fd >= 0)
		close(queue->wake_fd);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

int zcmu_file_queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->ring.ring_fd;
}

void zcmu_file_queue_submit(struct zcmu_store *store, void *queue)
{
	(void)store;
	/* Entries that the kernel can't take now are kept in the ring, and taken the next time. */
	io_uring_submit(&((struct queue *)queue)->ring);
}

/* A free entry of the submission queue. If there is none, a submit makes one. */
struct io_uring_sqe *zcmu_file_queue_sqe(struct queue *queue)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&queue->ring)))
		io_uring_submit(&queue->ring);
	return sqe;
}

/*
 * From now on the queue is woken when something is handed over to it. Its own thread calls this,
 * because a ring's requests end with the thread that has made them.
 */
void zcmu_file_queue_arm(struct queue *queue)
{
	struct io_uring_sqe *sqe;

	if (queue->is_armed)
		return;
	queue->is_armed = true;
	sqe = zcmu_file_queue_sqe(queue);
	queue->wakes_iov = (struct iovec){ &queue->wakes, sizeof(queue->wakes) };
	io_uring_prep_readv(sqe, queue->wake_fd, &queue->wakes_iov, 1, 0);
	io_uring_sqe_set_data(sqe, queue);
}

/* Runs in any thread: a request has ended, and its own thread answers it. */
void zcmu_file_queue_hand_over(struct zcmu_io *io, int error)
{
	struct queue *queue = io->queue;
	uint64_t one = 1;
	ssize_t n = 0;

	io->data = (void *)(intptr_t)error;
	pthread_mutex_lock(&queue->lock);
	/* Write under the lock: after it the queue may be closed. The eventfd can't be full. */
	if (!queue->handed_over.first)
		n = write(queue->wake_fd, &one, sizeof(one));
	file_list_append(&queue->handed_over, io);
	pthread_mutex_unlock(&queue->lock);
	if (n < 0)
		abort();
}

static struct zcmu_io *take(struct queue *queue)
{
	struct zcmu_io *io;

	pthread_mutex_lock(&queue->lock);
	io = file_list_pop(&queue->handed_over);
	pthread_mutex_unlock(&queue->lock);
	return io;
}

/* Is it a wake-up, and no request? Then answer the requests that were handed over. */
bool zcmu_file_queue_woken(struct queue *queue, const void *user_data)
{
	struct zcmu_io *io;

	if (user_data != queue)
		return false;
	queue->is_armed = false;
	zcmu_file_queue_arm(queue);
	while ((io = take(queue)))
		zcmu_io_done(io, (int)(intptr_t)io->data);
	return true;
}
