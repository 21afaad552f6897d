// SPDX-License-Identifier: MIT
/*
 * rbd: the spec, POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:OPTION=VALUE]... It is written as QEMU's
 * users know it: a colon or backslash that is part of a word has a backslash in front.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "rbd.h"

#define MAX_GIVE_UP	86400u

/* The next word up to a colon that counts, unescaped in place. @rest: behind it, or NULL. */
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

static int set_give_up(struct image *image, const char *value)
{
	char *end;
	unsigned long seconds = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || seconds > MAX_GIVE_UP) {
		zcmu_error("%s: give-up is 0 (never) to %u seconds, not \"%s\"", image->spec,
			   MAX_GIVE_UP, value);
		return -EINVAL;
	}
	image->give_up = (unsigned int)seconds;
	return 0;
}

static int set_lock(struct image *image, const char *value)
{
	if (strcmp(value, "steal") && strcmp(value, "refuse")) {
		zcmu_error("%s: lock is \"refuse\" (if somebody else writes the image) or \"steal\", not \"%s\"",
			   image->spec, value);
		return -EINVAL;
	}
	image->steals = !strcmp(value, "steal");
	return 0;
}

static int set_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int add_setting(struct image *image, const char *name, const char *value)
{
	struct setting *setting = calloc(1, sizeof(*setting)), **end = &image->settings;

	if (!setting)
		return -ENOMEM;
	/* In their order: the last one of a name counts. */
	while (*end)
		end = &(*end)->next;
	*end = setting;
	setting->name = strdup(name);
	setting->value = strdup(value);
	return setting->name && setting->value ? 0 : -ENOMEM;
}

static int set_option(struct image *image, char *word)
{
	char *value = strchr(word, '=');

	if (!value || value == word) {
		zcmu_error("%s: \"%s\" is no option; options are NAME=VALUE, such as id=USER or conf=FILE",
			   image->spec, word);
		return -EINVAL;
	}
	*value++ = '\0';
	if (!strcmp(word, "give-up"))
		return set_give_up(image, value);
	if (!strcmp(word, "lock"))
		return set_lock(image, value);
	if (!strcmp(word, "conf"))
		return set_text(&image->conf, value);
	if (!strcmp(word, "id"))
		return set_text(&image->id, value);
	return add_setting(image, word, value);
}

/* "POOL/IMAGE", with a namespace between them, and a snapshot behind, if there are any. */
static int set_name(struct image *image, char *word)
{
	char *at = strchr(word, '@'), *first, *last;

	if (at)
		*at++ = '\0';
	first = strchr(word, '/');
	last = strrchr(word, '/');
	/* Two slashes with a namespace between them are the most there can be. */
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
		err = set_option(image, word);
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
