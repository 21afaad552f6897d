// SPDX-License-Identifier: MIT
/*
 * Requests: each is a call of a method of the script's Store, and is answered when that returns,
 * unless the script has left the payload to the kernel (transfer.c). It is lent to the method as a
 * memoryview, and taken back.
 */
#include "python.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const python_method_names[NR_METHODS] = {
	[METHOD_READ] = "read",
	[METHOD_WRITE] = "write",
	[METHOD_FLUSH] = "flush",
	[METHOD_TRIM] = "trim",
	[METHOD_ZERO] = "zero",
	[METHOD_MAP] = "map",
	[METHOD_RESIZE] = "resize",
	[METHOD_CLOSE] = "close",
};

/*
 * Serialize the calls, unless the script allows parallel ones. While a script waits for something,
 * Python runs other threads. Without this lock they would call the script in the middle of another
 * request.
 */
PyGILState_STATE python_begin_call(struct python *python)
{
	if (!python->parallel)
		pthread_mutex_lock(&python->lock);
	return python_enter();
}

void python_end_call(struct python *python, PyGILState_STATE state)
{
	python_leave(state);
	if (!python->parallel)
		pthread_mutex_unlock(&python->lock);
}

/*
 * Payloads
 */

struct payload {
	PyObject *view;
	void *copy;		/* the view's memory; NULL: it shows the payload itself */
};

/* Is it one run of addresses, in any number of pieces? */
static bool is_contiguous(const struct zcmu_io *io)
{
	int i;

	for (i = 1; i < io->iovcnt; i++) {
		const struct iovec *before = &io->iov[i - 1];

		if ((char *)before->iov_base + before->iov_len != io->iov[i].iov_base)
			return false;
	}
	return true;
}

static int lend(struct payload *payload, const struct zcmu_io *io)
{
	int access = io->op == ZCMU_IO_READ ? PyBUF_WRITE : PyBUF_READ;
	void *memory = io->iov[0].iov_base;

	payload->copy = NULL;
	if (!is_contiguous(io)) {
		/*
		 * Cleared, so that parts of a READ that the script doesn't fill show nobody's old
		 * memory.
		 */
		payload->copy = memory = calloc(1, io->length);
		if (!memory)
			return -ENOMEM;
		if (io->op == ZCMU_IO_WRITE)
			zcmu_iov_get(io->iov, io->iovcnt, 0, memory, io->length);
	}
	payload->view = PyMemoryView_FromMemory(memory, (Py_ssize_t)io->length, access);
	if (payload->view)
		return 0;
	PyErr_Clear();
	free(payload->copy);
	return -ENOMEM;
}

/* Can anything but the view know where the payload is? */
static bool is_shared(const PyMemoryViewObject *view)
{
	return view->exports || view->mbuf->exports > 1;
}

/*
 * The pages go when the request is answered, so no memoryview that the script has kept may lead
 * there any more. All memoryviews made of one share a managed buffer. Before each touch they check
 * whether it was released (BASE_INACCESSIBLE() in Python's memoryobject.c); release() would do that
 * for the view alone. Other objects made of such a memoryview (an array of numpy's, of ctypes')
 * don't check. They can't be told from a kept slice, because they hold only a slice. Return:
 * whether nothing of the kind exists
 */
static bool take_back(struct payload *payload)
{
	PyMemoryViewObject *view = (PyMemoryViewObject *)payload->view;
	bool is_free = true;

	if (is_shared(view)) {
		/* Objects that nobody can reach are only waiting for the garbage collector. */
		PyGC_Collect();
		is_free = !is_shared(view);
		view->mbuf->flags |= _Py_MANAGED_BUFFER_RELEASED;
	} else {
		Py_XDECREF(PyObject_CallMethod(payload->view, "release", NULL));
	}
	Py_DECREF(payload->view);
	/* Our own memory can stay, if an object may still look at it. */
	if (is_free)
		free(payload->copy);
	return is_free;
}

/*
 * Calls
 */

/* A method that returns nothing must return None. Anything else is a mistake of the script. */
static int check_none(PyObject *result, const char *method)
{
	if (!result || result == Py_None)
		return 0;
	PyErr_Format(PyExc_TypeError, "%s() must return None, and has returned %.100R%s", method,
		     (PyObject *)Py_TYPE(result),
		     !strcmp(method, "read") ? ": it fills its buffer" : "");
	return -1;
}

/* What a method leaves to be done when it has returned */
struct rest {
	int fd;			/* -1: nothing */
	uint64_t offset;
};

/* read(offset, buffer), or read(offset, buffer, io); or write */
static PyObject *call_to_move(struct python *python, const struct zcmu_io *io, PyObject *call,
			      PyObject *view, struct rest *rest)
{
	PyObject *object, *result;

	if (!python->transfers)
		return PyObject_CallFunction(call, "KO", (unsigned long long)io->offset, view);
	object = python_transfer_object(io->length);
	if (!object)
		return NULL;
	result = PyObject_CallFunction(call, "KOO", (unsigned long long)io->offset, view, object);
	rest->fd = python_transfer_take(object, &rest->offset);
	Py_DECREF(object);
	return result;
}

static PyObject *move(struct python *python, struct zcmu_io *io, enum method method,
		      struct rest *rest, int *err)
{
	PyObject *call = python->methods[method], *result;
	struct payload payload;

	*err = lend(&payload, io);
	if (*err)
		return NULL;
	result = call_to_move(python, io, call, payload.view, rest);
	if (result && io->op == ZCMU_IO_READ && payload.copy)
		zcmu_iov_put(io->iov, io->iovcnt, 0, payload.copy, io->length);
	if (!result) {
		/*
		 * Its traceback holds the frames, and they hold what the script has made of the
		 * view.
		 */
		char what[96];

		snprintf(what, sizeof(what), "%s of %" PRIu64 " bytes at %" PRIu64,
			 python_method_names[method], io->length, io->offset);
		*err = python_call_failed(python, what);
	}
	if (!take_back(&payload)) {
		zcmu_error("%s: %s has kept a part of its buffer, or something that was made of it (an array of numpy's?): the request fails; keep a copy, bytes(...), because a touch of what isn't a memoryview will kill the process",
			   python->name, python_method_names[method]);
		*err = *err ? *err : -EIO;
	}
	return result;
}

static int take_map(struct zcmu_io *io, PyObject *result, uint32_t block_size)
{
	unsigned long long length;
	int mapped;

	if (!PyArg_ParseTuple(result, "pK", &mapped, &length))
		return -1;
	if (!length || length > io->length || length % block_size) {
		PyErr_Format(PyExc_ValueError, "map() has returned a length of %llu; it must be a multiple of %u, and of 1 to %llu",
			     length, block_size, (unsigned long long)io->length);
		return -1;
	}
	io->mapped = mapped;
	io->length = length;
	return 0;
}

static int call(struct zcmu_store *store, struct zcmu_io *io, struct rest *rest)
{
	static const enum method methods[] = {
		[ZCMU_IO_READ] = METHOD_READ, [ZCMU_IO_WRITE] = METHOD_WRITE,
		[ZCMU_IO_FLUSH] = METHOD_FLUSH, [ZCMU_IO_TRIM] = METHOD_TRIM,
		[ZCMU_IO_ZERO] = METHOD_ZERO, [ZCMU_IO_MAP] = METHOD_MAP,
	};
	enum method method = methods[io->op];
	struct python *python = store->data;
	const char *name = python_method_names[method];
	PyObject *result = NULL, *function = python->methods[method];
	int err = 0, wrong = 0;

	switch (io->op) {
	case ZCMU_IO_READ:
	case ZCMU_IO_WRITE:
		result = move(python, io, method, rest, &err);
		break;
	case ZCMU_IO_FLUSH:
		result = PyObject_CallNoArgs(function);
		break;
	case ZCMU_IO_TRIM:
	case ZCMU_IO_ZERO:
	case ZCMU_IO_MAP:
		result = PyObject_CallFunction(function, "KK", (unsigned long long)io->offset,
					       (unsigned long long)io->length);
		break;
	}
	if (result && !err)
		wrong = io->op == ZCMU_IO_MAP ? take_map(io, result, store->block_size) :
			check_none(result, name);
	if (!err && (!result || wrong))
		err = python_call_failed(python, name);
	Py_XDECREF(result);
	return err;
}

void python_request(struct zcmu_store *store, struct zcmu_io *io)
{
	struct python *python = store->data;
	PyGILState_STATE state = python_begin_call(python);
	struct rest rest = { .fd = -1 };
	int err = call(store, io, &rest);

	python_end_call(python, state);
	if (!err && rest.fd >= 0) {
		python_transfer(io, rest.fd, rest.offset);
		return;
	}
	if (rest.fd >= 0)
		close(rest.fd);
	zcmu_io_done(io, err);
}
