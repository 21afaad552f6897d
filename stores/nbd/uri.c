// SPDX-License-Identifier: MIT
/*
 * nbd: the URI. It is libnbd's to understand, but for options of ours in its query.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
