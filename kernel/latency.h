/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which bucket of a histogram a time belongs to: log-linear, four to each power of two, so that a
 * bucket is at most a quarter as wide as where it begins. Pure arithmetic, compiled into the unit
 * tests as well; who measures what is stats.c's.
 */
#ifndef ZCMU_LATENCY_H
#define ZCMU_LATENCY_H

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define ZCMU_LATENCY_SUB_BITS	2
#define ZCMU_LATENCY_MIN_BITS	8	/* what is below 256 ns is in the first bucket, */
#define ZCMU_LATENCY_MAX_BITS	36	/* and what is above 68 s in the last one */

#define ZCMU_LATENCY_BUCKETS	(2 + ((ZCMU_LATENCY_MAX_BITS - ZCMU_LATENCY_MIN_BITS) << \
				      ZCMU_LATENCY_SUB_BITS))

static inline u32 zcmu_latency_bucket(u64 ns)
{
	u32 bits = fls64(ns), octave, bucket;

	if (bits <= ZCMU_LATENCY_MIN_BITS)
		return 0;
	octave = bits - 1 - ZCMU_LATENCY_MIN_BITS;
	bucket = 1 + (octave << ZCMU_LATENCY_SUB_BITS) +
		 ((ns >> (bits - 1 - ZCMU_LATENCY_SUB_BITS)) & ((1 << ZCMU_LATENCY_SUB_BITS) - 1));
	return min(bucket, (u32)ZCMU_LATENCY_BUCKETS - 1);
}

/* ns: where the bucket begins, and the one before it ends */
static inline u64 zcmu_latency_begin(u32 bucket)
{
	u32 octave, sub;

	if (!bucket)
		return 0;
	octave = (bucket - 1) >> ZCMU_LATENCY_SUB_BITS;
	sub = (bucket - 1) & ((1 << ZCMU_LATENCY_SUB_BITS) - 1);
	return (u64)((1 << ZCMU_LATENCY_SUB_BITS) + sub) <<
	       (octave + ZCMU_LATENCY_MIN_BITS - ZCMU_LATENCY_SUB_BITS);
}

#endif /* ZCMU_LATENCY_H */
