// SPDX-License-Identifier: MIT
/*
 * Copies between payloads and plain memory, clears, and cuts. Copies are for small data (mode
 * pages, parameter lists); a store works on the payload itself.
 */
#include <string.h>

#include "zcmu-store.h"

enum way { GET, PUT, ZERO };

static size_t walk(const struct iovec *iov, int iovcnt, size_t skip, char *memory, size_t len,
		   enum way way)
{
	size_t done = 0;

	for (; iovcnt > 0 && done < len; iov++, iovcnt--) {
		size_t chunk = iov->iov_len;
		char *payload = iov->iov_base;

		if (skip >= chunk) {
			skip -= chunk;
			continue;
		}
		payload += skip;
		chunk -= skip;
		skip = 0;
		if (chunk > len - done)
			chunk = len - done;
		if (way == GET)
			memcpy(memory + done, payload, chunk);
		else if (way == PUT)
			memcpy(payload, memory + done, chunk);
		else
			memset(payload, 0, chunk);
		done += chunk;
	}
	return done;
}

size_t zcmu_iov_get(const struct iovec *iov, int iovcnt, size_t skip, void *to, size_t len)
{
	return walk(iov, iovcnt, skip, to, len, GET);
}

size_t zcmu_iov_put(const struct iovec *iov, int iovcnt, size_t skip, const void *from, size_t len)
{
	return walk(iov, iovcnt, skip, (char *)from, len, PUT);
}

size_t zcmu_iov_zero(const struct iovec *iov, int iovcnt, size_t skip, size_t len)
{
	return walk(iov, iovcnt, skip, NULL, len, ZERO);
}

int zcmu_iov_cut(const struct iovec *iov, int iovcnt, size_t skip, size_t len, struct iovec *to)
{
	int i, n = 0;

	for (i = 0; i < iovcnt && len; i++) {
		struct iovec piece = iov[i];

		if (skip >= piece.iov_len) {
			skip -= piece.iov_len;
			continue;
		}
		piece.iov_base = (char *)piece.iov_base + skip;
		piece.iov_len -= skip;
		skip = 0;
		if (piece.iov_len > len)
			piece.iov_len = len;
		len -= piece.iov_len;
		to[n++] = piece;
	}
	return n;
}
