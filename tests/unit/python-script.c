// SPDX-License-Identifier: MIT
/* Scripts for the tests of the store python. See python-script.h. */
#include "python-script.h"

#include <stdio.h>
#include <stdlib.h>

#include "zcmu.h"

char python_said[16384];

/*
 * The interpreter is never ended, and keeps what it has in memory of its own that LeakSanitizer
 * doesn't look into.
 */
const char *__lsan_default_suppressions(void)
{
	return "leak:libpython3\n";
}

static void keep_all(int level, const char *message, void *argument)
{
	(void)argument;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t len;

	(void)level;
	pthread_mutex_lock(&lock);
	len = strlen(python_said);
	snprintf(python_said + len, sizeof(python_said) - len, "%s\n", message);
	pthread_mutex_unlock(&lock);
}

const char *python_script(struct driver *d, const char *text)
{
	static char spec[300];
	FILE *file;

	if (!d->directory[0])
		driver_name_file(d, NULL, "script.py");
	file = fopen(d->path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	snprintf(spec, sizeof(spec), "python:%s", d->path);
	return spec;
}

int python_open_script(struct driver *d, const char *text, const char *argument, uint64_t size)
{
	const char *path = python_script(d, text);
	char spec[600];
	int err;

	snprintf(spec, sizeof(spec), "%s%s", path, argument);
	python_said[0] = '\0';
	zcmu_set_log(keep_all, NULL);
	err = driver_open(d, spec, size, false);
	if (err == -ENOENT) {
		printf("skipped: there is no store python in this build\n");
		skip();
	}
	return err;
}

unsigned int python_said_times(const char *text)
{
	const char *at = python_said;
	unsigned int n = 0;

	while ((at = strstr(at, text))) {
		at += strlen(text);
		n++;
	}
	return n;
}

void expect_python_said(const char *text)
{
	if (!strstr(python_said, text))
		fail_msg("expected a message with \"%s\", got \"%s\"", text, python_said);
}
