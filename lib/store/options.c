// SPDX-License-Identifier: MIT
/*
 * Options of stores and layers: "NAME,OPTION=VALUE,...:ARGUMENT". The syntax is the same for all;
 * the table in struct zcmu_store_ops lists the options. An error message has the option, its value,
 * and the valid values. A comma, colon or backslash that belongs to a value is escaped by a
 * backslash.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/disk.h"
#include "store/stores.h"

/* The end of the options: the first colon outside of a value, or the end of the text. */
size_t zcmu_options_length(const char *text)
{
	size_t len = 0;

	while (text[len] && text[len] != ':')
		len += text[len] == '\\' && text[len + 1] ? 2 : 1;
	return len;
}

static const struct zcmu_option *find(const struct zcmu_option *table, const char *name)
{
	while (table && table->name && strcmp(table->name, name))
		table++;
	return table && table->name ? table : NULL;
}

/* "a=B, c and d": a list for a user who has given an unknown name */
static void list(const struct zcmu_option *table, char *text, size_t size)
{
	size_t len = 0;

	for (*text = '\0'; table && table->name && len < size; table++)
		len += (size_t)snprintf(text + len, size - len, "%s%s%s%s", len ? ", " : "",
					table->name, table->value ? "=" : "",
					table->value ? table->value : "");
}

/* Which of the words "a|b|c" is it? Return: its number from 0 on, or -1. */
static int find_word(const char *words, const char *value)
{
	size_t len = strlen(value);
	int n;

	for (n = 0; *words; n++, words += !!*words) {
		size_t word = strcspn(words, "|");

		if (word == len && !strncmp(words, value, len))
			return n;
		words += word;
	}
	return -1;
}

static bool take_number(const struct zcmu_option *option, const char *value, uint64_t *number)
{
	if (zcmu_parse_size(value, number))
		return false;
	/* Only a size may end with a letter. */
	if (option->type == ZCMU_OPTION_NUMBER && strspn(value, "0123456789") != strlen(value))
		return false;
	return *number >= option->min && (!option->max || *number <= option->max);
}

static int refuse(const char *where, const struct zcmu_option *option, const char *value)
{
	char range[64] = "";

	if (!option->value)
		zcmu_error("%s: the option %s has no value, so not \"%s\"", where, option->name, value);
	else if (option->type == ZCMU_OPTION_TEXT)
		zcmu_error("%s: the option %s needs a value: %s=%s", where, option->name,
			   option->name, option->value);
	else if (option->type == ZCMU_OPTION_CHOICE)
		zcmu_error("%s: the option %s is one of %s, not \"%s\"", where, option->name,
			   option->value, value);
	else {
		if (option->max)
			snprintf(range, sizeof(range), " of %" PRIu64 " to %" PRIu64, option->min,
				 option->max);
		else if (option->min)
			snprintf(range, sizeof(range), " of at least %" PRIu64, option->min);
		zcmu_error("%s: the option %s is a %s%s, not \"%s\"", where, option->name,
			   option->type == ZCMU_OPTION_SIZE ? "number, or a size such as 10M" :
			   "number", range, value);
	}
	return -EINVAL;
}

/* @value: an empty text if there was none. */
static int set(const char *where, const struct zcmu_option *option, const char *value,
	       void *options)
{
	void *member = (char *)options + option->offset;
	uint64_t number;
	char *copy;
	int word;

	switch (option->type) {
	case ZCMU_OPTION_FLAG:
		if (*value)
			return refuse(where, option, value);
		*(bool *)member = true;
		return 0;
	case ZCMU_OPTION_TEXT:
		if (!*value)
			return refuse(where, option, value);
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free(*(char **)member);
		*(char **)member = copy;
		return 0;
	case ZCMU_OPTION_NUMBER:
	case ZCMU_OPTION_SIZE:
		if (!take_number(option, value, &number))
			return refuse(where, option, value);
		*(uint64_t *)member = number;
		return 0;
	case ZCMU_OPTION_CHOICE:
		word = find_word(option->value, value);
		if (word < 0)
			return refuse(where, option, value);
		*(uint32_t *)member = (uint32_t)word;
		return 0;
	}
	zcmu_error("%s: the store's option %s has a type that this zcmu, %s, doesn't know", where,
		   option->name, zcmu_version());
	return -ENOEXEC;
}

/* Set the options to their defaults. */
int zcmu_options_begin(const struct zcmu_store_ops *ops, void *options)
{
	const struct zcmu_option *option;
	int err = 0;

	for (option = ops->options; option && option->name && !err; option++) {
		if (option->offset >= ops->options_size) {
			zcmu_error("%s: the store's option %s is not in its options", ops->name,
				   option->name);
			return -EINVAL;
		}
		if (option->standard)
			err = set(ops->name, option, option->standard, options);
	}
	return err;
}

void zcmu_options_end(const struct zcmu_store_ops *ops, void *options)
{
	const struct zcmu_option *option;

	for (option = ops->options; options && option && option->name; option++) {
		if (option->type == ZCMU_OPTION_TEXT && option->offset < ops->options_size)
			free(*(char **)((char *)options + option->offset));
	}
	free(options);
}

/* The next "a=b" of a copy that is changed; it may be empty. Return: false if there is none. */
static bool next(char **rest, char **name, char **value)
{
	char *from = *rest, *to;

	if (!from)
		return false;
	*name = to = from;
	*value = NULL;
	while (*from && *from != ',') {
		if (*from == '\\' && from[1])
			from++;
		else if (*from == '=' && !*value) {
			*to++ = '\0';
			*value = to;
			from++;
			continue;
		}
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return true;
}

/* Parse @len bytes of "a=b,c=d"; NULL: there are none. @where: the beginning of messages. */
int zcmu_options_take(const struct zcmu_store_ops *ops, void *options, const char *where,
		      const char *text, size_t len)
{
	char *copy = text ? strndup(text, len) : NULL, *rest = copy, *name, *value, known[512];
	const struct zcmu_option *option;
	int err = text && !copy ? -ENOMEM : 0;
	uint64_t seen = 0, bit;

	while (!err && next(&rest, &name, &value)) {
		option = find(ops->options, name);
		if (!option) {
			list(ops->options, known, sizeof(known));
			zcmu_error("%s: there is no option \"%s\"; %s%s", where, name,
				   *known ? "there are " : "there are none", known);
			err = -EINVAL;
			break;
		}
		bit = 1ull << (option - ops->options) % 64;
		if (seen & bit) {
			zcmu_error("%s: the option %s is given twice", where, name);
			err = -EINVAL;
		} else if (option->value && !value) {
			err = refuse(where, option, "");
		} else {
			err = set(where, option, value ? value : "", options);
		}
		seen |= bit;
	}
	free(copy);
	return err;
}

int zcmu_parse_options(struct zcmu_store *store, const char *text)
{
	return zcmu_options_take(store->ops, store->options, store->ops->name, text, strlen(text));
}
