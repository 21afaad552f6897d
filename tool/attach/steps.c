// SPDX-License-Identifier: MIT
/* What has been made in configfs, to be undone in reverse if a later step fails */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/steps.h"
#include "zcmu.h"

struct step {
	struct step *older;
	bool is_link;
	char path[];
};

static int note(struct steps *steps, const char *path, bool is_link)
{
	struct step *step = malloc(sizeof(*step) + strlen(path) + 1);

	if (!step) {
		if (is_link)
			unlink(path);
		else
			rmdir(path);
		zcmu_error("%s: there is not enough memory to make it", path);
		return -ENOMEM;
	}
	strcpy(step->path, path);
	step->is_link = is_link;
	step->older = steps->newest;
	steps->newest = step;
	return 0;
}

void steps_undo(struct steps *steps)
{
	struct step *step;

	while ((step = steps->newest)) {
		if (step->is_link ? unlink(step->path) : rmdir(step->path))
			zcmu_warning("%s stays behind: %s", step->path, strerror(errno));
		steps->newest = step->older;
		free(step);
	}
}

void steps_forget(struct steps *steps)
{
	struct step *step;

	while ((step = steps->newest)) {
		steps->newest = step->older;
		free(step);
	}
}

int steps_make_folder(struct steps *steps, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	return mkdir(path, 0755) ? -errno : note(steps, path, false);
}

int steps_make_link(struct steps *steps, const char *to, const char *path)
{
	int err;

	if (!symlink(to, path))
		return note(steps, path, true);
	err = -errno;
	zcmu_error("%s: can't link %s to %s: %s", steps->disk, path, to, strerror(-err));
	return err;
}
