// SPDX-License-Identifier: MIT
/* Messages. Each is one line, to stderr or to where the program wants it. errno isn't changed. */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#include "serve/disk.h"

static void to_stderr(int level, const char *message, void *argument)
{
	(void)argument;
	(void)level;
	fprintf(stderr, "zcmu: %s\n", message);
}

static zcmu_log_function log_function = to_stderr;
static void *log_argument;

void zcmu_set_log(zcmu_log_function function, void *argument)
{
	log_argument = argument;
	log_function = function ? function : to_stderr;
}

static atomic_uint told;

/* The number of messages: with it a caller that fails can see whether the reason was told. */
unsigned int zcmu_log_told(void)
{
	return atomic_load(&told);
}

static void say(int level, const char *format, va_list arguments)
{
	int saved_errno = errno;
	char message[1024];

	vsnprintf(message, sizeof(message), format, arguments);
	atomic_fetch_add(&told, 1);
	log_function(level, message, log_argument);
	errno = saved_errno;
}

void zcmu_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(LOG_ERR, format, arguments);
	va_end(arguments);
}

void zcmu_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(LOG_WARNING, format, arguments);
	va_end(arguments);
}
