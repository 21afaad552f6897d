// SPDX-License-Identifier: MIT
/*
 * One WRITE(10) or READ(10) whose initiator has nearly 4 GiB for it: the same 4 MiB again and
 * again, over the tests' own transport.
 *
 *	huge out|in
 *
 * Lines: "status 0xHH", and "sense 0xKEY 0xASC 0xASCQ" if there is some.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_io.h"

#define SEGMENTS	1024u
#define BYTES		(4u << 20)
#define LESS		4096u	/* 2^32 wouldn't fit */

int main(int argc, char **argv)
{
	static struct zcmu_test_request request;
	struct zcmu_test_answer answer;
	struct fabric fabric;
	struct fabric_list list = {
		.segments = calloc(SEGMENTS, sizeof(*list.segments)),
		.nr = SEGMENTS, .bytes = 0u - LESS, .end = BYTES,
	};
	int out = argc == 2 && !strcmp(argv[1], "out");
	unsigned int i;

	if (!list.segments || argc != 2)
		return 2;
	for (i = 0; i < SEGMENTS; i++)
		list.segments[i].length = i ? BYTES : BYTES - LESS;
	fabric_open(&fabric, BYTES);
	if (out)
		fabric.out = list;
	else
		fabric.in = list;
	fabric_ask(&fabric, &request);
	request.cdb[0] = out ? 0x2a : 0x28;
	request.cdb[8] = 8;
	fabric_submit(&fabric, &request);
	if (!fabric_wait(&fabric, &answer, 60000)) {
		puts("no answer");
		return 1;
	}
	printf("status 0x%02x\n", answer.status);
	if (answer.status == 2)
		printf("sense 0x%x 0x%02x 0x%02x\n", answer.sense[2] & 15, answer.sense[12],
		       answer.sense[13]);
	return 0;
}
