// SPDX-License-Identifier: MIT
/*
 * Python in this process: one interpreter for all stores. The first store starts it, and it never
 * ends, because threads of scripts may outlive their stores. The module zcmu that scripts import is
 * here, too.
 */
#include "python.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/*
 * The module zcmu
 */

static PyObject *refusal;	/* zcmu.Error: a message that needs no traceback */

bool python_is_refusal(PyObject *type)
{
	return refusal && PyErr_GivenExceptionMatches(type, refusal);
}

static PyObject *say(PyObject *arguments, void (*print)(const char *format, ...))
{
	const char *text;

	if (!PyArg_ParseTuple(arguments, "s", &text))
		return NULL;
	print("%s", text);
	Py_RETURN_NONE;
}

static PyObject *say_error(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say(arguments, zcmu_error);
}

static PyObject *say_warning(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say(arguments, zcmu_warning);
}

static PyObject *parse_size(PyObject *module, PyObject *arguments)
{
	const char *text;
	uint64_t size;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "s", &text))
		return NULL;
	if (!zcmu_parse_size(text, &size))
		return PyLong_FromUnsignedLongLong(size);
	PyErr_Format(refusal, "\"%s\" is no size; say 64M or 1G, for example", text);
	return NULL;
}

static PyMethodDef functions[] = {
	{ "error", say_error, METH_VARARGS, "Print a line as an error of zcmu's." },
	{ "warning", say_warning, METH_VARARGS, "Print a line as a warning of zcmu's." },
	{ "parse_size", parse_size, METH_VARARGS, "Make \"64M\" a number of bytes." },
	{ NULL, NULL, 0, NULL }
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "zcmu",
	.m_doc = "What a store in Python is given; see zcmu-python(7).",
	.m_size = -1,
	.m_methods = functions,
};

static PyObject *make_module(void)
{
	PyObject *module = PyModule_Create(&definition);

	if (!module)
		return NULL;
	refusal = PyErr_NewExceptionWithDoc("zcmu.Error",
					    "Raised by Store(): why it can't be, in one line.",
					    NULL, NULL);
	if (refusal && !PyModule_AddObjectRef(module, "Error", refusal) && !python_transfer_start())
		return module;
	Py_CLEAR(refusal);
	Py_DECREF(module);
	return NULL;
}

/*
 * Starting
 */

/*
 * Debian's modules in C (hashlib and others) must find Python's symbols in the process. But a
 * plug-in's libraries are visible to the plug-in alone, unless it asks for more.
 */
static void share_symbols(void)
{
	Dl_info info;

	if (dladdr((const void *)Py_InitializeFromConfig, &info) && info.dli_fname)
		dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

/*
 * Isolated: neither the environment nor the user's own modules can change what runs, perhaps as
 * root. The prefix is that of the library: the first python3 in PATH may be another one.
 */
static PyStatus initialize(void)
{
	PyPreConfig early;
	PyConfig config;
	PyStatus status;

	PyPreConfig_InitIsolatedConfig(&early);
	early.utf8_mode = 1;
	status = Py_PreInitialize(&early);
	if (PyStatus_Exception(status))
		return status;
	PyConfig_InitIsolatedConfig(&config);
	config.write_bytecode = 0;
	status = PyConfig_SetBytesString(&config, &config.home, PYTHON_PREFIX);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesString(&config, &config.program_name,
						 PYTHON_PREFIX "/bin/python3");
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return status;
}

static pthread_key_t thread_key;	/* set: Python knows the thread */
static int start_error;

static void thread_ends(void *value)
{
	(void)value;
	PyGILState_Ensure();
	/*
	 * End both states that python_enter() has begun: this thread's state goes with the last
	 * one.
	 */
	PyGILState_Release(PyGILState_LOCKED);
	PyGILState_Release(PyGILState_UNLOCKED);
}

static void start(void)
{
	PyObject *module;
	PyStatus status;

	start_error = -pthread_key_create(&thread_key, thread_ends);
	if (start_error)
		return;
	share_symbols();
	PyImport_AppendInittab("zcmu", make_module);
	status = initialize();
	if (PyStatus_Exception(status)) {
		zcmu_error("python: Python %s can't be started: %s; is its standard library, the package libpython3-stdlib, installed?",
			   PY_VERSION, status.err_msg ? status.err_msg : "no reason");
		start_error = -ENOEXEC;
		return;
	}
	/* Import now the modules that are needed after a failure. */
	module = PyImport_ImportModule("traceback");
	if (!module || !PyImport_ImportModule("zcmu"))
		start_error = python_open_failed("python");
	PyEval_SaveThread();
}

/*
 * When this has returned 0, Python runs, and the thread doesn't hold its lock. Errors were
 * reported.
 */
int python_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	return start_error;
}

/*
 * Entering. Python's state for a thread is kept until the thread ends. Making it anew for each call
 * would cost more than the call, and lose the script's thread-local data.
 */

PyGILState_STATE python_enter(void)
{
	PyGILState_STATE state = PyGILState_Ensure();

	if (!pthread_getspecific(thread_key) && !pthread_setspecific(thread_key, &thread_key))
		PyGILState_Ensure();
	return state;
}

void python_leave(PyGILState_STATE state)
{
	PyGILState_Release(state);
}

/*
 * Scripts
 */

/* Modules next to the script are found, as by python3 FILE. */
static int add_folder(const char *file)
{
	PyObject *path = PySys_GetObject("path"), *folder;
	char *copy = strdup(file);
	int err = -1;

	folder = copy ? PyUnicode_DecodeFSDefault(dirname(copy)) : NULL;
	if (path && folder) {
		err = PySequence_Contains(path, folder);
		if (!err)
			err = PyList_Insert(path, 0, folder);
	}
	Py_XDECREF(folder);
	free(copy);
	return err < 0 ? -1 : 0;
}

/*
 * Run a script as a module of its own, so that two stores with one script share nothing. Return:
 * the module, or NULL and an exception.
 */
PyObject *python_run(const char *file, const char *source, PyObject **module_name)
{
	static unsigned int number;	/* under Python's lock */
	PyObject *name = NULL, *path = NULL, *code = NULL, *module = NULL;

	name = PyUnicode_FromFormat("zcmu_store_%u", number++);
	path = PyUnicode_DecodeFSDefault(file);
	if (name && path && !add_folder(file))
		code = Py_CompileStringObject(source, path, Py_file_input, NULL, -1);
	if (code)
		module = PyImport_ExecCodeModuleObject(name, code, path, NULL);
	Py_XDECREF(code);
	Py_XDECREF(path);
	if (module)
		*module_name = name;
	else
		Py_XDECREF(name);
	return module;
}

/* Release its files and locks now, not when Python collects garbage. */
void python_forget(PyObject *module_name)
{
	if (module_name && PyDict_DelItem(PyImport_GetModuleDict(), module_name))
		PyErr_Clear();
	Py_XDECREF(module_name);
	PyGC_Collect();
}
