// SPDX-License-Identifier: MIT
/*
 * rbd: queues and requests. librbd answers in threads of its own, where the result is only noted. A
 * request is examined, and answered, in the thread whose queue it came by.
 *
 * Access to a payload:
 *
 * 	READ	librbd has the bytes in a buffer that came from the network, and copies them
 * 		into the payload just before it answers: one copy.
 * 	WRITE	librbd copies the payload before rbd_aio_writev() returns, unless
 * 		rbd_disable_zero_copy_writes is false: then the payload goes to the socket
 * 		itself, and librbd answers when nothing refers to it any more. It must not
 * 		be changed meanwhile: a checksum is made of it before it is sent.
 *
 * In both cases librbd doesn't touch a payload after its answer, and nothing is answered here
 * before that: librados ends requests that the cluster doesn't answer (set_ours() in cluster.c). If
 * the kernel gives a command up earlier, it exchanges the lent pages without our notice: what
 * librbd then reads or writes belongs to nobody.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rbd.h"

/*
 * Bytes of TRIM and ZERO at a time. Each object takes a message of its own; all are sent at once.
 */
#define MAX_PART	(256u << 20)

struct request {
	struct request *next;
	struct queue *queue;
	struct zcmu_io *io;
	uint64_t done;		/* TRIM, ZERO: bytes of parts that have ended */
	int64_t result;		/* from librbd: bytes of a READ, else 0; or a negative errno */
};

struct queue {
	struct image *image;
	int event_fd;		/* readable if there is anything in ended */
	pthread_mutex_t lock;
	struct request *ended, **end;	/* under lock */
};

/*
 * librbd's threads
 */

static void has_ended(struct request *request, int64_t result)
{
	struct queue *queue = request->queue;
	uint64_t one = 1;
	bool was_empty;

	request->result = result;
	request->next = NULL;
	pthread_mutex_lock(&queue->lock);
	was_empty = !queue->ended;
	*queue->end = request;
	queue->end = &request->next;
	/* Write under the lock: after it the queue may be closed. The eventfd can't be full. */
	if (was_empty && write(queue->event_fd, &one, sizeof(one)) < 0)
		abort();
	pthread_mutex_unlock(&queue->lock);
}

static void completion(rbd_completion_t done, void *argument)
{
	int64_t result = rbd_aio_get_return_value(done);

	rbd_aio_release(done);
	has_ended(argument, result);
}

/*
 * Starting
 */

static uint64_t part_length(const struct request *request)
{
	uint64_t left = request->io->length - request->done;

	return left < MAX_PART ? left : MAX_PART;
}

static int zero_flags(const struct zcmu_io *io)
{
	return io->may_trim ? 0 : RBD_WRITE_ZEROES_FLAG_THICK_PROVISION;
}

static int ask(struct request *request, rbd_completion_t done)
{
	rbd_image_t handle = request->queue->image->handle;
	struct zcmu_io *io = request->io;

	switch (io->op) {
	case ZCMU_IO_READ:
		return rbd_aio_readv(handle, io->iov, io->iovcnt, io->offset, done);
	case ZCMU_IO_WRITE:
		return rbd_aio_writev(handle, io->iov, io->iovcnt, io->offset, done);
	case ZCMU_IO_TRIM:
		return rbd_aio_discard(handle, io->offset + request->done, part_length(request),
				       done);
	case ZCMU_IO_ZERO:
		return rbd_aio_write_zeroes(handle, io->offset + request->done,
					    part_length(request), done, zero_flags(io), 0);
	case ZCMU_IO_FLUSH:
	case ZCMU_IO_MAP:
		break;
	}
	return -EOPNOTSUPP;
}

/* Its end comes by the queue, however it ends. */
static void start(struct request *request)
{
	rbd_completion_t done;
	int err = rbd_aio_create_completion(request, completion, &done);

	if (!err) {
		err = ask(request, done);
		if (!err)
			return;
		rbd_aio_release(done);
	}
	has_ended(request, err < 0 ? err : -EIO);
}

void image_request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct image *image = store->data;
	struct request *request;

	if (atomic_load(&image->is_fenced)) {
		zcmu_io_done(io, -ESHUTDOWN);
		return;
	}
	request = malloc(sizeof(*request));
	if (!request) {
		zcmu_io_done(io, -ENOMEM);
		return;
	}
	*request = (struct request){ .queue = io->queue, .io = io };
	start(request);
}

/*
 * Answers
 */

/*
 * Does the error say that the image is not ours any more? The cluster rejects us, or the lock is
 * gone. That is final, because a blocklist forgets after an hour.
 */
static bool is_fence(const struct image *image, int64_t result)
{
	return result == -ESHUTDOWN || (result == -EROFS && !image->store->read_only);
}

static void note_fence(struct image *image)
{
	if (!atomic_exchange(&image->is_fenced, true))
		zcmu_error("%s: another client has taken the image over, or this one was shut out of the cluster: nothing is read or written any more until it is served again",
			   image->title);
}

/* Reported once for each outage. */
static void note_silence(struct image *image)
{
	char monitors[256] = "";

	if (atomic_exchange(&image->is_silent, true))
		return;
	rados_conf_get(image->cluster, "mon_host", monitors, sizeof(monitors));
	zcmu_error("%s: the cluster (monitors: %s) has not answered for %u s: what it was asked for fails; is \"ceph health\" good?",
		   image->title, monitors, image->give_up);
}

static void note_answer(struct image *image)
{
	if (atomic_load(&image->is_silent) && atomic_exchange(&image->is_silent, false))
		zcmu_warning("%s: the cluster answers again", image->title);
}

/*
 * Was the request inside of the image? librbd cuts off the part outside, without an error. If an
 * image was made smaller, nothing is left of a write behind the end.
 */
static int check_range(struct image *image, const struct zcmu_io *io)
{
	uint64_t size;
	int err = rbd_get_size(image->handle, &size);

	if (err)
		return err;
	return io->offset + io->length <= size ? 0 : -EIO;
}

static int check(struct request *request)
{
	struct image *image = request->queue->image;
	struct zcmu_io *io = request->io;
	int64_t result = request->result;

	if (is_fence(image, result)) {
		note_fence(image);
		return -ESHUTDOWN;
	}
	if (result == -ETIMEDOUT) {
		note_silence(image);
		return -ENOTCONN;
	}
	if (result < 0)
		return result == -EINVAL ? -EIO : (int)result;
	note_answer(image);
	if (io->op == ZCMU_IO_READ)
		return (uint64_t)result == io->length ? 0 : -EIO;
	return check_range(image, io);
}

static void settle(struct request *request)
{
	struct zcmu_io *io = request->io;
	int err = check(request);

	if (!err && (io->op == ZCMU_IO_TRIM || io->op == ZCMU_IO_ZERO)) {
		request->done += part_length(request);
		if (request->done < io->length) {
			start(request);
			return;
		}
	}
	free(request);
	zcmu_io_done(io, err);
}

/*
 * Queues
 */

void image_queue_reap(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;
	struct request *request, *next;
	uint64_t count;

	(void)store;
	pthread_mutex_lock(&queue->lock);
	if (read(queue->event_fd, &count, sizeof(count)) < 0)
		count = 0;
	request = queue->ended;
	queue->ended = NULL;
	queue->end = &queue->ended;
	pthread_mutex_unlock(&queue->lock);
	for (; request; request = next) {
		next = request->next;
		settle(request);
	}
}

int image_queue_fd(struct zcmu_store *store, void *queue)
{
	(void)store;
	return ((struct queue *)queue)->event_fd;
}

void image_queue_close(struct zcmu_store *store, void *data)
{
	struct queue *queue = data;

	(void)store;
	/* The thread that has put the last answer may still be in there. */
	pthread_mutex_lock(&queue->lock);
	pthread_mutex_unlock(&queue->lock);
	pthread_mutex_destroy(&queue->lock);
	close(queue->event_fd);
	free(queue);
}

int image_queue_open(struct zcmu_store *store, void **ret)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	int err;

	if (!queue)
		return -ENOMEM;
	queue->image = store->data;
	queue->end = &queue->ended;
	queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->event_fd < 0) {
		err = -errno;
		free(queue);
		return err;
	}
	pthread_mutex_init(&queue->lock, NULL);
	*ret = queue;
	return 0;
}
