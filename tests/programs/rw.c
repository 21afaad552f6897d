// SPDX-License-Identifier: MIT
/*
 * The initiator of many cases: writes a pattern to a disk and reads it back, in all
 * sizes and alignments. Not a benchmark.
 *
 *	rw sizes DISK [direct|cached] [THREADS]
 *	rw write DISK OFFSET LENGTH MISALIGN SEED	(direct)
 *	rw check DISK OFFSET LENGTH MISALIGN SEED
 *	rw fill DISK BYTE OFFSET LENGTH
 *	rw only DISK BYTE OFFSET LENGTH [MISALIGN]	is there nothing but BYTE?
 *	rw reuse DISK OFFSET LENGTH MISALIGN SEED	write, use the buffer for something
 *				else at once, check
 *	rw steady DISK OFFSET LENGTH	a read that must fail; then says so, waits for the end
 *				of its input, and sees whether the buffer has changed since
 *	rw around DISK LENGTH MISALIGN	write and read with known bytes around the buffer
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LENGTH	(4u << 20)
#define SECTOR		512

static const char *disk;
static int open_flags;

static void die(const char *what)
{
	fprintf(stderr, "rw: %s: %s: %s\n", disk, what, strerror(errno));
	exit(1);
}

/* Each sector's bytes depend on its address and the seed, so no sector passes for another. */
static void fill(uint8_t *p, uint64_t offset, size_t length, uint32_t seed)
{
	size_t i;

	for (i = 0; i < length; i += 8) {
		uint64_t x = (offset + i) * 0x9e3779b97f4a7c15u ^ (uint64_t)seed << 32;

		x ^= x >> 29;
		x *= 0xbf58476d1ce4e5b9u;
		memcpy(p + i, &x, 8);
	}
}

static void compare(const uint8_t *got, const uint8_t *expected, uint64_t offset, size_t length)
{
	size_t i;

	if (!memcmp(got, expected, length))
		return;
	for (i = 0; got[i] == expected[i]; i++)
		;
	fprintf(stderr, "rw: %s: %zu bytes at %" PRIu64 ": byte %zu: expected 0x%02x, got 0x%02x\n",
		disk, length, offset, i, expected[i], got[i]);
	exit(1);
}

static int open_disk(void)
{
	int fd = open(disk, O_RDWR | open_flags);

	/* A file on tmpfs, before Linux 6.6 */
	if (fd < 0 && errno == EINVAL)
		fd = open(disk, O_RDWR);
	if (fd < 0)
		die("open");
	return fd;
}

static void write_all(int fd, const uint8_t *p, size_t length, uint64_t offset)
{
	ssize_t n = pwrite(fd, p, length, (off_t)offset);

	if (n != (ssize_t)length)
		die("write");
}

static void read_all(int fd, uint8_t *p, size_t length, uint64_t offset)
{
	ssize_t n = pread(fd, p, length, (off_t)offset);

	if (n != (ssize_t)length)
		die("read");
}

static uint8_t *buffer(void)
{
	void *p;

	if (posix_memalign(&p, (size_t)sysconf(_SC_PAGESIZE), MAX_LENGTH + 8192))
		die("memory");
	memset(p, 0xee, MAX_LENGTH + 8192);
	return p;
}

/* Write at one misalignment, read at another, and look at the sectors around. */
static void round_trip(int fd, uint8_t *out, uint8_t *in, uint8_t *expected, uint64_t offset,
		       size_t length, uint32_t seed)
{
	static const unsigned int misalign[] = { 0, 512, 1536, 3584 };
	uint8_t before[SECTOR * 2] __attribute__((aligned(4096)));
	uint8_t *to, *from;

	to = out + misalign[seed % 4];
	from = in + misalign[seed / 4 % 4];
	fill(to, offset, length, seed);
	fill(expected, offset, length, seed);
	/* Known sectors in front of the range: the write must leave them alone. */
	memset(before, (int)seed, SECTOR);
	write_all(fd, before, SECTOR, offset - SECTOR);
	write_all(fd, to, length, offset);
	memset(from, 0xcc, length);
	read_all(fd, from, length, offset);
	compare(from, expected, offset, length);
	memset(expected, (int)seed, SECTOR);
	memset(before, 0, SECTOR);
	read_all(fd, before, SECTOR, offset - SECTOR);
	compare(before, expected, offset - SECTOR, SECTOR);
}

struct worker {
	pthread_t thread;
	uint64_t base;	/* each has 8 MiB of the disk */
	uint32_t seed;
};

static void *sizes(void *argument)
{
	static const size_t lengths[] = {
		512, 1024, 1536, 2048, 3584, 4096, 4608, 8192, 12288, 16384, 31744, 32768, 33280,
		65536, 69632, 102400, 131072, 131584, 262144, 266240, 524288, 1048576, 1049088,
		2097152, 3145728, 4194304,
	};
	struct worker *worker = argument;
	uint8_t *out = buffer(), *in = buffer(), *expected = buffer();
	int fd = open_disk();
	uint32_t round;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (round = 0; round < 16; round++) {
			uint64_t offset = worker->base + SECTOR * (1 + (round * 7 + i * 13) % 1000);

			/* The large ones once in each misalignment of the write. */
			if (lengths[i] > 131072 && round % 5)
				continue;
			round_trip(fd, out, in, expected, offset, lengths[i],
				   worker->seed + round);
		}
	}
	close(fd);
	free(out);
	free(in);
	free(expected);
	return NULL;
}

static void run_sizes(unsigned int threads)
{
	struct worker workers[16];
	unsigned int i;

	for (i = 0; i < threads; i++) {
		workers[i].base = (uint64_t)i * (8 << 20);
		workers[i].seed = i * 1000;
		if (pthread_create(&workers[i].thread, NULL, sizes, &workers[i]))
			die("thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static void one(const char *how, char **argv)
{
	uint64_t offset = strtoull(argv[0], NULL, 0);
	size_t length = strtoull(argv[1], NULL, 0);
	size_t misalign = strtoull(argv[2], NULL, 0);
	uint32_t seed = (uint32_t)strtoul(argv[3], NULL, 0);
	uint8_t *p = buffer() + misalign, *expected = buffer();
	int fd = open_disk();

	fill(expected, offset, length, seed);
	if (strcmp(how, "check")) {
		memcpy(p, expected, length);
		write_all(fd, p, length, offset);
		/* What is written is not the disk's to change. */
		compare(p, expected, offset, length);
		memset(p, 0xdd, length);
	}
	if (strcmp(how, "write")) {
		read_all(fd, p, length, offset);
		compare(p, expected, offset, length);
	}
	close(fd);
}

static void steady(char **argv)
{
	uint64_t offset = strtoull(argv[0], NULL, 0);
	size_t length = strtoull(argv[1], NULL, 0);
	uint8_t *p = buffer(), *before = buffer();
	int fd = open_disk();

	if (pread(fd, p, length, (off_t)offset) >= 0) {
		fprintf(stderr, "rw: %s: read: expected an error, got success\n", disk);
		exit(1);
	}
	memcpy(before, p, length);
	puts("failed");
	fflush(stdout);
	while (getchar() != EOF)
		;
	compare(p, before, offset, length);
	close(fd);
}

static void byte(const char *how, char **argv, size_t misalign)
{
	int value = (int)strtol(argv[0], NULL, 0);
	uint64_t offset = strtoull(argv[1], NULL, 0);
	size_t length = strtoull(argv[2], NULL, 0);
	uint8_t *p = buffer() + misalign, *expected = buffer();
	int fd = open_disk();

	memset(expected, value, length);
	if (!strcmp(how, "fill")) {
		write_all(fd, expected, length, offset);
	} else {
		read_all(fd, p, length, offset);
		compare(p, expected, offset, length);
	}
	close(fd);
}

/* Must agree with SECRET in handler.c. */
#define SECRET	0xa5

/* The payload is 0x11, its neighbourhood in memory is SECRET and must stay so. */
static void around(char **argv)
{
	size_t length = strtoull(argv[0], NULL, 0);
	size_t misalign = strtoull(argv[1], NULL, 0);
	size_t total = length + 8192, i;
	uint8_t *p = buffer();
	int fd = open_disk();

	memset(p, SECRET, total);
	memset(p + misalign, 0x11, length);
	write_all(fd, p + misalign, length, 1 << 20);
	memset(p, SECRET, total);
	read_all(fd, p + misalign, length, 1 << 20);
	for (i = 0; i < total; i++) {
		uint8_t expected = i >= misalign && i < misalign + length ? 0x11 : SECRET;

		if (p[i] == expected)
			continue;
		fprintf(stderr, "rw: %zu bytes at %zu in memory: byte %zu: expected 0x%02x, got 0x%02x\n",
			length, misalign, i, expected, p[i]);
		exit(1);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	open_flags = O_DIRECT;
	if (argc >= 3)
		disk = argv[2];
	if (argc >= 4 && !strcmp(argv[1], "sizes")) {
		if (!strcmp(argv[3], "cached"))
			open_flags = 0;
		run_sizes(argc > 4 ? (unsigned int)atoi(argv[4]) : 1);
	} else if (argc == 7 && (!strcmp(argv[1], "write") || !strcmp(argv[1], "check") ||
				 !strcmp(argv[1], "reuse"))) {
		one(argv[1], argv + 3);
	} else if (argc == 5 && !strcmp(argv[1], "steady")) {
		steady(argv + 3);
	} else if ((argc == 6 && !strcmp(argv[1], "fill")) ||
		   ((argc == 6 || argc == 7) && !strcmp(argv[1], "only"))) {
		byte(argv[1], argv + 3, argc == 7 ? strtoull(argv[6], NULL, 0) : 0);
	} else if (argc == 5 && !strcmp(argv[1], "around")) {
		around(argv + 3);
	} else {
		fprintf(stderr, "rw: wrong arguments; the source's head has them\n");
		return 2;
	}
	return 0;
}
