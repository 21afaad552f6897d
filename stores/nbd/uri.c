// SPDX-License-Identifier: MIT
/*
 * nbd: the URI. It is libnbd's to understand, but for options of ours in its query, and for
 * whom to trust.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbd.h"

#define MAX_GIVE_UP	86400u

static int set_give_up(struct nbd *nbd, const char *uri, const char *value, size_t len)
{
	char *end;
	unsigned long seconds = strtoul(value, &end, 10);

	if (!len || *value < '0' || *value > '9' || end != value + len || seconds > MAX_GIVE_UP) {
		zcmu_error("%s: give-up is 0 (never) to %u seconds, not \"%.*s\"", uri, MAX_GIVE_UP,
			   (int)len, value);
		return -EINVAL;
	}
	nbd->give_up = (unsigned int)seconds;
	return 0;
}

/*
 * Take our options out of "...?a=b&give-up=60#tag", and keep the rest in nbd->uri. "nbd:"
 * in front of another scheme may stay away: "nbd://host" comes as it is.
 */
int nbd_uri_parse(struct nbd *nbd, const char *argument)
{
	static const char option[] = "give-up=";
	const char *query, *end, *p;
	bool first = true;
	size_t len;
	char *to;
	int err;

	if (!strstr(argument, "://")) {
		zcmu_error("nbd:%s: that is no URI; say nbd://HOST/EXPORT or nbd+unix:///EXPORT?socket=PATH, for example",
			   argument);
		return -EINVAL;
	}
	nbd->uri = strdup(argument);
	if (!nbd->uri)
		return -ENOMEM;
	query = strchr(argument, '?');
	if (!query)
		return 0;
	to = nbd->uri + (query - argument);
	end = argument + strcspn(argument, "#");
	for (p = query + 1; p <= end && query < end; p += len + 1) {
		len = strcspn(p, "&#");
		if (!strncmp(p, option, sizeof(option) - 1)) {
			err = set_give_up(nbd, argument, p + sizeof(option) - 1,
					  len - (sizeof(option) - 1));
			if (err)
				return err;
			continue;
		}
		*to++ = first ? '?' : '&';
		first = false;
		memcpy(to, p, len);
		to += len;
	}
	strcpy(to, end);
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | ('a' ^ 'A')) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The value of a "name=" in the query, with what is percent-encoded decoded. */
static bool find_value(const char *uri, const char *name, char *value, size_t size)
{
	const char *p = strchr(uri, '?');
	size_t len, n = 0;

	for (; p && *p && *p != '#'; p += strcspn(p, "&#")) {
		p++;
		len = strlen(name);
		if (strncmp(p, name, len))
			continue;
		for (p += len; *p && !strchr("&#", *p) && n < size - 1; p++) {
			value[n] = *p;
			if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
				value[n] = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
				p += 2;
			}
			n++;
		}
		value[n] = '\0';
		return true;
	}
	return false;
}

/*
 * With TLS, is there anything to know the server by? libnbd doesn't verify one if it finds no
 * certificate of an authority, and says nothing of that. NULL: there is, or it is no TLS; else
 * what is missing. Asked before each connection: where no file can be read any more (--user),
 * the next one must not be made in good faith.
 */
const char *nbd_uri_trusts_anybody(const struct nbd *nbd)
{
	char folder[PATH_MAX], file[PATH_MAX + 16];

	if (strncmp(nbd->uri, "nbds:", 5) && strncmp(nbd->uri, "nbds+", 5))
		return NULL;
	if (find_value(nbd->uri, "tls-psk-file=", file, sizeof(file)))
		return access(file, R_OK) ? "the file of tls-psk-file can't be read" : NULL;
	if (!find_value(nbd->uri, "tls-certificates=", folder, sizeof(folder)))
		return "nothing says which server is to be trusted: give tls-certificates=FOLDER, with the authority's certificate as ca-cert.pem in it, or tls-psk-file=FILE";
	snprintf(file, sizeof(file), "%s/ca-cert.pem", folder);
	return access(file, R_OK) ?
	       "the folder of tls-certificates has no ca-cert.pem that can be read, so anybody could be the server" : NULL;
}
