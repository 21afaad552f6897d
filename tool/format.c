// SPDX-License-Identifier: MIT
/* How numbers and JSON look, and for what width. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tool.h"

unsigned int format_columns(int fd)
{
	struct winsize size;

	if (!isatty(fd))
		return 0;
	return ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

/* "1 GiB", "1.5 MiB", "512 B" */
const char *format_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i < 6) {
		value /= 1024;
		i++;
	}
	if (value == (double)(uint64_t)value)
		snprintf(text, size, "%" PRIu64 " %s", (uint64_t)value, units[i]);
	else
		snprintf(text, size, "%.1f %s", value, units[i]);
	return text;
}

/*
 * How many bytes has the character at @text? 0: it is none of UTF-8, which knows no longer form of
 * a shorter one, no surrogates, and nothing behind 10FFFFh.
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

/* Names are made of any bytes, and JSON is UTF-8: what isn't becomes U+FFFD, byte by byte. */
struct json_object *json_text(const char *text)
{
	char *valid = malloc(strlen(text) * 3 + 1), *to = valid;
	struct json_object *object;
	size_t n;

	if (!valid)
		return NULL;
	while (*text) {
		n = utf8_length((const unsigned char *)text);
		memcpy(to, n ? text : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
		text += n ? n : 1;
	}
	*to = '\0';
	object = json_object_new_string(valid);
	free(valid);
	return object;
}

/* What is printed as a whole begins like this. */
struct json_object *json_document(void)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "version", json_object_new_int(JSON_VERSION));
	return object;
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void print_json_line(struct json_object *object)
{
	fprintf(standard_output(), "%s\n",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(standard_output());
	json_object_put(object);
}
