// SPDX-License-Identifier: MIT
/*
 * Keeps the kernel from unmapping pages of a file, by way of the tests' own transport
 * (tests/fabric), until stdin ends.
 *
 *	hold FILE
 *
 * Lines: "held"; then "awaited" as soon as somebody wants to unmap some.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "zcmu-test-fabric.h"

static void say(const char *line)
{
	puts(line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int fd = open("/dev/zcmu_test_fabric", O_RDWR | O_CLOEXEC);
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct zcmu_test_name name = { { 0 } };
	int awaited = 0;
	char c;

	if (argc != 2 || strlen(argv[1]) >= sizeof(name.name)) {
		fprintf(stderr, "usage: hold FILE\n");
		return 2;
	}
	strcpy(name.name, argv[1]);
	if (fd < 0 || ioctl(fd, ZCMU_TEST_HOLD, &name)) {
		perror(argv[1]);
		return 1;
	}
	say("held");
	for (;;) {
		if (!awaited && ioctl(fd, ZCMU_TEST_IS_AWAITED) == 1) {
			awaited = 1;
			say("awaited");
		}
		if (poll(&in, 1, awaited ? -1 : 20) > 0 && read(STDIN_FILENO, &c, 1) <= 0)
			return 0;
	}
}
