/* SPDX-License-Identifier: MIT */
/* What victim.c and the hostile handler agree on. */
#ifndef VICTIM_H
#define VICTIM_H

/* Eight bytes, aligned, that are in no payload: a handler that sees them sees too much. */
#define VICTIM_SECRET	0xdec0de5ec2e75a5au

#endif /* VICTIM_H */
