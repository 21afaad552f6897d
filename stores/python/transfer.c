// SPDX-License-Identifier: MIT
/*
 * io.transfer(fd, offset): a script leaves a READ's or WRITE's payload to the kernel, which moves
 * it to or from one of the script's files (zcmu_io_transfer()). That begins when the method has
 * returned, and needs no Python. What the kernel doesn't move, or not all of it, is moved here.
 *
 * The descriptor is the script's; what is moved by is a duplicate, which lives until the request is
 * answered.
 */
#include "python.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* Direct I/O takes memory that is aligned to this, and lengths that are multiples of it. */
#define ALIGN	4096u

/*
 * The object io
 */

struct request {
	PyObject_HEAD
	uint64_t length;
	bool is_over;		/* the method has returned */
	int fd;			/* a duplicate; -1: nothing is to be moved */
	uint64_t offset;
};

static PyTypeObject *request_type;

static PyObject *transfer(PyObject *self, PyObject *arguments)
{
	struct request *request = (struct request *)self;
	PyObject *file, *number;
	unsigned long long offset;
	int fd;

	if (!PyArg_ParseTuple(arguments, "OO!", &file, &PyLong_Type, &number))
		return NULL;
	fd = PyObject_AsFileDescriptor(file);
	if (fd < 0)
		return NULL;
	offset = PyLong_AsUnsignedLongLong(number);
	if (PyErr_Occurred())
		return NULL;
	if (request->is_over || request->fd >= 0) {
		PyErr_SetString(PyExc_ValueError, request->is_over ?
				"transfer() after the method has returned" :
				"transfer() for the second time");
		return NULL;
	}
	if (offset > INT64_MAX - request->length) {
		PyErr_SetString(PyExc_OverflowError, "no file is that long");
		return NULL;
	}
	request->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (request->fd < 0)
		return PyErr_SetFromErrno(PyExc_OSError);
	request->offset = offset;
	Py_RETURN_NONE;
}

static void deallocate(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{ "transfer", transfer, METH_VARARGS,
	  "Have the kernel move the payload between the initiator and a file, at an offset." },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, deallocate },
	{ Py_tp_methods, methods },
	{ 0, NULL }
};

static PyType_Spec spec = {
	.name = "zcmu.IO",
	.basicsize = sizeof(struct request),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};

/* Return: -1 and an exception */
int python_transfer_start(void)
{
	request_type = (PyTypeObject *)PyType_FromSpec(&spec);
	return request_type ? 0 : -1;
}

/* What a method is given for a request of @length bytes. NULL: with an exception */
PyObject *python_transfer_object(uint64_t length)
{
	PyObject *self = request_type->tp_alloc(request_type, 0);

	if (self) {
		((struct request *)self)->length = length;
		((struct request *)self)->fd = -1;
	}
	return self;
}

/* The method has returned. Return: the descriptor to move by, which is the caller's; -1: none */
int python_transfer_take(PyObject *self, uint64_t *offset)
{
	struct request *request = (struct request *)self;
	int fd = request->fd;

	*offset = request->offset;
	request->is_over = true;
	request->fd = -1;
	return fd;
}

/*
 * Moving
 */

/* io->data, from the end of the method on */
struct moved {
	int fd;
	uint64_t offset;
};

static void finish(struct zcmu_io *io, int error)
{
	struct moved *moved = io->data;

	close(moved->fd);
	free(moved);
	zcmu_io_done(io, error);
}

/* Move some of what @iov shows. Return: bytes, or -errno; a file that has ended is an error. */
static ssize_t move_some(const struct zcmu_io *io, int fd, const struct iovec *iov, int iovcnt,
			 uint64_t at)
{
	ssize_t n;

	do {
		n = io->op == ZCMU_IO_WRITE ? pwritev(fd, iov, iovcnt, (off_t)at) :
					      preadv(fd, iov, iovcnt, (off_t)at);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? n : -EIO;
}

/* Move the payload from @done on. */
static int move_here(struct zcmu_io *io, const struct moved *moved, uint64_t done)
{
	uint64_t length = io->length, at = moved->offset;
	ssize_t n;

	while (done < length) {
		io->iovcnt = zcmu_iov_cut(io->iov, io->iovcnt, done, length - done, io->iov);
		length -= done;
		at += done;
		n = move_some(io, moved->fd, io->iov, io->iovcnt, at);
		if (n < 0)
			return (int)n;
		done = (uint64_t)n;
	}
	return 0;
}

/* The same past the page cache: the payload may be anywhere in memory. All of it, once more. */
static int move_direct(struct zcmu_io *io, const struct moved *moved)
{
	uint64_t done, length = io->length;
	struct iovec iov;
	char *bytes = aligned_alloc(ALIGN, (length + ALIGN - 1) / ALIGN * ALIGN);
	ssize_t n = 0;

	if (!bytes)
		return -ENOMEM;
	if (io->op == ZCMU_IO_WRITE)
		zcmu_iov_get(io->iov, io->iovcnt, 0, bytes, length);
	for (done = 0; done < length; done += (uint64_t)n) {
		iov = (struct iovec){ .iov_base = bytes + done, .iov_len = length - done };
		n = move_some(io, moved->fd, &iov, 1, moved->offset + done);
		if (n < 0)
			break;
	}
	if (io->op == ZCMU_IO_READ && n >= 0)
		zcmu_iov_put(io->iov, io->iovcnt, 0, bytes, length);
	free(bytes);
	return n < 0 ? (int)n : 0;
}

/* As if the method had raised it. */
static int report(struct zcmu_io *io, int error)
{
	struct python *python = io->store->data;
	PyGILState_STATE state;
	char what[96];

	snprintf(what, sizeof(what), "transfer of the %s of %" PRIu64 " bytes at %" PRIu64,
		 io->op == ZCMU_IO_WRITE ? "write" : "read", io->asked, io->offset);
	state = python_enter();
	errno = -error;
	PyErr_SetFromErrno(PyExc_OSError);
	error = python_call_failed(python, what);
	python_leave(state);
	return error;
}

static void by_hand(struct zcmu_io *io, uint64_t done)
{
	const struct moved *moved = io->data;
	int flags = fcntl(moved->fd, F_GETFL);
	int error = flags >= 0 && flags & O_DIRECT ? move_direct(io, moved) :
						     move_here(io, moved, done);

	finish(io, error ? report(io, error) : 0);
}

/* The kernel has moved it, or a part of it. */
static void come_back(struct zcmu_io *io, int error, uint64_t done)
{
	/* What would wait for itself, and what nobody waits for */
	bool is_final = error == -EDEADLK || error == -ESHUTDOWN;

	if (!error)
		finish(io, 0);
	else if (is_final)
		finish(io, report(io, error));
	else
		by_hand(io, done);
}

/* Answer a request by moving its payload. @fd is closed then. No lock is held. */
void python_transfer(struct zcmu_io *io, int fd, uint64_t offset)
{
	struct moved *moved = malloc(sizeof(*moved));

	if (!moved) {
		close(fd);
		zcmu_io_done(io, -ENOMEM);
		return;
	}
	*moved = (struct moved){ .fd = fd, .offset = offset };
	io->data = moved;
	if (zcmu_io_transfer(io, fd, offset, ZCMU_MOVE_TELL, come_back))
		by_hand(io, 0);
}
