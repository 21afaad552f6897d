/* SPDX-License-Identifier: MIT */
/*
 * Random numbers that are the same in every run (splitmix64), for property tests.
 * A test says its seed when it fails; nothing else is needed to repeat it.
 */
#ifndef PRNG_H
#define PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
	uint64_t z = prng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A number from 0 to @limit - 1. */
static inline uint32_t prng_below(struct prng *prng, uint32_t limit)
{
	return (uint32_t)(prng_next(prng) % limit);
}

/* True once in @n times. */
static inline bool prng_one_in(struct prng *prng, uint32_t n)
{
	return !prng_below(prng, n);
}

#endif /* PRNG_H */
