// SPDX-License-Identifier: MIT
/*
 * The zcmu command without memory: the $ZCMU_FAIL_NTH'th call of its own code that takes some
 * fails. How many there were goes to the file $ZCMU_FAIL_COUNT, when it ends by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail-nth.h"

#define FAILS(type, name, parameters, arguments, failure)		\
type __real_ ## name parameters;					\
type __wrap_ ## name parameters;					\
type __wrap_ ## name parameters						\
{									\
	return fail_now(ENOMEM) ? failure : __real_ ## name arguments;	\
}

typedef struct json_object json;

FAILS(DIR *, opendir, (const char *path), (path), NULL)
FAILS(FILE *, popen, (const char *command, const char *mode), (command, mode), NULL)
FAILS(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
FAILS(char *, strndup, (const char *s, size_t n), (s, n), NULL)
FAILS(json *, json_object_new_object, (void), (), NULL)
FAILS(json *, json_object_new_array, (void), (), NULL)
FAILS(json *, json_object_new_string, (const char *text), (text), NULL)
FAILS(json *, json_object_new_uint64, (uint64_t n), (n), NULL)
FAILS(json *, json_object_new_int64, (int64_t n), (n), NULL)
FAILS(json *, json_object_new_double, (double n), (n), NULL)
FAILS(json *, json_object_new_boolean, (json_bool value), (value), NULL)
FAILS(int, json_object_object_add, (json *object, const char *key, json *value),
      (object, key, value), -1)
FAILS(int, json_object_array_add, (json *array, json *value), (array, value), -1)
FAILS(const char *, json_object_to_json_string_ext, (json *object, int flags),
      (object, flags), NULL)

static void __attribute__((constructor)) begin(void)
{
	const char *n = getenv("ZCMU_FAIL_NTH");

	fail_only(ENOMEM);
	fail_nth(n ? (unsigned int)strtoul(n, NULL, 10) : 0);
}

static void __attribute__((destructor)) end(void)
{
	const char *path = getenv("ZCMU_FAIL_COUNT");
	unsigned int count = fail_end();
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!file)
		return;
	fprintf(file, "%u\n", count);
	fclose(file);
}
