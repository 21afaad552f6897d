// SPDX-License-Identifier: MIT
/* JSON of names that are any bytes (tool/json.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define BAD	"\xef\xbf\xbd"

static void what_is_printed_is_utf8_whatever_names_are(void **state)
{
	static const struct {
		const char *bytes, *expected;
	} texts[] = {
		{ "", "" }, { "disk", "disk" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xffz", "a" BAD "z" }, { "\x80", BAD }, { "a\xc3", "a" BAD },
		{ "\xe2\x82z", BAD BAD "z" }, { "\xc0\xaf", BAD BAD }, { "\xe0\x80\x80", BAD BAD BAD },
		{ "\xed\xa0\x80", BAD BAD BAD }, { "\xf4\x90\x80\x80", BAD BAD BAD BAD },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" }, { "\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD },
	};
	struct json_object *object;
	const char *got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		object = json_text(texts[i].bytes);
		got = json_object_get_string(object);
		if (strcmp(got, texts[i].expected))
			fail_msg("text %zu: expected \"%s\", got \"%s\"", i, texts[i].expected, got);
		json_object_put(object);
	}
}

static void a_document_has_a_version(void **state)
{
	struct json_object *document = json_document(), *version;

	(void)state;
	assert_true(json_object_object_get_ex(document, "version", &version));
	assert_int_equal(json_object_get_int(version), 1);
	json_object_put(document);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_utf8_whatever_names_are),
		cmocka_unit_test(a_document_has_a_version),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
