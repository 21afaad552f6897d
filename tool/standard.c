// SPDX-License-Identifier: MIT
/*
 * Standard input and outputs of a command. They are opened before anything else. A command whose
 * output could not be written fails. The destination of a serving process's messages is in
 * serve/daemon.c.
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
 * The number of a closed descriptor would be used for the next file that is opened: a store's, a
 * lock's. The replacement fails as a closed one does: input can't be read, output can't be written,
 * so that printing a result fails visibly. Only messages are dropped.
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
		/* If it is stderr, there is nobody to tell. */
		if (fd < STDERR_FILENO && null < 0)
			fprintf(stderr, "zcmu: descriptor %d is closed, and /dev/null can't be opened: %s\n",
				fd, strerror(errno));
		return null < 0 ? -errno : -EBADF;
	}
	return 0;
}

/*
 * Output of a store, for example a script's print(), must not be taken for a result. From here on
 * descriptor 1 is the standard error output, and results go to another descriptor with the old
 * destination.
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

/* Close it for its reader; the number of the standard descriptor stays in use. */
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

/* A part of the output could not be made. */
static int lack;

void standard_lack(int err)
{
	lack = err;
}

/* At the end of a command: if its output wasn't written, its status isn't 0. */
int standard_end(int status)
{
	bool failed = lack || ferror(stdout) || (output && ferror(output));

	errno = 0;
	if ((output && fclose(output)) || fclose(stdout))
		failed = true;
	if (!failed)
		return status;
	/* Also if it has failed already: the output could have told what it found. */
	zcmu_error("the standard output can't be written: %s%s",
		   errno || lack ? strerror(errno ? errno : -lack) : "it was cut off",
		   status == EXIT_OK ? "; the work is done, but its output is lost" : "");
	return status == EXIT_OK ? EXIT_FAILED : status;
}
