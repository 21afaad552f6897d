// SPDX-License-Identifier: MIT
/*
 * qcow2: an image of QEMU's, with its snapshots and backing files. qemu-nbd is started as by the
 * store exec; it locks the image, so that nobody else writes to it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"
#include "../nbd/nbd.h"

#define MAX_CONNECTIONS	64	/* each of the disk's threads has one, and resizing */

struct qcow2_options {
	uint64_t give_up;
	uint32_t cache, detect_zeroes, backing_format;
	char *backing, *snapshot;
};

static const char *const caches[] = { "writeback", "none", "directsync", "writethrough" };
static const char *const detections[] = { "off", "on", "unmap" };
static const char *const formats[] = { "qcow2", "raw" };

static const struct zcmu_option qcow2_options[] = {
	{ .name = "backing", .value = "FILE", .summary = "a new image is on top of that one",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct qcow2_options, backing) },
	{ .name = "backing-format", .value = "qcow2|raw", .summary = "of that one",
	  .standard = "qcow2",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct qcow2_options, backing_format) },
	{ .name = "cache", .value = "writeback|none|directsync|writethrough",
	  .summary = "of qemu-nbd", .standard = "writeback",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct qcow2_options, cache) },
	{ .name = "detect-zeroes", .value = "off|on|unmap", .summary = "among what is written",
	  .standard = "off",
	  .type = ZCMU_OPTION_CHOICE, .offset = offsetof(struct qcow2_options, detect_zeroes) },
	{ .name = "give-up", .value = "SECONDS", .summary = "without qemu-nbd; 0: never",
	  .standard = NBD_DEFAULT_GIVE_UP, .max = 86400,
	  .type = ZCMU_OPTION_NUMBER, .offset = offsetof(struct qcow2_options, give_up) },
	{ .name = "snapshot", .value = "NAME", .summary = "of the image's, read-only",
	  .type = ZCMU_OPTION_TEXT, .offset = offsetof(struct qcow2_options, snapshot) },
	{ 0 }
};

/* qemu-img creates the image. It says what is wrong on our stderr, and so must we. */
static int run(const char *file, const struct words *words)
{
	extern char **environ;
	int status, err = words->error;
	pid_t pid;

	if (!err)
		err = -posix_spawnp(&pid, words->list[0], NULL, NULL, words->list, environ);
	if (err) {
		zcmu_error("qcow2:%s: can't run qemu-img, which creates it: %s; is the package qemu-utils installed?",
			   file, strerror(-err));
		return err;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	zcmu_error("qcow2:%s: qemu-img can't create it; it has said why", file);
	return -EIO;
}

/* A name with a colon would be a protocol's to QEMU. */
static const char *folder_of(const char *file)
{
	return *file == '/' ? "" : "./";
}

/* The image is complete before it has its name, and takes nobody else's. */
static int create_as(const char *made, struct zcmu_store *store, const char *file,
		     const struct qcow2_options *options)
{
	struct words words = { 0 };
	int err;

	words_add(&words, "qemu-img");
	words_add(&words, "create");
	words_add(&words, "-q");
	words_add(&words, "-f");
	words_add(&words, "qcow2");
	if (options->backing) {
		words_add(&words, "-b");
		words_add(&words, "%s", options->backing);
		words_add(&words, "-F");
		words_add(&words, "%s", formats[options->backing_format]);
	}
	words_add(&words, "--");
	words_add(&words, "%s%s", folder_of(made), made);
	if (store->create_size)
		words_add(&words, "%" PRIu64, store->create_size);
	err = run(file, &words);
	words_free(&words);
	if (!err && renameat2(AT_FDCWD, made, AT_FDCWD, file, RENAME_NOREPLACE)) {
		err = -errno;
		zcmu_error("qcow2:%s: can't give the new image its name: %s", file, strerror(-err));
	}
	if (err)
		unlink(made);
	return err;
}

static int create(struct zcmu_store *store, const char *file, const struct qcow2_options *options)
{
	char *made;
	int err;

	if (asprintf(&made, "%s.%d.new", file, (int)getpid()) < 0)
		return -ENOMEM;
	err = create_as(made, store, file, options);
	free(made);
	return err;
}

/*
 * Has the image that backing file? (QEMU's docs/interop/qcow2.txt: magic, version, where its name
 * is, and how long that is) Return: 1, 0, or -errno
 */
static int has_backing(const char *file, const char *backing)
{
	struct {
		uint32_t magic, version;
		uint64_t at;
		uint32_t len;
	} __attribute__((packed)) header;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t len = strlen(backing);
	char name[1024];
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
	    be32toh(header.magic) == 0x514649fb && be64toh(header.at) &&
	    be32toh(header.len) == len && len < sizeof(name) &&
	    pread(fd, name, len, (off_t)be64toh(header.at)) == (ssize_t)len)
		ret = !memcmp(name, backing, len);
	close(fd);
	return ret;
}

/* It may be the second time that the disk is served. Errors are reported. */
static int check_backing(const char *file, const char *backing)
{
	int ret = has_backing(file, backing);

	if (ret == 1)
		return 0;
	if (!ret)
		zcmu_error("qcow2:%s: it is there, and %s isn't its backing file; the option backing is for a new image",
			   file, backing);
	else
		zcmu_error("qcow2:%s: can't look for its backing file: %s", file, strerror(-ret));
	return ret ?: -EEXIST;
}

/* Errors are reported. */
static int look_for(const char *file, bool *exists)
{
	int err = access(file, F_OK) ? -errno : 0;

	*exists = !err;
	if (!err || err == -ENOENT)
		return 0;
	zcmu_error("qcow2:%s: can't tell whether it is there: %s", file, strerror(-err));
	return err;
}

static int check(const struct zcmu_store *store, const char *file, bool exists,
		 const struct qcow2_options *options)
{
	if (!*file) {
		zcmu_error("qcow2: which image? Say qcow2:FILE");
		return -EINVAL;
	}
	if (options->snapshot && !store->read_only) {
		zcmu_error("qcow2:%s: a snapshot can't be written to: add --read-only", file);
		return -EROFS;
	}
	if (options->backing && exists)
		return check_backing(file, options->backing);
	if (!exists && !options->backing && !store->create_size) {
		zcmu_error("qcow2:%s: there is no such image; to create it, say how large it is: --size SIZE",
			   file);
		return -ENOENT;
	}
	return 0;
}

static void add_options(struct words *words, const struct zcmu_store *store, const char *file,
			const struct qcow2_options *options)
{
	words_add(words, "qemu-nbd");
	words_add(words, "--persistent");
	words_add(words, "--shared=%d", MAX_CONNECTIONS);
	words_add(words, "--format=qcow2");
	words_add(words, "--cache=%s", caches[options->cache]);
	words_add(words, "--discard=unmap");
	words_add(words, "--detect-zeroes=%s", detections[options->detect_zeroes]);
	if (options->snapshot)
		words_add(words, "--load-snapshot=%s", options->snapshot);
	if (store->read_only)
		words_add(words, "--read-only");
	words_add(words, "--");
	words_add(words, "%s%s", folder_of(file), file);
}

static int qcow2_open(struct zcmu_store *store, const char *file)
{
	const struct qcow2_options *options = store->options;
	const struct exec_start how = { .give_up = options->give_up };
	struct words words = { 0 };
	bool exists;
	int err = look_for(file, &exists);

	if (!err)
		err = check(store, file, exists, options);
	if (!err && !exists)
		err = create(store, file, options);
	if (err)
		return err;
	add_options(&words, store, file, options);
	return exec_start(store, file, &words, &how);
}

const struct zcmu_store_ops zcmu_store_plugin = {
	.abi = ZCMU_STORE_ABI,
	.size = sizeof(zcmu_store_plugin),
	.store_size = sizeof(struct zcmu_store),
	.name = "qcow2",
	.usage = "qcow2:FILE",
	.summary = "an image of QEMU's, by qemu-nbd",
	.flags = EXEC_FLAGS,
	.open = qcow2_open,
	.identity = exec_image_identity,
	NBD_STORE_CALLBACKS,
	.options = qcow2_options,
	.options_size = sizeof(struct qcow2_options),
};
