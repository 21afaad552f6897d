// SPDX-License-Identifier: MIT
/*
 * Standard input and outputs of a command: they are open before anything else is opened, and
 * what could not be written to the standard output is no success. Where a process's messages
 * go once it serves is serve/daemon.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "standard.h"
#include "subcommand.h"
#include "zcmu.h"

static bool was_closed[3];

bool standard_was_closed(int fd)
{
	return fd >= 0 && fd <= STDERR_FILENO && was_closed[fd];
}

/*
 * A descriptor that is closed would be the number of the next file that is opened: a store's,
 * a lock's. What takes its place fails as a closed one does: input can't be read, output can't
 * be written, so that whoever prints a result there finds out. Messages alone go nowhere.
 */
int standard_open(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDWR };
	int fd, null;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		null = open("/dev/null", modes[fd]);
		if (null == fd) {
			was_closed[fd] = true;
			continue;
		}
		/* There is nobody to tell if it is about stderr. */
		if (fd < STDERR_FILENO && null < 0)
			fprintf(stderr, "zcmu: descriptor %d is closed, and /dev/null can't be opened: %s\n",
				fd, strerror(errno));
		return null < 0 ? -errno : -EBADF;
	}
	return 0;
}

/*
 * What a store prints, a script's print() say, must not be taken for a result: descriptor 1 is the
 * standard error output from here on, and results go to another that leads where it led.
 */
static FILE *output;

void standard_divert(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	output = fd < 0 ? NULL : fdopen(fd, "w");
	if (output)
		dup2(STDERR_FILENO, STDOUT_FILENO);
}

FILE *standard_output(void)
{
	return output ? output : stdout;
}

/* Nobody reads there any more. */
void standard_close_output(void)
{
	if (output)
		fclose(output);
	output = NULL;
}

/* Close it for whoever reads there; the numbers of the standard ones stay taken. */
void standard_give_up(int fd)
{
	int null;

	if (fd <= STDERR_FILENO) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0) {
			dup2(null, fd);
			if (fd == STDOUT_FILENO && output)
				dup2(null, fileno(output));
			close(null);
		}
	} else {
		close(fd);
	}
}

/* What was to be printed could not be made. */
static int lack;

void standard_lack(int err)
{
	lack = err;
}

/* At the end of a command: what it has printed was written, or its status isn't 0. */
int standard_end(int status)
{
	bool failed = lack || ferror(stdout) || (output && ferror(output));

	errno = 0;
	if ((output && fclose(output)) || fclose(stdout))
		failed = true;
	if (!failed)
		return status;
	/* Also where it fails already: what it has found is what it would have printed. */
	zcmu_error("the standard output can't be written: %s%s",
		   errno || lack ? strerror(errno ? errno : -lack) : "it was cut off",
		   status == EXIT_OK ? "; what was to be done is done, but not told" : "");
	return status == EXIT_OK ? EXIT_FAILED : status;
}
