// SPDX-License-Identifier: MIT
/*
 * An initiator that expects nothing of its disk but not to be harmed by it: threads read
 * and write directly, in many sizes and alignments, and take any answer. Looks after each
 * command for what its handler may not have done:
 *
 *	changed a byte that was to be written, or one outside of the payload;
 *	written anywhere after the command was answered.
 *
 * What lies around payloads, and in them once they are answered, is VICTIM_SECRET, for the
 * handler to find if it can (hostile_pages.c).
 *
 *	victim DISK THREADS SEED	until its input ends; then says what was done
 *
 * The disk is put online again when the SCSI layer gives it up.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/prng.h"
#include "victim.h"

#define MAX_THREADS	16
#define MAX_LENGTH	(512u << 10)
#define MARGIN		8192u
#define SPACE		(MAX_LENGTH + 2 * MARGIN)
#define DISK_BYTES	(64u << 20)

struct victim {
	pthread_t thread;
	struct prng prng;
	uint64_t *space;	/* the payload, and what is around it */
	size_t begin, length;	/* the payload, in bytes */
	bool is_write;
	uint64_t word;		/* what the payload holds */
	unsigned long commands, errors;
};

static const char *disk;
static char state_path[128];
static atomic_bool stopping;

static uint64_t expected(const struct victim *v, size_t i, bool in_flight)
{
	bool inside = i * 8 >= v->begin && i * 8 < v->begin + v->length;

	return in_flight && inside ? v->word ^ i : VICTIM_SECRET;
}

static void harmed(const struct victim *v, const char *when, size_t i, uint64_t wanted)
{
	printf("HARM: %s: %s of %zu bytes at %zu: byte %zu: expected %016" PRIx64 ", got %016" PRIx64
	       "\n", when, v->is_write ? "a write" : "a read", v->length, v->begin, i * 8, wanted,
	       v->space[i]);
	fflush(stdout);
	_exit(1);
}

/* Everything, but a READ's payload while that is the handler's. */
static void look(const struct victim *v, const char *when, bool in_flight)
{
	size_t i;

	for (i = 0; i < SPACE / 8; i++) {
		uint64_t wanted = expected(v, i, in_flight);

		if (v->space[i] == wanted)
			continue;
		if (in_flight && !v->is_write && wanted != VICTIM_SECRET)
			continue;
		harmed(v, when, i, wanted);
	}
}

static void fill(struct victim *v, bool in_flight)
{
	size_t i;

	for (i = 0; i < SPACE / 8; i++)
		v->space[i] = expected(v, i, in_flight);
}

static void choose(struct victim *v)
{
	static const size_t lengths[] = {
		512, 4096, 16384, 32768, 65536, 66048, 131072, 135168, 262144, 524288,
	};
	static const size_t misalign[] = { 0, 0, 0, 512, 1536, 3584 };

	v->is_write = prng_one_in(&v->prng, 2);
	v->length = lengths[prng_below(&v->prng, sizeof(lengths) / sizeof(lengths[0]))];
	v->begin = MARGIN / 2 + misalign[prng_below(&v->prng, 6)];
	/* Never the secret, whatever the position is xored into it. */
	v->word = prng_next(&v->prng) >> 1;
}

static void put_online(void)
{
	int fd = open(state_path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "running", 7) < 0)
		usleep(1000);
	close(fd);
}

static void command(struct victim *v, int fd)
{
	off_t at = (off_t)prng_below(&v->prng, (DISK_BYTES - MAX_LENGTH) / 512) * 512;
	char *payload = (char *)v->space + v->begin;
	ssize_t n = v->is_write ? pwrite(fd, payload, v->length, at) :
				  pread(fd, payload, v->length, at);

	v->commands++;
	if (n == (ssize_t)v->length)
		return;
	v->errors++;
	put_online();
}

static void *run(void *argument)
{
	struct victim *v = argument;
	int fd = open(disk, O_RDWR | O_DIRECT);

	if (fd < 0) {
		printf("victim: %s: %s\n", disk, strerror(errno));
		_exit(2);
	}
	v->space = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), SPACE);
	fill(v, false);
	while (!atomic_load(&stopping)) {
		choose(v);
		fill(v, true);
		command(v, fd);
		look(v, "at the answer", true);
		fill(v, false);
		/* Time for a handler that hasn't let go. */
		if (prng_one_in(&v->prng, 4))
			usleep(prng_below(&v->prng, 30000));
		look(v, "after the answer", false);
	}
	close(fd);
	free(v->space);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct victim victims[MAX_THREADS];
	unsigned long commands = 0, errors = 0;
	unsigned int i, threads;

	if (argc != 4 || strncmp(argv[1], "/dev/", 5)) {
		fprintf(stderr, "victim: wrong arguments; the source's head has them\n");
		return 2;
	}
	disk = argv[1];
	threads = (unsigned int)atoi(argv[2]);
	if (threads > MAX_THREADS)
		threads = MAX_THREADS;
	snprintf(state_path, sizeof(state_path), "/sys/block/%s/device/state", disk + 5);
	for (i = 0; i < threads; i++) {
		victims[i].prng.state = strtoull(argv[3], NULL, 0) + i;
		if (pthread_create(&victims[i].thread, NULL, run, &victims[i]))
			return 2;
	}
	while (getchar() != EOF)
		;
	atomic_store(&stopping, true);
	for (i = 0; i < threads; i++) {
		pthread_join(victims[i].thread, NULL);
		commands += victims[i].commands;
		errors += victims[i].errors;
	}
	printf("unharmed after %lu commands, %lu of them failed\n", commands, errors);
	return 0;
}
