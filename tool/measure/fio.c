// SPDX-License-Identifier: MIT
/* Runs fio, and reads the needed figures from its JSON. Only zcmu bench needs fio installed. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure/fio.h"
#include "measure/interrupt.h"
#include "zcmu.h"

#define NOT_FOUND	127

static void exec_fio(const char *const argv[], int output_fd)
{
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(NOT_FOUND);
}

/* ^C reaches fio as well, and ends it. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (interrupt_came())
		return -EINTR;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
		zcmu_error("fio is not installed, which makes the load: apt-get install fio");
		return -ENOENT;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/* Read all of its output to @output, which the caller frees. */
static int run(const char *const argv[], char **output)
{
	int fd = memfd_create("fio", MFD_CLOEXEC), err;
	struct stat st;
	ssize_t n;
	pid_t pid;

	*output = NULL;
	if (fd < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (!pid)
		exec_fio(argv, fd);
	err = pid < 0 ? -errno : wait_for(pid);
	if (!fstat(fd, &st))
		*output = calloc(1, (size_t)st.st_size + 1);
	n = *output ? pread(fd, *output, (size_t)st.st_size, 0) : -1;
	close(fd);
	if (!err && n < 0)
		err = -EIO;
	return err;
}

/* Is fio installed? "fio-3.33" */
int fio_version(char *version, size_t size)
{
	const char *const argv[] = { "fio", "--version", NULL };
	char *output;
	int err = run(argv, &output);

	if (!err)
		snprintf(version, size, "%.*s", (int)strcspn(output, "\n"), output);
	else if (err != -ENOENT && err != -EINTR)
		zcmu_error("fio --version fails: %s", output ? output : strerror(-err));
	free(output);
	return err;
}

static struct json_object *get(struct json_object *object, const char *name)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(object, name, &member);
	return member;
}

/* The first job's reads or writes; all jobs are reported in it */
static int parse(const char *output, const char *rw, struct fio_result *ret)
{
	/* Remarks may precede the JSON. */
	const char *text = strchr(output, '{');
	struct json_object *all = text ? json_tokener_parse(text) : NULL;
	struct json_object *jobs = get(all, "jobs"), *job = NULL, *side;
	int err = -EPROTO;

	if (json_object_is_type(jobs, json_type_array))
		job = json_object_array_get_idx(jobs, 0);
	side = get(job, rw);
	if (side && !json_object_get_int(get(job, "error"))) {
		ret->mib = json_object_get_double(get(side, "bw_bytes")) / (1 << 20);
		ret->ios = json_object_get_uint64(get(side, "total_ios"));
		err = ret->ios ? 0 : -ENODATA;
	}
	json_object_put(all);
	return err;
}

int fio_run(const struct fio_job *job, const char *device, struct fio_result *ret)
{
	char filename[64], rw[32], bytes[32], jobs[32], depth[32], runtime[32];
	const char *const argv[] = {
		"fio", "--name=bench", filename, rw, bytes, jobs, depth, runtime, "--time_based",
		"--direct=1", "--ioengine=libaio", "--thread", "--group_reporting",
		"--output-format=json", NULL
	};
	char *output;
	int err;

	snprintf(filename, sizeof(filename), "--filename=%s", device);
	snprintf(rw, sizeof(rw), "--rw=%s", job->rw);
	snprintf(bytes, sizeof(bytes), "--bs=%" PRIu32, job->bytes);
	snprintf(jobs, sizeof(jobs), "--numjobs=%u", job->jobs);
	snprintf(depth, sizeof(depth), "--iodepth=%u", job->depth);
	snprintf(runtime, sizeof(runtime), "--runtime=%u", job->seconds);
	err = run(argv, &output);
	if (!err)
		err = parse(output, job->rw, ret);
	if (err && err != -EINTR && err != -ENOENT)
		zcmu_error("fio on %s fails: %s", device,
			   output && *output ? output : strerror(-err));
	free(output);
	return err;
}
