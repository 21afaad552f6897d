// SPDX-License-Identifier: MIT
/*
 * An initiator that sends what no initiator should, at random, over the tests' own SCSI
 * transport: CDBs of all kinds, lengths that contradict them, lists of all shapes. The
 * disk holds only the byte D and zeroes, and whatever goes out to it elsewhere is the
 * byte S: so what comes back can be judged.
 *
 *	storm SEED COUNT BLOCKS
 *
 * Ends with "done COUNT good N", or with 1 and what was wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_io.h"
#include "prng.h"

#define MEMORY		(512u << 10)
#define ON_DISK		0x44
#define SECRET		0x53
/* No answer but the disk's blocks is longer. */
#define MAX_REPLY	4096u

static struct fabric fabric;
static struct zcmu_test_request request;
static uint64_t blocks;
static struct prng prng;
static uint8_t data[MEMORY];

static uint32_t below(uint32_t n)
{
	return prng_below(&prng, n);
}

/* REPORT LUNS and reservations are the target core's own. */
static bool is_the_cores(uint8_t opcode)
{
	switch (opcode) {
	case 0xa0: case 0x5e: case 0x5f: case 0x16: case 0x17: case 0x56: case 0x57:
		return true;
	default:
		return false;
	}
}

/* What a disk knows, more or less */
static const uint8_t known[] = {
	0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1d, 0x1e, 0x25, 0x28, 0x2a, 0x2e, 0x2f,
	0x34, 0x35, 0x37, 0x41, 0x42, 0x4d, 0x53, 0x55, 0x5a, 0x7f, 0x83, 0x84, 0x88, 0x89, 0x8a,
	0x8b, 0x8e, 0x8f, 0x90, 0x91, 0x93, 0x9c, 0x9e, 0xa3, 0xa8, 0xaa, 0xae, 0xaf, 0xb7,
};

static bool is_read(uint8_t opcode)
{
	return opcode == 0x08 || opcode == 0x28 || opcode == 0xa8 || opcode == 0x88;
}

/* Could it, if it is right, bring its payload onto the disk? */
static bool may_write(uint8_t opcode)
{
	switch (opcode) {
	case 0x0a: case 0x2a: case 0x2e: case 0x41: case 0x53: case 0x7f: case 0x89: case 0x8a:
	case 0x8b: case 0x8e: case 0x93: case 0x9c: case 0xaa: case 0xae:
		return true;
	default:
		return false;
	}
}

static void put(uint8_t *p, int bytes, uint64_t value)
{
	while (bytes--) {
		p[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t random_lba(void)
{
	switch (below(6)) {
	case 0: return 0;
	case 1: return blocks - 1;
	case 2: return blocks;
	case 3: return blocks - below(300);
	case 4: return prng_next(&prng);
	default: return below((uint32_t)blocks);
	}
}

static uint32_t random_length(void)
{
	static const uint32_t lengths[] = {
		0, 1, 3, 8, 511, 512, 513, 4095, 4096, 4097, 32768, 65536, 65537, 131072,
	};

	return lengths[below(sizeof(lengths) / sizeof(*lengths))];
}

/* @bytes: of the payload; the CDB says so, or not. */
static void make_cdb(uint32_t bytes)
{
	uint64_t lba = random_lba();
	uint32_t number = below(4) ? bytes / 512 : below(3) ? below(300) :
			  (uint32_t)prng_next(&prng);
	uint8_t *cdb = request.cdb;
	int i;

	for (i = 0; i < ZCMU_TEST_CDB_MAX; i++)
		cdb[i] = below(3) ? 0 : (uint8_t)prng_next(&prng);
	do {
		cdb[0] = below(4) ? known[below(sizeof(known))] : (uint8_t)prng_next(&prng);
	} while (is_the_cores(cdb[0]));
	if (below(3))
		cdb[1] = 0;
	switch (cdb[0] >> 5) {
	case 0:
		if (below(2))
			put(cdb + 4, 1, cdb[0] == 0x12 || cdb[0] == 0x1a ? bytes : number);
		break;
	case 1:
	case 2:
		put(cdb + 2, 4, lba);
		put(cdb + 7, 2, cdb[0] == 0x5a ? bytes : number);
		break;
	case 4:
		if (below(4) && (cdb[0] == 0x9e || cdb[0] == 0x83))
			break;
		put(cdb + 2, 8, lba);
		put(cdb + 10, 4, number);
		break;
	case 5:
		put(cdb + 2, 4, lba);
		put(cdb + 6, 4, number);
		break;
	}
	/* The control byte is the last one, and not 0 is nearly always an error. */
	cdb[cdb[0] < 0x20 ? 5 : cdb[0] < 0x60 ? 9 : cdb[0] < 0xa0 ? 15 : 11] = 0;
}

static const char *random_shape(uint32_t bytes)
{
	static const char *const shapes[] = {
		"one", "shifted", "pages", "straddle", "sectors", "bytes",
	};

	/* That many single bytes take their time. */
	return shapes[below(bytes > 8192 ? 5 : 6)];
}

static void make_request(void)
{
	uint32_t out_bytes = 0, in_bytes = 0, bytes = random_length();

	memset(&request, 0, sizeof(request));
	make_cdb(bytes);
	switch (below(8)) {
	case 0: break;
	case 1: out_bytes = bytes; in_bytes = random_length(); break;
	case 2: case 3: case 4: out_bytes = bytes; break;
	default: in_bytes = bytes;
	}
	/* Mostly as a READ should, and the others */
	if (below(8) && is_read(request.cdb[0])) {
		out_bytes = 0;
		in_bytes = bytes;
	}
	fabric_list_free(&fabric.out);
	fabric_list_free(&fabric.in);
	if (out_bytes)
		fabric_shape(&fabric.out, random_shape(out_bytes), out_bytes, 0);
	if (in_bytes)
		fabric_shape(&fabric.in, random_shape(in_bytes), in_bytes,
			     fabric_page_behind(fabric.out.end));
	fabric_ask(&fabric, &request);
	request.far = below(2);
	request.attribute = (uint8_t)below(3);
	request.nexus = (uint8_t)below(ZCMU_TEST_NEXUSES);
	request.tag = prng_next(&prng);
	if (!below(8))
		request.data_length = below(request.data_length + 1);
	fabric_fill(&fabric);
	fabric_put_byte(&fabric, &fabric.out, may_write(request.cdb[0]) ? ON_DISK : SECRET);
}

static void bad(const char *what, uint32_t value)
{
	int i;

	printf("storm: %s %u; direction %u, length %u of %u and %u, CDB", what, value,
	       request.direction, request.data_length, fabric.out.bytes, fabric.in.bytes);
	for (i = 0; i < 16; i++)
		printf(" %02x", request.cdb[i]);
	putchar('\n');
	exit(1);
}

static void check_status(const struct zcmu_test_answer *answer)
{
	uint8_t code = answer->sense[0] & 0x7f;

	if (answer->outcome != ZCMU_TEST_STATUS)
		bad("outcome", answer->outcome);
	switch (answer->status) {
	case 0x00: case 0x08: case 0x28:
		break;
	case 0x02:
		if (code != 0x70 && code != 0x72)
			bad("sense data begins with", answer->sense[0]);
		break;
	default:
		bad("status", answer->status);
	}
}

static void check_data_in(bool good)
{
	bool is_disks = is_read(request.cdb[0]);
	uint32_t i, run = 0;

	fabric_get(&fabric, &fabric.in, data);
	for (i = 0; i < fabric.in.bytes; i++) {
		bool disk_or_nothing = data[i] == 0 || data[i] == ON_DISK;
		bool untouched = data[i] == FABRIC_PATTERN;

		run = data[i] == SECRET ? run + 1 : 0;
		if (run == 8)
			bad("Data-In shows Data-Out of another command at", i);
		if ((is_disks || i >= MAX_REPLY) && !disk_or_nothing && !untouched)
			bad("Data-In shows foreign bytes at", i);
		/* A READ that ended well has all that it asked for. */
		if (is_disks && good && untouched && i < request.data_length &&
		    request.direction == ZCMU_TEST_IN)
			bad("a good READ left untouched byte", i);
	}
}

int main(int argc, char **argv)
{
	struct zcmu_test_answer answer;
	uint32_t i, count, good = 0;

	if (argc != 4) {
		fprintf(stderr, "storm: wrong arguments; the source's head has them\n");
		return 2;
	}
	prng.state = strtoull(argv[1], NULL, 0);
	count = (uint32_t)strtoul(argv[2], NULL, 0);
	blocks = strtoull(argv[3], NULL, 0);
	fabric_open(&fabric, 2 * MEMORY);
	for (i = 0; i < count; i++) {
		make_request();
		fabric_submit(&fabric, &request);
		if (!fabric_wait(&fabric, &answer, 100000))
			bad("no answer to command", i);
		check_status(&answer);
		check_data_in(!answer.status);
		if (fabric_outside(&fabric))
			bad("bytes outside the lists have changed:", (uint32_t)fabric_outside(&fabric));
		good += !answer.status;
	}
	printf("done %u good %u\n", count, good);
	fabric_close(&fabric);
	return 0;
}
