// SPDX-License-Identifier: MIT
/*
 * Prints the frequency of this machine's time stamp counter in kHz, measured against
 * the kernel's clock. An emulated guest sees that counter, and would have to find out its
 * frequency by a timer that QEMU serves late when the machine is busy: then the guest's
 * clock runs several times too fast.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Both clocks at one moment, as nearly as some tries bring it. */
static void sample(uint64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX, before, between, after;
	int i;

	for (i = 0; i < 20; i++) {
		before = __rdtsc();
		between = now();
		after = __rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		*ticks = before + best / 2;
		*ns = between;
	}
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	uint64_t ns[2], ticks[2];

	sample(&ns[0], &ticks[0]);
	nanosleep(&pause, NULL);
	sample(&ns[1], &ticks[1]);
	printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0]));
	return 0;
}
#else
int main(void)
{
	return 1;
}
#endif
