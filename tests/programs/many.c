// SPDX-License-Identifier: MIT
/*
 * Sends one CDB very often over the tests' own SCSI transport, many at a time.
 *
 *	many COUNT BYTES BYTE...	Data-In of so many bytes; the CDB in hexadecimal
 *
 * Says "answered COUNT", or 1 and which command got another status than GOOD.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fabric_io.h"

#define AT_A_TIME	64u
#define WAIT_MS		60000u

static struct fabric fabrics[AT_A_TIME];
static struct zcmu_test_request request;

static void wait_for(struct fabric *fabric, uint32_t number)
{
	struct zcmu_test_answer answer;

	if (!fabric_wait(fabric, &answer, WAIT_MS)) {
		printf("no answer to command %u\n", number);
		exit(1);
	}
	if (answer.outcome != ZCMU_TEST_STATUS || answer.status) {
		printf("status 0x%02x of command %u\n", answer.status, number);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	uint32_t count, bytes, sent = 0, answered = 0, i;

	if (argc < 4 || argc - 3 > ZCMU_TEST_CDB_MAX) {
		fprintf(stderr, "many: wrong arguments; the source's head has them\n");
		return 2;
	}
	count = (uint32_t)strtoul(argv[1], NULL, 0);
	bytes = (uint32_t)strtoul(argv[2], NULL, 0);
	for (i = 3; i < (uint32_t)argc; i++)
		request.cdb[i - 3] = (uint8_t)strtoul(argv[i], NULL, 16);
	for (i = 0; i < AT_A_TIME; i++) {
		fabric_open(&fabrics[i], bytes + FABRIC_PAGE);
		fabric_shape(&fabrics[i].in, "one", bytes, 0);
	}
	fabric_ask(&fabrics[0], &request);
	while (answered < count) {
		for (; sent < count && sent < answered + AT_A_TIME; sent++)
			fabric_submit(&fabrics[sent % AT_A_TIME], &request);
		for (; answered < sent; answered++)
			wait_for(&fabrics[answered % AT_A_TIME], answered);
	}
	printf("answered %u\n", answered);
	return 0;
}
