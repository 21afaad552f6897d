// SPDX-License-Identifier: MIT
/*
 * rbd: the spec, POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:NAME=VALUE]... The syntax is QEMU's: a colon or
 * backslash that is part of a word is escaped by a backslash. Behind the image are Ceph's settings,
 * hundreds, which no table of ours has. The library parses the store's own options, in front of the
 * colon.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "rbd.h"

/* The next word up to an unescaped colon, unescaped in place. @rest: behind it, or NULL. */
static char *next_word(char **rest)
{
	char *word = *rest, *from = word, *to = word;

	if (!word)
		return NULL;
	while (*from && *from != ':') {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return word;
}

static int add_setting(struct image *image, const char *name, const char *value)
{
	struct setting *setting = calloc(1, sizeof(*setting)), **end = &image->settings;

	if (!setting)
		return -ENOMEM;
	/* Keep their order: the last one of a name counts. */
	while (*end)
		end = &(*end)->next;
	*end = setting;
	setting->name = strdup(name);
	setting->value = strdup(value);
	return setting->name && setting->value ? 0 : -ENOMEM;
}

static int take_setting(struct image *image, char *word)
{
	char *value = strchr(word, '=');
	const struct zcmu_option *option;

	if (!value || value == word) {
		zcmu_error("%s: \"%s\" is no option; here are Ceph's, NAME=VALUE, such as keyring=FILE",
			   image->spec, word);
		return -EINVAL;
	}
	*value++ = '\0';
	/* Ceph has none of these names, and would say that it doesn't know them. */
	for (option = image->store->ops->options; option->name; option++) {
		if (strcmp(word, option->name))
			continue;
		zcmu_error("%s: %s comes first: rbd,%s=%s:POOL/IMAGE", image->spec, word, word,
			   option->value);
		return -EINVAL;
	}
	return add_setting(image, word, value);
}

/* "POOL/IMAGE", with an optional namespace between them, and an optional snapshot behind. */
static int set_name(struct image *image, char *word)
{
	char *at = strchr(word, '@'), *first, *last;

	if (at)
		*at++ = '\0';
	first = strchr(word, '/');
	last = strrchr(word, '/');
	/* There are at most two slashes, with a namespace between them. */
	if (!first || first == word || !last[1] || (at && !*at) ||
	    (last != first && (last == first + 1 || strchr(first + 1, '/') != last))) {
		zcmu_error("%s: say rbd:POOL/IMAGE, or rbd:POOL/NAMESPACE/IMAGE@SNAPSHOT",
			   image->spec);
		return -EINVAL;
	}
	*first = '\0';
	*last = '\0';
	image->pool = strdup(word);
	image->name_space = strdup(last != first ? first + 1 : "");
	image->name = strdup(last + 1);
	if (at)
		image->snapshot = strdup(at);
	if (!image->pool || !image->name_space || !image->name || (at && !image->snapshot) ||
	    asprintf(&image->title, "rbd:%s/%s%s%s%s%s", image->pool, image->name_space,
		     image->name_space[0] ? "/" : "", image->name, at ? "@" : "", at ? at : "") < 0)
		return -ENOMEM;
	return 0;
}

int image_spec_parse(struct image *image, const char *argument)
{
	char *copy = strdup(argument), *rest = copy, *word;
	int err;

	if (!copy || asprintf(&image->spec, "rbd:%s", argument) < 0) {
		free(copy);
		return -ENOMEM;
	}
	err = set_name(image, next_word(&rest));
	while (!err && (word = next_word(&rest)))
		err = take_setting(image, word);
	if (!err && image->snapshot)
		image->store->read_only = true;
	free(copy);
	return err;
}

void image_spec_free(struct image *image)
{
	struct setting *setting;

	while ((setting = image->settings)) {
		image->settings = setting->next;
		free(setting->name);
		free(setting->value);
		free(setting);
	}
	free(image->spec);
	free(image->title);
	free(image->pool);
	free(image->name_space);
	free(image->name);
	free(image->snapshot);
	free(image->conf);
	free(image->id);
}
