// SPDX-License-Identifier: MIT
/*
 * Touches of memory that may not be there, the search for what must not be seen, and the
 * racers: threads that touch, scribble and kick all the time, whatever the attacks do.
 */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "hostile.h"
#include "victim.h"

/* Each thread touches for itself. */
static __thread sigjmp_buf on_fault;
static __thread volatile sig_atomic_t expecting;

static void fault_handler(int number)
{
	if (!expecting) {
		static const char text[] = "hostile: a signal where none was expected\n";

		if (write(1, text, sizeof(text) - 1) < 0)
			_exit(8);
		_exit(number == SIGBUS ? 7 : 8);
	}
	siglongjmp(on_fault, 1);
}

void touch_init(void)
{
	signal(SIGBUS, fault_handler);
	signal(SIGSEGV, fault_handler);
}

/* Return: whether it was no signal. */
static bool attempt(void (*touch)(volatile uint64_t *p, uint64_t value), volatile uint64_t *p,
		    uint64_t value)
{
	if (sigsetjmp(on_fault, 1)) {
		expecting = 0;
		return false;
	}
	expecting = 1;
	touch(p, value);
	expecting = 0;
	return true;
}

static void load(volatile uint64_t *p, uint64_t value)
{
	(void)value;
	(void)*p;
}

static void store(volatile uint64_t *p, uint64_t value)
{
	*p = value;
}

bool touch_load(const volatile void *p)
{
	return attempt(load, (volatile uint64_t *)p, 0);
}

bool touch_store(volatile void *p, uint64_t value)
{
	return attempt(store, p, value);
}

/* Return: whether all of it was there. */
bool touch_all(const void *p, size_t length)
{
	size_t i;

	for (i = 0; i < length; i += HOSTILE_PAGE) {
		if (!touch_load((const uint8_t *)p + i))
			return false;
	}
	return true;
}

static __thread const uint64_t *found;

static void search_page(volatile uint64_t *p, uint64_t value)
{
	size_t i;

	for (i = 0; i < HOSTILE_PAGE / 8; i++) {
		if (p[i] == value)
			found = (const uint64_t *)p + i;
	}
}

/* The initiator's memory that is no payload must not be seen (I1, I2). */
void look_for_secrets(const void *p, size_t length, const char *where)
{
	const uint8_t *page = (const uint8_t *)((uintptr_t)p & ~(uintptr_t)(HOSTILE_PAGE - 1));
	const uint8_t *end = (const uint8_t *)p + length;

	found = NULL;
	for (; page < end; page += HOSTILE_PAGE)
		attempt(search_page, (volatile uint64_t *)page, VICTIM_SECRET);
	if (!found)
		return;
	printf("HARM: %s, %p: the handler sees what is no payload\n", where, (const void *)found);
	fflush(stdout);
	_exit(3);
}

/*
 * Racers
 */

static pthread_t threads[3];
static struct prng prngs[3];
static atomic_bool stopping;

/* Loads and stores, mostly near where payloads are handed out now. */
static void *toucher(void *argument)
{
	struct prng *prng = argument;
	uint64_t at = 0;

	while (!atomic_load(&stopping)) {
		const uint8_t *map = hostile.maps[prng_below(prng, HOSTILE_MAPS)];

		if (prng_one_in(prng, 64))
			at = prng_next(prng) % (hostile.map_size / 8) * 8;
		at = (at + prng_below(prng, 32) * HOSTILE_PAGE) % (hostile.map_size - 8) / 8 * 8;
		/* Not into the ring: that is the scribbler's. */
		if (at >= hostile.copy_off && prng_one_in(prng, 2))
			touch_store((uint8_t *)map + at, prng_next(prng) >> 1);
		else
			touch_load(map + at);
		if (prng_one_in(prng, 16))
			usleep(100);
	}
	return NULL;
}

/* Changes answers while the kernel reads them. The tail it leaves alone, mostly. */
static void *scribbler(void *argument)
{
	struct prng *prng = argument;

	while (!atomic_load(&stopping)) {
		uint8_t *map = hostile.maps[0];
		uint32_t tail = hostile.tail % hostile.ring_size;
		uint64_t garbage = prng_next(prng) >> 1;
		size_t at = hostile.ring_off + tail + prng_below(prng, 14) * 8;

		/* The header's first word, seldom: an id that may exist, any flags. */
		if (at == hostile.ring_off + tail) {
			if (!prng_one_in(prng, 256))
				continue;
			garbage = garbage << 56 >> 8 | (uint64_t)prng_below(prng, 64) << 32;
		}
		if (prng_one_in(prng, 4))
			touch_store(map + at / 8 * 8, garbage);
		if (prng_one_in(prng, 1 << 17))
			touch_store(map + offsetof(struct zcmu_mailbox, cmd_tail), garbage);
		if (prng_one_in(prng, 8))
			usleep(1000);
	}
	return NULL;
}

/* Kicks for nothing, and reads events for nothing. */
static void *kicker(void *argument)
{
	struct prng *prng = argument;
	int32_t event = 1;

	while (!atomic_load(&stopping)) {
		if (write(hostile.fd, &event, sizeof(event)) < 0 ||
		    read(hostile.fd, &event, sizeof(event)) < 0)
			usleep(100);
		usleep(prng_below(prng, 4000));
	}
	return NULL;
}

void racers_start(uint64_t seed)
{
	static void *(*const racers[3])(void *) = { toucher, scribbler, kicker };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		prngs[i].state = ~seed + i;
		if (pthread_create(&threads[i], NULL, racers[i], &prngs[i]))
			_exit(2);
	}
}

void racers_stop(void)
{
	unsigned int i;

	atomic_store(&stopping, true);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}
