// SPDX-License-Identifier: MIT
/*
 * Exceptions of scripts. They are reported line by line, with the traceback, and turned into an
 * error for the answer of a request. No exception becomes success.
 */
#include "python.h"

#include <errno.h>
#include <string.h>

/*
 * The most failures that are reported of one disk: a request that fails for ever must not fill the
 * log.
 */
#define MAX_TOLD	32

struct exception {
	PyObject *type, *value, *traceback;
};

static void take_exception(struct exception *e)
{
	PyErr_Fetch(&e->type, &e->value, &e->traceback);
	PyErr_NormalizeException(&e->type, &e->value, &e->traceback);
}

static void drop_exception(struct exception *e)
{
	Py_XDECREF(e->type);
	Py_XDECREF(e->value);
	Py_XDECREF(e->traceback);
	/* Exceptions of our own attempts to report it. */
	PyErr_Clear();
}

/* The errno of an OSError, from the operating system or the script. */
static int error_of(const struct exception *e)
{
	PyObject *attribute;
	long number = 0;

	if (PyErr_GivenExceptionMatches(e->type, PyExc_MemoryError))
		return -ENOMEM;
	if (!PyErr_GivenExceptionMatches(e->type, PyExc_OSError))
		return -EIO;
	attribute = PyObject_GetAttrString(e->value, "errno");
	if (attribute && PyLong_Check(attribute))
		number = PyLong_AsLong(attribute);
	Py_XDECREF(attribute);
	PyErr_Clear();
	return number > 0 && number < 4096 ? -(int)number : -EIO;
}

/* The result of traceback.format_exception(): strings of a line or more each; or NULL */
static PyObject *format(const struct exception *e)
{
	PyObject *module = PyImport_ImportModule("traceback"), *list = NULL;

	if (module)
		list = PyObject_CallMethod(module, "format_exception", "OOO", e->type, e->value,
					   e->traceback ? e->traceback : Py_None);
	Py_XDECREF(module);
	if (!list || !PyList_Check(list) || !PyList_GET_SIZE(list)) {
		PyErr_Clear();
		Py_CLEAR(list);
	}
	return list;
}

static const char *text_of(PyObject *list, Py_ssize_t index)
{
	const char *text = PyUnicode_AsUTF8(PyList_GET_ITEM(list, index));

	if (!text)
		PyErr_Clear();
	return text ? text : "";
}

static void tell_lines(const char *name, const char *text)
{
	size_t len;

	for (; *text; text += len + !!text[len]) {
		len = strcspn(text, "\n");
		if (len)
			zcmu_error("%s: %.*s", name, (int)len, text);
	}
}

/* Print all but the last string, which says what the exception is. */
static void tell_traceback(const char *name, PyObject *list)
{
	Py_ssize_t i;

	for (i = 0; list && i < PyList_GET_SIZE(list) - 1; i++)
		tell_lines(name, text_of(list, i));
}

/* The last line: "OSError: [Errno 28] No space left on device" */
static void last_line(PyObject *list, char *line, size_t size)
{
	const char *text = list ? text_of(list, PyList_GET_SIZE(list) - 1) : "", *end, *begin;

	end = text + strlen(text);
	while (end > text && end[-1] == '\n')
		end--;
	begin = end;
	while (begin > text && begin[-1] != '\n')
		begin--;
	snprintf(line, size, "%.*s", (int)(end - begin), begin);
	if (!line[0])
		snprintf(line, size, "an exception that can't be shown");
}

/* For open: the complete report, with what to do. */
int python_open_failed(const char *name)
{
	struct exception e;
	char line[512];
	PyObject *list;
	int err = -EINVAL;

	take_exception(&e);
	if (python_is_refusal(e.type)) {
		PyObject *text = PyObject_Str(e.value);
		const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;

		zcmu_error("%s: %s", name, utf8 && *utf8 ? utf8 : "the script refuses, and gives no reason");
		Py_XDECREF(text);
	} else {
		if (PyErr_GivenExceptionMatches(e.type, PyExc_OSError) ||
		    PyErr_GivenExceptionMatches(e.type, PyExc_MemoryError))
			err = error_of(&e);
		list = format(&e);
		tell_traceback(name, list);
		last_line(list, line, sizeof(line));
		Py_XDECREF(list);
		zcmu_error("%s: %s; fix that in the script (zcmu-python(7) tells what it must have), or raise zcmu.Error for a message without a traceback",
			   name, line);
	}
	drop_exception(&e);
	return err;
}

/* Is it the first of its kind: type, file and line? Or, if no line has raised it, with its text? */
static bool is_new(struct python *python, const struct exception *e)
{
	PyObject *frame = e->traceback, *next, *key = NULL, *line = NULL;
	bool is_known = true;

	if (PySet_Size(python->told) >= MAX_TOLD)
		return false;
	Py_XINCREF(frame);
	while (frame && (next = PyObject_GetAttrString(frame, "tb_next"))) {
		if (next == Py_None) {
			Py_DECREF(next);
			break;
		}
		Py_DECREF(frame);
		frame = next;
	}
	line = frame ? PyObject_GetAttrString(frame, "tb_lineno") : NULL;
	key = PyUnicode_FromFormat("%R %S", e->type, line ? line : e->value ? e->value : Py_None);
	if (key)
		is_known = PySet_Contains(python->told, key) != 0;
	if (key && !is_known)
		PySet_Add(python->told, key);
	Py_XDECREF(key);
	Py_XDECREF(line);
	Py_XDECREF(frame);
	PyErr_Clear();
	return !is_known;
}

/* For a request, or another call: @what, "write of 512 bytes at 0" */
int python_call_failed(struct python *python, const char *what)
{
	struct exception e;
	char line[512];
	PyObject *list;
	int err;

	take_exception(&e);
	err = error_of(&e);
	if (is_new(python, &e)) {
		list = format(&e);
		tell_traceback(python->name, list);
		last_line(list, line, sizeof(line));
		Py_XDECREF(list);
		zcmu_error("%s: %s has failed: %s; others like it are not told", python->name, what,
			   line);
	}
	drop_exception(&e);
	return err;
}
