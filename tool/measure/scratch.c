// SPDX-License-Identifier: MIT
/*
 * A disk for measurements that nobody else uses. "zcmu serve" serves it in a child, so that the
 * measured path is the one that users have. The child gets SIGTERM when this process ends, in any
 * way, and removes the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "measure/interrupt.h"
#include "measure/scratch.h"
#include "module.h"
#include "subcommand.h"
#include "zcmu.h"

/* Runs in the child: it has its own process group, so that only the parent handles ^C. */
static void exec_serve(const struct scratch *scratch, const char *spec, unsigned int threads,
		       int ready_fd, pid_t parent)
{
	char threads_text[16], fd_text[16];
	const char *const argv[] = {
		"zcmu", "serve", "--name", scratch->name, "--serial", scratch->name,
		"--threads", threads_text, "--ready-fd", fd_text, spec, NULL
	};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(threads_text, sizeof(threads_text), "%u", threads);
	snprintf(fd_text, sizeof(fd_text), "%d", ready_fd);
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || null < 0)
		_exit(EXIT_FAILED);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(scratch->said_fd, STDERR_FILENO);
	fcntl(ready_fd, F_SETFD, 0);
	execv("/proc/self/exe", (char *const *)argv);
	fprintf(stderr, "zcmu: can't run zcmu serve: %s\n", strerror(errno));
	_exit(EXIT_FAILED);
}

/* The child's messages are printed only if something went wrong. */
static void show_what_it_said(const struct scratch *scratch)
{
	char text[512];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(scratch->said_fd, text, sizeof(text), at)) > 0) {
		fwrite(text, 1, (size_t)n, stderr);
		at += n;
	}
}

/* Its /dev/sdX, once it exists. */
static int await_device(struct scratch *scratch, int ready_fd)
{
	ssize_t n = read(ready_fd, scratch->device, sizeof(scratch->device) - 1);

	if (n < 0)
		return -errno;
	scratch->device[n] = '\0';
	scratch->device[strcspn(scratch->device, "\n")] = '\0';
	return n ? 0 : -ECHILD;
}

static int start_child(struct scratch *scratch, const char *spec, unsigned int threads)
{
	pid_t parent = getpid();
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC)) {
		err = -errno;
		zcmu_error("can't make a pipe: %s", strerror(-err));
		return err;
	}
	scratch->pid = fork();
	if (!scratch->pid)
		exec_serve(scratch, spec, threads, fds[1], parent);
	close(fds[1]);
	if (scratch->pid < 0) {
		err = -errno;
		scratch->pid = 0;
		zcmu_error("can't make a process for the disk: %s", strerror(-err));
	} else {
		err = await_device(scratch, fds[0]);
	}
	close(fds[0]);
	return err;
}

/* Requests arrive as they are made: not merged, not reordered. */
static int quiet_queue(const char *device)
{
	const char *name = device + strlen("/dev/");
	int err = attribute_write("none", "/sys/block/%s/queue/scheduler", name);

	return err ? err : attribute_write("2", "/sys/block/%s/queue/nomerges", name);
}

int scratch_open(const char *purpose, const char *spec, unsigned int threads,
		 struct scratch *ret)
{
	int err = module_prepare(true);

	*ret = (struct scratch){ .pid = 0 };
	if (err)
		return err;
	snprintf(ret->name, sizeof(ret->name), "zcmu-%s-%d", purpose, (int)getpid());
	ret->said_fd = memfd_create(ret->name, MFD_CLOEXEC);
	if (ret->said_fd < 0) {
		err = -errno;
		zcmu_error("no memory for a log: %s", strerror(-err));
		return err;
	}
	err = start_child(ret, spec, threads);
	if (!err)
		err = backstore_find(ret->name, &ret->backstore);
	if (!err)
		err = quiet_queue(ret->device);
	if (!err)
		return 0;
	if (!interrupt_came())
		zcmu_error("there is no disk to measure on");
	scratch_close(ret);
	return err;
}

/* The child removes its disk. */
int scratch_close(struct scratch *scratch)
{
	int status = 0, err = 0;

	if (scratch->pid) {
		kill(scratch->pid, SIGTERM);
		while (waitpid(scratch->pid, &status, 0) < 0 && errno == EINTR)
			;
		scratch->pid = 0;
	}
	if (status) {
		show_what_it_said(scratch);
		err = -ECHILD;
	}
	close(scratch->said_fd);
	return err;
}

int scratch_set(const struct scratch *scratch, const char *attribute, unsigned int value)
{
	char path[PATH_MAX], text[16];

	backstore_path(&scratch->backstore, path, sizeof(path));
	snprintf(text, sizeof(text), "%u", value);
	return attribute_write(text, "%s/attrib/%s", path, attribute);
}
