// SPDX-License-Identifier: MIT
/*
 * Sends one command, or one task management function, over the tests' own SCSI transport
 * and prints how it ends, a line each. Many at once is storm.c's.
 *
 *	fabric send [OPTION]... BYTE...		a CDB, in hexadecimal
 *	fabric abort [-n NEXUS] [-w SECONDS] TAG
 *	fabric lun-reset|target-reset [-n NEXUS] [-w SECONDS]
 *
 *	-o FILE		Data-Out is FILE's bytes
 *	-p BYTES:HEX	Data-Out is so many bytes of that value
 *	-i BYTES	Data-In; with Data-Out: a bidirectional command
 *	-s SHAPE	of the scatter list, as fabric_io.h has them; -S: of Data-In of a
 *			bidirectional command
 *	-f		offsets count from the first page of all
 *	-l BYTES	what the initiator says that the list has; at most what it has
 *	-r FILE		Data-In goes to FILE
 *	-t TAG, -a simple|ordered|head, -n NEXUS, -u LUN
 *	-w SECONDS	how long to wait for the answer; 60
 *	-k		after the answer, wait for the end of stdin, and look at the memory
 *			again
 *
 * Lines:
 *
 *	sent			the target has it
 *	status 0xHH | aborted | tmr complete|no-task|no-lun|not-supported|rejected|failed
 *	sense 0xKEY 0xASC 0xASCQ
 *	residual under|over BYTES
 *	filled BYTES		of Data-In are not what was there before
 *	outside BYTES		that are in no list have changed
 *	changed BYTES		after the answer (-k)
 *	no answer
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabric_io.h"

static const char *const functions[] = {
	[1] = "abort", [5] = "lun-reset", [6] = "target-reset",
};

static const char *const responses[] = {
	"failed", "complete", "no-task", "no-lun", "not-supported", "rejected",
};

static struct fabric fabric;
static struct zcmu_test_request request;
static uint8_t *out_data;
static uint32_t out_bytes, in_bytes, wait_ms = 60000;
static long said_length = -1;
static const char *shape = "one", *in_shape = "one", *in_path;
static bool keeps;

static void usage(void)
{
	fprintf(stderr, "fabric: wrong arguments; the source's head has them\n");
	exit(2);
}

static void die(const char *what)
{
	fprintf(stderr, "fabric: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_out_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		die(path);
	out_bytes = (uint32_t)st.st_size;
	out_data = malloc(out_bytes + 1);
	if (!out_data || read(fd, out_data, out_bytes) != (ssize_t)out_bytes)
		die(path);
	close(fd);
}

static void make_out_data(const char *argument)
{
	char *end;

	out_bytes = (uint32_t)strtoul(argument, &end, 0);
	if (*end != ':')
		usage();
	out_data = malloc(out_bytes + 1);
	if (!out_data)
		die("memory");
	memset(out_data, (int)strtoul(end + 1, NULL, 16), out_bytes);
}

static uint8_t attribute(const char *name)
{
	return !strcmp(name, "ordered") ? ZCMU_TEST_ORDERED :
	       !strcmp(name, "head") ? ZCMU_TEST_HEAD : ZCMU_TEST_SIMPLE;
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+o:p:i:s:S:fl:r:t:a:n:u:w:k")) != -1) {
		switch (option) {
		case 'o': read_out_file(optarg); break;
		case 'p': make_out_data(optarg); break;
		case 'i': in_bytes = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 's': shape = optarg; break;
		case 'S': in_shape = optarg; break;
		case 'f': request.far = 1; break;
		case 'l': said_length = strtol(optarg, NULL, 0); break;
		case 'r': in_path = optarg; break;
		case 't': request.tag = strtoull(optarg, NULL, 0); break;
		case 'a': request.attribute = attribute(optarg); break;
		case 'n': request.nexus = (uint8_t)strtoul(optarg, NULL, 0); break;
		case 'u': request.lun = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'w': wait_ms = (uint32_t)strtoul(optarg, NULL, 0) * 1000; break;
		case 'k': keeps = true; break;
		default: usage();
		}
	}
}

/* Both lists, one behind the other, and a page that belongs to neither. */
static void lay_out(void)
{
	struct fabric_list out = { 0 }, in = { 0 };
	uint32_t behind;

	if (out_data)
		fabric_shape(&out, shape, out_bytes, 0);
	behind = fabric_page_behind(out.end);
	if (in_bytes)
		fabric_shape(&in, out_data ? in_shape : shape, in_bytes, out_data ? behind : 0);
	fabric_open(&fabric, (in.end > out.end ? in.end : out.end) + FABRIC_PAGE);
	fabric.out = out;
	fabric.in = in;
	fabric_fill(&fabric);
	if (out_data)
		fabric_put(&fabric, &fabric.out, out_data);
	fabric_ask(&fabric, &request);
	if (said_length >= 0)
		request.data_length = (uint32_t)said_length;
}

static void say(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void say_sense(const uint8_t *sense)
{
	bool fixed = (sense[0] & 0x7e) == 0x70;

	printf("sense 0x%x 0x%02x 0x%02x\n", sense[fixed ? 2 : 1] & 15, sense[fixed ? 12 : 2],
	       sense[fixed ? 13 : 3]);
}

static void say_data_in(void)
{
	uint8_t *data = malloc(fabric.in.bytes + 1);
	uint32_t i, filled = 0;
	FILE *file;

	if (!data)
		die("memory");
	fabric_get(&fabric, &fabric.in, data);
	for (i = 0; i < fabric.in.bytes; i++)
		filled += data[i] != FABRIC_PATTERN;
	printf("filled %u\n", filled);
	if (in_path) {
		file = fopen(in_path, "w");
		if (!file || fwrite(data, 1, fabric.in.bytes, file) != fabric.in.bytes ||
		    fclose(file))
			die(in_path);
	}
	free(data);
}

static void say_answer(const struct zcmu_test_answer *answer)
{
	size_t outside = fabric_outside(&fabric);

	if (answer->outcome == ZCMU_TEST_TMR)
		printf("tmr %s\n", answer->status < 6 ? responses[answer->status] : "unknown");
	else if (answer->outcome == ZCMU_TEST_ABORTED)
		puts("aborted");
	else
		printf("status 0x%02x\n", answer->status);
	if (answer->outcome == ZCMU_TEST_STATUS && answer->status == 2)
		say_sense(answer->sense);
	if (answer->residual)
		printf("residual %s %u\n", answer->overflow ? "over" : "under", answer->residual);
	if (fabric.in.nr)
		say_data_in();
	if (outside)
		printf("outside %zu\n", outside);
	fflush(stdout);
}

/* The memory is the initiator's again: does anybody else still write to it? */
static void look_again(void)
{
	uint8_t *before = malloc(fabric.bytes);
	size_t i, changed = 0;

	if (!before)
		die("memory");
	memcpy(before, fabric.memory, fabric.bytes);
	while (getchar() != EOF)
		;
	for (i = 0; i < fabric.bytes; i++)
		changed += before[i] != fabric.memory[i];
	printf("changed %zu\n", changed);
	free(before);
}

/* @what is "send" with a CDB, or a task management function */
static void parse_command(const char *what, int argc, char **argv)
{
	uint8_t function;
	int i;

	if (!strcmp(what, "send")) {
		if (argc < 1 || argc > ZCMU_TEST_CDB_MAX)
			usage();
		for (i = 0; i < argc; i++)
			request.cdb[i] = (uint8_t)strtoul(argv[i], NULL, 16);
		return;
	}
	for (function = 1; function < 7; function++) {
		if (functions[function] && !strcmp(functions[function], what))
			break;
	}
	if (function == 7 || argc != (function == 1))
		usage();
	request.tmr = function;
	if (function == 1)
		request.tag = strtoull(argv[0], NULL, 0);
}

int main(int argc, char **argv)
{
	struct zcmu_test_answer answer;

	if (argc < 2)
		usage();
	parse_options(argc - 1, argv + 1);
	parse_command(argv[1], argc - 1 - optind, argv + 1 + optind);
	lay_out();
	fabric_submit(&fabric, &request);
	say("sent");
	if (!fabric_wait(&fabric, &answer, wait_ms)) {
		say("no answer");
		return 1;
	}
	fabric_put_byte(&fabric, &fabric.out, FABRIC_REUSED);
	say_answer(&answer);
	if (keeps)
		look_again();
	return 0;
}
