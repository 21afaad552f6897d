// SPDX-License-Identifier: MIT
/*
 * Writes numbered records to a disk, and says after each that it is safe; or looks
 * whether those that were said to be safe are there. For tests/powercut.
 *
 *	sequence write DISK FIRST	for ever; a line "safe N" when record N is
 *	sequence check DISK LAST	the records up to LAST
 *
 * A record lies in the place N mod PLACES, and is small or large, so copied or lent. Odd
 * ones are made safe by a flush, even ones are written with FUA and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <scsi/sg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLACE	65536u		/* bytes */
#define PLACES	512u
#define SECTOR	512u

static uint8_t record[PLACE] __attribute__((aligned(4096)));
static uint8_t expected[PLACE] __attribute__((aligned(4096)));

static void die(const char *what, uint64_t n)
{
	fprintf(stderr, "sequence: record %" PRIu64 ": %s: %s\n", n, what, strerror(errno));
	exit(1);
}

static size_t length_of(uint64_t n)
{
	return n % 3 ? PLACE : 4096;
}

static off_t offset_of(uint64_t n)
{
	return (off_t)(n % PLACES * PLACE);
}

static void fill(uint8_t *p, uint64_t n)
{
	uint64_t i, x;

	for (i = 0; i < length_of(n); i += sizeof(x)) {
		x = (n * PLACE + i) * 0x9e3779b97f4a7c15u;
		x ^= x >> 31;
		memcpy(p + i, &x, sizeof(x));
	}
}

/* WRITE (10) with FUA: no file system or block layer adds a flush to it. */
static void write_fua(int fd, uint64_t n)
{
	uint32_t block = (uint32_t)(offset_of(n) / SECTOR);
	uint16_t blocks = (uint16_t)(length_of(n) / SECTOR);
	uint8_t cdb[10] = {
		0x2a, 0x08, (uint8_t)(block >> 24), (uint8_t)(block >> 16), (uint8_t)(block >> 8),
		(uint8_t)block, 0, (uint8_t)(blocks >> 8), (uint8_t)blocks, 0,
	};
	struct sg_io_hdr io = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_TO_DEV,
		.cmd_len = sizeof(cdb),
		.cmdp = cdb,
		.dxferp = record,
		.dxfer_len = (unsigned int)length_of(n),
		.timeout = 120000,
	};

	if (ioctl(fd, SG_IO, &io) || io.status || io.host_status || io.driver_status)
		die("WRITE with FUA", n);
}

static void write_and_flush(int fd, uint64_t n)
{
	if (pwrite(fd, record, length_of(n), offset_of(n)) != (ssize_t)length_of(n))
		die("write", n);
	if (fsync(fd))
		die("flush", n);
}

static void write_for_ever(int fd, uint64_t n)
{
	char line[32];
	int len;

	for (;; n++) {
		fill(record, n);
		if (n % 2)
			write_and_flush(fd, n);
		else
			write_fua(fd, n);
		len = snprintf(line, sizeof(line), "safe %" PRIu64 "\n", n);
		if (write(STDOUT_FILENO, line, (size_t)len) != len)
			die("can't say that it is safe", n);
	}
}

/* The record behind the last may have been under way: its place may hold anything. */
static int check(int fd, uint64_t last)
{
	uint64_t first = last + 2 > PLACES ? last + 2 - PLACES : 1, n;

	for (n = first; n <= last; n++) {
		fill(expected, n);
		if (pread(fd, record, length_of(n), offset_of(n)) != (ssize_t)length_of(n))
			die("read", n);
		if (!memcmp(record, expected, length_of(n)))
			continue;
		fprintf(stderr, "sequence: record %" PRIu64 ", which was safe (%s), is lost; the last is %" PRIu64 "\n",
			n, n % 2 ? "flushed" : "FUA", last);
		return 1;
	}
	printf("checked %" PRIu64 "\n", last);
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 4) {
		fprintf(stderr, "sequence: wrong arguments; the source's head has them\n");
		return 2;
	}
	fd = open(argv[2], O_RDWR | O_DIRECT);
	if (fd < 0)
		die(argv[2], 0);
	if (!strcmp(argv[1], "write"))
		write_for_ever(fd, strtoull(argv[3], NULL, 10));
	return check(fd, strtoull(argv[3], NULL, 10));
}
