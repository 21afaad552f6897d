/* SPDX-License-Identifier: MIT */
/*
 * The protocol of the example of a network store: what net.c, the store, and net-server.c say to
 * each other. A connection carries one request after the other: a header, and a WRITE's payload;
 * then a reply, and a READ's payload. Numbers are little-endian.
 */
#ifndef EXAMPLE_NET_H
#define EXAMPLE_NET_H

#include <stdint.h>

#define NET_MAGIC	0x74656e7au

enum net_op {
	NET_SIZE,	/* the reply's value is the bytes of the disk */
	NET_READ,
	NET_WRITE,
	NET_FLUSH,
};

struct net_request {
	uint32_t magic;
	uint32_t op;
	uint64_t offset;	/* bytes */
	uint64_t length;
};

struct net_reply {
	uint32_t magic;
	int32_t error;		/* 0, or a negative errno: then no payload follows */
	uint64_t value;
};

#endif
