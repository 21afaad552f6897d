// SPDX-License-Identifier: MIT
/*
 * Makes and prints JSON for programs. If there is no memory for a part, nothing is printed, and the
 * command fails (standard.c): readers would believe an incomplete text.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "standard.h"

/* A part of the current output is missing. Only one thread prints. */
static bool is_incomplete;

static struct json_object *made(struct json_object *object)
{
	if (!object)
		is_incomplete = true;
	return object;
}

struct json_object *json_members(void)
{
	return made(json_object_new_object());
}

struct json_object *json_list(void)
{
	return made(json_object_new_array());
}

struct json_object *json_uint64(uint64_t number)
{
	return made(json_object_new_uint64(number));
}

struct json_object *json_int64(int64_t number)
{
	return made(json_object_new_int64(number));
}

struct json_object *json_double(double number)
{
	return made(json_object_new_double(number));
}

struct json_object *json_boolean(bool value)
{
	return made(json_object_new_boolean(value));
}

/* NULL as a value is null. From here on the object owns it. */
void json_add(struct json_object *object, const char *key, struct json_object *value)
{
	if (object && !json_object_object_add(object, key, value))
		return;
	json_object_put(value);
	is_incomplete = true;
}

void json_append(struct json_object *list, struct json_object *value)
{
	if (list && !json_object_array_add(list, value))
		return;
	json_object_put(value);
	is_incomplete = true;
}

/*
 * The length in bytes of the UTF-8 character at @text. 0: it is invalid. UTF-8 has no overlong
 * forms, no surrogates, and nothing above 10FFFFh.
 */
static size_t utf8_length(const unsigned char *text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i, n = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 :
		      text[0] >> 3 == 30 ? 4 : 0;
	uint32_t code = n > 1 ? text[0] & (0x7fu >> n) : 0;

	for (i = 1; i < n; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (n > 1 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	return n;
}

/* Names may have any bytes, and JSON is UTF-8: each invalid byte becomes U+FFFD. */
struct json_object *json_text(const char *text)
{
	char *valid = malloc(strlen(text) * 3 + 1), *to = valid;
	struct json_object *object;
	size_t n;

	if (!valid)
		return made(NULL);
	while (*text) {
		n = utf8_length((const unsigned char *)text);
		memcpy(to, n ? text : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
		text += n ? n : 1;
	}
	*to = '\0';
	object = made(json_object_new_string(valid));
	free(valid);
	return object;
}

/* The beginning of each complete document. */
struct json_object *json_document(void)
{
	struct json_object *object = json_members();

	json_add(object, "version", json_int64(JSON_VERSION));
	return object;
}

static void print(struct json_object *object, FILE *file, int flags)
{
	const char *text = is_incomplete ? NULL :
			   json_object_to_json_string_ext(object, flags |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		fprintf(file, "%s\n", text);
	else
		standard_lack(-ENOMEM);
	is_incomplete = false;
	json_object_put(object);
}

void print_json(struct json_object *object)
{
	print(object, stdout, JSON_C_TO_STRING_PRETTY);
}

void print_json_line(struct json_object *object)
{
	print(object, standard_output(), JSON_C_TO_STRING_PLAIN);
	fflush(standard_output());
}
