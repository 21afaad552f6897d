// SPDX-License-Identifier: MIT
/*
 * The options of a process of zcmu serve, as lines "key = value" of /etc/zcmu/disks.d/NAME.conf:
 * what zcmu save asks for, and --save writes. Options that only make a store are not among them.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve/serve.h"
#include "zcmu.h"

struct text {
	char *to;
	size_t size, len;
	int err;
};

static void line(struct text *text, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line(struct text *text, const char *key, const char *format, ...)
{
	char value[PATH_MAX + 16];
	va_list arguments;
	size_t len;
	int n;

	va_start(arguments, format);
	n = vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	len = n < 0 ? 0 : strlen(value);
	/* Who reads the line takes blanks at its ends away. */
	if (!len || n >= (int)sizeof(value) || strchr(value, '\n') || strchr(" \t", value[0]) ||
	    strchr(" \t", value[len - 1])) {
		text->err = -EINVAL;
		return;
	}
	n = snprintf(text->to + text->len, text->size - text->len, "%s%s = %s",
		     text->len ? "\n" : "", key, value);
	if (n < 0 || (size_t)n >= text->size - text->len)
		text->err = -E2BIG;
	else
		text->len += (size_t)n;
}

/* Reports why, if it can't be told. */
int serve_tell_options(const struct serve *serve, char *ret, size_t size)
{
	char spec[PATH_MAX + 8], folder[PATH_MAX];
	struct text text = { .to = ret, .size = size };

	serve_absolute_spec(serve->spec, spec, sizeof(spec));
	line(&text, "store", "%s", spec);
	/* Any other store, or a layer, may have a path that begins here. */
	if (strncmp(spec, "file:/", 6)) {
		if (!getcwd(folder, sizeof(folder)))
			text.err = -errno;
		else if (strcmp(folder, "/"))
			line(&text, "folder", "%s", folder);
	}
	if (serve->options.threads)
		line(&text, "threads", "%u", serve->options.threads);
	if (serve->time_out != SERVE_DEFAULT_TIME_OUT)
		line(&text, "time-out", "%u", serve->time_out);
	if (serve->store_options.read_only)
		line(&text, "read-only", "yes");
	if (serve->no_local)
		line(&text, "no-local", "yes");
	if (strcmp(serve->recover, SERVE_DEFAULT_RECOVER))
		line(&text, "recover", "%s", serve->recover);
	if (serve->asked_serial[0])
		line(&text, "serial", "%s", serve->asked_serial);
	if (serve->user.name[0])
		line(&text, "user", "%s", serve->user.name);
	if (text.err)
		zcmu_error("%s: its options can't be saved: %s", serve->name, strerror(-text.err));
	return text.err;
}
