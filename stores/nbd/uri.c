// SPDX-License-Identifier: MIT
/*
 * nbd: the URI. libnbd parses it, but trust is looked up here: in the URI's own syntax, which the
 * options' parser doesn't know.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nbd.h"

/* Names of old options of ours in the URI; libnbd would ignore them silently. */
static bool has_option_in_query(const char *uri)
{
	const char *p = strchr(uri, '?');

	for (; p && *p && *p != '#'; p += strcspn(p, "&#")) {
		p++;
		if (!strncmp(p, "give-up=", 8))
			return true;
	}
	return false;
}

/* "nbd:" in front of another scheme is optional: "nbd://host" comes unchanged. */
int nbd_uri_take(struct nbd *nbd, const char *argument)
{
	if (!strstr(argument, "://")) {
		zcmu_error("nbd:%s: that is no URI; say nbd://HOST/EXPORT or nbd+unix:///EXPORT?socket=PATH, for example",
			   argument);
		return -EINVAL;
	}
	if (has_option_in_query(argument)) {
		zcmu_error("nbd:%s: options come first: nbd,give-up=SECONDS:URI", argument);
		return -EINVAL;
	}
	nbd->uri = strdup(argument);
	return nbd->uri ? 0 : -ENOMEM;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | ('a' ^ 'A')) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The value of a "name=" in the query, percent-decoded. */
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
 * With TLS, is there a way to verify the server? If libnbd finds no certificate of an authority, it
 * doesn't verify the server, and says nothing. NULL: there is a way, or it is no TLS; else what is
 * missing. This is checked before each connection: where no file can be read any more (--user), the
 * next one must not be made without verification.
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
