/* SPDX-License-Identifier: MIT */
/*
 * The python store's internals: a script's class Store is the store.
 *
 * 	python.c	the store: opening a script, its attributes, its end
 * 	request.c	requests: payloads lent to the script and taken back, its answers
 * 	transfer.c	payloads that a script leaves to the kernel
 * 	interpreter.c	Python itself: started once, entered by every thread; the module zcmu
 * 	failure.c	exceptions: reported in lines, and turned into errors
 *
 * Locks: the store's own first, then Python's (python_enter()); none when a request is answered,
 * because that may lead to the next one.
 */
#ifndef STORE_PYTHON_H
#define STORE_PYTHON_H

/* This must come first, because it sets feature macros. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <stdbool.h>

#include "zcmu.h"

/* Methods that a Store may have; with them it can do more. */
enum method {
	METHOD_READ,
	METHOD_WRITE,
	METHOD_FLUSH,
	METHOD_TRIM,
	METHOD_ZERO,
	METHOD_MAP,
	METHOD_RESIZE,
	METHOD_CLOSE,
	NR_METHODS,
};

struct python {
	char *name;			/* "python:FILE", in front of messages */
	PyObject *module_name;		/* in sys.modules */
	PyObject *methods[NR_METHODS];	/* bound to the Store; NULL: it has no such method */
	PyObject *told;			/* a set: failures that were reported; see failure.c */
	bool parallel;			/* several threads may call the script at once */
	bool transfers;			/* read and write are given an io */
	pthread_mutex_t lock;		/* if not parallel: held by the caller */
};

/* interpreter.c */
int python_start(void);
PyGILState_STATE python_enter(void);
void python_leave(PyGILState_STATE state);
PyObject *python_run(const char *file, const char *source, PyObject **module_name);
void python_forget(PyObject *module_name);

/* failure.c: these handle an exception, which is cleared. Return: a negative errno */
int python_open_failed(const char *name);
int python_call_failed(struct python *python, const char *what);
bool python_is_refusal(PyObject *type);		/* interpreter.c: zcmu.Error */

/* request.c */
extern const char *const python_method_names[NR_METHODS];
PyGILState_STATE python_begin_call(struct python *python);
void python_end_call(struct python *python, PyGILState_STATE state);
void python_request(struct zcmu_store *store, struct zcmu_io *io);

/* transfer.c */
int python_transfer_start(void);
PyObject *python_transfer_object(uint64_t length);
int python_transfer_take(PyObject *object, uint64_t *offset);
void python_transfer(struct zcmu_io *io, int fd, uint64_t offset);

#endif /* STORE_PYTHON_H */
