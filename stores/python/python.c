// SPDX-License-Identifier: MIT
/*
 * python: the store is a script's class Store. This file opens the script, asks for its properties
 * and abilities, and ends it. The map of the files is in python.h; zcmu-python(7) says what a
 * script has.
 */
#include "python.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SCRIPT	(1u << 20)	/* bytes; a larger file is no script */

static struct python *python_of(const struct zcmu_store *store)
{
	return store->data;
}

/* The attributes of the Store */

/* Get an attribute, if it is there. Return: 0; -1 and an exception if it has the wrong type. */
static int take_number(PyObject *self, const char *name, uint64_t max, uint64_t *value)
{
	PyObject *attribute = PyObject_GetAttrString(self, name);
	unsigned long long number = 0;
	int ret = -1;

	if (!attribute) {
		PyErr_Clear();
		return 0;
	}
	if (PyLong_Check(attribute) && !PyBool_Check(attribute))
		number = PyLong_AsUnsignedLongLong(attribute);
	else
		PyErr_SetString(PyExc_TypeError, "");
	if (!PyErr_Occurred() && number <= max) {
		*value = number;
		ret = 0;
	} else {
		PyErr_Clear();
		PyErr_Format(PyExc_TypeError, "Store's %s is %.100R; it must be an int of 0 to %llu",
			     name, attribute, (unsigned long long)max);
	}
	Py_DECREF(attribute);
	return ret;
}

static int take_u32(PyObject *self, const char *name, uint32_t *value)
{
	uint64_t number = *value;
	int ret = take_number(self, name, UINT32_MAX, &number);

	*value = (uint32_t)number;
	return ret;
}

static int take_bool(PyObject *self, const char *name, bool *value)
{
	PyObject *attribute = PyObject_GetAttrString(self, name);
	int ret = 0;

	if (!attribute) {
		PyErr_Clear();
		return 0;
	}
	if (PyBool_Check(attribute)) {
		*value = attribute == Py_True;
	} else {
		PyErr_Format(PyExc_TypeError, "Store's %s is %.100R; it must be True or False", name,
			     attribute);
		ret = -1;
	}
	Py_DECREF(attribute);
	return ret;
}

/*
 * This is the library's copy of the callbacks, for this store alone: remove those that the script
 * lacks.
 */
static int describe(struct zcmu_store *store, PyObject *self)
{
	struct zcmu_store_ops *ops = (struct zcmu_store_ops *)store->ops;
	struct python *python = python_of(store);
	bool persistent = false;

	if (take_number(self, "size", INT64_MAX, &store->size) ||
	    take_u32(self, "block_size", &store->block_size) ||
	    take_u32(self, "physical_block_size", &store->physical_block_size) ||
	    take_u32(self, "optimal_io_size", &store->optimal_io_size) ||
	    take_u32(self, "trim_granularity", &store->trim_granularity) ||
	    take_u32(self, "trim_alignment", &store->trim_alignment) ||
	    take_number(self, "max_io", INT64_MAX, &store->max_io) ||
	    take_number(self, "max_trim", INT64_MAX, &store->max_trim) ||
	    take_number(self, "max_zero", INT64_MAX, &store->max_zero) ||
	    take_number(self, "max_compare", INT64_MAX, &store->max_compare) ||
	    take_u32(self, "min_io_size", &store->min_io_size) ||
	    take_u32(self, "max_in_flight", &store->max_in_flight) ||
	    take_bool(self, "rotational", &store->rotational) ||
	    take_bool(self, "read_only", &store->read_only) ||
	    take_bool(self, "persistent", &persistent) ||
	    take_bool(self, "parallel", &python->parallel) ||
	    take_bool(self, "transfers", &python->transfers))
		return -1;
	if (!store->size) {
		PyErr_SetString(PyExc_TypeError, "Store has no size: Store() must set self.size, in bytes");
		return -1;
	}
	if (!persistent)
		ops->flags |= ZCMU_STORE_VOLATILE;
	/* More threads would only wait for each other. */
	if (!python->parallel)
		store->max_threads = 1;
	if (!python->methods[METHOD_WRITE])
		ops->write = NULL;
	if (!python->methods[METHOD_FLUSH])
		ops->flush = NULL;
	if (!python->methods[METHOD_TRIM]) {
		ops->trim = NULL;
		ops->flags &= ~ZCMU_STORE_TRIM_ZEROES;
	}
	if (!python->methods[METHOD_ZERO])
		ops->zero = NULL;
	if (!python->methods[METHOD_MAP])
		ops->map = NULL;
	if (!python->methods[METHOD_RESIZE])
		ops->resize = NULL;
	return 0;
}

static int take_methods(struct python *python, PyObject *self)
{
	PyObject *method;
	int i;

	for (i = 0; i < NR_METHODS; i++) {
		method = PyObject_GetAttrString(self, python_method_names[i]);
		PyErr_Clear();
		if (method && !PyCallable_Check(method)) {
			PyErr_Format(PyExc_TypeError, "Store's %s is %.100R; it must be a method",
				     python_method_names[i], method);
			Py_DECREF(method);
			return -1;
		}
		python->methods[i] = method;
	}
	if (python->methods[METHOD_READ])
		return 0;
	PyErr_SetString(PyExc_TypeError, "Store has no method read(offset, buffer)");
	return -1;
}

/*
 * Opening
 */

/* Return: the file's text; NULL, with a message and *err. */
static char *read_script(const char *file, const char *name, int *err)
{
	FILE *stream = fopen(file, "re");
	char *text = calloc(1, MAX_SCRIPT + 1);
	size_t len = 0;

	*err = stream ? text ? 0 : -ENOMEM : -errno;
	if (!*err) {
		len = fread(text, 1, MAX_SCRIPT + 1, stream);
		if (ferror(stream))
			*err = -errno;
		else if (len > MAX_SCRIPT || memchr(text, 0, len))
			*err = -ENOEXEC;	/* "Exec format error" */
	}
	if (stream)
		fclose(stream);
	if (!*err)
		return text;
	zcmu_error("%s: can't read the script: %s; say python:FILE.py, or python:FILE.py,ARGUMENT (a comma ends the file's name)",
		   name, strerror(-*err));
	free(text);
	return NULL;
}

/* Run the script, make its Store. */
static int make_store(struct zcmu_store *store, const char *file, const char *argument,
		      const char *source)
{
	struct python *python = python_of(store);
	PyObject *module, *class = NULL, *self = NULL;
	int err = 0;

	module = python_run(file, source, &python->module_name);
	if (module)
		class = PyObject_GetAttrString(module, "Store");
	if (module && !class) {
		PyErr_Clear();
		PyErr_SetString(PyExc_TypeError, "the script has no class Store");
	}
	python->told = class ? PySet_New(NULL) : NULL;
	if (python->told)
		self = PyObject_CallFunction(class, "sKN", argument,
					     (unsigned long long)store->create_size,
					     PyBool_FromLong(store->read_only));
	if (!self || take_methods(python, self) || describe(store, self))
		err = python_open_failed(python->name);
	Py_XDECREF(self);
	Py_XDECREF(class);
	Py_XDECREF(module);
	return err;
}

static void free_python(struct python *python)
{
	pthread_mutex_destroy(&python->lock);
	free(python->name);
	free(python);
}

static void python_close(struct zcmu_store *store)
{
	struct python *python = python_of(store);
	PyGILState_STATE state = python_enter();
	int i;

	if (python->methods[METHOD_CLOSE]) {
		PyObject *result = PyObject_CallNoArgs(python->methods[METHOD_CLOSE]);

		if (!result)
			python_call_failed(python, "close");
		Py_XDECREF(result);
	}
	for (i = 0; i < NR_METHODS; i++)
		Py_XDECREF(python->methods[i]);
	Py_XDECREF(python->told);
	python_forget(python->module_name);
	python_leave(state);
	free_python(python);
}

/* Python is started here at the latest. If the store can't be opened, nothing is left of it. */
static int open_script(struct zcmu_store *store, const char *file, const char *argument)
{
	struct python *python = python_of(store);
	PyGILState_STATE state;
	char *source;
	int err;

	source = read_script(file, python->name, &err);
	if (!err)
		err = python_start();
	if (err) {
		free(source);
		free_python(python);
		return err;
	}
	state = python_enter();
	err = make_store(store, file, argument, source);
	python_leave(state);
	free(source);
	if (err)
		python_close(store);
	return err;
}

/* @argument: "FILE,ARGUMENT" */
static int python_open(struct zcmu_store *store, const char *argument)
{
	struct python *python = calloc(1, sizeof(*python));
	size_t len = strcspn(argument, ",");
	char *file;
	int err;

	if (!python)
		return -ENOMEM;
	store->data = python;
	pthread_mutex_init(&python->lock, NULL);
	file = strndup(argument, len);
	if (!file || asprintf(&python->name, "python:%s", file) < 0) {
		free(file);
		python->name = NULL;
		free_python(python);
		return -ENOMEM;
	}
	err = open_script(store, file, argument + len + !!argument[len]);
	free(file);
	return err;
}

/* As with requests, this waits for the request that is being done. */
static int python_resize(struct zcmu_store *store, uint64_t size)
{
	struct python *python = python_of(store);
	PyGILState_STATE state = python_begin_call(python);
	PyObject *result;
	int err = 0;

	result = PyObject_CallFunction(python->methods[METHOD_RESIZE], "K",
				       (unsigned long long)size);
	if (!result) {
		/* Reported each time, because a caller waits for the answer. */
		PySet_Clear(python->told);
		err = python_call_failed(python, "resize");
	}
	Py_XDECREF(result);
	python_end_call(python, state);
	return err;
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "python",
	.usage = "python:FILE[,ARGUMENT]",
	.summary = "a script in Python: its class Store",
	/* Calls wait for Python's lock, and for anything the script does. */
	.flags = ZCMU_STORE_BLOCKS | ZCMU_STORE_TRIM_ZEROES,
	.open = python_open,
	.close = python_close,
	.read = python_request,
	.write = python_request,
	.flush = python_request,
	.trim = python_request,
	.zero = python_request,
	.map = python_request,
	.resize = python_resize,
};
