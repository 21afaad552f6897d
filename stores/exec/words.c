// SPDX-License-Identifier: MIT
/*
 * Words of a command. A line is taken apart as a shell does it, but nothing in it is replaced:
 * quotes and backslashes alone are special, so that nothing is run that isn't written there, and by
 * root it means the same as by anybody.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

#define BLANKS	" \t\n"

/* The list has the word from now on, whatever happens. NULL: there was no memory for it. */
static void add(struct words *words, char *word)
{
	char **list = NULL;

	if (word && !words->error)
		list = realloc(words->list, (words->count + 2) * sizeof(*list));
	if (!list) {
		free(word);
		words->error = words->error ? words->error : -ENOMEM;
		return;
	}
	list[words->count++] = word;
	list[words->count] = NULL;
	words->list = list;
}

void words_add(struct words *words, const char *format, ...)
{
	va_list arguments;
	char *word;
	int n;

	va_start(arguments, format);
	n = vasprintf(&word, format, arguments);
	va_end(arguments);
	add(words, n < 0 ? NULL : word);
}

/*
 * Copy a word up to its end without quotes and backslashes. Return: its end, or NULL: a quote isn't
 * closed. Inside of "" a backslash is for a quote or a backslash, as in a shell.
 */
static const char *take_word(const char *text, char *to)
{
	char quote = '\0';

	for (; *text && (quote || !strchr(BLANKS, *text)); text++) {
		if (quote ? *text == quote : *text == '\'' || *text == '"') {
			quote = quote ? '\0' : *text;
			continue;
		}
		if (*text == '\\' && quote != '\'' && text[1] &&
		    (!quote || text[1] == '"' || text[1] == '\\'))
			text++;
		*to++ = *text;
	}
	*to = '\0';
	return quote ? NULL : text;
}

void words_split(struct words *words, const char *name, const char *text)
{
	char *word;

	while (!words->error) {
		text += strspn(text, BLANKS);
		if (!*text)
			break;
		/* A word is no longer than what it is made of. */
		word = malloc(strlen(text) + 1);
		if (word)
			text = take_word(text, word);
		if (!text) {
			zcmu_error("%s: a quote is not closed", name);
			words->error = -EINVAL;
			free(word);
			return;
		}
		add(words, word);
	}
}

void words_free(struct words *words)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
	*words = (struct words){ 0 };
}
